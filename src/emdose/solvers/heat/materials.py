r"""From a phantom with or without metal to the maps of the heat problem.

A voxel that a metal surface cuts holds a share f of metal. Capacities mix by volume, perfusion acts in the rest. A
voxel with f > 1/2 has its centre in metal. Between such a voxel a and one with less metal, b, the way along an axis
leaves the metal at the share \theta = (f_a - 1/2) / (f_a - f_b) of its length h, and passes the contact resistance R of
the surface with normal n,

.. math:: k_{ab} = \left(\frac{\theta}{k_m} + \frac{1 - \theta}{k_t} + \frac{R}{h |n|}\right)^{-1} ;

between two voxels with their centres in metal, metal and tissue share the face, min(f_a, f_b) of it metal.

Source: X.-D. Liu, R. P. Fedkiw, M. Kang, J. Comput. Phys. 160 (2000) 151-178 (interfaces at a part of a step);
perfusion as in H. H. Pennes, J. Appl. Physiol. 1 (1948) 93-122.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.solvers.heat.problem import HeatMaps, in_series, sides
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.grids.split import SplitGrid

ML_MIN_KG = 1e-6 / 60
"""Of a perfusion in mL/min/kg: m^3/s/kg."""
BLOOD_DENSITY_KG_M3, BLOOD_HEAT_CAPACITY_J_KG_K = 1049.75, 3617.0
"""Blood in the IT'IS database V5.0."""

LEAST_HELD = 1e-6
"""Voxels of the losses with a smaller share of metal hold none of it."""
MOST_STRAY = 0.2
"""Part of the losses in voxels without metal beyond which the implant lies elsewhere."""


@dataclass(frozen=True, eq=False)
class Metals:
    """Metal in the voxels of a body.

    Parameters
    ----------
    fraction : (nx, ny, nz) ndarray
        Share of the voxel's volume, 0 to 1.
    part : (nx, ny, nz) integer ndarray
        Which metal, counted from 1; 0 where there is none.
    metals : sequence
        With density_kg_m3, heat_capacity_J_kg_K and thermal_conductivity_W_m_K.
    contact_m2_K_W : float
        Thermal contact resistance between metal and tissue [m^2 K/W]; 0 for perfect contact.
    """

    fraction: np.ndarray
    part: np.ndarray
    metals: Sequence[Any]
    contact_m2_K_W: float = 0.0

    def per_part(self, name: str) -> np.ndarray:
        """A property of the metal in every voxel; where there is none, that of the first metal."""
        values = [float(getattr(m, name)) for m in self.metals]
        return np.array([values[0], *values])[self.part]


def body_maps(
    phantom: Phantom,
    metals: Metals | None = None,
    surface_W_m2_K: float = 8.0,
    edges: str = "surface",
    cells: SplitGrid | None = None,
) -> HeatMaps:
    """Thermal maps of a phantom.

    Parameters
    ----------
    phantom : Phantom
        The body; every tissue needs heat capacity and thermal conductivity.
    metals : Metals, optional
        Metal in its voxels.
    surface_W_m2_K : float
        Heat exchange of the skin with the air: convection, radiation and evaporation together [W/m^2/K].
    edges : "surface", "insulated" or "fixed"
        What the faces of the body at the ends of the grid do, see :class:`HeatMaps`.
    cells : SplitGrid, optional
        The voxels split into cells, which the metals are then given on and the maps come back on.

    Notes
    -----
    Air that the body encloses (no way to the ends of the grid) exchanges no heat. Tissue with the perfusion that stands
    for "at blood temperature" keeps its temperature.

    Raises
    ------
    InputError
        When a tissue has no thermal data.
    """
    used = np.unique(phantom.labels)
    heat, conductivity, perfusion = np.zeros((3, len(phantom.tissues)))
    conductivity[0] = heat[0] = 1.0  # the background takes no part
    for i in used[used > 0]:
        tissue = phantom.tissues[i]
        for name in ("heat_capacity_J_kg_K", "thermal_conductivity_W_m_K"):
            if getattr(tissue, name) is None:
                raise InputError(
                    "this tissue has no thermal data",
                    field=f"{tissue.name}.{name}",
                    expected="a number, from phantom.with_tissue(...) or a tissue table",
                )
        heat[i] = tissue.density_kg_m3 * tissue.heat_capacity_J_kg_K
        conductivity[i] = tissue.thermal_conductivity_W_m_K
        perfusion[i] = perfusion_W_m3_K(tissue)
    split = cells is not None and cells.is_split
    labels = cells.spread(phantom.labels) if cells is not None else phantom.labels
    steps = (cells.steps(0), cells.steps(1), cells.steps(2)) if split and cells is not None else None
    body = labels > 0
    pinned = np.array([t.at_blood_temperature for t in phantom.tissues])[labels]
    C, k, W = heat[labels], conductivity[labels], perfusion[labels]
    active, faces = body, None
    if metals is not None and metals.fraction.any():
        f = np.asarray(metals.fraction, float)
        active = body | (f > 0)
        C, W = _with_metal(f, metals, body, C, W)
        # Cells that hold metal are all of the finest size, and so are their neighbours.
        finest = phantom.spacing_m if steps is None else [float(s.min()) for s in steps]
        faces, k = mixed_conductivity(f, metals, body, k, finest, steps)
        pinned = pinned & (f < 0.5)
    return HeatMaps(
        spacing_m=phantom.spacing_m,
        heat_capacity=owned(C),
        conductivity=owned(k),
        perfusion=owned(W),
        active=active,
        surface_W_m2_K=surface_W_m2_K,
        outside=_open_air(active),
        edges=edges,
        pinned=pinned if pinned.any() else None,
        face_conductivity=owned(faces),
        steps_m=steps,
    )


