"""What is read from induced electric fields: percentiles, averages over small cubes and along short lines."""
