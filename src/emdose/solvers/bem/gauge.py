r"""Impressed fields without divergence: charges on surfaces alone can answer those, and no others.

A body that turns through a static field sees :math:`\mathbf E_p = \mathbf v\times\mathbf B`, whose divergence
:math:`2\boldsymbol\Omega\cdot\mathbf B` would need charges in its volume. With the scalar potential of the field,
:math:`\mathbf B = -\nabla\Phi` where no current flows,

.. math:: \mathbf E_p + \nabla\big(\boldsymbol\Omega\cdot(\mathbf r-\mathbf r_0)\,\Phi\big)
   = \mathbf v\times\mathbf B + \boldsymbol\Omega\,\Phi
   - \big(\boldsymbol\Omega\cdot(\mathbf r-\mathbf r_0)\big)\mathbf B

has the same curl and no divergence. The gradient is taken up by the potential in the body: the total field is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.induction.sources import InductionSource, RigidMotion

POINTS = 12
"""Gauss points of a line integral of B across the body."""
ALLOWED = 1e-3
"""Divergence times the size of the body over the largest field that counts as none."""


@dataclass(frozen=True, eq=False)
class TurningBody:
    """A rigid motion with the gradient added that makes its impressed field free of divergence.

    Parameters
    ----------
    motion : RigidMotion
        The motion.
    start_m : (3,) ndarray
        Point of the body where the scalar potential is 0 [m].
    """

    motion: RigidMotion
    start_m: np.ndarray

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        """v x B + Omega Phi - (Omega . r) B at points (n, 3) of the body, in its axes, (n, 3) [V/m]."""
        motion, points = self.motion, np.asarray(points_m, float)
        R = np.asarray(motion.rotation)
        turn = np.asarray(motion.turn_rad_s) @ R  # in the axes of the body
        way = points - self.start_m
        nodes, weights = np.polynomial.legendre.leggauss(POINTS)
        potential = np.zeros(len(points))
        for x, w in zip(0.5 * (nodes + 1), 0.5 * weights, strict=True):
            potential -= w * np.einsum("nc,nc->n", self._field(self.start_m + x * way), way)
        along = (points - np.asarray(motion.centre_m)) @ turn
        return motion.impressed_E(points) + turn * potential[:, None] - along[:, None] * self._field(points)

    def _field(self, points: np.ndarray) -> np.ndarray:
        motion = self.motion
        R = np.asarray(motion.rotation)
        return np.asarray(motion.magnet.field(points @ R.T + motion.shift_m)) @ R


def divergence_free(source: InductionSource, low_m: np.ndarray, high_m: np.ndarray, inside_m: np.ndarray) -> Any:
    """The source, or one with the same curl whose impressed field has no divergence in the body.

    Parameters
    ----------
    source : InductionSource
        What drives the body.
    low_m, high_m : (3,) ndarray
        Corners of the box around the body [m].
    inside_m : (n, 3) ndarray
        Points of the body at which it is checked [m].

    Raises
    ------
    InputError
        For a source that is not finite in the body, or has a divergence there that nothing is known of.
    """
    found: Any = source
    if isinstance(source, RigidMotion) and np.any(source.turn_rad_s):
        found = TurningBody(source, 0.5 * (np.asarray(low_m) + np.asarray(high_m)))
    size = float(np.max(np.asarray(high_m) - low_m))
    h, total = 2e-3 * size, np.zeros(len(inside_m))
    for c in range(3):
        step = h * np.eye(3)[c]
        near = [np.asarray(found.impressed_E(inside_m + k * step))[:, c] for k in (-2, -1, 1, 2)]
        total += (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * h)
    largest = float(np.linalg.norm(found.impressed_E(inside_m), axis=1).max())
    if not np.isfinite(largest) or not np.all(np.isfinite(total)):
        raise InputError("field of a source is not finite in the body", field=source.name)
    share = float(np.abs(total).max()) * size / largest if largest > 0 else 0.0
    if share > ALLOWED:
        raise InputError(
            "impressed field has a divergence in the body",
            field=source.name,
            found=f"div E times size over E = {share:.2g}",
            expected=f"below {ALLOWED:g}: charges on surfaces cannot answer it; Quasistatic can",
        )
    return found
