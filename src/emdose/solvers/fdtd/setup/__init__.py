"""An exposure as problems for the engine: options, cells, grading, the circuit of the coil, and what a run takes."""
