"""Meshes of metal made by hand."""

from __future__ import annotations

import math

import numpy as np

from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh


def cosine(n: int) -> np.ndarray:
    """n + 1 lines from 0 to 1 that crowd towards both ends, where the current of a strip does."""
    return 0.5 * (1 - np.cos(math.pi * np.arange(n + 1) / n))


def quads(points: np.ndarray, closed: bool) -> np.ndarray:
    """Triangles between points (along, across, 3), the last line joined to the first where closed."""
    along, across = points.shape[:2]
    number = np.arange(along * across).reshape(along, across)
    following = np.roll(number, -1, axis=0)
    if not closed:
        number, following = number[:-1], following[:-1]
    a, b, c, d = number[:, :-1], following[:, :-1], following[:, 1:], number[:, 1:]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def ring_strip(radius=0.05, width=2e-3, along=60, across=4, rotations=1, gaps=1, flat=False, lines=None):
    """A strip around the z axis, on a cylinder or flat, cut at x > 0 and at equal steps from there."""
    phi = 2 * math.pi * np.arange(along) / along
    v = width * ((cosine(across) if lines is None else lines) - 0.5)
    r = radius + (v if flat else 0 * v)
    z = 0 * v if flat else v
    points = np.stack([np.outer(np.cos(phi), r), np.outer(np.sin(phi), r), np.broadcast_to(z, (along, len(v)))], axis=2)
    cuts = []
    for g in range(gaps):
        line = g * along // gaps * len(v) + np.arange(len(v))
        at = 2 * math.pi * (g * along // gaps) / along
        direction = np.array([-math.sin(at), math.cos(at), 0])
        cuts.append(GapCut(f"gap {g + 1}", direction, np.stack([line[:-1], line[1:]], 1)))
    triangles = quads(points, True)
    no = np.zeros(0)
    return MetalMesh(points.reshape(-1, 3), triangles, no, no, cuts, np.zeros(len(triangles)), no, rotations=rotations)


def ring_wire(radius=0.05, wire=5e-4, along=60, rotations=1, gaps=1, polygon=True):
    """A wire around the z axis."""
    phi = 2 * math.pi * np.arange(along) / along
    points = radius * np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    at = np.arange(along)
    no = np.zeros(0)
    cuts = []
    for g in range(gaps):
        node = g * along // gaps
        cuts.append(GapCut(f"gap {g + 1}", [-math.sin(phi[node]), math.cos(phi[node]), 0], no.reshape(0, 2), node))
    wires = np.stack([at, (at + 1) % along], 1)
    return MetalMesh(points, no, wires, np.full(along, wire), cuts, no, np.zeros(along), rotations=rotations)


def straight_wire(length, wire, pieces, places=None):
    """A dipole along z with a gap in the middle; an even number of pieces."""
    z = length * (np.linspace(0, 1, pieces + 1) - 0.5) if places is None else places
    points = np.stack([0 * z, 0 * z, z], axis=1)
    at = np.arange(pieces)
    no = np.zeros(0)
    gap = GapCut("feed", [0, 0, 1.0], no.reshape(0, 2), pieces // 2)
    return MetalMesh(points, no, np.stack([at, at + 1], 1), np.full(pieces, wire), [gap], no, np.zeros(pieces))


def straight_strip(length, width, along, across):
    """A strip along z in the plane y = 0 with a gap in the middle; an even number of cells along."""
    z, v = length * (np.linspace(0, 1, along + 1) - 0.5), width * (cosine(across) - 0.5)
    points = np.stack(np.broadcast_arrays(v[None, :], 0.0, z[:, None]), axis=2)
    line = along // 2 * len(v) + np.arange(len(v))
    gap = GapCut("feed", [0, 0, 1.0], np.stack([line[:-1], line[1:]], 1))
    triangles, no = quads(points, False), np.zeros(0)
    return MetalMesh(points.reshape(-1, 3), triangles, no, no, [gap], np.zeros(len(triangles)), no)
