r"""Temperature rises around an implant for every direction of the field, by algebra on six solutions.

The power density of a linearly polarised field of direction u is a quadratic form of u, and heat is linear in it:

.. math:: T(\mathbf u, \mathbf r) = \sum_{ij} u_i u_j T_{ij}(\mathbf r)

so the rises T_ij of the power densities of xx, yy, zz, xy, xz, yz tell the rise for every u. At one place the largest
is the largest eigenvalue of T_ij; the worst orientation for temperature is the one of the place where that is largest,
and need not be the one of the largest power.

Source: A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447; U. Zanovello et al., three orthogonal fields (2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import array, vector
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.solvers.results.measures import heat_measures
from emdose.validity import Measure
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.heat.near_metal import MetalBody
    from emdose.solvers.heat.rise import HeatSolution

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Entries of the symmetric matrix in the order of the six solutions."""
METAL = "metal"


@read_only
@dataclass(frozen=True)
class HotSpot:
    """The hottest voxel.

    Parameters
    ----------
    rise_K : float
        Rise of temperature [K].
    index : (int, int, int)
        Voxel of the heat's grid.
    location_m : (float, float, float)
        Its centre [m].
    tissue : str
        Its tissue, or "metal".
    near : bool
        Whether the index counts the finer voxels near the metal, those of ``HeatResult.near``.
    """

    rise_K: float
    index: tuple[int, int, int]
    location_m: Vector
    tissue: str
    near: bool = False


@read_only(units={"basis": "K per (T/s)^2", "course": "K per (T/s)^2"})
@dataclass(frozen=True, eq=False)
class NearMetal:
    """What a :class:`HeatResult` knows of the finer voxels near the metal.

    Parameters
    ----------
    phantom : Phantom
        Body on these voxels.
    metal, tissue : (nx, ny, nz) ndarray
        Share of metal, and whether a voxel holds tissue that its rise is that of.
    basis, course, extra, extra_course
        As in :class:`HeatResult`, on these voxels.
    """

    phantom: Phantom
    metal: np.ndarray
    tissue: np.ndarray
    basis: np.ndarray
    course: np.ndarray
    extra: Mapping[str, np.ndarray]
    extra_course: Mapping[str, np.ndarray]


