r"""Power in the metal of implants, from the currents on their surface as a perfect conductor.

.. math:: P = \tfrac12 \int R_s |H_t|^2 \, dS, \qquad R_s = \sqrt{\pi f \mu / \sigma}

The field is that beside a perfect conductor, so the result is the first term of a series in the skin depth over the
size of the metal. H beside the faces of the voxels gives the current on each; the currents of the faces near a point of
the true surface, over the true area near it, are the current density there. A staircase has too much area, but carries
the right current: the sum over faces alone would be up to twice too small.

Source: J. D. Jackson, Classical Electrodynamics, 3rd ed., Wiley 1999, sec. 8.1 (losses by perturbation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import backend
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.solvers.yee_grid.edge_materials import metal_edges
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.models.grids.grid import Grid
    from emdose.models.implants.implant import Part
    from emdose.models.implants.implanted_body import ImplantedBody
    from emdose.solvers.results.fields import Fields

REACH = 2.5
"""Radius of the neighbourhood of a point of the surface, in voxels."""
FINE = 0.7
"""Largest distance of points of the surface, in voxels."""
NEAR = 2.0
"""Distance from the surface within which edges are given its field, in voxels."""
CROWDED = 3.0
"""Points per square of a step from which on they are drawn together."""
PER_CELL = 2.0
"""Relative uncertainty times voxels across the metal: balls of 6 to 12 voxels across were off by 2 to 25 %."""


@read_only
@dataclass(frozen=True)
class MetalPart:
    """Power in one part of an implant.

    Parameters
    ----------
    name, metal : str
        Part and metal.
    power_W : float
        Power in it [W].
    area_m2 : float
        Area of its surface that tissue touches [m^2].
    surface_resistance_ohm, skin_depth_m : float
        Surface resistance [ohm] and skin depth [m] of the metal.
    H_rms_A_m : float
        Root of the mean square of the tangential H over the surface, peak phasor [A/m].
    """

    name: str
    metal: str
    power_W: float
    area_m2: float
    surface_resistance_ohm: float
    skin_depth_m: float
    H_rms_A_m: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return dict(self.__dict__)


@read_only(units={"density": "W/m^3"})
@dataclass(frozen=True, eq=False)
class MetalPower:
    """Power in all metal of driven fields.

    Parameters
    ----------
    parts : tuple of MetalPart
        In the order of the implants.
    density : (nx, ny, nz) float32 ndarray
        The same power as a density in the voxels of metal [W/m^3]: what heats.
    relative_uncertainty : float
        Expanded uncertainty (k = 2) by discretisation, as a fraction.
    """

    parts: tuple[MetalPart, ...]
    density: np.ndarray
    relative_uncertainty: float

    @property
    def power_W(self) -> float:
        """All of it [W]."""
        return sum(p.power_W for p in self.parts)

    def table(self, tissue_W: float, real_W: float | None = None) -> list[dict[str, Any]]:
        """The body with perfect conductors beside real metal, each with powers [W] and the share in the metal.

        Parameters
        ----------
        tissue_W, real_W : float
            Power in the tissue with perfect conductors, and with real metal where that is known [W].
        """
        real = tissue_W if real_W is None else real_W
        total = real + self.power_W
        return [
            {"metal": "perfect conductor", "tissue_W": tissue_W, "metal_W": 0.0, "share": 0.0},
            {
                "metal": "real metal",
                "tissue_W": real,
                "metal_W": self.power_W,
                "share": self.power_W / total if total > 0 else 0.0,
            },
        ]


@dataclass(frozen=True, eq=False)
class _Surface:
    """Points of the true surface: place, outward normal, area and part (counted from 0)."""

    place: np.ndarray
    normal: np.ndarray
    area: np.ndarray
    part: np.ndarray


def metal_power(fields: Fields) -> MetalPower:
    """Power in the metal that driven fields were solved with.

    Parameters
    ----------
    fields : Fields
        Fields of one drive, with their ``metal`` as perfect conductors.

    Raises
    ------
    InputError
        When ports are not combined, there is no metal, or the voxels have lost all of it.

    Notes
    -----
    The uncertainty is that of voxels alone: two over the voxels across the metal. Currents on a perfect conductor of
    voxels, whose edges stand out, are too large: balls in gel of 6, 8 and 12 voxels across had -8 to +25, 2 to 11 and
    6 to 8 % too much power.
    """
    here = _metal_of(fields)
    K, surface = _currents(fields, here)
    square = np.einsum("pc,pc->p", K.conj(), K).real
    f, parts, metals = fields.frequency_Hz, [], here.part_metals
    power = np.zeros(len(surface.area))
    for n, (name, metal) in enumerate(zip(here.part_names, metals, strict=True)):
        mine = surface.part == n
        depth = metal.skin_depth(f)
        resistance = 1 / (metal.conductivity_S_m * depth)
        power[mine] = 0.5 * resistance * square[mine] * surface.area[mine]
        area = float(surface.area[mine].sum())
        mean = float(square[mine] @ surface.area[mine] / area) if area > 0 else 0.0
        total = float(power[mine].sum())
        parts.append(MetalPart(name, metal.name, total, area, resistance, depth, math.sqrt(mean)))
    density = _deposited(power, surface.place, here)
    return MetalPower(tuple(parts), owned(density), uncertainty_of(here))


def field_on_metal(beside: Fields) -> np.ndarray:
    r"""Electric field along the surface that the currents of a perfect conductor would have on the real metal.

    .. math:: \mathbf E_t = Z_s \mathbf K, \qquad Z_s = (1 + j) R_s

    Parameters
    ----------
    beside : Fields
        Fields of one drive with metal as perfect conductors.

    Returns
    -------
    (3, nx + 1, ny + 1, nz + 1) complex ndarray
        On edges within two cells of the surface, that of the nearest point of it; zero elsewhere [V/m].

    Raises
    ------
    InputError
        As :func:`metal_power`.

    Source: J. D. Jackson, Classical Electrodynamics, 3rd ed., Wiley 1999, sec. 8.1.
    """
    from scipy.ndimage import binary_dilation
    from scipy.spatial import cKDTree

    here = _metal_of(beside)
    K, surface = _currents(beside, here)
    impedance = np.zeros(len(surface.area), complex)
    for n, metal in enumerate(here.part_metals):
        resistance = 1 / (metal.conductivity_S_m * metal.skin_depth(beside.frequency_Hz))
        impedance[surface.part == n] = (1 + 1j) * resistance
    E, tree, grid = impedance[:, None] * K, cKDTree(surface.place), here.phantom.grid
    out = np.zeros((3, *grid.node_shape), complex)
    close = binary_dilation(np.pad(np.asarray(here.metal), [(0, 1)] * 3), iterations=math.ceil(NEAR) + 1)
    for c in range(3):
        points = np.stack([p[close] for p in np.broadcast_arrays(*grid.edge_points(c))], axis=-1)
        away, nearest = tree.query(points, distance_upper_bound=NEAR * max(grid.spacing_m))
        out[c][close] = np.where(np.isfinite(away), E[np.minimum(nearest, len(E) - 1), c], 0)
    return out


def uncertainty_of(here: ImplantedBody) -> float:
    """Expanded uncertainty (k = 2) of the power in the metal by voxels, as a fraction."""
    from emdose.solvers.results.discretisation import cells_across

    across = cells_across(np.asarray(here.metal), here.phantom.spacing_m)
    return PER_CELL / across if across > 0 else math.inf


def _metal_of(fields: Fields) -> ImplantedBody:
    fields.require_driven()
    here = fields.metal
    if here is None or not np.asarray(here.metal).any():
        raise InputError("fields without metal", field="fields", expected="fields of an exposure with implants")
    return here


def _currents(fields: Fields, here: ImplantedBody) -> tuple[np.ndarray, _Surface]:
    """Current density (p, 3) [A/m] at points of the true surface."""
    place, normal, moment = _edge_currents(np.asarray(backend.of(fields.B).to_numpy(fields.B[0])), here)
    surface = _surface(here)
    return _on_surface(place, normal, moment, surface, max(here.phantom.spacing_m)), surface


def _edge_currents(B: np.ndarray, here: ImplantedBody) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle, outward normal and current moment [A m] of every edge on the surface of the voxels of metal.

    The current is the circulation of H around the edge: no field is in the metal, and none crosses its faces.
    """
    grid, metal = here.phantom.grid, np.asarray(here.metal)
    spacing, origin, shape = np.array(grid.spacing_m), np.array(grid.origin_m), np.array(grid.shape)
    H = [np.where(_touching(metal, c), 0, B[c]) / MU_0 for c in range(3)]
    air = np.pad(~metal, 1, constant_values=True)
    edges = metal_edges(metal)
    places, normals, moments = [], [], []
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        at = np.argwhere(edges[c])
        at = at[(at > 0).all(1) & (at < shape).all(1)]
        normal = np.zeros((len(at), 3))
        for p in (0, 1):
            for q in (0, 1):  # the four voxels around the edge
                voxel = at + 1
                voxel[:, a] -= 1 - p
                voxel[:, b] -= 1 - q
                empty = air[tuple(voxel.T)]
                normal[:, a] += (2 * p - 1) * empty
                normal[:, b] += (2 * q - 1) * empty
        outer = air[tuple((at + 1).T)] | (normal != 0).any(1)
        at, normal = at[outer], normal[outer]
        before_a, before_b = at.copy(), at.copy()
        before_a[:, a] -= 1
        before_b[:, b] -= 1
        current = (H[b][tuple(at.T)] - H[b][tuple(before_a.T)]) * spacing[b]
        current -= (H[a][tuple(at.T)] - H[a][tuple(before_b.T)]) * spacing[a]
        moment = np.zeros((len(at), 3), complex)
        moment[:, c] = current * spacing[c]
        middle = at.astype(float)
        middle[:, c] += 0.5
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        places.append(origin + middle * spacing)
        normals.append(normal / np.where(length > 0, length, 1.0))
        moments.append(moment)
    return np.concatenate(places), np.concatenate(normals), np.concatenate(moments)


