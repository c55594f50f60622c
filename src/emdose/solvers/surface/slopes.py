"""Densities that are linear over a triangle: what they add to the field close by.

Charges are solved for as one number per triangle. Seen from a few triangles away that is of second order in their size;
on the surface itself the step from triangle to triangle is of first order in the tangential field. The slope over a
triangle, from its three neighbours, and its field in closed form put that right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.surface.operator import CLAMP, near_pairs, point_sums, triangle_rule

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.surface.mesh import Surface

PAIRS_AT_ONCE = 2_000_000


def slopes(surface: Surface, density: np.ndarray) -> np.ndarray:
    """Slope of densities (d, t) within every triangle, (d, t, 3), by least squares from its three neighbours.

    Neighbours beyond a crease do not count; where fewer than two are left the slope is 0.
    """
    t = len(surface.areas)
    pair = surface.edge_triangles[surface.triangle_edges]  # (t, 3, 2)
    other = np.where(pair[..., 0] == np.arange(t)[:, None], pair[..., 1], pair[..., 0])
    kept = ~surface.crease_edges[surface.triangle_edges]
    n = surface.normals
    away = surface.centroids[other] - surface.centroids[:, None]
    length = np.linalg.norm(away, axis=2, keepdims=True)
    flat = away - (away * n[:, None]).sum(axis=2, keepdims=True) * n[:, None]
    flat *= length / np.maximum(np.linalg.norm(flat, axis=2, keepdims=True), 1e-300)  # unrolled around the edge
    flat = flat * kept[..., None]
    matrix = np.einsum("tka,tkb->tab", flat, flat) + n[:, :, None] * n[:, None] * (length.mean(axis=1) ** 2)[:, None]
    good = kept.sum(axis=1) >= 2
    matrix[~good] = np.eye(3)
    rise = (density[:, other] - density[..., None]) * kept
    right = np.einsum("tka,dtk->dta", flat, rise)
    found = np.linalg.solve(matrix[None], right[..., None])[..., 0]
    return found * good[:, None]


def linear_field(surface: Surface, points: np.ndarray, density: np.ndarray, be: Backend, real: str) -> np.ndarray:
    """Field of charges that are linear over every triangle, anywhere, with the factor 1/(4 pi).

    Triangles nearby are integrated in closed form, others by three points each, which is exact for their dipole and
    quadrupole: where one ends and the other begins does not show.

    Parameters
    ----------
    surface : Surface
        The triangles.
    points : (n, 3) ndarray
        Where [m].
    density : (d, t) ndarray
        Means over the triangles, real or complex.
    be : Backend
        Device.
    real : {"float", "double"}
        Precision of the pairs that are not near.

    Returns
    -------
    (d, 3, n) ndarray
        On a triangle the mean of both sides.
    """
    points = np.array(points, float, ndmin=2)
    values = np.concatenate([density.real, density.imag]) if np.iscomplexobj(density) else np.asarray(density, float)
    slope = slopes(surface, values)
    nodes = np.einsum("qk,tkc->tqc", triangle_rule(3)[0], surface.corners)
    away = nodes - surface.centroids[:, None]
    charge = (values[..., None] + np.einsum("dtc,tqc->dtq", slope, away)) * (surface.areas / 3)[:, None]
    least = (CLAMP * surface.sizes) ** 2
    dtype, origin = np.float32 if real == "float" else np.float64, surface.centroids.mean(axis=0)
    sources = np.concatenate([nodes - origin, np.broadcast_to(least[:, None, None], (*nodes.shape[:2], 1))], axis=2)
    at = be.asarray(np.ascontiguousarray((points - origin).T, dtype))
    far = be.asarray(np.ascontiguousarray(sources.reshape(-1, 4), dtype))
    out = np.empty((len(values), 3, len(points)))
    for d, q in enumerate(charge):
        out[d] = be.to_numpy(point_sums("field", at, far, be.asarray(q.reshape(-1, 1).astype(dtype)), be))[0]
    i, j = near_pairs(points, np.zeros(len(points)), surface.centroids, 2 * surface.sizes)
    kernels = be.kernels.load(__package__, "panels", "double")
    there, corners = be.asarray(points), be.asarray(surface.corners)
    for low in range(0, len(i), PAIRS_AT_ONCE):
        a, b = i[low : low + PAIRS_AT_ONCE], j[low : low + PAIRS_AT_ONCE]
        x = points[a][:, None] - nodes[b]
        kernel = x * (np.maximum((x * x).sum(axis=2), least[b][:, None]) ** -1.5)[..., None]
        for d in range(len(values)):
            exact: Any = be.xp.empty((3, len(a)))
            linear = np.concatenate([values[d][:, None], slope[d]], axis=1)
            kernels.launch(
                "near_linear", len(a), be.asarray(a), be.asarray(b), there, corners, be.asarray(linear), exact
            )
            more = be.to_numpy(exact) - np.einsum("pqc,pq->cp", kernel, charge[d][b])
            for c in range(3):
                out[d, c] += np.bincount(a, more[c], minlength=len(points))
    out /= 4 * np.pi
    return out[: len(density)] + 1j * out[len(density) :] if np.iscomplexobj(density) else out
