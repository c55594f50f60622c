"""One line of the validation table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class Row:
    """One quantity of one case beside its reference.

    Parameters
    ----------
    case : str
        Name of the case.
    oracle : str
        Where the reference comes from.
    quantity : str
        What is compared, with its unit.
    reference, result : float
        Expected and computed value.
    error : float
        The deviation that is judged: relative, or absolute where the reference is zero.
    tolerance : float
        Largest error that passes.
    passed : bool
        Whether it passes.
    """

    case: str
    oracle: str
    quantity: str
    reference: float
    result: float
    error: float
    tolerance: float
    passed: bool


def compare(case: str, oracle: str, quantity: str, reference: float, result: float, tolerance: float) -> Row:
    """A row for a value with a reference: relative error, absolute where the reference is zero."""
    error = abs(result - reference) / (abs(reference) if reference else 1.0)
    return _row(case, oracle, quantity, reference, result, error, tolerance)


def at_most(case: str, oracle: str, quantity: str, error: float, tolerance: float) -> Row:
    """A row for an error that should be zero."""
    return _row(case, oracle, quantity, 0.0, error, error, tolerance)


def at_least(case: str, oracle: str, quantity: str, expected: float, result: float, least: float) -> Row:
    """A row for a value, such as an order of convergence, that should not be below ``least``."""
    shortfall, allowed = max(0.0, expected - result), expected - least
    return _row(case, oracle, quantity, expected, result, shortfall, allowed)


def _row(case: str, oracle: str, quantity: str, reference: float, result: float, error: float, tolerance: float) -> Row:
    passed = bool(np.isfinite(error) and error <= tolerance)
    return Row(case, oracle, quantity, float(reference), float(result), float(error), float(tolerance), passed)
