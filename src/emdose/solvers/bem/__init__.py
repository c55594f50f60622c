"""Fields induced in bodies between closed surfaces, by charges on them."""
