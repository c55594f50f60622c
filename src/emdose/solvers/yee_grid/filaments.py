r"""Fields of straight filaments of current, with full retardation.

Closed filament circuits hold no charge, so that A alone gives the field:

.. math::

   \mathbf A = \frac{\mu_0 I}{4\pi} \mathbf t \int \frac{e^{-jkR}}{R} ds, \qquad
   \mathbf E = -j\omega \mathbf A, \qquad
   \mathbf B = \nabla \times \mathbf A
     = \frac{\mu_0 I}{4\pi}\, \mathbf t \times \mathbf r \int \frac{(1 + jkR) e^{-jkR}}{R^3} ds

Near a segment the terms 1/R, R (A) and 1/R^3, 1/R (B) are integrated in closed form and only the smooth rest, of order
(kR)^3, by Gauss quadrature; far from it (more than two lengths) Gauss quadrature takes all.

Source: R. Harrington, Time-Harmonic Electromagnetic Fields, McGraw-Hill 1961, ch. 2 (potentials); J. Hanson and
S. Hirshman, Phys. Plasmas 9 (2002) 4410 (stable closed form of a straight segment).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0, MU_0

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

TILE = 16
"""Points that the kernel treats together."""
PHASE = 0.35
"""Largest k * length of one piece [rad]; longer segments are cut."""


class Pieces:
    """Straight pieces of conductor, short against the wavelength, ready for evaluation.

    Parameters
    ----------
    start : (n, 3) float ndarray
        Start of every piece [m].
    tangent : (n, 3) float ndarray
        Unit vector along it.
    length : (n,) float ndarray
        Length [m].
    currents : (port, n) complex ndarray
        Currents [A].
    frequency_Hz : float
        Frequency [Hz].
    """

    def __init__(
        self, start: np.ndarray, tangent: np.ndarray, length: np.ndarray, currents: np.ndarray, frequency_Hz: float
    ) -> None:
        self.start, self.tangent, self.length, self.currents = start, tangent, length, currents
        self.omega = 2 * math.pi * frequency_Hz
        self.k = self.omega / C_0

    @classmethod
    def of(cls, segments: np.ndarray, currents: np.ndarray, frequency_Hz: float) -> Pieces:
        """Pieces of segments (n, 2, 3) [m] with currents (port, n) [A]; segments longer than PHASE / k are cut."""
        vector = segments[:, 1] - segments[:, 0]
        length = np.linalg.norm(vector, axis=1)
        k = 2 * math.pi * frequency_Hz / C_0
        count = np.maximum(1, np.ceil(k * length / PHASE).astype(int))
        which = np.repeat(np.arange(len(segments)), count)
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        part = (np.arange(len(which)) - first[which]) / count[which]
        start = segments[which, 0] + part[:, None] * vector[which]
        return cls(start, (vector / length[:, None])[which], (length / count)[which], currents[:, which], frequency_Hz)

    def field(self, points: np.ndarray, component: int, magnetic: bool, be: Backend) -> Any:
        """One component of E [V/m] or B [T] of every port at points (3, n) [m], (port, n) complex128."""
        n, ports = points.shape[1], len(self.currents)
        out = be.xp.zeros((ports, n), complex)
        tables = {"start": self.start, "tangent": self.tangent, "length": self.length, "currents": self.currents}
        there = {name: be.asarray(np.ascontiguousarray(v)) for name, v in tables.items()}
        wires = {"pieces": len(self.length), "ports": ports, "k": self.k, **there}
        points = be.asarray(np.ascontiguousarray(points))
        module = be.kernels.load(__package__, "filaments", "double")
        module.launch("filaments", -(-n // TILE), n, points, wires, component, int(magnetic), out)
        return out * (MU_0 / (4 * math.pi) * (1 if magnetic else -1j * self.omega))
