r"""Currents on triangles and wires: half functions that meet at edges and points.

On a triangle f = +-(l / 2A) (r - v) with the corner v opposite an edge of length l (Rao, Wilton and Glisson), on a
piece of wire f = +-(1 / L) (r - v) with its other end v. Where m elements meet there are m - 1 functions, each of the
first half and one of the others, so that currents are conserved; at free edges and ends no current flows.

Source: S. Rao, D. Wilton, A. Glisson, IEEE Trans. Antennas Propag. 30 (1982) 409 (triangles); C. Butler and D. Wilton,
IEEE Trans. Antennas Propag. 23 (1975) 534 (linear currents on thin wires).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError
from emdose.values import read_only

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh

TOUCHING = 1e-6
"""Share of the size of the mesh within which a turned point is one of its points."""
_GAUSS = math.sqrt(0.6)
_TRIANGLE = (np.array([[2 / 3, 1 / 6, 1 / 6], [1 / 6, 2 / 3, 1 / 6], [1 / 6, 1 / 6, 2 / 3]]), np.full(3, 1 / 3))
_WIRE = (
    np.array([[0.5 * (1 - x), 0.5 * (1 + x), 0.0] for x in (-_GAUSS, 0.0, _GAUSS)]),
    np.array([5 / 18, 8 / 18, 5 / 18]),
)


@read_only
@dataclass(frozen=True, eq=False)
class Elements:
    """Triangles and pieces of wire in one list: of every sector its triangles, then its wires.

    Parameters
    ----------
    corners : (n, 3) int ndarray
        Their points; of a wire the first two, then the first again. In every sector the same, turned.
    vertices_m : (n, 3, 3) ndarray
        Where these are [m].
    kind : (n,) ndarray
        2 for triangles, 1 for wires.
    measure : (n,) ndarray
        Area [m^2] or length [m].
    radius_m : (n,) ndarray
        Of wires, else 0 [m].
    part : (n,) int ndarray
        Which part of the mesh each belongs to.
    sectors : int
        How many equal ones there are.
    """

    corners: np.ndarray
    vertices_m: np.ndarray
    kind: np.ndarray
    measure: np.ndarray
    radius_m: np.ndarray
    part: np.ndarray
    sectors: int = 1

    @property
    def centres_m(self) -> np.ndarray:
        """Centroids, (n, 3) [m]."""
        used = self.vertices_m * np.where(self.kind == 2, [[1.0], [1.0], [1.0]], [[1.0], [1.0], [0.0]]).T[:, :, None]
        return np.asarray(used.sum(axis=1) / (self.kind + 1)[:, None])

    @property
    def reach_m(self) -> np.ndarray:
        """Half the longest side, (n,) [m]."""
        sides = self.vertices_m - np.roll(self.vertices_m, 1, axis=1)
        return np.asarray(0.5 * np.linalg.norm(sides, axis=2).max(axis=1))

    @property
    def free_heights_m(self) -> np.ndarray:
        """Height of triangles above their edge that no other shares, the least of several, else infinite, (n,) [m]."""
        own = np.flatnonzero(self.kind == 2)
        ends = self.corners[own][:, [[1, 2], [2, 0], [0, 1]]]
        _, which, count = np.unique(
            np.sort(ends, axis=2).reshape(-1, 2), axis=0, return_inverse=True, return_counts=True
        )
        v = self.vertices_m[own]
        length = np.linalg.norm(v[:, [2, 0, 1]] - v[:, [1, 2, 0]], axis=2)
        free = count[which.ravel()].reshape(-1, 3) == 1
        found = np.full(len(self.kind), np.inf)
        found[own] = np.where(free, 2 * self.measure[own][:, None] / length, np.inf).min(axis=1, initial=np.inf)
        return found

    def quadrature(self, points: int = 3) -> tuple[np.ndarray, np.ndarray]:
        """Points on every element (n, q, 3) [m] and weights (n, q) with sum 1: three of degree 2 or 5, or one."""
        if points == 1:
            return self.centres_m[:, None], np.ones((len(self.kind), 1))
        wire = self.kind == 1
        nodes = np.where(wire[:, None, None], _WIRE[0], _TRIANGLE[0])
        return np.einsum("nqk,nkc->nqc", nodes, self.vertices_m), np.where(wire[:, None], _WIRE[1], _TRIANGLE[1])


@read_only
@dataclass(frozen=True, eq=False)
class Functions:
    """The functions of one sector; those of the others are the same, turned.

    Parameters
    ----------
    first : (n + 1,) int ndarray
        Function m has the halves from first[m] to first[m + 1].
    element, sector, half : (h,) int ndarray
        On which element of a sector a half lies, how many sectors on, and which corner is opposite.
    coef : (h,) ndarray
        f = coef (r - v) [1/m for triangles, per A/m; 1/m for wires, per A].
    length : (n,) ndarray
        Of the edge [m]; 1 at points of wires.
    where : dict
        From an edge (two points) or a point (it twice) to the numbers of the functions there, over all sectors.
    """

    first: np.ndarray
    element: np.ndarray
    sector: np.ndarray
    half: np.ndarray
    coef: np.ndarray
    length: np.ndarray
    where: dict[tuple[int, int], tuple[int, ...]]

    @property
    def count(self) -> int:
        """Functions of a sector."""
        return len(self.length)


def elements_of(mesh: MetalMesh) -> Elements:
    """All elements of a mesh, sector after sector.

    Raises
    ------
    InputError
        Where a wire ends on a triangle, or the mesh does not have the symmetry that it states.
    """
    n = mesh.rotations
    touching = np.intersect1d(mesh.wires, mesh.triangles)
    if touching.size:
        raise InputError(
            "a wire ends on a corner of a triangle",
            field="mesh",
            found=f"point {touching[0]} at {mesh.points_m[touching[0]].round(6).tolist()} m",
            expected="wires joined with wires, triangles with triangles",
        )
    if n < 1 or len(mesh.triangles) % n or len(mesh.wires) % n:
        raise InputError("elements are no multiple of it", field="rotations", found=n, expected="equal sectors")
    wires = np.concatenate([mesh.wires, mesh.wires[:, :1]], axis=1)
    corners = np.concatenate([part.reshape(n, -1, 3) for part in (mesh.triangles, wires)], axis=1)
    if n > 1:
        corners = _turned(mesh, corners)
    corners = corners.reshape(-1, 3)
    each = (len(mesh.triangles) // n, len(mesh.wires) // n)
    vertices = mesh.points_m[corners]
    kind = np.tile(np.repeat([2.0, 1.0], each), n)
    ab, ac = vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0]
    area, length = 0.5 * np.linalg.norm(np.cross(ab, ac), axis=1), np.linalg.norm(ab, axis=1)
    radius = _interleaved(np.zeros(len(mesh.triangles)), mesh.wire_radius_m, n)
    part = _interleaved(mesh.triangle_part, mesh.wire_part, n)
    return Elements(corners, vertices, kind, np.where(kind == 2, area, length), radius, part, n)


def functions_of(mesh: MetalMesh, elements: Elements) -> Functions:
    """The functions of the first sector.

    Raises
    ------
    InputError
        Where an edge lies on the axis of the symmetry, or no current can flow anywhere.
    """
    n, each = elements.sectors, len(elements.kind) // elements.sectors
    meeting: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for number, (a, b, c) in enumerate(elements.corners.tolist()):
        ends = [(b, c), (c, a), (a, b)] if elements.kind[number] == 2 else [(b, b), (a, a)]
        for opposite, (p, q) in enumerate(ends):
            meeting.setdefault((p, q) if p <= q else (q, p), []).append((number, opposite))
    # From a corner of an element to that of the next sector.
    following = np.full(len(mesh.points_m), -1)
    following[elements.corners] = np.roll(elements.corners.reshape(n, each, 3), -1, axis=0).reshape(-1, 3)
    onward: list[int] = following.tolist()
    where: dict[tuple[int, int], tuple[int, ...]] = {}
    first, length = [0], list[float]()
    halves: list[tuple[int, int, float]] = []
    orbits: list[tuple[list[tuple[int, int]], list[int]]] = []
    for key, members in meeting.items():
        if len(members) < 2 or key in where:
            continue
        orbit = [key]
        for _ in range(n - 1):
            p, q = onward[orbit[-1][0]], onward[orbit[-1][1]]
            orbit.append((p, q) if p <= q else (q, p))
        if len(set(orbit)) < n:
            at = mesh.points_m[list(key)].mean(axis=0).round(6).tolist()
            raise InputError(
                "an edge on the axis", field="rotations", found=f"{at} m", expected="a mesh beside its axis"
            )
        size = 1.0 if key[0] == key[1] else float(np.linalg.norm(mesh.points_m[key[0]] - mesh.points_m[key[1]]))
        numbers = []
        for other in members[1:]:
            numbers.append(len(length))
            length.append(size)
            halves += [(*members[0], size), (*other, -size)]
            first.append(len(halves))
        orbits.append((orbit, numbers))
        where |= dict.fromkeys(orbit, ())
    if not length:
        raise InputError("no current can flow: no two elements meet", field="mesh", expected="edges of two triangles")
    for orbit, numbers in orbits:
        for s, key in enumerate(orbit):
            where[key] = tuple(s * len(length) + m for m in numbers)
    on = np.array([h[0] for h in halves])
    coef = np.array([h[2] for h in halves]) / (elements.kind[on] * elements.measure[on])
    integers = (np.array(first), on % each, on // each, np.array([h[1] for h in halves]))
    start, element, turn, half = (x.astype(np.int32) for x in integers)
    return Functions(start, element, turn, half, coef, np.array(length), where)


def incidence(mesh: MetalMesh, elements: Elements, functions: Functions) -> np.ndarray:
    """F (unknowns, gaps): the current that runs through a gap from its start to its end for every function [m, or 1].

    Raises
    ------
    InputError
        For a gap on no conductor.
    """
    F = np.zeros((functions.count * elements.sectors, len(mesh.gaps)))
    each, centres = len(elements.kind) // elements.sectors, elements.centres_m
    for column, gap in enumerate(mesh.gaps):
        for key in _cut(gap):
            numbers = functions.where.get(key, ())
            if not numbers:
                at = mesh.points_m[list(key)].mean(axis=0).round(6).tolist()
                raise InputError("a gap on no conductor", field=f"gap '{gap.name}'", found=f"{at} m")
            middle = mesh.points_m[list(key)].mean(axis=0)
            for m in numbers:
                turn, one = divmod(m, functions.count)
                low = functions.first[one]
                # The first half has the positive sign: its current runs to the other.
                start, stop = (
                    ((functions.sector[h] + turn) % elements.sectors) * each + functions.element[h]
                    for h in (low, low + 1)
                )
                sides = np.sign((centres[[start, stop]] - middle) @ gap.direction)
                F[m, column] += 0.5 * functions.length[one] * (sides[1] - sides[0])
        if not F[:, column].any():
            raise InputError(
                "no current crosses a gap", field=f"gap '{gap.name}'", expected="its direction across its cut"
            )
    return F


def all_halves(elements: Elements, functions: Functions) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the halves of all sectors the function, the element, the corner and the coefficient."""
    n, each = elements.sectors, len(elements.kind) // elements.sectors
    turn = np.arange(n)[:, None]
    function = np.repeat(np.arange(functions.count), np.diff(functions.first))
    element = (functions.sector + turn) % n * each + functions.element
    return (
        (function + turn * functions.count).ravel(),
        element.ravel(),
        np.tile(functions.half, n),
        np.tile(functions.coef, n),
    )


