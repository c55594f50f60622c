"""Grids with finer cells where metal is: steps between planes, planes around implants, and fields on voxels again."""
