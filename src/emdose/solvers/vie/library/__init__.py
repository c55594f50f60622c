"""Answers of a body to currents in a region of it, kept for any metal that is put there."""
