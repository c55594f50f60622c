"""The electric field along a path, from the edges of each of its components."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import array, flag, positive
from emdose.errors import EmdoseWarning, InputError
from emdose.models.leads import Lead, TransferFunction
from emdose.models.leads.lead import LONGEST_M
from emdose.models.leads.transfer_function import PLUS
from emdose.solvers.leads.wire_segments import split_path
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.solvers.results.fields import Fields


@read_only(units={"E": "V/m per {drive_unit}"})
@dataclass(frozen=True, eq=False)
class TangentialE:
    """Tangential electric field along a path, without the lead.

    Parameters
    ----------
    distance_m : (n,) ndarray
        Middles of pieces, from the tip along the path [m].
    step_m : (n,) ndarray
        Their lengths [m].
    E : (port, n) complex ndarray
        Mean tangential field of the pieces, positive away from the tip, peak phasors [V/m per drive unit].
    frequency_Hz : float
        Frequency [Hz].
    ports : tuple of str
        Names of the ports.
    drive_unit : str
        What one unit of drive is.
    time_convention : {"exp(+jwt)", "exp(-jwt)"}
        Sense of the phases; that of emdose's own fields is exp(+jwt).
    spread : (port, n) ndarray, optional
        Standard deviation over the points beside the path, where those were asked for [V/m per drive unit].
    """

    distance_m: np.ndarray
    step_m: np.ndarray
    E: np.ndarray
    frequency_Hz: float
    ports: tuple[str, ...]
    drive_unit: str
    time_convention: str = PLUS
    spread: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.ports), len(self.distance_m))
        if np.shape(self.E) != shape or np.shape(self.step_m) != shape[1:]:
            raise InputError("field does not fit the path", field="E", found=np.shape(self.E), expected=str(shape))

    @property
    def length_m(self) -> float:
        """Length of the path [m]."""
        return float(np.sum(self.step_m))

    def induced(self, transfer_function: TransferFunction) -> np.ndarray:
        """int S E_tan dl of every port, (port,), both in exp(+jwt).

        Raises
        ------
        InputError
            When the frequencies differ by more than 1 %.
        """
        transfer_function.require(self.frequency_Hz)
        S = transfer_function.in_convention(PLUS).at(self.distance_m)
        E = self.E if self.time_convention == PLUS else np.conj(self.E)
        return np.asarray(E @ (S * self.step_m))


def tangential_E(
    fields: Fields,
    path: Lead | np.ndarray,
    *,
    step_m: float | None = None,
    beside: bool = False,
) -> TangentialE:
    """Tangential field along a path in the body, of every port.

    Each component is interpolated from its own edges (trilinear), never from centres, and taken along the chord of
    every piece at its middle.

    Parameters
    ----------
    fields : Fields
        Fields without the lead.
    path : Lead or (n, 3) ndarray
        Path from the tip [m].
    step_m : float, optional
        Longest piece [m]; half the smallest edge of a voxel unless smaller.
    beside : bool
        Whether to take the mean over the path and four points one voxel beside it that lie in tissue, as the field
        jumps at borders of tissues; the standard deviation over them is then in ``spread``.

    Raises
    ------
    InputError
        When the path leaves the tissue, is shorter than a voxel, or is in millimetres.
    """
    flag("beside", beside)
    walk = PathPieces.along([path], fields, step_m)
    E, spread = walk.tangential(fields, beside=beside)
    unit = fields.drive_unit
    return TangentialE(
        walk.distance_m,
        walk.length_m,
        owned(E),
        fields.frequency_Hz,
        tuple(fields.ports),
        unit,
        PLUS,
        None if spread is None else owned(spread),
    )


@dataclass(frozen=True, eq=False)
class PathPieces:
    """Pieces of many paths on one grid, one after another."""

    middle_m: np.ndarray  # (n, 3)
    chord_m: np.ndarray  # (n, 3)
    distance_m: np.ndarray  # (n,) from each tip
    first: np.ndarray  # (path,) first piece of each

    @property
    def length_m(self) -> np.ndarray:
        """Length of every piece (n,) [m]."""
        return np.asarray(np.linalg.norm(self.chord_m, axis=1))

    @classmethod
    def along(cls, paths: Sequence[Lead | np.ndarray], fields: Fields, step_m: float | None = None) -> PathPieces:
        """Pieces along paths in the body of some fields; InputError as of :func:`tangential_E`."""
        if fields.lead_currents:
            warnings.warn(
                f"these fields have leads in them ({', '.join(fields.lead_currents)}): a transfer function takes those "
                "without the lead that it is of",
                EmdoseWarning,
                stacklevel=3,
            )
        grid = fields.grid
        smallest = min(float(np.diff(grid.nodes(a)).min()) for a in range(3))
        step = 0.5 * smallest if step_m is None else min(positive("step_m", step_m), 0.5 * smallest)
        points = [path_of(p, f"path {n}" if len(paths) > 1 else "path") for n, p in enumerate(paths)]
        middles, chords, distances, first = [], [], [], []
        at = 0
        for n, corners in enumerate(points):
            pieces = split_path(corners, step)
            if pieces.distance_m[-1] < smallest:
                raise InputError(
                    "path shorter than a voxel",
                    field=f"path {n}",
                    found=f"{1e3 * pieces.distance_m[-1]:.3g} mm",
                    expected=f"at least {1e3 * smallest:.3g} mm",
                )
            middle = 0.5 * (pieces.distance_m[1:] + pieces.distance_m[:-1])
            middles.append(0.5 * (pieces.points_m[1:] + pieces.points_m[:-1]))
            chords.append(np.diff(pieces.points_m, axis=0))
            distances.append(middle)
            first.append(at)
            at += len(middle)
        walk = cls(np.concatenate(middles), np.concatenate(chords), np.concatenate(distances), np.array(first))
        walk._stays_in(fields, points)
        return walk

    def _stays_in(self, fields: Fields, points: list[np.ndarray]) -> None:
        outside = ~in_body(fields, self.middle_m)
        if outside.any():
            at = int(outside.argmax())
            n = int(np.searchsorted(self.first, at, "right")) - 1
            x, y, z = (1e3 * self.middle_m[at]).tolist()
            raise InputError(
                "path leaves the tissue",
                field=f"path {n}" if len(points) > 1 else "path",
                found=f"({x:.1f}, {y:.1f}, {z:.1f}) mm, {1e3 * self.distance_m[at]:.0f} mm from the tip",
                expected="a path inside of the body",
            )

    def tangential(self, fields: Fields, beside: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean tangential field of the pieces (port, n), and its standard deviation over points beside the path."""
        if not beside:
            return self._at(fields, self.middle_m), None
        unit = self.chord_m / self.length_m[:, None]
        least = np.eye(3)[np.abs(unit).argmin(axis=1)]  # the axis that is farthest from the path
        one = np.cross(unit, least)
        one /= np.linalg.norm(one, axis=1)[:, None]
        other = np.cross(unit, one)
        cell = float(np.mean([np.diff(fields.grid.nodes(a)).mean() for a in range(3)]))
        total, square = np.zeros((len(fields.ports), len(unit)), complex), np.zeros((len(fields.ports), len(unit)))
        weight = np.zeros(len(unit))
        for shift in (0 * one, one, -one, other, -other):
            points = self.middle_m + cell * shift
            inside = in_body(fields, points)
            E = self._at(fields, points) * inside
            total, square, weight = total + E, square + np.abs(E) ** 2, weight + inside
        mean = np.asarray(total / weight)
        spread = np.sqrt(np.maximum(square / weight - np.abs(mean) ** 2, 0.0))
        return mean, np.asarray(spread)

    def _at(self, fields: Fields, points: np.ndarray) -> np.ndarray:
        from scipy.sparse import csr_array

        unit = self.chord_m / self.length_m[:, None]
        out = np.zeros((len(fields.ports), len(points)), complex)
        shape = fields.grid.node_shape
        E = np.asarray(fields.E)
        for c in range(3):
            places, shares = zip(*(_neighbours(points[:, a], _places(fields, a, c)) for a in range(3)), strict=True)
            index = np.zeros((len(points), 8), np.int64)
            weight = np.empty((len(points), 8))
            for corner in range(8):
                bits = [corner >> a & 1 for a in range(3)]
                i, j, k = (place + bit for place, bit in zip(places, bits, strict=True))
                index[:, corner] = (i * shape[1] + j) * shape[2] + k
                near = [share if bit else 1 - share for share, bit in zip(shares, bits, strict=True)]
                weight[:, corner] = near[0] * near[1] * near[2] * unit[:, c]
            size = int(np.prod(shape))
            rows = np.arange(len(points) + 1) * 8
            matrix = csr_array((weight.ravel(), index.ravel(), rows), shape=(len(points), size))
            for port in range(len(out)):
                out[port] += matrix @ E[port, c].ravel()
        return out


