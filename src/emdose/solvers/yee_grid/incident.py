r"""Incident fields on the edges and faces of a grid: of filament currents, plane waves and what a user gives.

The fields of filaments are those of :mod:`emdose.solvers.yee_grid.filaments`. Filaments that end collect the charge
q = I / (j w) there, whose field adds

.. math:: \mathbf E = \frac{q}{4\pi\varepsilon_0} \frac{(1 + jkR) e^{-jkR}}{R^2} \hat{\mathbf R}
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import backend
from emdose.compute.shared import Shared, from_shared, key_of
from emdose.constants import C_0, EPS_0
from emdose.models.coils.current_element import CurrentElement
from emdose.models.coils.ideal import Coil
from emdose.models.coils.incident_field import IncidentField
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.grids.grid import Grid
from emdose.solvers.yee_grid.coil_lattice import MOST_BYTES, CoilLattice
from emdose.solvers.yee_grid.filaments import Pieces
from emdose.solvers.yee_grid.shields import shield_currents

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.exposure import Exposure

Source = Coil | PlaneWave | IncidentField
GivenField = IncidentField | CurrentElement
"""Sources that no engine puts on a grid: there the charges at the ends of an element would be spread over cells, which
costs a fifth of the field at a distance of four cells, and goes with the square of their size."""
FINE_M = 1e-3
"""Step of finite differences at single points, where no grid gives one [m]."""


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


def incident_E(
    source: Source, grid: Grid, frequency_Hz: float, be: Backend, dtype: Any, shared: Shared | None = None
) -> Any:
    """Incident electric field of every port on the edges of a grid.

    Parameters
    ----------
    source : Coil, PlaneWave or IncidentField
        The source.
    grid : Grid
        The grid.
    frequency_Hz : float
        Frequency [Hz].
    be : Backend
        Device.
    dtype : complex dtype
        Type of the result; the evaluation is in double precision.
    shared : Shared, optional
        Hands on the field of a coil; nobody may write to it then. Where it may hand on what is not the same to the last
        bit, that of a grid that lies elsewhere is interpolated (:mod:`emdose.solvers.yee_grid.coil_lattice`).

    Returns
    -------
    (port, 3, nx + 1, ny + 1, nz + 1) array
        Peak phasors per unit drive [V/m], zero past the last edge.
    """
    return _shared_or_made(source, grid, frequency_Hz, be, dtype, shared, magnetic=False)


def incident_B(
    source: Source, grid: Grid, frequency_Hz: float, be: Backend, dtype: Any, shared: Shared | None = None
) -> Any:
    """Incident magnetic flux density of every port on the faces of a grid [T]; see :func:`incident_E`."""
    return _shared_or_made(source, grid, frequency_Hz, be, dtype, shared, magnetic=True)


def about_source(exposure: Exposure) -> dict[str, float]:
    """What is measured about the source of an exposure: by how much a given field misses Maxwell's equations."""
    if not isinstance(exposure.coil, IncidentField):
        return {}
    return {"incident_field": max(exposure.coil.residuals(exposure.phantom).values())}


