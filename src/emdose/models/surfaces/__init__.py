"""Bodies of piecewise constant tissue between closed triangle surfaces."""
