"""Currents in a voxel body at low frequencies: one scalar potential, conjugate gradients with multigrid."""