def path_of(path: Any, name: str = "path") -> np.ndarray:
    """Corners (n, 3) of a lead or an array [m]; raises InputError for what is none, or in millimetres."""
    if isinstance(path, Lead):
        return path.path_m
    corners = array(name, path, (None, 3), problem="bad path")
    if len(corners) < 2:
        raise InputError("path too short", field=name, found=len(corners), expected="two points or more")
    length = float(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())
    if length > LONGEST_M:
        raise InputError(
            "path longer than any lead: millimetres taken for metres?",
            field=name,
            found=f"{length:.4g} m",
            expected=f"at most {LONGEST_M:g} m",
        )
    return corners


def in_body(fields: Fields, points_m: np.ndarray) -> np.ndarray:
    """Whether points (n, 3) lie in voxels of tissue (n,)."""
    index, inside = [], np.ones(len(points_m), bool)
    for a in range(3):
        nodes = fields.grid.nodes(a)
        i = np.searchsorted(nodes, points_m[:, a], "right") - 1
        inside &= (i >= 0) & (i < len(nodes) - 1)
        index.append(np.clip(i, 0, len(nodes) - 2))
    return np.asarray(inside & np.asarray(fields.body)[tuple(index)])


def _places(fields: Fields, axis: int, component: int) -> np.ndarray:
    """Coordinates of the edges of a component along an axis [m]."""
    grid = fields.grid
    return np.asarray(grid.centres(axis) if axis == component else grid.nodes(axis))


def _neighbours(x: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower neighbour of every coordinate, and the share of the upper one; nothing is extrapolated."""
    if len(places) == 1:
        return np.zeros(len(x), np.int64), np.zeros(len(x))
    low = np.clip(np.searchsorted(places, x, "right") - 1, 0, len(places) - 2)
    return low, np.clip((x - places[low]) / (places[low + 1] - places[low]), 0.0, 1.0)
