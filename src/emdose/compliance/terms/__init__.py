"""What limits are written in: formulas of a few variables, and values that users read in their own copies."""
