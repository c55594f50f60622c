"""Closed shells of triangles: which are there, what encloses what, and where they cross or touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.models.implants.surface_repair import crossing_triangles, winding
from emdose.values import read_only

MOST_SHELLS = 500
TOUCH = 1e-3
"""Distance over the longest edge of a triangle below which a corner of another shell touches it."""
NEAREST = 8
"""Triangles by their centroids that the nearest one is sought among."""


@read_only
@dataclass(frozen=True, eq=False)
class Shells:
    """Connected closed surfaces of a mesh.

    Parameters
    ----------
    vertices : (v, 3) ndarray
        [m]
    triangles : (t, 3) int64 ndarray
        Corners, turned so that every shell looks outwards.
    of : (t,) ndarray
        Shell of every triangle.
    interface : (shells,) ndarray
        Interface that a shell belongs to.
    turned : (shells,) bool ndarray
        Whether it looked inwards: a cavity.
    volume_m3 : (shells,) ndarray
        Volume within.
    parent : (shells,) ndarray
        Smallest shell around it, or -1.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    of: np.ndarray
    interface: np.ndarray
    turned: np.ndarray
    volume_m3: np.ndarray
    parent: np.ndarray


def find(names: list[str], meshes: list[tuple[np.ndarray, np.ndarray]]) -> Shells:
    """Shells of named meshes, checked.

    Raises
    ------
    InputError
        For a mesh that is not closed, is turned partly, crosses itself or another one, touches another one, encloses
        nothing, or is inside out.
    """
    for name, mesh in zip(names, meshes, strict=True):
        _check_closed(name, *mesh)
    offset = np.cumsum([0, *(len(v) for v, _ in meshes)])
    vertices = np.concatenate([v for v, _ in meshes])
    triangles = np.concatenate([t + o for (_, t), o in zip(meshes, offset, strict=False)])
    owner = np.repeat(np.arange(len(meshes)), [len(t) for _, t in meshes])
    of = _components(triangles, len(vertices))
    count = int(of.max()) + 1
    if count > MOST_SHELLS:
        raise InputError("too many separate shells", field="interfaces", found=count, expected=f"<= {MOST_SHELLS}")
    interface = np.zeros(count, np.int64)
    interface[of] = owner
    corners = vertices[triangles] - vertices.mean(axis=0)
    each = np.einsum("tc,tc->t", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    volume = np.bincount(of, each, minlength=count)
    area = np.bincount(of, 0.5 * np.linalg.norm(_cross(corners), axis=1), minlength=count)
    flat = np.abs(volume) <= 1e-9 * area**1.5
    if flat.any():
        raise InputError("a surface encloses no volume", field=names[interface[int(flat.argmax())]])
    crossing = crossing_triangles(vertices, triangles)
    if len(crossing):
        one, other = (names[owner[n]] for n in crossing[0])
        at = 1e3 * vertices[triangles[crossing[0, 0]]].mean(axis=0)
        raise InputError(
            "surface intersects itself" if one == other else "surfaces intersect",
            field=one if one == other else f"{one} and {other}",
            found=f"{len(crossing)} pairs of triangles that cross, one near ({at[0]:.4g}, {at[1]:.4g}, {at[2]:.4g}) mm",
            expected="nested or separate surfaces",
        )
    around = _enclosing(corners, of, count)
    parent = np.full(count, -1)
    for n in range(count):
        if around[n]:
            parent[n] = min(around[n], key=lambda m: abs(volume[m]))
        holds = [m for m in around[n] if interface[m] == interface[n] and (volume[m] > 0) != (volume[n] > 0)]
        if volume[n] < 0 and not holds:
            raise InputError(
                "surface is inside out",
                field=names[interface[n]],
                found="normals that point inwards",
                expected="corners counter-clockwise seen from outside",
            )
        if parent[n] >= 0 and interface[parent[n]] == interface[n] and volume[n] > 0 and volume[parent[n]] > 0:
            raise InputError(
                "a shell of a surface lies within another one of the same surface",
                field=names[interface[n]],
                expected="a cavity, whose normals point into it, or a surface of its own with its own tissue",
            )
    turned = volume < 0
    triangles = np.where(turned[of][:, None], triangles[:, ::-1], triangles)
    return Shells(vertices, triangles, of, interface, turned, np.abs(volume), parent)


def gaps(shells: Shells, names: list[str]) -> tuple[float, float]:
    """Smallest distance between shells [m], and the smallest over the longest edge of the triangle there.

    Both are infinite for a single shell. The distance is that from corners to triangles.

    Raises
    ------
    InputError
        Where shells touch.
    """
    from scipy.spatial import cKDTree

    corners = shells.vertices[shells.triangles]
    centroids, sizes = corners.mean(axis=1), np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2).max(axis=1)
    smallest, relative = np.inf, np.inf
    for n in range(len(shells.volume_m3)):
        others = np.flatnonzero(shells.of != n)
        if not len(others):
            continue
        mine = shells.vertices[np.unique(shells.triangles[shells.of == n])]
        near = cKDTree(centroids[others]).query(mine, k=min(NEAREST, len(others)))[1].reshape(len(mine), -1)
        triangle = others[near]
        distance = point_triangle(np.repeat(mine, near.shape[1], axis=0), corners[triangle.ravel()])
        ratio = distance / sizes[triangle.ravel()]
        smallest, at = min(smallest, float(distance.min())), int(ratio.argmin())
        if ratio[at] < TOUCH:
            pair = names[shells.interface[n]], names[shells.interface[shells.of[triangle.ravel()[at]]]]
            place = 1e3 * np.repeat(mine, near.shape[1], axis=0)[at]
            raise InputError(
                "surfaces touch",
                field=f"{pair[0]} and {pair[1]}",
                found=f"{1e3 * distance[at]:.3g} mm apart near ({place[0]:.4g}, {place[1]:.4g}, {place[2]:.4g}) mm",
                expected="a gap between surfaces, or a voxel body where three tissues meet",
            )
        relative = min(relative, float(ratio[at]))
    return smallest, relative


