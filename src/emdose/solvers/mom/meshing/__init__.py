"""Triangles and pieces of wire of the metal of a circuit coil, with the gaps that cut it."""
