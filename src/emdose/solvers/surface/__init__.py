"""Boundary elements on triangles: charges and currents."""