def perfusion_W_m3_K(tissue: Any) -> float:
    """Heat that the blood takes per kelvin above its temperature: rho w rho_b c_b [W/m^3/K]."""
    flow = (tissue.perfusion_mL_min_kg or 0.0) * ML_MIN_KG
    return flow * tissue.density_kg_m3 * BLOOD_DENSITY_KG_M3 * BLOOD_HEAT_CAPACITY_J_KG_K


def metabolic_W_m3(phantom: Phantom, metals: Metals | None = None) -> np.ndarray:
    """Metabolic heat of every voxel [W/m^3]."""
    values = [0.0, *((t.metabolic_heat_W_kg or 0.0) * t.density_kg_m3 for t in phantom.tissues[1:])]
    out = phantom.per_label(values, float)
    return out if metals is None else out * (1 - np.clip(metals.fraction, 0, 1))


def transfer(cells: np.ndarray, values: np.ndarray, source_grid: Any, grid: Any) -> tuple[np.ndarray, float]:
    """Power density of voxels of one grid on another, by the volume they share; power within both grids is kept.

    Parameters
    ----------
    cells : (m, 3) int ndarray
        Voxels of ``source_grid``.
    values : (s, m) ndarray
        Power densities [W/m^3].
    source_grid, grid : Grid
        Where they are and where they go.

    Returns
    -------
    (s, nx, ny, nz) float64 ndarray, float
        Power density [W/m^3], and the share of the absolute values that lies outside of ``grid``.
    """
    out = np.zeros((len(values), grid.size))
    kept, total = 0.0, float(np.abs(values).sum())
    for at, inside, share in _shares(cells, source_grid, grid):
        kept += float((np.abs(values[:, inside]) * share).sum())
        for s in range(len(values)):
            out[s] += np.bincount(at, values[s, inside] * share, grid.size)
    out *= source_grid.voxel_volume_m3 / grid.voxel_volume_m3
    return out.reshape(-1, *grid.shape), max(0.0, 1 - kept / total) if total > 0 else 0.0


