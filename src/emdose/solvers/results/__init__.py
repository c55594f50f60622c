"""What comes back from solvers: fields, power tensors."""
