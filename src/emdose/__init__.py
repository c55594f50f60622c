"""emdose."""
