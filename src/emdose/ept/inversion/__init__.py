"""Contrast source inversion: the whole field problem turned round."""
