r"""Incident fields of filament currents and plane waves, with full retardation.

The fields of filaments are those of :mod:`emdose.solvers.yee_grid.filaments`, here on the edges and faces of a grid.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import backend
from emdose.constants import C_0
from emdose.models.coils.ideal import Coil
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.grids.grid import Grid
from emdose.solvers.yee_grid.filaments import Pieces
from emdose.solvers.yee_grid.shields import shield_currents

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


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
