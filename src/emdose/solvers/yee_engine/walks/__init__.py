"""How a device walks the lattice: rows in blocks of space and time on a CPU, cells or one pass on a GPU."""
