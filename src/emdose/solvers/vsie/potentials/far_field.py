"""Power that metal and body radiate together, from their common far field; see :mod:`emdose.solvers.far_field`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.far_field import Directions, power_W
from emdose.solvers.yee_grid.radiation import pattern_of_lattice

if TYPE_CHECKING:
    from emdose.solvers.mom.metal import ThinMetal
    from emdose.solvers.vie.body import BodyOperator


def radiated_power(metal: ThinMetal, currents: np.ndarray, body: BodyOperator, J: Sequence[Any]) -> np.ndarray:
    """Hermitian matrix of the power that drives radiate, (drive, drive) [W].

    Parameters
    ----------
    metal : ThinMetal
        The metal.
    currents : (n, drive) complex ndarray
        Currents in it.
    body : BodyOperator
        The body.
    J : sequence of (unknowns,) arrays
        Its currents for every drive [A/m^2].
    """
    points = np.asarray(metal.sources(1)[0])
    low, high = points.min(axis=0), points.max(axis=0)
    first = np.asarray(body.origin_m)
    low, high = np.minimum(low, first), np.maximum(high, first + body.h * np.array(body.shape))
    middle, k = 0.5 * (low + high), metal.wavenumber
    directions = Directions.enough_for(0.5 * float(np.linalg.norm(high - low)), k)
    pattern = metal.far_field(currents, directions, middle)
    moved = np.exp(1j * k * (directions.axes()[0] @ (first + 0.5 * body.h * np.array(body.shape) - middle)))
    for p, x in enumerate(J):
        pattern[p] += moved * pattern_of_lattice(body.expand(x[None])[0], directions, body.h, k, body.be)
    return power_W(pattern, directions, k)
