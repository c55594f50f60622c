"""From the fields of a file to those of emdose: peak, exp(+jwt), tesla, metres, on the voxels of a body."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.io.foreign.joining import nearest
from emdose.io.foreign.values import AMPLITUDES, DRIVE_FACTORS, MAGNETIC, ForeignFields, metres
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.tissues import Constant, Tissue, TissueTable
from emdose.models.grids.grid import Grid
from emdose.values import owned

MOST_MATERIALS = 60_000
SAME_PLACE = 1e-4
"""Distance between points and voxel centres, in voxels, up to which they are the same."""


@dataclass(frozen=True, eq=False)
class Converted:
    """Fields in the conventions of emdose.

    Parameters
    ----------
    axes_m : three float ndarrays
        Points [m].
    E, B : (port, 3, nx, ny, nz) complex ndarray
        Peak phasors of exp(+jwt) [V/m], [T per unit of drive]; B is zero where the file has none.
    drive_unit : str
        What one unit of drive is.
    """

    axes_m: tuple[np.ndarray, ...]
    E: np.ndarray
    B: np.ndarray
    drive_unit: str


def converted(fields: ForeignFields, used: Mapping[str, str]) -> Converted:
    """Fields with every convention applied, components lying where they lay.

    Parameters
    ----------
    fields : ForeignFields
        With an electric field.
    used : mapping of str to str
        A choice for every convention.
    """
    unit, factor = DRIVE_FACTORS[used["drive"]]
    factor *= AMPLITUDES[used["amplitude"]]
    electric, _, magnetic = used.get("components", "xyz").partition("/")
    E = _turned(fields.E, electric, factor, used["time"])
    assert E is not None
    B = _turned(
        fields.magnetic, magnetic or electric, factor * MAGNETIC.get(used.get("magnetic", ""), 1.0), used["time"]
    )
    axes = tuple(metres(used["length"]) * np.asarray(a, float) for a in fields.axes)
    return Converted(axes, E, np.zeros_like(E) if B is None else B, unit)


def centred(found: Converted, positions: str) -> Converted:
    """All components at the same points: those of the file, or the middles of the cells between them."""
    if positions == "points":
        return found
    axes = tuple(0.5 * (a[1:] + a[:-1]) for a in found.axes_m)
    # On edges along c a component is in the middle along c; on faces it is so along the other two.
    E, B = (
        np.stack([_to_middles(v[:, c], c, on_edges) for c in range(3)], axis=1)
        for v, on_edges in ((found.E, positions == "yee"), (found.B, positions != "yee"))
    )
    return Converted(axes, E, B, found.drive_unit)


def sampled(found: Converted, grid: Grid) -> Converted:
    """Fields at the centres of voxels: those of the points where they coincide, else between them, linearly.

    Outside of the points the fields are not known (NaN).
    """
    from scipy.interpolate import RegularGridInterpolator

    lines = tuple(grid.centres(a) for a in range(3))
    starts = [_start(a, line) for a, line in zip(found.axes_m, lines, strict=True)]
    if all(s is not None for s in starts):
        part = tuple(slice(s, s + n) for s, n in zip(starts, grid.shape, strict=True) if s is not None)
        return Converted(lines, found.E[:, :, *part], found.B[:, :, *part], found.drive_unit)
    places = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)

    def at(values: np.ndarray) -> np.ndarray:
        table = RegularGridInterpolator(
            found.axes_m,
            np.moveaxis(values.reshape(-1, *values.shape[2:]), 0, -1),
            bounds_error=False,
            fill_value=np.nan,
        )
        return np.moveaxis(table(places), -1, 0).reshape(*values.shape[:2], *grid.shape)

    return Converted(lines, at(found.E), at(found.B), found.drive_unit)


def on_edges(found: Converted) -> tuple[np.ndarray, np.ndarray]:
    """E on the edges and B on the faces whose means at the centres are the given fields exactly, and smooth."""
    shape = found.E.shape[2:]
    lift = [_lifting(n) for n in shape]
    E, B = (np.zeros((*v.shape[:2], *(n + 1 for n in shape)), v.dtype) for v in (found.E, found.B))
    for c in range(3):
        inner = tuple(slice(0, n) if a == c else slice(None) for a, n in enumerate(shape))
        E[(slice(None), c, *inner)] = _lifted(found.E[:, c], [(a, lift[a]) for a in range(3) if a != c])
        outer = tuple(slice(None) if a == c else slice(0, n) for a, n in enumerate(shape))
        B[(slice(None), c, *outer)] = _lifted(found.B[:, c], [(c, lift[c])])
    return E, B


def body_of(
    axes_m: Sequence[np.ndarray], conductivity: np.ndarray | None, density: np.ndarray | None, name: str
) -> Phantom | None:
    """A body of the maps of a file, on equal voxels around its points; None where one of both maps is missing.

    Raises
    ------
    InputError
        When material is without mass, or of more kinds than a body can hold.
    """
    if conductivity is None or density is None:
        return None
    sigma, rho = (np.nan_to_num(np.asarray(m, float)) for m in (conductivity, density))
    if np.any((sigma > 0) & ~(rho > 0)):
        where = int(np.sum((sigma > 0) & ~(rho > 0)))
        raise InputError(f"conductive without mass in {where} voxels", field="density", expected="kg/m^3 > 0")
    grid = voxels_around(axes_m)
    index = np.ix_(*(nearest(a, grid.centres(n)) for n, a in enumerate(axes_m)))
    pairs = np.where(rho > 0, sigma + 1j * rho, 0)[index].ravel()  # a pair of numbers sorts as a complex one
    distinct, labels = np.unique(pairs, return_inverse=True)
    kinds = np.stack([distinct.real, distinct.imag], axis=1)
    if len(kinds) > MOST_MATERIALS:
        raise InputError("too many materials", field="conductivity", found=len(kinds), expected=f"{MOST_MATERIALS}")
    air = TissueTable.default()["air"]
    note = {"note": "from the file; its permittivity is not known, and 2 stands for it, which no SAR depends on"}
    matter = [
        Tissue(f"{s:.4g} S/m, {d:.4g} kg/m^3 ({n})", float(d), Constant(2.0, float(s)), sources=note)
        for n, (s, d) in enumerate(kinds)
        if d > 0
    ]
    number = np.cumsum(kinds[:, 1] > 0) * (kinds[:, 1] > 0)
    return Phantom(grid, number[labels].reshape(grid.shape), (air, *matter), name)


def voxels_around(axes_m: Sequence[np.ndarray]) -> Grid:
    """Equal voxels whose centres are the points, or as fine as the finest step of points that are not evenly spaced."""
    shape, spacing, origin = [], [], []
    for axis in axes_m:
        steps = np.diff(axis)
        even = np.ptp(steps) <= SAME_PLACE * steps.mean()
        step = float(steps.mean() if even else steps.min())
        count = len(axis) if even else math.floor((axis[-1] - axis[0]) / step * (1 + 1e-9)) + 1
        shape.append(count)
        spacing.append(step)
        origin.append(float(axis[0]) - 0.5 * step)
    if max(spacing) <= min(spacing) * (1 + SAME_PLACE):
        spacing = [sum(spacing) / 3] * 3
    return Grid(tuple(shape), tuple(spacing), tuple(origin))  # type: ignore[arg-type]


def conductivity_at(phantom: Phantom, axes_m: Sequence[np.ndarray], frequency_Hz: float) -> np.ndarray:
    """Conductivity of a body at points, that of the voxel each lies in; 0 outside [S/m]."""
    grid = phantom.grid
    index, inside = [], []
    for a, axis in enumerate(axes_m):
        n = np.floor((axis - grid.origin_m[a]) / grid.spacing_m[a] + 1e-9).astype(int)
        inside.append((n >= 0) & (n < grid.shape[a]))
        index.append(np.clip(n, 0, grid.shape[a] - 1))
    mask = inside[0][:, None, None] & inside[1][:, None] & inside[2]
    return np.where(mask, phantom.conductivity(frequency_Hz)[np.ix_(*index)], 0.0)


def absorbed_power(E: np.ndarray, conductivity: np.ndarray, volumes_m3: np.ndarray) -> np.ndarray:
    """Power of pairs of ports for peak fields at points, 1/2 sum sigma E_k* E_l dV, (port, port) complex [W]."""
    weight = 0.5 * np.nan_to_num(conductivity) * volumes_m3
    body = weight > 0
    inside = np.sqrt(weight[body]) * E[:, :, body]
    flat = inside.reshape(len(E), -1)
    return flat.conj() @ flat.T


def volumes(axes_m: Sequence[np.ndarray]) -> np.ndarray:
    """Volume around each point [m^3]."""
    x, y, z = (np.gradient(np.asarray(a, float)) for a in axes_m)
    return np.abs(x[:, None, None] * y[:, None] * z)


def _turned(values: np.ndarray | None, order: str, factor: float, time: str) -> np.ndarray | None:
    if values is None:
        return None
    out = factor * values[:, [order.index(c) for c in "xyz"]]
    return out.conj() if time == "exp(-jwt)" else out


def _to_middles(values: np.ndarray, c: int, on_edges_: bool) -> np.ndarray:
    """One component (port, ...) on the lattice of Yee to the middles of its cells."""
    for a in range(3):
        low = tuple(slice(0, -1) if b == a else slice(None) for b in range(3))
        high = tuple(slice(1, None) if b == a else slice(None) for b in range(3))
        lies_there = (a == c) if on_edges_ else (a != c)
        values = (
            values[(slice(None), *low)]
            if lies_there
            else 0.5 * (values[(slice(None), *low)] + values[(slice(None), *high)])
        )
    return values


def _start(axis: np.ndarray, line: np.ndarray) -> int | None:
    """Where in an axis a line of voxel centres begins; None where they do not coincide."""
    step = float(line[1] - line[0]) if len(line) > 1 else float(axis[1] - axis[0])
    first = int(np.abs(axis - line[0]).argmin())
    part = axis[first : first + len(line)]
    same = len(part) == len(line) and np.all(np.abs(part - line) <= SAME_PLACE * step)
    return first if same else None


def _lifting(n: int) -> np.ndarray:
    """Matrix (n + 1, n) to n + 1 values whose neighbours' means are given and whose second differences are small."""
    mean = 0.5 * (np.eye(n, n + 1) + np.eye(n, n + 1, 1))
    if n < 2:
        return np.ones((n + 1, n))
    bend = np.diff(np.eye(n + 1), 2, axis=0)
    system = np.block([[bend.T @ bend + 1e-9 * np.eye(n + 1), mean.T], [mean, np.zeros((n, n))]])
    right = np.concatenate([np.zeros((n + 1, n)), np.eye(n)])
    return np.linalg.solve(system, right)[: n + 1]


def _lifted(values: np.ndarray, along: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
    for axis, matrix in along:
        values = np.moveaxis(np.tensordot(matrix, values, (1, axis + 1)), 0, axis + 1)
    return values.astype(values.dtype)


def kept(values: np.ndarray) -> np.ndarray:
    """The array, its owner giving it away; NaN becomes 0."""
    return owned(np.nan_to_num(np.ascontiguousarray(values), nan=0.0))
