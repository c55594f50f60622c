"""A body's answers to incident fields, kept for any coil outside of a cylinder."""
