"""Solved transmit coils, as kinds of scenario hand them on."""