def _touching(metal: np.ndarray, c: int) -> np.ndarray:
    """Faces normal to an axis that a voxel of metal has, (nx + 1, ny + 1, nz + 1) bool."""
    padded = np.pad(metal, [(1, 1) if axis == c else (0, 1) for axis in range(3)])
    low = tuple(slice(0, -1) if axis == c else slice(None) for axis in range(3))
    high = tuple(slice(1, None) if axis == c else slice(None) for axis in range(3))
    return np.asarray(padded[low] | padded[high])


def _surface(here: ImplantedBody) -> _Surface:
    """Points of the surfaces of all implants that metal does not touch."""
    grid = here.phantom.grid
    step = FINE * min(grid.spacing_m)
    places, normals, areas, owner = [], [], [], []
    for n, part in enumerate(p for i in here.implants for p in i.parts):
        place, normal, area = _points(part, step)
        place, normal, area = _merged(place, normal, area, step)
        beyond = _voxels(grid, place + normal * max(grid.spacing_m))
        exposed = ~np.asarray(here.metal)[tuple(beyond.T)]
        places.append(place[exposed])
        normals.append(normal[exposed])
        areas.append(area[exposed])
        owner.append(np.full(int(exposed.sum()), n))
    return _Surface(*(np.concatenate(a) for a in (places, normals, areas, owner)))


