"""Finite differences in time for exposures: bodies and coils on the time-stepping engine."""
