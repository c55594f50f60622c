"""Stencils and pair sums: one ``.cuh`` text per kernel for both devices, and beside it its NumPy twin."""
