"""Implants made of numbers: simple shapes with exact volumes, prostheses, and shapes given by a signed distance.

The curved surfaces of the simple shapes are polyhedra whose corners lie slightly outside the ideal surface, so that the
volume is that of the ideal body.
"""

from __future__ import annotations

import math

import numpy as np

from emdose.checks import metres, one_of, vector, whole
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.models.implants.implant import Implant, Part, assembly
from emdose.models.implants.metals import Metal
from emdose.models.implants.prostheses import hip, knee, shoulder
from emdose.models.implants.signed_distance import Shape

__all__ = [
    "Shape",
    "assembly",
    "box",
    "cylinder",
    "ellipsoid",
    "hip",
    "hollow_sphere",
    "knee",
    "ring",
    "shoulder",
    "sphere",
    "tube",
]

ORIGIN: Vector = (0.0, 0.0, 0.0)
MOST = 10**6
"""Largest count of corners or divisions."""

_AXES = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}


def sphere(
    radius_m: float, metal: Metal | str = "CoCrMo", centre_m: Vector = ORIGIN, *, subdivisions: int = 4
) -> Implant:
    """A solid sphere as an icosahedron subdivided ``subdivisions`` times (20 x 4^n triangles), of exact volume."""
    r = metres("radius_m", radius_m)
    return _single("sphere", *_ball((r, r, r), centre_m, subdivisions), metal)


def ellipsoid(
    semi_m: Vector, metal: Metal | str = "CoCrMo", centre_m: Vector = ORIGIN, *, subdivisions: int = 4
) -> Implant:
    """A solid ellipsoid with semi-axes along x, y, z [m], of exact volume."""
    vector("semi_m", semi_m, problem="bad ellipsoid", expected="three lengths in metres")
    a, b, c = (metres("semi_m", s) for s in semi_m)
    return _single("ellipsoid", *_ball((a, b, c), centre_m, subdivisions), metal)


def hollow_sphere(
    outer_m: float, inner_m: float, metal: Metal | str = "CoCrMo", centre_m: Vector = ORIGIN, *, subdivisions: int = 4
) -> Implant:
    """A spherical shell between two radii [m], of exact volume."""
    ro, ri = metres("outer_m", outer_m), metres("inner_m", inner_m)
    if ri >= ro:
        raise InputError("bad shell", field="inner_m", found=inner_m, expected=f"less than {outer_m}")
    v, t = _ball((ro, ro, ro), centre_m, subdivisions)
    vi, ti = _ball((ri, ri, ri), centre_m, subdivisions)
    return _single("hollow sphere", np.concatenate([v, vi]), np.concatenate([t, ti[:, ::-1] + len(v)]), metal)


def box(size_m: Vector, metal: Metal | str = "CoCrMo", centre_m: Vector = ORIGIN, *, divisions: int = 1) -> Implant:
    """A box with edge lengths along x, y, z [m]; ``divisions`` triangles' edges along each of its edges."""
    vector("size_m", size_m, problem="bad box", expected="three lengths in metres")
    size = np.array([metres("size_m", s) for s in size_m])
    n = whole("divisions", divisions, 1, MOST)
    u, w = (a.ravel() for a in np.meshgrid(np.linspace(-0.5, 0.5, n + 1), np.linspace(-0.5, 0.5, n + 1), indexing="ij"))
    vertices, triangles = [], []
    for axis, (a, b, c) in enumerate(_AXES.values()):
        for side in (-0.5, 0.5):
            p = np.empty((len(u), 3))
            p[:, a], p[:, b], p[:, c] = u, w, side
            t = _grid_triangles(n, n, closed=(False, False))
            triangles.append((t if side > 0 else t[:, ::-1]) + len(u) * (2 * axis + (side > 0)))
            vertices.append(p)
    return _single("box", *_merged(np.concatenate(vertices) * size + centre_m, np.concatenate(triangles)), metal)


def cylinder(
    radius_m: float,
    length_m: float,
    metal: Metal | str = "CoCrMo",
    centre_m: Vector = ORIGIN,
    *,
    axis: str = "z",
    around: int = 96,
) -> Implant:
    """A solid circular cylinder along an axis, of exact volume, with ``around`` corners on its circle."""
    return _turned(
        "cylinder", [(metres("radius_m", radius_m), metres("length_m", length_m))], metal, centre_m, axis, around
    )


