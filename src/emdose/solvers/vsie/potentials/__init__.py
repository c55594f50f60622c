"""Fields of the currents in metal: on the lattice of the body, on the whole grid, and far away."""
