"""The bioheat equation: steps in time, steady state, temperatures of all directions."""
