"""Waves in free space, guides, slabs, cylinders and spheres."""
