"""What commands tell while they compute."""
