"""Exposure by whole sequences: pulses, windows in time, and what they deposit."""
