"""Insulated wires in a lossy medium, and what leaves their tips."""
