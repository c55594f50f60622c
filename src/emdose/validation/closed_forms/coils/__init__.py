"""Loops, dipoles, ladders and matching networks."""