@read_only(units={"basis": "K per (T/s)^2", "course": "K per (T/s)^2", "power_matrix": "W per (T/s)^2"})
@dataclass(frozen=True, eq=False)
class HeatResult:
    """Rises of temperature around an implant for every direction and strength of dB/dt.

    Parameters
    ----------
    phantom : Phantom
        Body on the voxels of the heat, perhaps only a part of the one given.
    metal : (nx, ny, nz) float32 ndarray
        Share of metal in every voxel.
    tissue : (nx, ny, nz) bool ndarray
        Voxels with tissue that their rise is that of: those cut by the surface of the metal too, where tissue is as
        warm as the metal that it touches, unless there is a contact resistance.
    basis : (6, nx, ny, nz) float32 ndarray
        Rises at the end for the pairs xx, yy, zz, xy, xz, yz of directions, means of voxels [K per (T/s rms)^2].
    times_s : (t,) ndarray
        Times of the maps over time [s].
    window : tuple of three slices
        Voxels around the metal for which there are maps over time.
    course : (6, t, wx, wy, wz) float32 ndarray
        The same rises over time [K per (T/s rms)^2].
    extra : mapping of str to (nx, ny, nz) ndarray
        Rises at the end of further sources, such as RF [K].
    extra_course : mapping of str to (t, wx, wy, wz) ndarray
        The same over time [K].
    baseline_degC : (nx, ny, nz) ndarray
        Temperature without exposure [degC].
    power_matrix : (3, 3) ndarray
        Power in the implant [W per (T/s rms)^2].
    time_error, balance_error : float
        Error of the time steps over the largest rise, and of the energy balance.
    provenance : mapping
        Options, waveform, voxels, device.
    near : NearMetal, optional
        The finer voxels near the metal, where voxels were split.
    cells_across : float, optional
        Cells across the thinnest part of the metal, see :mod:`emdose.solvers.heat.near_metal`.
    """

    phantom: Phantom
    metal: np.ndarray
    tissue: np.ndarray
    basis: np.ndarray
    times_s: np.ndarray
    window: tuple[slice, slice, slice]
    course: np.ndarray
    extra: Mapping[str, np.ndarray]
    extra_course: Mapping[str, np.ndarray]
    baseline_degC: np.ndarray
    power_matrix: np.ndarray
    time_error: float
    balance_error: float
    provenance: Mapping[str, Any] = field(default_factory=dict)
    near: NearMetal | None = None
    cells_across: float | None = None

    def measures(self) -> list[Measure]:
        """How far these temperatures can be trusted, for :func:`emdose.validity.judge`: steps, energy, voxels."""
        told = {"balance_error": self.balance_error, "time_error": self.time_error}
        return heat_measures(told if self.cells_across is None else {**told, "cells_across": self.cells_across})

    def rise(self, dbdt: Any, extra: bool = True) -> np.ndarray:
        """Rise at the end, mean of every voxel (nx, ny, nz) [K].

        Parameters
        ----------
        dbdt : (3,) array
            Direction times strength: rms of the field's rate [T/s], a multiple of the waveform that was solved. Of
            fields that change their direction the mean of the products of the components, (3, 3) [T^2/s^2].
        extra : bool
            Whether the further sources are on as well.
        """
        return _sum(dbdt, self.basis, self.extra if extra else {})

    def over_time(self, dbdt: Any, extra: bool = True) -> np.ndarray:
        """Rise at ``times_s`` in the window, (t, wx, wy, wz) [K]; parameters as in :meth:`rise`."""
        return _sum(dbdt, self.course, self.extra_course if extra else {})

    def power_W(self, dbdt: Any) -> float:
        """Power in the implant [W]."""
        return float(weights(dbdt) @ np.array([self.power_matrix[i, j] for i, j in PAIRS]))

    def peak(self, dbdt: Any, extra: bool = True, tissue_only: bool = False) -> HotSpot:
        """The hottest voxel at the end, one of the finer ones near the metal where there are such.

        Parameters
        ----------
        dbdt, extra
            As in :meth:`rise`.
        tissue_only : bool
            Leave out voxels without tissue, see ``tissue``.
        """
        found = []
        for zone in self._zones():
            rise = np.where(zone.counted(tissue_only), _sum(dbdt, zone.basis, zone.extra if extra else {}), -np.inf)
            found.append(zone.spot(int(np.argmax(rise)), float(rise.max()), tissue_only))
        return max(found, key=lambda spot: spot.rise_K)

    def worst(self, strength: float = 1.0, extra: bool = True, tissue_only: bool = False) -> tuple[HotSpot, np.ndarray]:
        """The hottest voxel of all directions of the field, and the unit vector that makes it so.

        Parameters
        ----------
        strength : float
            Rms of dB/dt [T/s], a multiple of the waveform that was solved.
        extra, tissue_only
            As in :meth:`peak`.
        """
        found = []
        for zone in self._zones():
            counted = np.flatnonzero(zone.counted(tissue_only))
            if not len(counted):
                continue
            offset = np.zeros(len(counted))
            for more in zone.extra.values() if extra else ():
                offset = offset + more.ravel()[counted]
            flat = strength**2 * zone.basis.reshape(6, -1)[:, counted].astype(float)
            value, direction, index = hottest_direction(flat, offset)
            found.append((zone.spot(int(counted[index]), value, tissue_only), direction))
        return max(found, key=lambda one: one[0].rise_K)

    def worst_power(self, strength: float = 1.0) -> tuple[float, np.ndarray]:
        """Largest power of all directions [W] and its unit vector."""
        values, vectors = np.linalg.eigh(self.power_matrix)
        return float(values[-1]) * strength**2, upright(vectors[:, -1])

    def heating_curve(
        self, dbdt: Any, extra: bool = True, index: Any = None, near: bool = False, tissue_only: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rise over time, from 0 on: times [s] and rises [K].

        Parameters
        ----------
        dbdt, extra
            As in :meth:`rise`.
        index : (int, int, int), optional
            A voxel of the window; by default the largest rise at every time, wherever it is.
        near : bool
            Whether the index counts the finer voxels near the metal, see :class:`HotSpot`.
        tissue_only : bool
            As in :meth:`peak`; for the largest rise.

        Raises
        ------
        InputError
            When the voxel lies outside of the window.
        """
        zones = self._zones()
        if index is None:
            largest = []
            for zone in zones:
                counted = zone.counted(tissue_only)[zone.window]
                if counted.any():
                    rises = _sum(dbdt, zone.course, zone.extra_course if extra else {})
                    largest.append(rises[:, counted].max(axis=1))
            found = np.max(largest, axis=0)
        else:
            zone = zones[-1] if near else zones[0]
            rises = _sum(dbdt, zone.course, zone.extra_course if extra else {})
            local = tuple(int(i) - s.start for i, s in zip(index, zone.window, strict=True))
            if any(i < 0 or i >= n for i, n in zip(local, rises.shape[1:], strict=True)):
                raise InputError(
                    "voxel without a heating curve",
                    field="index",
                    found=tuple(index),
                    expected=f"within {[(s.start, s.stop) for s in zone.window]}",
                )
            found = rises[(slice(None), *local)]
        return np.concatenate([[0.0], self.times_s]), np.concatenate([[0.0], found])

    def time_to(self, rise_K: float, dbdt: Any, extra: bool = True, tissue_only: bool = False) -> float | None:
        """First time at which the largest rise reaches a value [s], between stored times by interpolation; or None."""
        return crossing(*self.heating_curve(dbdt, extra, tissue_only=tissue_only), rise_K)

    def _zones(self) -> list[_Zone]:
        """The voxels, less those of which finer ones are known, and the finer ones."""
        own = _Zone(
            self.phantom,
            self.metal,
            self.tissue,
            np.ones(self.metal.shape, bool),
            self.window,
            self.basis,
            self.course,
            self.extra,
            self.extra_course,
        )
        if self.near is None:
            return [own]
        one, grid = self.near, self.near.phantom.grid
        low, high = (
            [round((b - o) / s) for b, o, s in zip(c, self.phantom.grid.origin_m, self.phantom.spacing_m, strict=True)]
            for c in grid.bounds_m
        )
        own.shown[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = False
        window: tuple[slice, slice, slice] = tuple(slice(0, n) for n in grid.shape)  # type: ignore[assignment]
        shown = np.ones(grid.shape, bool)
        fine = _Zone(
            one.phantom,
            one.metal,
            one.tissue,
            shown,
            window,
            one.basis,
            one.course,
            one.extra,
            one.extra_course,
            near=True,
        )
        return [own, fine]


def near_metal(metal: MetalBody, found: HeatSolution, names: Sequence[str]) -> NearMetal | None:
    """What a solution knows of the finer voxels near the metal, or None where none are split.

    Parameters
    ----------
    metal : MetalBody
        The body.
    found : HeatSolution
        Rises of the six pairs and of the further sources in its cells.
    names : sequence of str
        Names of the further sources.
    """
    if not metal.cells.is_split:
        return None
    near = metal.near_cells
    within = tuple(slice(n.start - w.start, n.stop - w.start) for n, w in zip(near, found.window, strict=True))
    final = np.ascontiguousarray(found.final[:, *near])
    course = np.ascontiguousarray(found.rise[:, :, *within])
    return NearMetal(
        metal.near_phantom(),
        metal.fraction[near],
        metal.tissue[near],
        final[:6],
        course[:6],
        {n: final[6 + k] for k, n in enumerate(names)},
        {n: course[6 + k] for k, n in enumerate(names)},
    )


@dataclass(frozen=True, eq=False)
class _Zone:
    """Voxels of one size, see :class:`HeatResult`; ``shown`` says for which no finer ones are known."""

    phantom: Phantom
    metal: np.ndarray
    tissue: np.ndarray
    shown: np.ndarray
    window: tuple[slice, slice, slice]
    basis: np.ndarray
    course: np.ndarray
    extra: Mapping[str, np.ndarray]
    extra_course: Mapping[str, np.ndarray]
    near: bool = False

    def counted(self, tissue_only: bool) -> np.ndarray:
        return self.shown & self.tissue if tissue_only else self.shown

    def spot(self, flat_index: int, rise: float, tissue_only: bool) -> HotSpot:
        index = tuple(int(i) for i in np.unravel_index(flat_index, self.metal.shape))
        place = tuple(float(self.phantom.grid.centres(a)[index[a]]) for a in range(3))
        inside = self.metal[index] > 0.5 and not tissue_only
        name = METAL if inside else self.phantom.tissues[int(self.phantom.labels[index])].name
        return HotSpot(rise, index, place, name, self.near)  # type: ignore[arg-type]


def _sum(dbdt: Any, basis: np.ndarray, extra: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rise of the field and of further sources [K]."""
    return sum(extra.values(), np.tensordot(weights(dbdt), basis, axes=1))


def weights(dbdt: Any) -> np.ndarray:
    """Factors of the six solutions for a real vector, or for the mean of u_i u_j over vectors that change (3, 3)."""
    if np.ndim(dbdt) == 2:
        mean = array("dbdt", dbdt, (3, 3), problem="bad mean of field vectors")
        return np.array([mean[i, j] if i == j else mean[i, j] + mean[j, i] for i, j in PAIRS])
    u = vector("dbdt", dbdt, problem="bad field vector", expected="three finite real numbers in T/s")
    return np.array([u[i] * u[j] * (1 if i == j else 2) for i, j in PAIRS], float)


def hottest_direction(basis: np.ndarray, offset: np.ndarray) -> tuple[float, np.ndarray, int]:
    """Largest value of u' T u + offset over all unit vectors and places.

    Parameters
    ----------
    basis : (6, m) ndarray
        Symmetric matrices per place, in the order of ``PAIRS``.
    offset : (m,) ndarray
        What does not depend on the direction.

    Returns
    -------
    float, (3,) ndarray, int
        The value, the unit vector and the place.
    """
    trace = basis[:3].sum(axis=0)
    # Matrices are positive semidefinite: no eigenvalue exceeds the trace, and the largest is at least a third of it.
    few = np.argsort(-(trace / 3 + offset))[:512]
    reached = float((_largest(basis[:, few]) + offset[few]).max())
    kept = np.flatnonzero(trace + offset >= reached - 1e-6 * abs(reached))
    values = _largest(basis[:, kept]) + offset[kept]
    at = int(kept[int(np.argmax(values))])
    vector = np.linalg.eigh(_matrices(basis[:, at : at + 1])[0])[1][:, -1]
    return float(values.max()), upright(vector), at


def crossing(times: np.ndarray, values: np.ndarray, level: float) -> float | None:
    """First time at which a curve reaches a level, straight between its points; None where it does not."""
    above = np.flatnonzero(values >= level)
    if not len(above):
        return None
    i = int(above[0])
    if i == 0:
        return float(times[0])
    share = (level - values[i - 1]) / (values[i] - values[i - 1])
    return float(times[i - 1] + share * (times[i] - times[i - 1]))


def _matrices(basis: np.ndarray) -> np.ndarray:
    out = np.empty((basis.shape[1], 3, 3))
    for n, (i, j) in enumerate(PAIRS):
        out[:, i, j] = out[:, j, i] = basis[n]
    return out


def _largest(basis: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(_matrices(basis))[:, -1]


def upright(u: np.ndarray) -> np.ndarray:
    """The vector or its opposite, such that its largest component is positive."""
    return np.asarray(u * (np.sign(u[np.argmax(np.abs(u))]) or 1.0))
