"""Readers and writers of voxel bodies, label maps and tissue tables."""
