"""Bounds of several sets of matrices: bodies, positions, and the samples of a study."""
