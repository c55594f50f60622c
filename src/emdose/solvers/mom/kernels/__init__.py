"""Kernel texts of the method of moments and their NumPy references."""
