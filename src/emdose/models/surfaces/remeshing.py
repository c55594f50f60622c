"""Surfaces with another number of triangles, evenly spread."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from emdose.checks import whole
from emdose.errors import InputError

SPLITS = 4
"""Triangles per cluster that the surface is split into before it is clustered."""


def remeshed(vertices: np.ndarray, triangles: np.ndarray, count: int, name: str) -> tuple[np.ndarray, np.ndarray, str]:
    """A closed surface with about ``count`` triangles, and by what it was made.

    With pyacvd (optional) triangles become even: clusters of vertices by their area become vertices. Without it PyVista
    takes edges away, or halves them all first where more triangles are wanted.

    Parameters
    ----------
    vertices, triangles : (v, 3), (t, 3) ndarray
        The surface [m].
    count : int
        Triangles wanted.
    name : str
        Of the surface, for errors.

    The volume is kept.

    Raises
    ------
    InputError
        When so few triangles do not enclose the body any more.

    Source: S. Valette and J.-M. Chassery, Comput. Graph. Forum 23 (2004) 381 (clusters).
    """
    import pyvista

    whole("triangles", count, 8, problem="bad number of triangles")
    faces = np.column_stack([np.full(len(triangles), 3), triangles]).ravel()
    mesh = pyvista.PolyData(np.asarray(vertices, float), faces)
    while len(mesh.faces) // 4 < SPLITS * count:
        mesh = mesh.subdivide(1, "linear")
    if find_spec("pyacvd") is not None:
        import pyacvd

        clusters = pyacvd.Clustering(mesh)
        clusters.cluster(max(4, count // 2 + 2))  # a closed surface has half as many vertices as triangles
        found, way = clusters.create_mesh(), "pyacvd"
    else:
        found, way = mesh.decimate(1 - count / (len(mesh.faces) // 4)), "pyvista"
    found = found.clean()
    new = np.asarray(found.faces).reshape(-1, 4)[:, 1:].astype(np.int64)
    points = np.asarray(found.points, float)
    start, end = new.ravel(), np.roll(new, -1, axis=1).ravel()
    edges = np.unique(np.minimum(start, end) * len(points) + np.maximum(start, end), return_counts=True)[1]
    volume = _volume(points, new)
    if not len(new) or np.any(edges != 2) or volume == 0:
        raise InputError(
            "surface does not stay closed with so few triangles", field=name, found=count, expected="more triangles"
        )
    new = new if volume > 0 else new[:, ::-1]
    return _inflated(points, new, abs(_volume(vertices, triangles))), new, way


def _volume(points: np.ndarray, triangles: np.ndarray) -> float:
    corners = points[triangles] - points.mean(axis=0)
    return float(np.einsum("tc,tc->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


def _inflated(points: np.ndarray, triangles: np.ndarray, volume: float) -> np.ndarray:
    """Corners moved outwards by one distance that gives a surface of chords the volume it stands for."""
    for _ in range(3):
        corners = points[triangles]
        normal = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        at = np.stack(
            [np.bincount(triangles.ravel(), np.repeat(n, 3), minlength=len(points)) for n in normal.T], axis=1
        )
        at = at / np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-300)
        points = points + at * (volume - _volume(points, triangles)) / np.linalg.norm(normal, axis=1).sum()
    return points
