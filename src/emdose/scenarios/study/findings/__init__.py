"""What follows from the samples of a study: budgets, peaks of maps, the polynomial beside the model."""
