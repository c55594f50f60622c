"""Ports and elements: networks, circuits, their modes, matching and tuning; algebra on matrices, no fields."""
