"""Whether metal crosses or touches where nothing joins it, and whether a mesh is fine enough."""

from __future__ import annotations

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.solvers.mom.metal_mesh import MetalMesh

TOUCH = 1e-6
"""Metal closer than this share of the size of the coil touches."""
AT_ONCE = 200_000
"""Pairs of elements that are looked at together."""
COARSE = 0.1
"""Longest edge over the wavelength."""


def require_fine(mesh: MetalMesh, wavelength_m: float) -> None:
    """Raise InputError where an edge is too long for the wavelength, or a wire too thick for its pieces."""
    ends = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]], mesh.wires])
    length = np.linalg.norm(np.diff(mesh.points_m[ends], axis=1)[:, 0], axis=1)
    longest = ends[length.argmax()]
    if length.max() > COARSE * wavelength_m * (1 + 1e-9):
        raise InputError(
            "the mesh is too coarse for the frequency",
            field="options",
            found=f"an edge of {1e3 * length.max():.4g} mm at {_place(mesh.points_m[longest].mean(axis=0))}",
            expected=f"<= {1e3 * COARSE * wavelength_m:.4g} mm, a tenth of the wavelength: more cells per wavelength",
        )
    thick = np.flatnonzero(mesh.wire_radius_m > 0.5 * mesh.wire_lengths_m)
    if len(thick):
        k = int(thick[0])
        raise InputError(
            f"a piece of wire at {_place(mesh.points_m[mesh.wires[k]].mean(axis=0))} is shorter than it is thick",
            field="wire_radius_m",
            found=f"radius {1e3 * mesh.wire_radius_m[k]:.4g} mm, length {1e3 * mesh.wire_lengths_m[k]:.4g} mm",
            expected="a thinner wire, fewer pieces, or a strip",
        )


def require_cut(mesh: MetalMesh) -> None:
    """Raise InputError where a gap lies on an end or on a junction of more than two pieces of metal."""
    at_point = np.bincount(mesh.wires.ravel(), minlength=len(mesh.points_m))
    sides = np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(sides @ np.array([len(mesh.points_m), 1]), return_counts=True)
    for gap in mesh.gaps:
        if gap.node >= 0:
            found = int(at_point[gap.node])
        else:
            own = np.sort(gap.edges, axis=1) @ np.array([len(mesh.points_m), 1])
            found = int(max(count[np.searchsorted(edges, own)], key=lambda n: abs(n - 2)))
        if found != 2:
            raise InputError(
                f"gap {gap.name!r} lies on {'a junction' if found > 2 else 'an end'} of metal",
                field=gap.name,
                found=f"{found} pieces that meet there",
                expected="a gap between two pieces",
            )


def require_joined(mesh: MetalMesh, coil: CircuitCoil) -> None:
    """Raise InputError where metal crosses or touches other metal and shares no corner with it."""
    low, high = (np.array(e) for e in coil.extent_m)
    near = TOUCH * float(np.linalg.norm(high - low))
    count = len(mesh.triangles)
    corners = np.concatenate([mesh.triangles, mesh.wires[:, [0, 1, 1]]])
    radius = np.concatenate([np.zeros(count), mesh.wire_radius_m])
    for i, j in _pairs(mesh, corners, radius, near):
        reach = radius[i] + radius[j]
        wires = np.flatnonzero((radius[i] > 0) & (radius[j] > 0))
        reach[wires[_are_neighbours(mesh, corners[i[wires], :2], corners[j[wires], :2])]] = near
        off = _distance(mesh.points_m[corners[i]], mesh.points_m[corners[j]])
        bad = np.flatnonzero(off <= np.maximum(reach, near))
        if len(bad):
            k = int(bad[off[bad].argmin()])
            kinds = sorted({"wire" if n >= count else "metal" for n in (i[k], j[k])})
            raise InputError(
                f"conductors cross or touch without a junction at {_place(mesh.points_m[corners[i[k]]].mean(axis=0))}",
                field="conductors",
                found=f"{' and '.join(kinds)} {1e3 * off[k]:.3g} mm apart, which share no corner",
                expected="conductors apart, or strips whose ends coincide and wires that share a point",
            )


