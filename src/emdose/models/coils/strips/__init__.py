"""Arrays of strips along z: dipoles, and microstrips above a ground."""
