"""What exists: grids, tissues, bodies, coils, and the exposure that ties them together."""