def _shares(cells: np.ndarray, source_grid: Any, grid: Any) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Flat voxels of a grid, the source voxels that reach into them (mask), and the share of their volume in them."""
    pieces: list[list[tuple[np.ndarray, np.ndarray]]] = []
    for axis in range(3):
        h, H = source_grid.spacing_m[axis], grid.spacing_m[axis]
        low = (source_grid.origin_m[axis] + cells[:, axis] * h - grid.origin_m[axis]) / H
        first, width = np.floor(low + 1e-9).astype(int), h / H
        ends = []
        for n in range(int(np.ceil(width)) + 1):
            shared = np.clip(np.minimum(low + width, first + n + 1) - np.maximum(low, first + n), 0, None) / width
            ends.append((first + n, shared))
        pieces.append(ends)
    for parts in itertools.product(*pieces):
        share = parts[0][1] * parts[1][1] * parts[2][1]
        inside = share > 0
        for (index, _), n in zip(parts, grid.shape, strict=True):
            inside &= (index >= 0) & (index < n)
        yield np.ravel_multi_index(tuple(index[inside] for index, _ in parts), grid.shape), inside, share[inside]


def deposit(
    cells: np.ndarray, values: np.ndarray, source_grid: Any, grid: Any, fraction: np.ndarray, whole: Any = None
) -> np.ndarray:
    """Losses in metal on another grid, each within its own voxel where there is metal in it; power is kept.

    Parameters
    ----------
    cells, values, source_grid, grid
        See :func:`transfer`.
    fraction : (nx, ny, nz) ndarray
        Share of metal: a voxel of the losses heats what it holds of it. Those that hold none give theirs to the others.
    whole : Grid, optional
        What the losses must lie within, where ``grid`` is only the part of it around the metal.

    Returns
    -------
    (s, nx, ny, nz) float64 ndarray [W/m^3]

    Raises
    ------
    InputError
        When the losses lie beside the metal or outside of the grid.
    """
    values, metal = np.asarray(values, float), np.asarray(fraction, float).ravel()
    size = np.abs(values).sum(axis=0)
    lost = transfer(cells, size[None], source_grid, grid if whole is None else whole)[1]
    if lost > 1e-6:
        raise InputError(
            "the implant's losses leave the body's grid",
            field="implant",
            found=f"{lost:.1%}",
            expected="an implant inside the phantom, posed as when its losses were computed",
        )
    held = np.zeros(len(cells))
    for at, inside, share in _shares(cells, source_grid, grid):
        held[inside] += share * metal[at]
    heats = held > LEAST_HELD
    stray = float(size[~heats].sum() / size.sum()) if size.any() else 0.0
    if stray > MOST_STRAY:
        raise InputError(
            "the losses lie beside the implant",
            field="implant",
            found=f"{stray:.0%}",
            expected="the implant posed as when its losses were computed",
        )
    kept = np.where(heats, values / np.where(heats, held, 1.0), 0.0)
    out = np.zeros((len(values), grid.size))
    for at, inside, share in _shares(cells, source_grid, grid):
        for s in range(len(values)):
            out[s] += np.bincount(at, kept[s, inside] * share * metal[at], grid.size)
    # Diagonal entries of a tensor are powers and scale; the others may sum to nothing and stay as they are.
    before, after = values.sum(axis=1), values[:, heats].sum(axis=1)
    factor = np.where(np.abs(after) > 0.5 * np.abs(values).sum(axis=1), before / np.where(after, after, 1), 1.0)
    out *= factor[:, None] * source_grid.voxel_volume_m3 / grid.voxel_volume_m3
    return out.reshape(-1, *grid.shape)


def _with_metal(
    f: np.ndarray, metals: Metals, body: np.ndarray, C: np.ndarray, W: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    metal = metals.per_part("density_kg_m3") * metals.per_part("heat_capacity_J_kg_K")
    tissue = np.where(body, C, metal)
    return f * metal + (1 - f) * tissue, np.where(body, (1 - f) * W, 0.0)


def mixed_conductivity(
    f: np.ndarray,
    metals: Metals,
    body: np.ndarray,
    k: np.ndarray,
    spacing_m: Sequence[float],
    steps_m: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Conductivity across the faces between voxels with and without metal, and at the voxels' centres.

    Parameters
    ----------
    f : (nx, ny, nz) ndarray
        Share of metal.
    metals : Metals
        Which metal, and its contact with the tissue.
    body : (nx, ny, nz) bool ndarray
        Voxels that hold tissue besides.
    k : (nx, ny, nz) ndarray
        Conductivity of the tissue [W/m/K].
    spacing_m : (float, float, float)
        Voxel edge lengths where there is metal [m].
    steps_m : three (n,) ndarrays, optional
        Edge lengths along each axis, where they differ away from it.

    Returns
    -------
    (3, nx, ny, nz) ndarray, (nx, ny, nz) ndarray
        Of the face on the high side along each axis, and of the centres [W/m/K].
    """
    metal = metals.per_part("thermal_conductivity_W_m_K")
    tissue = np.where(body, k, metal)
    inside = f > 0.5
    slope = np.zeros((3, *f.shape))
    for axis in range(3):
        if f.shape[axis] > 1:
            slope[axis] = np.gradient(f, spacing_m[axis], axis=axis)
    faces = np.zeros((3, *f.shape))
    for axis in range(3):
        below, above = sides(axis)
        a, b = f[below], f[above]
        most, least = np.maximum(a, b), np.minimum(a, b)
        crossing = inside[below] != inside[above]
        theta = np.divide(most - 0.5, most - least, out=np.full_like(most, 0.5), where=crossing)
        k_m = np.where(inside[below], metal[below], metal[above])
        k_t = np.where(inside[below], tissue[above], tissue[below])
        normal = slope[(slice(None), *below)] + slope[(slice(None), *above)]
        steep = np.sqrt((normal**2).sum(axis=0))
        along = np.divide(np.abs(normal[axis]), steep, out=np.ones_like(steep), where=steep > 0)
        contact = metals.contact_m2_K_W / (spacing_m[axis] * np.maximum(along, 1e-3))
        across = 1 / (theta / k_m + (1 - theta) / k_t + contact)
        ways: tuple[Any, ...] = (1.0, 1.0)
        if steps_m is not None:
            along = np.broadcast_to(steps_m[axis].reshape([-1 if a == axis else 1 for a in range(3)]), f.shape)
            ways = along[below], along[above]
        matter = in_series(tissue[below], tissue[above], *ways)
        shared = least * in_series(metal[below], metal[above]) + (1 - least) * matter
        faces[axis][below] = np.where(crossing, across, np.where(inside[below], shared, matter))
    return faces, np.where(inside, metal, tissue)


def _open_air(active: np.ndarray) -> np.ndarray:
    """Empty voxels with a way to the ends of the grid; enclosed air exchanges nothing."""
    from scipy.ndimage import label

    parts, count = label(~active)
    open_ = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            open_[np.unique(np.take(parts, end, axis))] = True
    open_[0] = False
    return open_[parts]


def warn(text: str) -> None:
    """Tell of something that changes how far a temperature can be trusted."""
    warnings.warn(text, EmdoseWarning, stacklevel=4)
