"""Files of leads: measured and computed transfer functions."""