def field_at(source: Source, points_m: np.ndarray, frequency_Hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Incident E and B of every port at any points.

    Parameters
    ----------
    source : Coil, PlaneWave or IncidentField
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
    field = PointField(source, frequency_Hz, backend.get("cpu"), FINE_M)
    p = np.asarray(points_m, float).reshape(-1, 3).T
    E, B = (np.stack([field.component(p, c, magnetic) for c in range(3)], axis=-1) for magnetic in (False, True))
    return E, B


class PointField:
    """Incident field of a source at any points: what does not depend on the points is made once.

    Parameters
    ----------
    source : Coil, PlaneWave or IncidentField
        The source.
    frequency_Hz : float
        Frequency [Hz].
    be : Backend
        Device.
    step_m : float
        Step of finite differences where a given field has no H [m].
    """

    def __init__(self, source: Source, frequency_Hz: float, be: Backend, step_m: float) -> None:
        self.source, self.frequency_Hz, self.be, self.step_m = source, frequency_Hz, be, step_m
        if isinstance(source, IncidentField):
            source.require_frequency(frequency_Hz)
        self.pieces = None
        if isinstance(source, Coil):
            self.pieces = Pieces.of(*conductors(source, frequency_Hz), frequency_Hz)

    def component(self, points: np.ndarray, component: int, magnetic: bool) -> Any:
        """One component of E [V/m] or B [T] of every port at points (3, n) [m], (port, n)."""
        if isinstance(self.source, IncidentField):
            return self.be.asarray(self.source.field_at(points.T, magnetic, self.step_m)[..., component])
        if isinstance(self.source, PlaneWave):
            axes = tuple(self.be.asarray(np.ascontiguousarray(p)) for p in points)
            return _wave(self.source, component, axes, self.frequency_Hz, self.be.xp, magnetic)[None]
        assert self.pieces is not None
        return _filaments(self.source, self.pieces, points, component, magnetic, self.be)


def _shared_or_made(
    source: Source, grid: Grid, frequency_Hz: float, be: Backend, dtype: Any, shared: Shared | None, *, magnetic: bool
) -> Any:
    if isinstance(source, Coil):
        source, (x, y, z) = source.home
        grid = grid.moved((-x, -y, -z)) if x or y or z else grid

    def key() -> str | None:
        if not isinstance(source, Coil):
            return None  # waves cost nothing, and functions have no key
        shield = None if source.shield is None else repr(source.shield)
        about = (source.segments, source.currents, source.open_ends, shield)
        place = (grid.shape, grid.spacing_m, grid.origin_m, frequency_Hz)
        return key_of("incident B" if magnetic else "incident E", about, place, str(np.dtype(dtype)), be.name)

    def make() -> Any:
        def field() -> PointField:
            return PointField(source, frequency_Hz, be, 0.25 * min(grid.spacing_m))

        if not isinstance(source, Coil) or shared is None:
            return _on_yee(source, grid, frequency_Hz, be, dtype, field(), None, magnetic=magnetic)
        shield = None if source.shield is None else repr(source.shield)
        about = (source.segments, source.currents, source.open_ends, shield, frequency_Hz, be.name)
        kept = shared.get(key_of("point field", *about), field)
        lattice = None
        if shared.reduced and not len(source.open_ends[0]):
            name = key_of("coil lattice", *about, grid.spacing_m)
            lattice = shared.get(name, lambda: CoilLattice(grid.spacing_m), bytes=MOST_BYTES)
        return _on_yee(source, grid, frequency_Hz, be, dtype, kept, lattice, magnetic=magnetic)

    return from_shared(shared, key, make)


def _on_yee(
    source: Source,
    grid: Grid,
    frequency_Hz: float,
    be: Backend,
    dtype: Any,
    field: PointField,
    lattice: CoilLattice | None,
    *,
    magnetic: bool,
) -> Any:
    xp = be.xp
    shape = grid.node_shape
    out = xp.zeros((len(source.ports), 3, *shape), dtype)
    for c in range(3):
        # The layer past the last edge (or face) is left zero.
        there = tuple(n - 1 if (a == c) != magnetic else n for a, n in enumerate(shape))
        cut = tuple(slice(0, n) for n in there)
        x, y, z = (grid.face_points if magnetic else grid.edge_points)(c)
        axes = (x[: there[0]], y[:, : there[1]], z[:, :, : there[2]])
        if isinstance(source, PlaneWave):
            out[(0, c, *cut)] = _wave(source, c, tuple(be.asarray(a) for a in axes), frequency_Hz, xp, magnetic)
            continue
        found = None
        if lattice is not None and field.pieces is not None:
            found = lattice.field(grid, c, magnetic, there, field.pieces, be)
        if found is not None:
            out[(slice(None), c, *cut)] = found.reshape(-1, *there)
            continue
        points = np.stack([np.broadcast_to(a, there).ravel() for a in axes])
        out[(slice(None), c, *cut)] = field.component(points, c, magnetic).reshape(-1, *there)
    return out


def _filaments(source: Coil, pieces: Pieces, points: np.ndarray, component: int, magnetic: bool, be: Backend) -> Any:
    """One component of E or B of every port at points (3, n), (port, n), with the charges at open ends."""
    out = pieces.field(points, component, magnetic, be)
    ends, into = source.open_ends
    if len(ends) and not magnetic:
        xp, r = be.xp, be.asarray(np.ascontiguousarray(points))
        for end, current in zip(ends, into.T, strict=True):
            away = [r[a] - float(end[a]) for a in range(3)]
            R = xp.sqrt(away[0] ** 2 + away[1] ** 2 + away[2] ** 2)
            x = 1j * pieces.k * R
            shape = (1 + x) * xp.exp(-x) * away[component] / R**3
            charge = be.asarray(current / (1j * pieces.omega * 4 * math.pi * EPS_0))
            out = out + charge[:, None] * shape
    return out


def _wave(
    source: PlaneWave, component: int, axes: tuple[Any, ...], frequency_Hz: float, xp: Any, magnetic: bool
) -> Any:
    d, p = np.asarray(source.direction), np.asarray(source.polarisation)
    amplitude = complex(source.amplitude_V_m * (np.cross(d, p) / C_0 if magnetic else p)[component])
    k = 2 * math.pi * frequency_Hz / C_0
    x, y, z = (float(c) * (axis - p0) for c, axis, p0 in zip(d, axes, source.position_m, strict=True))
    return amplitude * xp.exp(-1j * k * (x + y + z))
