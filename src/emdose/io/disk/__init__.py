"""Whole files: atomic writes, HDF5, checkpoints, addresses of data sets."""
