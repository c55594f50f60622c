"""Local methods: polynomial fits in windows, the Helmholtz quotient, and their noise."""
