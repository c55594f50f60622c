"""The volume integral equation of a body."""
