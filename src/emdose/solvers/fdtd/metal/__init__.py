"""Implants in an FDTD: on which edges and faces they lie, the cells around them, and fields beside them."""
