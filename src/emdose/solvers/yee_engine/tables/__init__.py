"""A problem as arrays for the kernels: the lattice in memory, absorbing layers, and what acts on single edges."""
