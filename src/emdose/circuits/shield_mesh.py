r"""A cylindrical shield around filaments: a mesh of its currents and charges, eliminated by its symmetry.

The wall is cut into n x m patches with a node in the middle of each. Branches run between neighbouring nodes, along the
axis and around it, with their current spread over the wall between; the charge of a node is spread over its patch. As
the coil's branches they obey

.. math:: (\omega^2 L - A P A^T)\, i = 0

with partial inductances L and coefficients of potential P of quarter patches. Turned by a patch the wall is the same:
discrete Fourier transforms around the axis leave n small systems.

Source: A. Ruehli, IEEE Trans. MTT 22 (1974) 216 (partial elements); A. Ruehli and P. Brennan, IEEE Trans. MTT 21 (1973)
76 (rectangular patches).
"""

from __future__ import annotations

import math

import numpy as np

from emdose.circuits.partial_elements import INDUCTANCE, POTENTIAL
from emdose.models.coils.cylinder import Shield

AROUND = (24, 96)
"""Fewest and most patches around the shield."""
ALONG = (4, 40)
"""Fewest and most along it."""
SHARE = 1.2
"""Largest patch in units of the least distance between coil and shield."""


class ShieldMesh:
    """Currents and charges on the wall of a shield.

    Parameters
    ----------
    shield : Shield
        The shield.
    distance_m : float
        Least distance of the coil from it [m], which the patches resolve.

    Attributes
    ----------
    points : (4 n m, 3) ndarray
        Middles of the quarter patches [m].
    """

    def __init__(self, shield: Shield, distance_m: float) -> None:
        around = 2 * math.pi * shield.radius_m
        self.n = int(np.clip(math.ceil(around / (SHARE * distance_m)), *AROUND))
        self.m = int(np.clip(round(self.n * shield.length_m / around), *ALONG))
        self.width, self.height = around / self.n, shield.length_m / self.m
        self.radius = shield.radius_m
        # Quarter patches: those of node (i, j) are 2i, 2i + 1 around and 2j, 2j + 1 along.
        self.phi = (np.arange(2 * self.n) + 0.5) * math.pi / self.n
        self.z = ((np.arange(2 * self.m) + 0.5) / (2 * self.m) - 0.5) * shield.length_m
        x, y = shield.radius_m * np.cos(self.phi), shield.radius_m * np.sin(self.phi)
        flat = np.stack(np.broadcast_arrays(x[:, None], y[:, None], self.z), axis=-1).reshape(-1, 3)
        self.points = flat + np.asarray(shield.centre_m)

    def eliminated(
        self, w: float, k: float, charge: np.ndarray, current: np.ndarray, vectors: np.ndarray, at_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the wall adds to the coil's w^2 L - A P A^T, and its field.

        Parameters
        ----------
        w, k : float
            Angular frequency [rad/s] and wave number [1/m].
        charge : (4 n m, b) ndarray
            Integrals of the charge density over R at the points, for each of b branches carrying 1 A s per second.
        current : (4 n m, b) ndarray
            Integrals of ds / R over the branches.
        vectors : (b, 3) ndarray
            Their directions.
        at_m : (3,) ndarray
            Where the field is wanted [m].

        Returns
        -------
        added : (b, b) ndarray
            To be added [H/s^2].
        field : (3, b) ndarray
            Field of the wall per current in each branch [T/A].
        """
        n, m, b = self.n, self.m, current.shape[1]
        shape = (2 * n, 2 * m, b)
        current, nodes = current.reshape(shape), _means(charge.reshape(shape)) * POTENTIAL
        along = INDUCTANCE * self.height * _means(current[:, 1:-1]) * vectors[:, 2]
        x, y = -np.sin(self.phi)[:, None, None], np.cos(self.phi)[:, None, None]
        turning = _means(np.roll(x * current, -1, axis=0)) * vectors[:, 0]
        turning += _means(np.roll(y * current, -1, axis=0)) * vectors[:, 1]
        around = INDUCTANCE * self.width * turning
        rows = np.concatenate(
            [w * w * along - np.diff(nodes, axis=1), w * w * around - (np.roll(nodes, -1, axis=0) - nodes)], axis=1
        )
        rows = np.concatenate([rows, self._fields(at_m)], axis=2)
        turned = np.fft.rfft(rows, axis=0)
        solved = np.linalg.solve(self._harmonics(w, k), turned)
        weight = np.where(np.arange(len(turned)) % (n / 2) == 0, 1.0, 2.0)[:, None, None] / n
        left, right = (np.concatenate([v.real, v.imag]).reshape(-1, b + 3) for v in (turned, weight * solved))
        out = -left.T @ right
        return out[:b, :b], out[b:, :b]

    def _harmonics(self, w: float, k: float) -> np.ndarray:
        """w^2 L - A P A^T of the wall by harmonics around the axis, (n / 2 + 1, 2m - 1, 2m - 1)."""
        n, m = self.n, self.m
        own = self._own(k)
        turn = np.cos(self.phi - self.phi[0])[:, None, None]
        potential, axial = (_pairs(own[:, cut, cut]) for cut in (slice(None), slice(1, -1)))
        around = _pairs(own * turn)
        theta = 2 * math.pi * np.arange(n // 2 + 1) / n
        P = POTENTIAL * np.fft.rfft(potential, axis=0).real
        A = np.zeros((len(theta), 2 * m - 1, m), complex)
        A[:, : m - 1] = np.diff(np.eye(m), axis=0)
        A[:, m - 1 :] = (np.exp(1j * theta) - 1)[:, None, None] * np.eye(m)
        out = -A @ P @ A.conj().swapaxes(1, 2)
        out[:, : m - 1, : m - 1] += INDUCTANCE * (w * self.height) ** 2 * np.fft.rfft(axial, axis=0).real
        out[:, m - 1 :, m - 1 :] += INDUCTANCE * (w * self.width) ** 2 * np.fft.rfft(around, axis=0).real
        return out

    def _own(self, k: float) -> np.ndarray:
        """Mean of cos(k R) / R between the first quarter patches around and all, (2n, 2m, 2m)."""
        w, h = 0.5 * self.width, 0.5 * self.height
        total = np.zeros((2 * self.n, 2 * self.m, 2 * self.m))
        # Two Gauss points a side in both; their differences are three, with the weights 1, 2, 1.
        step = 1 / math.sqrt(3)
        for a, p in ((-step, 0.25), (0.0, 0.5), (step, 0.25)):
            chord = 2 * self.radius * np.sin(0.5 * (self.phi - self.phi[0] + a * w / self.radius))
            for b, q in ((-step, 0.25), (0.0, 0.5), (step, 0.25)):
                r = np.sqrt(chord[:, None, None] ** 2 + (self.z[:, None] - self.z + b * h) ** 2)
                total += p * q * np.cos(k * r) / np.where(r > 1e-9 * w, r, np.inf)
        own = np.arange(2 * self.m)
        total[0, own, own] = _of_rectangle(w, h)
        return total

    def _fields(self, at_m: np.ndarray) -> np.ndarray:
        """Field at a point per current in the branches, (n, 2m - 1, 3) [T/A]."""
        corners = self.points.reshape(2 * self.n, 2 * self.m, 3)
        turn = self.phi[:, None]
        way = np.stack(np.broadcast_arrays(-np.sin(turn), np.cos(turn), 0 * self.z), axis=-1)
        away = at_m - corners
        lever = INDUCTANCE * away / np.linalg.norm(away, axis=-1, keepdims=True) ** 3
        along = self.height * np.cross([0.0, 0.0, 1.0], _means(lever[:, 1:-1]))
        around = self.width * _means(np.roll(np.cross(way, lever), -1, axis=0))
        return np.concatenate([along, around], axis=1)


def _means(quarters: np.ndarray) -> np.ndarray:
    """Means of two by two of (2a, 2b, ...), (a, b, ...)."""
    a, b = quarters.shape[:2]
    return np.asarray(quarters.reshape(a // 2, 2, b // 2, 2, *quarters.shape[2:]).mean(axis=(1, 3)))


def _pairs(own: np.ndarray) -> np.ndarray:
    """Means over the quarters of whole patches, from those of the first quarters to all (2n, 2a, 2a), (n, a, a)."""
    around = 0.25 * (2 * own + np.roll(own, 1, axis=0) + np.roll(own, -1, axis=0))[::2]
    return _means(np.moveaxis(around, 0, 2)).transpose(2, 0, 1)


def _of_rectangle(a: float, b: float) -> float:
    """Mean of 1 / R over all pairs of points of a rectangle [1/m]."""
    d = math.hypot(a, b)
    terms = a * a * b * math.asinh(b / a) + a * b * b * math.asinh(a / b) + (a**3 + b**3 - d**3) / 3
    return 2 * terms / (a * b) ** 2
