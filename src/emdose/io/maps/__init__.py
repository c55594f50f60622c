"""Readers and writers of maps: B1+, properties, volumes, VTK."""