def _are_neighbours(mesh: MetalMesh, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether pieces of wire with the ends a and b (n, 2) have a third between them: at a bend they are close."""
    beside: dict[int, set[int]] = {}
    for p, q in mesh.wires.tolist():
        beside.setdefault(p, set()).add(q)
        beside.setdefault(q, set()).add(p)
    found = [any(beside[p] & set(other) for p in own) for own, other in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array(found, bool)


def _pairs(
    mesh: MetalMesh, corners: np.ndarray, radius: np.ndarray, near: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of elements whose boxes overlap and that share no corner, one of each in the first sector."""
    from scipy.spatial import cKDTree

    points = mesh.points_m[corners]
    centre = points.mean(axis=1)
    reach = np.linalg.norm(points - centre[:, None], axis=2).max(axis=1) + radius + near
    first = np.zeros(len(corners), bool)
    first[: len(mesh.triangles) // mesh.rotations] = True
    first[len(mesh.triangles) : len(mesh.triangles) + len(mesh.wires) // mesh.rotations] = True
    low, high = points.min(axis=1) - (radius + near)[:, None], points.max(axis=1) + (radius + near)[:, None]
    own, others = np.flatnonzero(first), np.flatnonzero(~first)
    # Each element looks for all of its size and below, so that every pair is found from its larger one.
    all_, some = cKDTree(centre), cKDTree(centre[own])
    found = all_.query_ball_point(centre[own], 2 * reach[own], return_sorted=False)
    other = [own[x] for x in some.query_ball_point(centre[others], 2 * reach[others], return_sorted=False)]
    out = []
    for rows, lists in ((own, found), (others, other)):
        i = np.repeat(rows, [len(x) for x in lists])
        j = np.concatenate([np.asarray(x, np.int64) for x in lists]) if len(lists) else np.zeros(0, np.int64)
        keep = (first[i] | first[j]) & (reach[i] >= reach[j]) & (i != j)
        i, j = i[keep], j[keep]
        keep = np.all((low[i] <= high[j]) & (low[j] <= high[i]), axis=1)
        i, j = i[keep], j[keep]
        shared = (corners[i][:, :, None] == corners[j][:, None]).any(axis=(1, 2))
        i, j = i[~shared], j[~shared]
        out += [(i[k : k + AT_ONCE], j[k : k + AT_ONCE]) for k in range(0, len(i), AT_ONCE)]
    return out


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances of triangles (n, 3, 3) from each other [m]; a piece of wire is one with two equal corners."""
    best = np.full(len(a), np.inf)
    for k in range(3):
        for m in range(3):
            best = np.minimum(best, _segments(a[:, k], a[:, (k + 1) % 3], b[:, m], b[:, (m + 1) % 3]))
    for one, other in ((a, b), (b, a)):
        for k in range(3):
            best = np.minimum(best, _to_plane(one[:, k], one[:, (k + 1) % 3], other))
    return best


def _segments(p: np.ndarray, q: np.ndarray, r: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Distances of segments p-q from segments r-s (n,) [m].

    Source: C. Ericson, Real-Time Collision Detection, Morgan Kaufmann 2005, section 5.1.9.
    """
    u, v, w = q - p, s - r, p - r
    a, e, b = (u * u).sum(1), (v * v).sum(1), (u * v).sum(1)
    c, f = (u * w).sum(1), (v * w).sum(1)
    a, e = np.maximum(a, 1e-300), np.maximum(e, 1e-300)
    det = a * e - b * b
    x = np.where(det > 1e-12 * a * e, np.clip((b * f - c * e) / np.where(det > 0, det, 1), 0, 1), 0.0)
    y = (b * x + f) / e
    x = np.where(y < 0, np.clip(-c / a, 0, 1), np.where(y > 1, np.clip((b - c) / a, 0, 1), x))
    y = np.clip(y, 0, 1)
    return np.asarray(np.linalg.norm(w + x[:, None] * u - y[:, None] * v, axis=1))


def _to_plane(p: np.ndarray, q: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Distance of the end p, and 0 for a crossing of p-q, where it lies above a triangle (n, 3, 3); else infinity."""
    u, v = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    normal = np.cross(u, v)
    size = np.linalg.norm(normal, axis=1)
    flat = size > 0
    n = normal / np.where(flat, size, 1)[:, None]
    above, beyond = ((x - t[:, 0]) * n for x in (p, q))
    h, k = above.sum(1), beyond.sum(1)
    cross = h * k < 0
    at = np.where(cross[:, None], p + (h / np.where(cross, h - k, 1))[:, None] * (q - p), p - h[:, None] * n) - t[:, 0]
    uu, vv, uv = (u * u).sum(1), (v * v).sum(1), (u * v).sum(1)
    det = np.where(flat, uu * vv - uv**2, 1)
    au, av = (at * u).sum(1), (at * v).sum(1)
    x, y = (au * vv - av * uv) / det, (av * uu - au * uv) / det
    inside = flat & (x >= 0) & (y >= 0) & (x + y <= 1)
    return np.where(inside, np.where(cross, 0.0, np.abs(h)), np.inf)


def _place(point: np.ndarray) -> str:
    return f"({', '.join(f'{1e3 * x:.1f}' for x in point)}) mm"
