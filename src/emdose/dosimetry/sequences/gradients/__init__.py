"""What the gradients of a whole sequence do: nerves, and metal that is implanted."""
