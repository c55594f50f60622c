"""Eddy currents on voxels: branches, inductance, modes."""