def source_maps(elements: Elements, functions: Functions, points: int = 3) -> tuple[np.ndarray, list[csr_matrix]]:
    """Quadrature points (q, 3) [m] and maps (q, unknowns) to weight times J, three of them, and weight times div J."""
    from scipy.sparse import csr_matrix

    r, weight = elements.quadrature(points)
    function, element, half, coef = all_halves(elements, functions)
    scale = weight[element] * (elements.measure[element] * coef)[:, None]
    offset = r[element] - elements.vertices_m[element, half][:, None]
    q = element[:, None] * r.shape[1] + np.arange(r.shape[1])
    n = functions.count * elements.sectors
    columns = np.broadcast_to(function[:, None], q.shape).ravel()
    values = [scale * offset[:, :, c] for c in range(3)] + [scale * elements.kind[element][:, None]]
    maps = [csr_matrix((v.ravel(), (q.ravel(), columns)), (r.shape[0] * r.shape[1], n)) for v in values]
    return r.reshape(-1, 3), maps


def gram(elements: Elements, functions: Functions, factor: np.ndarray) -> csr_matrix:
    """Sparse <f_m, factor f_n> with a factor per element."""
    from scipy.sparse import diags_array

    maps = source_maps(elements, functions)[1]
    _, weight = elements.quadrature()
    scale = diags_array((factor[:, None] / (elements.measure[:, None] * weight)).ravel())
    x, y, z = (m.T @ scale @ m for m in maps[:3])
    return (x + y + z).tocsr()


