"""Bodies between closed surfaces from files."""
