"""Rotations about an axis, of whatever is turned."""

from __future__ import annotations

import math

import numpy as np


def about_axis(axis: np.ndarray, cosine: float, sine: float) -> np.ndarray:
    """Matrix (3, 3) of a turn about a unit vector, by the right-hand rule.

    Rodrigues: R = cos a I + sin a [n]x + (1 - cos a) n n^T.
    """
    n = axis
    cross = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    return np.asarray(cosine * np.eye(3) + sine * cross + (1 - cosine) * np.outer(n, n))


def clean_turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """Matrix (3, 3) of a turn about a unit vector by an angle [rad]; quarter turns about axes are exact."""
    c, s = (round(v, 15) + 0.0 for v in (math.cos(angle), math.sin(angle)))
    return about_axis(axis, c, s)
