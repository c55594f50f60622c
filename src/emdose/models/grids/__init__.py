"""Where voxels lie: equal steps and graded ones."""
