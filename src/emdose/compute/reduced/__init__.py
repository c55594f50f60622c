"""A reduced basis: solutions of one family of linear systems as the start, or the answer, of the next."""
