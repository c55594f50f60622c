r"""Impressed fields without divergence: charges on surfaces alone can answer those, and no others.

A body that turns through a static field sees :math:`\mathbf E_p = \mathbf v\times\mathbf B`, whose divergence
:math:`2\boldsymbol\Omega\cdot\mathbf B` would need charges in its volume. With the scalar potential of the field,
:math:`\mathbf B = -\nabla\Phi` where no current flows,

.. math:: \mathbf E_p + \nabla\big(\boldsymbol\Omega\cdot(\mathbf r-\mathbf r_0)\,\Phi\big)
   = \mathbf v\times\mathbf B + \boldsymbol\Omega\,\Phi
   - \big(\boldsymbol\Omega\cdot(\mathbf r-\mathbf r_0)\big)\mathbf B

has the same curl and no divergence. The gradient is taken up by the potential in the body: the total field is the same.

Most of :math:`\mathbf v\times\mathbf B` is a gradient too, which charges would have to cancel: a uniform field, and one
that grows along the axes of a symmetric matrix without trace. Both are taken off first, as they fit the field in the
body best, lest their discretisation error stand beside a field that is a small part of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.induction.sources import InductionSource, RigidMotion

POINTS = 12
"""Gauss points of a line integral of B across the body."""
CHECKED = 40
"""Points of the body at which the divergence is measured."""
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


@dataclass(frozen=True, eq=False)
class WithoutGradient:
    """An impressed field less a gradient of a harmonic polynomial of second order.

    Parameters
    ----------
    source : object
        What it is taken off.
    middle_m : (3,) ndarray
        Where the linear part is zero [m].
    uniform : (3,) ndarray
        Uniform part [V/m].
    slopes : (3, 3) ndarray
        Linear part, symmetric without trace [V/m^2].
    """

    source: Any
    middle_m: np.ndarray
    uniform: np.ndarray
    slopes: np.ndarray

    @staticmethod
    def fitted(source: Any, points_m: np.ndarray) -> WithoutGradient:
        """The one that leaves least at points (n, 3) [m]."""
        middle = points_m.mean(axis=0)
        basis = [(np.eye(3)[c], np.zeros((3, 3))) for c in range(3)]
        for i, j in ((0, 1), (0, 2), (1, 2)):
            mixed, square = np.zeros((2, 3, 3))
            mixed[i, j] = mixed[j, i] = 1
            square[i, i], square[j, j] = 1, -1
            basis += [(np.zeros(3), m) for m in (mixed, square)[: 2 if (i, j) != (0, 2) else 1]]
        size = float(np.abs(points_m - middle).max())
        columns = [(u + (points_m - middle) @ s / size).ravel() for u, s in basis]
        weights = np.linalg.lstsq(np.stack(columns, 1), source.impressed_E(points_m).ravel(), rcond=None)[0]
        uniform, slopes = (np.tensordot(weights, np.stack([b[k] for b in basis]), 1) for k in (0, 1))
        return WithoutGradient(source, middle, uniform, slopes / size)

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        """What is left at points (n, 3) [m], (n, 3) [V/m]."""
        points = np.asarray(points_m, float)
        return np.asarray(self.source.impressed_E(points) - self.uniform - (points - self.middle_m) @ self.slopes)


def divergence_free(source: InductionSource, low_m: np.ndarray, high_m: np.ndarray, inside_m: np.ndarray) -> Any:
    """The source, or for a motion one with the same curl, no divergence and less of a gradient in the body.

    Parameters
    ----------
    source : InductionSource
        What drives the body.
    low_m, high_m : (3,) ndarray
        Corners of the box around the body [m].
    inside_m : (n, 3) ndarray
        Points of the body at which it is checked, and gradients are found [m].

    Raises
    ------
    InputError
        For a source that is not finite in the body, or has a divergence there that nothing is known of.
    """
    found: Any = source
    if isinstance(source, RigidMotion) and np.any(source.turn_rad_s):
        found = TurningBody(source, 0.5 * (np.asarray(low_m) + np.asarray(high_m)))
    size = float(np.max(np.asarray(high_m) - low_m))
    some = inside_m[:: max(1, len(inside_m) // CHECKED)]
    h, total = 2e-3 * size, np.zeros(len(some))
    for c in range(3):
        step = h * np.eye(3)[c]
        near = [np.asarray(found.impressed_E(some + k * step))[:, c] for k in (-2, -1, 1, 2)]
        total += (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * h)
    largest = float(np.linalg.norm(found.impressed_E(some), axis=1).max())
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
    return WithoutGradient.fitted(found, inside_m) if isinstance(source, RigidMotion) else found