def _points(part: Part, step_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on a surface with normals and areas: the triangles cut into pieces no longer than a step."""
    corners, normals, areas = part.corners, part.normals, part.areas_m2
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    cuts = np.ceil(edges / step_m).astype(int).clip(1, 1000)
    places, outward, weight = [], [], []
    for n in np.unique(cuts):
        mine = cuts == n
        i, j = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
        up, down = i + j < n, i + j < n - 1
        u = np.concatenate([(i[up] + 1 / 3) / n, (i[down] + 2 / 3) / n])[:, None]
        v = np.concatenate([(j[up] + 1 / 3) / n, (j[down] + 2 / 3) / n])[:, None]
        a, b, c = corners[mine].transpose(1, 0, 2)[:, :, None]
        points = (a + u * (b - a) + v * (c - a)).reshape(-1, 3)
        places.append(points)
        outward.append(np.repeat(normals[mine], n * n, axis=0))
        weight.append(np.repeat(areas[mine] / n**2, n * n))
    return np.concatenate(places), np.concatenate(outward), np.concatenate(weight)


def _merged(
    place: np.ndarray, normal: np.ndarray, area: np.ndarray, step_m: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points that lie far closer than a step, as of fine or long thin triangles, drawn together by place and side.

    The work of neighbourhoods grows with the square of their points.
    """
    if len(area) < CROWDED * area.sum() / step_m**2:
        return place, normal, area
    axis = np.abs(normal).argmax(1)
    side = 2 * axis + (normal[np.arange(len(axis)), axis] > 0)
    boxes = np.column_stack([np.floor(place / (0.7 * step_m)).astype(np.int64), side])
    _, group = np.unique(boxes, axis=0, return_inverse=True)
    group = group.ravel()
    total = np.bincount(group, area)

    def mean(values: np.ndarray) -> np.ndarray:
        sums = [np.bincount(group, area * values[:, k]) for k in range(3)]
        return np.asarray(np.column_stack(sums) / total[:, None])

    normal = mean(normal)
    return mean(place), normal / np.linalg.norm(normal, axis=1, keepdims=True), total


def _on_surface(
    place: np.ndarray, normal: np.ndarray, moment: np.ndarray, surface: _Surface, spacing_m: float
) -> np.ndarray:
    """Surface current density [A/m] at points of the true surface, (p, 3) complex, tangential.

    Both the moments of faces and the true area are summed with the same weights over the neighbourhood of a point, as
    far as they look to the same side, so that the two sides of a plate do not mix.
    """
    from scipy.spatial import cKDTree

    reach = REACH * spacing_m
    points = cKDTree(surface.place)
    # Edges stand off the true surface by parts of a voxel; their currents flow on it.
    _, close = points.query(place, k=min(8, len(surface.area)))
    close = np.atleast_2d(close)
    facing = np.einsum("ekc,ec->ek", surface.normal[close], normal) > 0
    there = close[np.arange(len(place)), facing.argmax(1)]
    near = _near(points, cKDTree(surface.place[there]), reach, surface.normal, surface.normal[there])
    around = _near(points, points, reach, surface.normal, surface.normal)
    area = around @ surface.area
    K = (near @ moment) / np.maximum(area, np.finfo(float).tiny)[:, None]
    return np.asarray(K - surface.normal * np.einsum("pc,pc->p", surface.normal, K)[:, None])


def _near(points: Any, others: Any, reach_m: float, normal: np.ndarray, other: np.ndarray) -> Any:
    """Weights (p, q) of what lies near points and looks to the same side, as a sparse matrix."""
    found = points.sparse_distance_matrix(others, reach_m, output_type="coo_matrix")
    # A pair at no distance is not stored; it comes back with the weight 1.
    same = np.einsum("nc,nc->n", normal[found.row], other[found.col]) > 0
    found.data = np.where(same, 1 - (found.data / reach_m) ** 2, 0.0)
    return found.tocsr()


def _deposited(power_W: np.ndarray, place_m: np.ndarray, here: ImplantedBody) -> np.ndarray:
    """Power of points as a density of the nearest voxels of metal, (nx, ny, nz) float32 [W/m^3]."""
    from scipy.spatial import cKDTree

    grid, metal = here.phantom.grid, np.argwhere(np.asarray(here.metal))
    centres = np.array(grid.origin_m) + (metal + 0.5) * np.array(grid.spacing_m)
    _, nearest = cKDTree(centres).query(place_m)
    sums = np.bincount(nearest, power_W, len(metal)) / grid.voxel_volume_m3
    out = np.zeros(grid.shape, np.float32)
    out[tuple(metal.T)] = sums
    return out


def _voxels(grid: Grid, place_m: np.ndarray) -> np.ndarray:
    """Voxels that hold points, (n, 3), those beyond the grid moved to its rim."""
    index = np.floor((place_m - np.array(grid.origin_m)) / np.array(grid.spacing_m)).astype(int)
    return index.clip(0, np.array(grid.shape) - 1)
