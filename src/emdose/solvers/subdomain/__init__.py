"""Implants on a fine grid of their own, in the field of a body that was solved once."""
