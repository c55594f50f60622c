"""Kernels of averages of induced fields, and their NumPy references."""