def tube(
    outer_m: float,
    inner_m: float,
    length_m: float,
    metal: Metal | str = "CoCrMo",
    centre_m: Vector = ORIGIN,
    *,
    axis: str = "z",
    around: int = 96,
) -> Implant:
    """A circular tube between two radii [m]: a body with one hole, of exact volume."""
    ro, ri, length = metres("outer_m", outer_m), metres("inner_m", inner_m), metres("length_m", length_m)
    if ri >= ro:
        raise InputError("bad tube", field="inner_m", found=inner_m, expected=f"less than {outer_m}")
    return _turned("tube", [(ro, length), (ri, length)], metal, centre_m, axis, around)


def ring(
    radius_m: float,
    wire_radius_m: float,
    metal: Metal | str = "CoCrMo",
    centre_m: Vector = ORIGIN,
    *,
    axis: str = "z",
    around: int = 96,
    across: int = 24,
) -> Implant:
    """A torus: a wire of circular section bent to a circle around an axis, of exact volume.

    Parameters
    ----------
    radius_m, wire_radius_m : float
        Radius of the circle of the wire's centre, and of the wire [m].
    around, across : int
        Corners along the circle and around the wire.
    """
    R, r = metres("radius_m", radius_m), metres("wire_radius_m", wire_radius_m)
    if r >= R:
        raise InputError("bad ring", field="wire_radius_m", found=wire_radius_m, expected=f"less than {radius_m}")
    n, m = whole("around", around, 8, MOST), whole("across", across, 6, MOST)
    # A prism polygon has the area of its circle; along the circle the same factor makes up for the chords.
    r *= _polygon_factor(m)
    # Volume of the bent prism: chords instead of arcs scale area moments by sin(2 pi/n) / (2 pi/n).
    stretch = _polygon_factor(n)
    phi, theta = np.meshgrid(2 * np.pi * np.arange(n) / n, 2 * np.pi * np.arange(m) / m, indexing="ij")
    rho = stretch * (R + r * np.cos(theta))
    v = np.stack([rho * np.cos(phi), rho * np.sin(phi), r * np.sin(theta)], -1).reshape(-1, 3)
    return _single("ring", _along(v, axis, centre_m), _grid_triangles(n, m, closed=(True, True)), metal)


# ---- pieces --------------------------------------------------------------------------------------------------------
def _single(name: str, vertices: np.ndarray, triangles: np.ndarray, metal: Metal | str) -> Implant:
    return Implant(name, (Part(name, vertices, triangles, metal),))  # type: ignore[arg-type]


def _ball(semi: Vector, centre: Vector, subdivisions: int) -> tuple[np.ndarray, np.ndarray]:
    v, t = _icosphere(whole("subdivisions", subdivisions, 0, 7))
    volume = np.einsum("ti,ti->", v[t[:, 0]], np.cross(v[t[:, 1]], v[t[:, 2]])) / 6
    return v * (4 * math.pi / 3 / volume) ** (1 / 3) * np.asarray(semi) + centre, t


def _icosphere(subdivisions: int) -> tuple[np.ndarray, np.ndarray]:
    """A subdivided icosahedron on the unit sphere: vertices (v, 3) and triangles (t, 3)."""
    g = (1 + math.sqrt(5)) / 2
    v = np.array(
        [
            [-1, g, 0],
            [1, g, 0],
            [-1, -g, 0],
            [1, -g, 0],
            [0, -1, g],
            [0, 1, g],
            [0, -1, -g],
            [0, 1, -g],
            [g, 0, -1],
            [g, 0, 1],
            [-g, 0, -1],
            [-g, 0, 1],
        ],
        float,
    )
    t = np.array(
        [
            [0, 11, 5],
            [0, 5, 1],
            [0, 1, 7],
            [0, 7, 10],
            [0, 10, 11],
            [1, 5, 9],
            [5, 11, 4],
            [11, 10, 2],
            [10, 7, 6],
            [7, 1, 8],
            [3, 9, 4],
            [3, 4, 2],
            [3, 2, 6],
            [3, 6, 8],
            [3, 8, 9],
            [4, 9, 5],
            [2, 4, 11],
            [6, 2, 10],
            [8, 6, 7],
            [9, 8, 1],
        ]
    )
    for _ in range(subdivisions):
        edges = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), axis=1)
        unique, index = np.unique(edges, axis=0, return_inverse=True)
        a, b, c = index.reshape(3, -1) + len(v)
        v = np.concatenate([v, v[unique].sum(1)])
        p, q, r = t.T
        t = np.concatenate([np.stack(x, 1) for x in ((p, a, c), (a, q, b), (c, b, r), (a, b, c))])
        v /= np.linalg.norm(v, axis=1, keepdims=True)
    return v / np.linalg.norm(v, axis=1, keepdims=True), t


