r"""The metal of a coil, its shield included, as a network of the gaps of its elements.

The metal becomes straight pieces with currents i and the charges of the half pieces around every node, partial
inductances L and coefficients of potential P. With the incidence A of branches and nodes (1 where a branch ends, -1
where it starts) the charges are A^T i / jw, and without sources

.. math:: (\omega^2 L - A P A^T)\, i = D\, i

with the elastances D = 1/C of the elements, zero for metal. The currents of metal and shield are eliminated, which
leaves a matrix S over the gaps of the elements: S i = D i.

Source: A. Ruehli, IEEE Trans. MTT 22 (1974) 216; A. Ruehli, G. Antonini and L. Jiang, Circuit Oriented Electromagnetic
Modeling Using the PEEC Techniques, Wiley 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from emdose.circuits.filaments import Filaments
from emdose.circuits.partial_elements import (
    INDUCTANCE,
    POTENTIAL,
    field_of_filaments,
    point_integrals,
    square_distances,
    wire_integrals,
)
from emdose.circuits.shield_mesh import ShieldMesh
from emdose.constants import C_0
from emdose.models.coils.cylinder import Shield
from emdose.values import read_only

POINT_RADIUS = 1e-7
"""Radius of the ball that holds the charge of a node without metal, such as that between two elements in series [m].

So small that none gathers there, as Kirchhoff's law wants."""
SLOPE = 0.01
"""Relative step of the frequency for the slope of S."""


@read_only
@dataclass(frozen=True, eq=False)
class GapMatrix:
    """The matrix S over the gaps near a frequency, S = w^2 L - P.

    Parameters
    ----------
    w : float
        The angular frequency at which it is exact; its slope in w^2 is so too [rad/s].
    inductance, elastance : (e, e) ndarray
        L [H] and P [1/F].
    field : (3, e) ndarray
        Magnetic flux density at the centre of the coil for 1 A in each element [T/A].
    """

    w: float
    inductance: np.ndarray
    elastance: np.ndarray
    field: np.ndarray

    def at(self, w: float) -> np.ndarray:
        """S at an angular frequency [rad/s]."""
        return w * w * self.inductance - self.elastance


class PartialNetwork:
    """Pieces of metal with their charges, and gaps.

    Parameters
    ----------
    filaments : Filaments
        Metal and gaps.
    centre_m : (3,) ndarray
        Where the field is wanted [m].
    shield : Shield, optional
        A shield around them.
    """

    def __init__(self, filaments: Filaments, centre_m: np.ndarray, shield: Shield | None = None) -> None:
        n, branches, nodes = filaments.metal, filaments.branches, filaments.nodes
        self.metal, self.centre = n, centre_m
        middle = branches.mean(axis=1)
        # Half pieces carry the charge of the node at their end; gaps carry none.
        self.pieces = np.concatenate(
            [
                np.stack([branches[:n, 0], middle[:n]], axis=1),
                np.stack([middle[:n], branches[:n, 1]], axis=1),
                branches[n:],
            ]
        )
        radii = np.concatenate([filaments.radii_m[:n], filaments.radii_m])
        self.radii, self.branches = radii, branches
        v = branches[:, 1] - branches[:, 0]
        self.way = v / np.linalg.norm(v, axis=1)[:, None]
        self.middles = self.pieces.mean(axis=1)
        self.integrals = wire_integrals(self.pieces, self.pieces, radii, radii)
        self.distances = np.sqrt(square_distances(self.middles, self.middles))
        # Charge per length of every half piece for the currents of the branches.
        at, count, b = nodes[:n].T.reshape(-1), int(nodes.max()) + 1, len(branches)
        halves = np.linalg.norm(self.pieces[: 2 * n, 1] - self.pieces[: 2 * n, 0], axis=1)
        ends = np.repeat([1.0, -1.0], b)
        incidence = csr_array((ends, (nodes.T[::-1].reshape(-1), np.tile(np.arange(b), 2))), (count, b))
        total = np.bincount(at, halves, count)[at]
        self.charge = csr_array((1 / total, (np.arange(2 * n), at)), (2 * n, count)) @ incidence
        bare = incidence[np.flatnonzero(np.bincount(at, minlength=count) == 0)]
        self.points = POTENTIAL / POINT_RADIUS * (bare.T @ bare).toarray()
        every = np.concatenate([np.arange(n), np.arange(b)])
        self.halves = csr_array((np.ones(n + b), (every, np.arange(n + b))), (b, n + b))
        self.shield = None
        if shield is not None:
            distance = shield.radius_m - float(shield.distance_m(branches).max())
            self.shield = ShieldMesh(shield, distance)
            self.to_wall = point_integrals(self.shield.points, self.pieces)
            self.wall_distances = np.sqrt(square_distances(self.shield.points, self.middles))

    def near(self, frequency_Hz: float) -> GapMatrix:
        """The matrix over the gaps near a frequency."""
        w = 2 * math.pi * frequency_Hz
        here, field = self._reduced(w)
        there = self._reduced(w * (1 + SLOPE))[0]
        inductance = (there - here) / (w * w * ((1 + SLOPE) ** 2 - 1))
        return GapMatrix(w, inductance, w * w * inductance - here, field)

    def _reduced(self, w: float) -> tuple[np.ndarray, np.ndarray]:
        """S over the gaps, and the field of their currents with those that they drive in the metal."""
        n, k = self.metal, w / C_0
        full = self.integrals * np.cos(k * self.distances)
        M = w * w * INDUCTANCE * (self.way @ self.way.T) * (self.halves @ (self.halves @ full).T)
        M -= POTENTIAL * (self.charge.T @ (self.charge.T @ full[: 2 * n, : 2 * n]).T) + self.points
        field = field_of_filaments(self.branches, np.eye(len(self.branches)), self.centre).T
        if self.shield is not None:
            wall = self.to_wall * np.cos(k * self.wall_distances)
            charge, current = (self.charge.T @ wall[:, : 2 * n].T).T, (self.halves @ wall.T).T
            added, more = self.shield.eliminated(w, k, charge, current, self.way, self.centre)
            M += added
            field = field + more
        driven = np.linalg.solve(M[:n, :n], M[:n, n:])
        S = M[n:, n:] - M[n:, :n] @ driven
        return 0.5 * (S + S.T), field[:, n:] - field[:, :n] @ driven
