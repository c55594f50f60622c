"""Counts and areas of a mesh of triangles, for the tests of meshes."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh


def edges_of(mesh: MetalMesh) -> tuple[np.ndarray, np.ndarray]:
    """Edges (e, 2) of the triangles and how many triangles have each."""
    pairs = np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(pairs, axis=0, return_counts=True)
    return edges, count


def euler(mesh: MetalMesh) -> int:
    """Corners - edges + triangles."""
    return len(np.unique(mesh.triangles)) - len(edges_of(mesh)[0]) + len(mesh.triangles)


def area(mesh: MetalMesh, part: int | None = None) -> float:
    """Area of the triangles [m2], of one part if given."""
    own = mesh.triangles if part is None else mesh.triangles[mesh.triangle_part == part]
    a, b, c = (mesh.points_m[own[:, i]] for i in range(3))
    return float(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())


def boundaries(mesh: MetalMesh) -> int:
    """Number of closed lines of edges with one triangle."""
    edges, count = edges_of(mesh)
    open_ = edges[count == 1]
    n = len(mesh.points_m)
    label = connected_components(coo_array((np.ones(len(open_)), (open_[:, 0], open_[:, 1])), shape=(n, n)))[1]
    return len(np.unique(label[open_[:, 0]]))


def elements_joined(mesh: MetalMesh, without: tuple[GapCut, ...] = ()) -> np.ndarray:
    """Number of the connected piece that every triangle, then every wire, belongs to, with some gaps cut open."""
    cut = {tuple(sorted(e)) for g in without for e in g.edges.tolist()}
    nodes = {g.node for g in without if g.node >= 0}
    at: dict[object, list[int]] = {}
    for t, (a, b, c) in enumerate(mesh.triangles.tolist()):
        for e in ((a, b), (b, c), (c, a)):
            key = tuple(sorted(e))
            if key not in cut:
                at.setdefault(key, []).append(t)
    for w, ends in enumerate(mesh.wires.tolist(), len(mesh.triangles)):
        for p in ends:
            if p not in nodes:
                at.setdefault(p, []).append(w)
    pairs = np.array([(v[0], o) for v in at.values() for o in v[1:]]).reshape(-1, 2)
    n = len(mesh.triangles) + len(mesh.wires)
    return connected_components(coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)))[1]


def cut_length(mesh: MetalMesh, gap: GapCut) -> float:
    """Length of the cut of a gap [m]."""
    ends = mesh.points_m[gap.edges]
    return float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum())


def turned(mesh: MetalMesh, sectors: int) -> np.ndarray:
    """The mesh's points turned about its axis by some of its sectors [m]."""
    angle = 2 * np.pi * sectors / mesh.rotations
    c, s = np.cos(angle), np.sin(angle)
    return (mesh.points_m - mesh.centre_m) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + mesh.centre_m


def is_sector_major(mesh: MetalMesh, within: float) -> bool:
    """Whether element e of sector s is element e of sector 0, turned by s."""
    for elements in (mesh.triangles, mesh.wires):
        own = elements.reshape(mesh.rotations, -1, elements.shape[1])
        for s in range(1, mesh.rotations):
            if np.abs(turned(mesh, s)[own[0]] - mesh.points_m[own[s]]).max(initial=0) > within:
                return False
    return True
