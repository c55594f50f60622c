"""Fields and eddy currents at low frequency, in metal and in small bodies."""
