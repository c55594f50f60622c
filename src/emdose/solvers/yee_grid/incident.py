r"""Incident fields of filament currents and plane waves, with full retardation.

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
from emdose.models.coils.ideal import Coil, PlaneWave
from emdose.models.grids.grid import Grid

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

TILE = 16
"""Points that the kernel treats together."""
PHASE = 0.35
"""Largest k * length of one piece [rad]; longer segments are cut."""


def conductors(source: Coil, frequency_Hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Segments (n, 2, 3) [m] and currents (port, n) [A] of a coil, with those induced in its shield.

    Parameters
    ----------
    source : Coil
        The coil.
    frequency_Hz : float
        Frequency [Hz]; the shield's currents depend on it.
    """
    if source.shield is None:
        return source.segments, source.currents
    from emdose.solvers.yee_grid.shields import shield_currents

    segments, currents = shield_currents(source, frequency_Hz)
    return np.concatenate([source.segments, segments]), np.concatenate([source.currents, currents], axis=1)


def incident_E(source: Coil | PlaneWave, grid: Grid, frequency_Hz: float, be: Backend, dtype: Any) -> Any:
    """Incident electric field of every port on the edges of a grid.

    Parameters
    ----------
    source : Coil or PlaneWave
        The source.
    grid : Grid
        The grid.
    frequency_Hz : float
        Frequency [Hz].
    be : Backend
        Device.
    dtype : complex dtype
        Type of the result; the evaluation is in double precision.

    Returns
    -------
    (port, 3, nx + 1, ny + 1, nz + 1) array
        Peak phasors per unit drive [V/m], zero past the last edge.
    """
    return _on_yee(source, grid, frequency_Hz, be, dtype, magnetic=False)


def incident_B(source: Coil | PlaneWave, grid: Grid, frequency_Hz: float, be: Backend, dtype: Any) -> Any:
    """Incident magnetic flux density of every port on the faces of a grid [T]; see :func:`incident_E`."""
    return _on_yee(source, grid, frequency_Hz, be, dtype, magnetic=True)


def field_at(source: Coil | PlaneWave, points_m: np.ndarray, frequency_Hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Incident E and B of every port at any points.

    Parameters
    ----------
    source : Coil or PlaneWave
        The source.
    points_m : (n, 3) ndarray
        Points [m].
    frequency_Hz : float
        Frequency [Hz].

    Returns
    -------
    E, B : (port, n, 3) complex ndarray
        Peak phasors per unit drive [V/m] and [T].
    """
    from emdose.compute import backend

    be = backend.get("cpu")
    p = np.asarray(points_m, float).reshape(-1, 3).T
    out = []
    for magnetic in (False, True):
        if isinstance(source, PlaneWave):
            parts = [_wave(source, c, tuple(p), frequency_Hz, np, magnetic)[None] for c in range(3)]
        else:
            pieces = Pieces.of(*conductors(source, frequency_Hz), frequency_Hz)
            parts = [pieces.field(p, c, magnetic, be) for c in range(3)]
        out.append(np.stack(parts, axis=-1))
    return out[0], out[1]


def _on_yee(
    source: Coil | PlaneWave, grid: Grid, frequency_Hz: float, be: Backend, dtype: Any, *, magnetic: bool
) -> Any:
    xp = be.xp
    shape = grid.node_shape
    out = xp.zeros((len(source.ports), 3, *shape), dtype)
    pieces = None if isinstance(source, PlaneWave) else Pieces.of(*conductors(source, frequency_Hz), frequency_Hz)
    for c in range(3):
        # The layer past the last edge (or face) is left zero.
        there = tuple(n - 1 if (a == c) != magnetic else n for a, n in enumerate(shape))
        cut = tuple(slice(0, n) for n in there)
        x, y, z = (grid.face_points if magnetic else grid.edge_points)(c)
        axes = (x[: there[0]], y[:, : there[1]], z[:, :, : there[2]])
        if isinstance(source, PlaneWave):
            out[(0, c, *cut)] = _wave(source, c, tuple(be.asarray(a) for a in axes), frequency_Hz, xp, magnetic)
        else:
            assert pieces is not None
            points = np.stack([np.broadcast_to(a, there).ravel() for a in axes])
            out[(slice(None), c, *cut)] = be.asarray(pieces.field(points, c, magnetic, be)).reshape(-1, *there)
    return out


def _wave(
    source: PlaneWave, component: int, axes: tuple[Any, ...], frequency_Hz: float, xp: Any, magnetic: bool
) -> Any:
    d, p = np.asarray(source.direction), np.asarray(source.polarisation)
    amplitude = complex(source.amplitude_V_m * (np.cross(d, p) / C_0 if magnetic else p)[component])
    k = 2 * math.pi * frequency_Hz / C_0
    x, y, z = (float(c) * axis for c, axis in zip(d, axes, strict=True))
    return amplitude * xp.exp(-1j * k * (x + y + z))


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
        n, pieces, ports = points.shape[1], len(self.length), len(self.currents)
        out = be.xp.zeros((ports, n), complex)
        tables = (np.ascontiguousarray(v) for v in (self.start, self.tangent, self.length))
        start, tangent, length = (be.asarray(v) for v in tables)
        be.kernels.load(__package__, "filaments", "double").launch(
            "filaments",
            -(-n // TILE),
            n,
            be.asarray(np.ascontiguousarray(points)),
            pieces,
            start,
            tangent,
            length,
            ports,
            be.asarray(np.ascontiguousarray(self.currents)),
            self.k,
            component,
            int(magnetic),
            out,
        )
        return out * (MU_0 / (4 * math.pi) * (1 if magnetic else -1j * self.omega))
