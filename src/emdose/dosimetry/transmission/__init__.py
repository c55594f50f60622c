"""Quadratic forms of many-channel drives."""