def _cut(gap: GapCut) -> list[tuple[int, int]]:
    keys = [(min(a, b), max(a, b)) for a, b in np.asarray(gap.edges, int).reshape(-1, 2).tolist()]
    keys += [(gap.node, gap.node)] if gap.node >= 0 else []
    if not keys:
        raise InputError("it cuts nothing", field=f"gap '{gap.name}'", expected="edges or a point of a wire")
    return keys


def _interleaved(of_triangles: np.ndarray, of_wires: np.ndarray, n: int) -> np.ndarray:
    """Values of all elements: of every sector those of its triangles, then those of its wires."""
    return np.concatenate([of_triangles.reshape(n, -1), of_wires.reshape(n, -1)], axis=1).ravel()


def _turned(mesh: MetalMesh, corners: np.ndarray) -> np.ndarray:
    """Corners of all sectors in the order of the first sector's, found by turning it."""
    from scipy.spatial import cKDTree

    n, points = len(corners), mesh.points_m - mesh.centre_m
    angle = 2 * math.pi / n
    rotation = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])
    used = np.unique(corners)
    size = float(np.linalg.norm(np.ptp(points[used], axis=0)))
    distance, nearest = cKDTree(points[used]).query(points[used] @ rotation.T)
    onward = np.full(len(points), -1)
    onward[used] = used[nearest]
    found = np.empty_like(corners)
    found[0] = corners[0]
    for s in range(1, n):
        found[s] = onward[found[s - 1]]
    same = np.array_equal(np.sort(found, axis=2), np.sort(corners, axis=2))
    if distance.max() > TOUCHING * size or not same or not np.array_equal(onward[found[-1]], found[0]):
        off = f"{distance.max():.3g} m" if distance.max() > TOUCHING * size else "elements in another order"
        raise InputError("the mesh does not have this symmetry", field="rotations", found=f"{n} ({off})")
    return found
