"""Files about moving beside a magnet: maps of its field, and poses over time."""
