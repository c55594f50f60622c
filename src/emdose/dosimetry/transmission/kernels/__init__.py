"""Kernels of Q-matrices: which of many matrices another one bounds."""
