"""What drives eddy currents: uniform and linear fields, and any vector potential."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.solvers.results.power_tensor import LINEAR, UNIFORM
from emdose.values import read_only

Potential = Callable[[np.ndarray], np.ndarray]

SLOPES = np.zeros((5, 3, 3))
"""dB_i/dx_j of the five linear sources: xx, yy (each balanced by zz), xy, xz, yz."""
SLOPES[0] = np.diag([1.0, 0.0, -1.0])
SLOPES[1] = np.diag([0.0, 1.0, -1.0])
for _i, (_a, _b) in enumerate(((0, 1), (0, 2), (1, 2)), 2):
    SLOPES[_i, _a, _b] = SLOPES[_i, _b, _a] = 1.0


@read_only
@dataclass(frozen=True)
class Source:
    """One source of eddy currents.

    Parameters
    ----------
    name : str
        Name.
    unit : str
        Unit of its rate of change.
    potential : callable
        Points (n, 3) [m] -> vector potential (n, 3) per unit.
    """

    name: str
    unit: str
    potential: Potential


def uniform_potential(axis: int, centre_m: Vector) -> Potential:
    """A = e x (r - centre) / 2 of a uniform field of 1 T along an axis [T m]."""
    direction = np.eye(3)[axis]
    return lambda points: 0.5 * np.cross(direction, points - np.asarray(centre_m))


def linear_potential(index: int, centre_m: Vector) -> Potential:
    """A = (S r) x r / 3, r from the centre, of the field B = S r of one of the five linear sources [T m]."""
    slope = SLOPES[index]

    def potential(points: np.ndarray) -> np.ndarray:
        r = points - np.asarray(centre_m)
        return np.cross(r @ slope.T, r) / 3

    return potential


def sources_of(sources: Any, centre_m: Vector) -> tuple[Source, ...]:
    """The sources that a user asks for.

    Parameters
    ----------
    sources : str, callable, object with vector_potential(points), or sequence of the last two
        "uniform", "uniform+linear", or vector potentials per unit of drive.
    centre_m : (float, float, float)
        Where the linear fields are zero [m].

    Raises
    ------
    InputError
        For anything else.
    """
    uniform = tuple(Source(n, "T/s", uniform_potential(a, centre_m)) for a, n in enumerate(UNIFORM))
    if isinstance(sources, str):
        if sources == "uniform":
            return uniform
        if sources == "uniform+linear":
            return uniform + tuple(Source(n, "T/m/s", linear_potential(i, centre_m)) for i, n in enumerate(LINEAR))
        raise InputError(
            "unknown sources",
            field="sources",
            found=sources,
            expected="uniform or uniform+linear, or vector potentials",
        )
    many = list(sources) if isinstance(sources, Sequence) else [sources]
    if not many:
        raise InputError("no source", field="sources", found=[], expected="at least one vector potential")
    return tuple(_custom(source, i) for i, source in enumerate(many))


def _custom(source: Any, index: int) -> Source:
    if isinstance(source, Source):
        return source
    potential = getattr(source, "vector_potential", source)
    if not callable(potential):
        raise InputError(
            "not a source",
            field="sources",
            found=type(source).__name__,
            expected="a function of points (n, 3), or an object with vector_potential",
        )
    name = getattr(source, "name", None) or f"source {index + 1}"
    return Source(str(name), "unit/s", potential)
