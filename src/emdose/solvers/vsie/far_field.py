r"""Power that metal and body radiate together, from their common far field.

.. math::

   P = \frac{\eta_0 k^2}{32 \pi^2} \oint |\hat{\mathbf r} \times \mathbf F|^2 d\Omega, \qquad
   \mathbf F(\hat{\mathbf r}) = \int \mathbf J e^{jk \hat{\mathbf r} \cdot \mathbf r'} dV'

Source: C. Balanis, Antenna Theory, 4th ed., Wiley 2016, ch. 3 (radiation vectors).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_grid.radiation import Directions, pattern_of_lattice, power_of_patterns

if TYPE_CHECKING:
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vsie.coupling import Sources


def radiated_power(
    sources: Sources, currents: np.ndarray, body: BodyOperator | None, J: Sequence[Any], wavenumber: float
) -> np.ndarray:
    """Hermitian matrix of the power that drives radiate, (drive, drive) [W].

    Parameters
    ----------
    sources : Sources
        What stands for the metal's basis functions.
    currents : (n, drive) complex ndarray
        Their coefficients.
    body : BodyOperator or None
        The body, if there is one.
    J : sequence of (unknowns,) arrays
        Its currents for every drive [A/m^2].
    wavenumber : float
        k [1/m].
    """
    points = np.asarray(sources.points_m)
    low, high = points.min(axis=0), points.max(axis=0)
    if body is not None:
        origin = np.asarray(body.origin_m)
        low = np.minimum(low, origin)
        high = np.maximum(high, origin + body.h * (np.array(body.shape) - 1))
    middle, radius = 0.5 * (low + high), 0.5 * float(np.linalg.norm(high - low))
    directions = Directions.for_radius(wavenumber * radius)
    phase = np.exp(1j * wavenumber * (directions.vectors @ (points - middle).T))
    flow = np.stack([np.asarray(m @ currents) for m in sources.current])  # (3, q, drive)
    F = np.einsum("dq,cqp->pcd", phase, flow, optimize=True)
    patterns = directions.transverse(F)
    if body is not None:
        centre = np.asarray(body.origin_m) + 0.5 * body.h * np.array(body.shape)
        moved = np.exp(1j * wavenumber * (directions.vectors @ (centre - middle)))
        for p, x in enumerate(J):
            lattice = pattern_of_lattice(body.expand(x[None])[0], directions, body.h, wavenumber, body.be)
            patterns[p] += body.h**3 * moved * lattice.reshape(2, -1)
    return power_of_patterns(patterns, directions, wavenumber)
