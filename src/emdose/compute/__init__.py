"""Devices, kernels and linear algebra; no physics."""
