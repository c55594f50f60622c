"""Kernel texts of this package, and their NumPy references."""
