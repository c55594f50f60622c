"""A matrix of cases, implants x fields x sequences x regions: solved once per implant, the rest is algebra."""

from emdose.scenarios.sweep.run import SweepResult, run_sweep

__all__ = ["SweepResult", "run_sweep"]