def _turned(
    name: str,
    walls: list[tuple[float, float]],
    metal: Metal | str,
    centre: Vector,
    axis: str,
    around: int,
) -> Implant:
    """A cylinder (one wall) or tube (outer and inner wall); triangles about as long as wide."""
    n = whole("around", around, 8, MOST)
    factor = _polygon_factor(n)
    length = walls[0][1]
    outer = walls[0][0] * factor
    inner = walls[1][0] * factor if len(walls) > 1 else 0.0
    step = 2 * math.pi * outer / n
    along = max(1, round(length / step))
    rings = max(1, round((outer - inner) / step))
    # Profile (rho, z) in the half plane, walked so that the surface looks outwards.
    top = [(r, length / 2) for r in np.linspace(outer, inner, rings + 1)]
    bottom = [(r, -length / 2) for r in np.linspace(inner, outer, rings + 1)]
    side = [(outer, z) for z in np.linspace(-length / 2, length / 2, along + 1)][1:-1]
    bore = [(inner, z) for z in np.linspace(length / 2, -length / 2, along + 1)][1:-1] if inner else []
    profile = np.array([*side, *top, *bore, *bottom])
    phi = 2 * np.pi * np.arange(n) / n
    v = np.stack(
        [
            profile[:, 0] * np.cos(phi)[:, None],
            profile[:, 0] * np.sin(phi)[:, None],
            np.broadcast_to(profile[:, 1], (n, len(profile))),
        ],
        -1,
    ).reshape(-1, 3)
    t = _grid_triangles(n, len(profile), closed=(True, True))
    return _single(name, *_merged(_along(v, axis, centre), t), metal)


def _polygon_factor(n: int) -> float:
    """Radius of a regular polygon of n corners over that of the circle of the same area."""
    return math.sqrt(2 * math.pi / n / math.sin(2 * math.pi / n))


def _along(v: np.ndarray, axis: str, centre: Vector) -> np.ndarray:
    one_of("axis", axis, _AXES, problem="bad axis")
    a, b, c = _AXES[axis]
    out = np.empty_like(v)
    out[:, a], out[:, b], out[:, c] = v.T
    return out + np.asarray(centre, float)


def _grid_triangles(n: int, m: int, closed: tuple[bool, bool]) -> np.ndarray:
    """Triangles of an n x m grid of quads, row by row; a closed direction has n (not n + 1) lines of points."""
    lines = [n if closed[0] else n + 1, m if closed[1] else m + 1]
    i, j = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    i1, j1 = (i + 1) % lines[0], (j + 1) % lines[1]
    a, b, c, d = i * lines[1] + j, i1 * lines[1] + j, i1 * lines[1] + j1, i * lines[1] + j1
    odd = (i + j) % 2 == 1  # alternating diagonals: no preferred direction
    first = np.where(odd[:, None], np.stack([a, b, d], 1), np.stack([a, b, c], 1))
    second = np.where(odd[:, None], np.stack([b, c, d], 1), np.stack([a, c, d], 1))
    return np.concatenate([first, second])


def _merged(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal vertices joined, triangles that shrink to a line left out."""
    scale = 1e-9 * np.ptp(vertices, axis=0).max()
    _, first, index = np.unique(np.round(vertices / scale), axis=0, return_index=True, return_inverse=True)
    t = index.ravel()[triangles]
    keep = (t[:, 0] != t[:, 1]) & (t[:, 1] != t[:, 2]) & (t[:, 2] != t[:, 0])
    return vertices[first], t[keep]
