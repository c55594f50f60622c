"""Method of moments for thin metal: currents on triangles and wires, their charges, and the gaps that drive them."""