def point_triangle(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Distance of every point (n, 3) from its triangle (n, 3, 3)."""
    n = _cross(corners)
    height = np.einsum("nc,nc->n", points - corners[:, 0], n) / np.linalg.norm(n, axis=1)
    inside, edge = np.ones(len(points), bool), np.full(len(points), np.inf)
    for k in range(3):
        start, along = corners[:, k], corners[:, (k + 1) % 3] - corners[:, k]
        to = points - start
        inside &= np.einsum("nc,nc->n", np.cross(along, to), n) >= 0
        share = np.clip(np.einsum("nc,nc->n", to, along) / np.einsum("nc,nc->n", along, along), 0, 1)
        edge = np.minimum(edge, np.linalg.norm(to - share[:, None] * along, axis=1))
    return np.where(inside, np.abs(height), edge)


def _cross(corners: np.ndarray) -> np.ndarray:
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _check_closed(name: str, vertices: np.ndarray, triangles: np.ndarray) -> None:
    if not np.all(np.isfinite(vertices)):
        raise InputError("coordinate is not a finite number", field=name)
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise InputError(
            "triangle points to a vertex that is not there", field=name, expected=f"0 to {len(vertices) - 1}"
        )
    area, corners = 0.5 * np.linalg.norm(_cross(vertices[triangles]), axis=1), vertices[triangles]
    size = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2).max(axis=1)
    if not np.all(area > 1e-9 * size**2):
        raise InputError("triangle without area", field=f"{name}, triangle {int(np.argmin(area / size**2))}")
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    low, high = np.minimum(start, end), np.maximum(start, end)
    _, index, counts = np.unique(low * len(vertices) + high, return_inverse=True, return_counts=True)
    if np.any(counts != 2):
        raise InputError(
            "surface is not closed",
            field=name,
            found=f"{int((counts != 2).sum())} edges without exactly two triangles",
            expected="a watertight surface",
        )
    forward = np.bincount(index, start < end)
    if np.any(forward != 1):
        raise InputError(
            "triangles look to different sides",
            field=name,
            found=f"{int((forward != 1).sum())} edges that both triangles run along the same way",
            expected="all corners counter-clockwise seen from outside",
        )


def _components(triangles: np.ndarray, count: int) -> np.ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    label = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(count, count)), directed=False)[1]
    _, first, inverse = np.unique(label[triangles[:, 0]], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))  # in the order of the triangles
    return rank[inverse]


def _enclosing(corners: np.ndarray, of: np.ndarray, count: int) -> list[list[int]]:
    """Shells around every shell."""
    shells = [corners[of == n] for n in range(count)]
    low, high = (np.array([getattr(np, f)(s, axis=(0, 1)) for s in shells]) for f in ("min", "max"))
    found: list[list[int]] = []
    for n, shell in enumerate(shells):
        around = np.flatnonzero((low < low[n]).all(axis=1) & (high > high[n]).all(axis=1))
        found.append([int(m) for m in around if abs(winding(shells[m], shell[:1, 0])[0]) > 0.5])
    return found
