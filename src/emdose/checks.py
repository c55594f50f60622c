"""Checks of single values that a user gives; each raises InputError in one line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.errors import InputError


def positive(name: str, value: Any) -> None:
    """Raise InputError unless a value is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise InputError("must be positive", field=name, found=value, expected="a finite number > 0")


def all_positive(**values: Any) -> None:
    """Raise InputError unless every one of the named values is a finite number above zero."""
    for name, value in values.items():
        positive(name, value)


def metres(name: str, value: Any) -> float:
    """A length as float; raises InputError unless it is a finite number of metres above zero."""
    if not isinstance(value, int | float | np.number) or not math.isfinite(value) or value <= 0:
        raise InputError("bad length", field=name, found=value, expected="metres > 0")
    return float(value)


def whole(name: str, value: Any, least: int) -> None:
    """Raise InputError unless a value is a whole number, at least the one given."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError("bad count", field=name, found=value, expected=f"a whole number >= {least}")


def vector(name: str, value: Any) -> np.ndarray:
    """A vector as array (3,); raises InputError unless it is three finite numbers."""
    try:
        v = np.asarray(value, float)
    except (TypeError, ValueError):
        v = np.empty(0)
    if v.shape != (3,) or not np.all(np.isfinite(v)):
        raise InputError("bad vector", field=name, found=value, expected="three finite numbers")
    return v
