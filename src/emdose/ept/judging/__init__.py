"""How good a map is: metrics against a reference, Monte Carlo of the noise."""
