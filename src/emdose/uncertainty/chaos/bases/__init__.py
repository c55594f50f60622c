"""Which terms a chaos has, and their values: polynomials of a law, their products, the choice among them."""
