"""Eddy currents in metal: the solver, its plan and its engines."""
