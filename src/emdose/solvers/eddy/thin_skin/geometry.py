"""What thin-skin losses need to know of a surface: itself a little deeper, its edges, and how thick the body is."""

from __future__ import annotations

import numpy as np

from emdose.solvers.surface.mesh import Surface

STEP = 0.1
"""Depth of the second surface, in the least heights of the triangles (but for 1 % of them)."""
FOLLOW = 0.5
"""How far triangles follow the edge next to them, in radii of the largest balls inside."""
FLAT = 0.1
"""Share of the least squares of a vertex' triangles below which they lie in one plane, or meet in one edge."""


def deeper(surface: Surface, depth: np.ndarray) -> tuple[float, Surface]:
    """A small step, and the surface moved inward by it times the depth of every triangle; edges stay sharp."""
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree

    t = np.arange(len(depth))
    before = np.roll(surface.corners, 1, axis=1) - surface.corners
    after = np.roll(surface.corners, -1, axis=1) - surface.corners
    angle = np.arctan2(np.linalg.norm(np.cross(after, before), axis=2), (before * after).sum(2))
    shape = (len(surface.vertices), len(t))
    at = csr_array((angle.ravel(), (surface.triangles.ravel(), np.repeat(t, 3))), shape=shape)
    # Least squares for every vertex: all of its triangles move by their depth.
    n = surface.normals
    matrix = (at @ np.einsum("ta,tb->tab", n, n).reshape(-1, 9)).reshape(-1, 3, 3)
    right = at @ (-depth[:, None] * n)
    values, vectors = np.linalg.eigh(matrix)
    kept = values > FLAT * np.maximum(values[:, -1:], 1e-300)
    along = np.einsum("vck,vc->vk", vectors, right) * np.where(kept, 1 / np.where(kept, values, 1), 0)
    shift = np.einsum("vck,vk->vc", vectors, along)
    sharp = np.unique(surface.edges[surface.crease_edges])
    if len(sharp):  # triangles near an edge follow it, because the field there depends on the distance from it
        distance, nearest = cKDTree(surface.vertices[sharp]).query(surface.vertices)
        follow = np.maximum(1 - distance / (FOLLOW * np.percentile(inscribed_radii(surface), 95)), 0)
        free = np.einsum("vak,vk,vbk->vab", vectors, ~kept, vectors)
        shift = shift + np.einsum("vab,vb->va", free, shift[sharp[nearest]]) * follow[:, None]
    height = 2 * surface.areas / surface.sizes
    step = STEP * float(np.percentile(height, 1)) / float(depth.max())
    return step, Surface(surface.vertices + step * shift, surface.triangles)


def inscribed_radii(surface: Surface) -> np.ndarray:
    """Radius of the largest ball within the body that touches the centroid of every triangle, (t,) [m].

    Source: J. Ma, S. W. Bae and S. Choi, Visual Computer 28 (2012) 7 (shrinking ball).
    """
    from scipy.spatial import cKDTree

    p, n = surface.centroids, surface.normals
    tree = cKDTree(p)
    radius = np.full(len(p), float(np.linalg.norm(np.ptp(p, axis=0))))
    active = np.arange(len(p))
    for _ in range(30):
        distance, nearest = tree.query(p[active] - radius[active, None] * n[active], eps=0.05, workers=-1)
        shrink = distance < radius[active] * 0.95
        active, nearest = active[shrink], nearest[shrink]
        if not len(active):
            break
        way = p[active] - p[nearest]
        height, square = (way * n[active]).sum(1), (way * way).sum(1)
        smaller = square / np.maximum(2 * height, 1e-300)
        radius[active] = np.minimum(radius[active], smaller)
        active = active[square > (1.5 * surface.sizes[active]) ** 2]  # neighbours say more about the mesh
    return radius


def edges(surface: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sharp convex edges at triangles.

    Returns
    -------
    across : (t, 3) ndarray
        Unit vectors in the planes of the triangles, across the edge at which they lie; 0 for the others.
    height : (t,) ndarray
        Extent of the triangles in this direction [m].
    bend : (t,) ndarray
        (Angle between the normals at both sides / 90 degrees)^2, no more than 1, for triangles at an edge, else 0.
    """
    one, other = surface.edge_triangles.T
    n = surface.normals
    angle = np.arccos(np.clip((n[one] * n[other]).sum(axis=1), -1, 1))
    convex = ((surface.centroids[other] - surface.centroids[one]) * n[one]).sum(axis=1) < 0
    bend = np.where(surface.crease_edges & convex, np.minimum(angle / (0.5 * np.pi), 1) ** 2, 0.0)
    of_triangle = bend[surface.triangle_edges]
    k, t = np.argmax(of_triangle, axis=1), np.arange(len(n))
    along = surface.corners[t, (k + 1) % 3] - surface.corners[t, k]
    length = np.linalg.norm(along, axis=1)
    strength = of_triangle[t, k]
    across = np.cross(n, along / length[:, None]) * (strength > 0)[:, None]
    return across, 2 * surface.areas / length, strength


def edge_distance(surface: Surface) -> np.ndarray:
    """Distance of every centroid from the nearest end or middle of a sharp edge, (t,) [m]."""
    from scipy.spatial import cKDTree

    ends = surface.vertices[surface.edges[surface.crease_edges]]
    if not len(ends):
        return np.full(len(surface.areas), np.inf)
    return cKDTree(np.concatenate([ends[:, 0], ends[:, 1], ends.mean(axis=1)])).query(surface.centroids)[0]
