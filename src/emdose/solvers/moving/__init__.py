"""Bodies that move through a static field: a few motions are solved for, every other one is their sum."""
