"""Uncertainty of results, from numbers to numbers: what is left by the grid."""

from emdose.uncertainty.discretisation import Refinement, refinement

__all__ = ["Refinement", "refinement"]
