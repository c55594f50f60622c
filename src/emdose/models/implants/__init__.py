"""Metal parts: surfaces, metals, shapes, voxels."""
