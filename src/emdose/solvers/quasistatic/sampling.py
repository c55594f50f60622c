r"""Line integrals of an impressed field along the edges of voxels, from few samples where these say enough.

A coil of many wires is slow to evaluate at millions of edges, and smooth in the body. Its field is sampled on a coarse
grid, and the splines of fifth degree through the samples are integrated along every edge exactly: three products of
thin matrices. The integrals around every face are then the flux of the curl of one smooth field. The error is measured
beside the source itself at edges and around faces chosen at random, grid after grid, before one is taken for all;
where none is good enough the source is integrated directly, by the Gauss rule of two points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emdose.compute.shared import Shared, from_shared, key_of
from emdose.errors import InputError
from emdose.solvers.quasistatic.network import Box
from emdose.solvers.quasistatic.splines import EdgeSplines, EdgeSums

GAUSS = 0.5 / np.sqrt(3.0)
"""Places of the two points of the Gauss rule about the middle of an edge, in its length; exact for cubic fields."""
POINTS = (8, 14, 24, 32, 40, 50, 64, 100, 160)
"""Samples along the longest side of the box, one after the other until the error is small enough."""
FEW = 30_000
"""Edges at which a source is integrated directly."""
ERROR, CURL_ERROR = 1e-4, 3e-4
"""Largest relative error of the field, and of its curl in fields around the body, that interpolation may have."""
TRIED = 400
"""Edges, and faces, at which the error is measured."""
PLACES = 60
"""Places at which sources are told apart."""
_BLOCK = 2**18


def line_integrals(box: Box, source: Any, exists: np.ndarray, coarsest: int = 0) -> EdgeSplines | EdgeSums:
    """Integrals of a source's field up every edge that exists.

    Parameters
    ----------
    box : Box
        Where.
    source : InductionSource
        What impresses the field.
    exists : (3, nx + 1, ny + 1, nz + 1) bool ndarray
        Which edges count.
    coarsest : int
        Samples along the longest side of the box that it begins with.

    Returns
    -------
    EdgeSplines or EdgeSums
        ``everywhere()`` are the integrals [V], anything finite where there is no edge; ``about`` says "points" where
        the source was evaluated, "samples" along the longest side, and "E_error" and "curl_error" of the interpolation,
        0 without one.

    Raises
    ------
    InputError
        When the field of the source is not finite in the body.
    """
    count = int(np.count_nonzero(exists))
    used = 0
    if count > FEW:
        check = _Check(box, source, exists)
        used += check.points
        for longest in POINTS:
            axes = _axes(box, longest)
            points = int(np.prod([len(a) for a in axes]))
            if points > count:
                break
            if longest < coarsest:
                continue
            mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
            samples = np.concatenate([_field(source, part) for part in np.array_split(mesh, -(-points // _BLOCK))])
            used += points
            if not np.all(np.isfinite(samples)):
                break
            smooth = EdgeSplines(box, axes, np.moveaxis(samples.reshape(*(len(a) for a in axes), 3), -1, 0))
            E_error, curl_error = check(smooth.at)
            if E_error <= ERROR and curl_error <= CURL_ERROR:
                smooth.about = {"points": used, "samples": longest, "E_error": E_error, "curl_error": curl_error}
                return smooth
    emf = np.zeros(exists.shape)
    for axis in range(3):
        there = np.flatnonzero(exists[axis].reshape(-1))
        emf[axis].reshape(-1)[there] = direct(box, source, axis, there)
    if not np.all(np.isfinite(emf)):
        raise InputError("field of a source is not finite in the body", field=source.name)
    return EdgeSums(emf, {"points": used + 2 * count, "samples": 0, "E_error": 0.0, "curl_error": 0.0})


def shared_integrals(
    box: Box, source: Any, exists: np.ndarray, coarsest: int, shared: Shared | None
) -> EdgeSplines | EdgeSums:
    """The same, from a memo where they are there: they do not depend on what the edges are made of.

    Sources are known by their name and by what they impress at some places anywhere in the box: no two different ones
    are the same there to the last bit.

    Parameters
    ----------
    box, source, exists, coarsest
        As of :func:`line_integrals`.
    shared : Shared, optional
        The memo.
    """

    def key() -> str:
        h, corner = np.asarray(box.grid.spacing_m), np.asarray(box.origin_m)
        places = corner + np.random.default_rng(5).random((PLACES, 3)) * h * np.array(box.shape)
        told = [list(map(float, v)) for v in (h, corner, box.shape)]
        return key_of("impressed field", told, exists, coarsest, str(source.name), _field(source, places))

    return from_shared(shared, key, lambda: line_integrals(box, source, exists, coarsest))


def direct(box: Box, source: Any, axis: int, index: np.ndarray) -> np.ndarray:
    """Integral [V] of a source's field up edges along an axis, given by flat indices of their high corners."""
    h = np.asarray(box.grid.spacing_m)
    along = np.zeros(3)
    along[axis] = h[axis]
    out = np.empty(len(index))
    for start in range(0, len(index), _BLOCK):
        some = index[start : start + _BLOCK]
        middle = box.origin_m + np.stack(np.unravel_index(some, box.corners), axis=1) * h - 0.5 * along
        both = np.concatenate([middle - GAUSS * along, middle + GAUSS * along])
        out[start : start + _BLOCK] = 0.5 * h[axis] * _field(source, both)[:, axis].reshape(2, -1).sum(axis=0)
    return out


class _Check:
    """Some edges and faces with the integrals of the source itself.

    Parameters
    ----------
    box, source
        As in :func:`line_integrals`.
    exists : (3, nx + 1, ny + 1, nz + 1) bool ndarray
        Which edges count.
    """

    def __init__(self, box: Box, source: Any, exists: np.ndarray) -> None:
        rng = np.random.default_rng(0)
        h = box.grid.spacing_m
        self.length = np.asarray(h)
        self.extent = max(n * s for n, s in zip(box.shape, h, strict=True))
        self.edges, self.faces = [], []
        self.points = 0
        for axis in range(3):
            some = _some(exists[axis], rng)
            self.edges.append((axis, some, direct(box, source, axis, some)))
            b, c = (axis + 1) % 3, (axis + 2) % 3
            b_here = np.stack(np.unravel_index(_some(exists[b], rng), box.corners), axis=1)
            corner = b_here[b_here[:, c] > 0]
            # Around the face with high corner r in the plane (b, c): up b at c - 1, up c at b, back.
            ring = []
            for along, shift, sign in ((b, c, 1.0), (c, None, 1.0), (b, None, -1.0), (c, b, -1.0)):
                at = corner.copy()
                if shift is not None:
                    at[:, shift] -= 1
                flat = np.ravel_multi_index(tuple(at.T), box.corners)
                ring.append((along, flat, sign, direct(box, source, along, flat)))
            self.faces.append((h[b] * h[c], ring))
            self.points += 2 * len(some) + 8 * len(corner)

    def __call__(self, emf: Callable[[int, np.ndarray], np.ndarray]) -> tuple[float, float]:
        """Largest errors of integrals up edges and around faces, each over the root mean square of the source.

        Parameters
        ----------
        emf : callable
            Integrals up edges along an axis, given by flat indices of their high corners.
        """
        E = np.concatenate([own / self.length[axis] for axis, _, own in self.edges])
        wrong = np.concatenate([emf(axis, i) - own for axis, i, own in self.edges])
        length = np.concatenate([np.full(len(i), self.length[axis]) for axis, i, _ in self.edges])
        scale = float(np.sqrt(np.mean(E**2)))
        if not scale > 0:
            return (float("inf"), float("inf")) if np.any(wrong) else (0.0, 0.0)
        curls, missed = [], []
        for area, ring in self.faces:
            curls.append(sum(sign * own for _, _, sign, own in ring) / area)
            missed.append(sum(sign * emf(axis, i) for axis, i, sign, _ in ring) / area - curls[-1])
        # A curl that hardly drives anything is measured by the field of the source.
        curl = max(float(np.sqrt(np.mean(np.concatenate(curls) ** 2))), 1e-2 * scale / self.extent)
        return float(np.abs(wrong / length).max()) / scale, float(np.abs(np.concatenate(missed)).max()) / curl


def _some(exists: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flat indices of some that exist, at most TRIED of them."""
    flat = exists.reshape(-1)
    drawn = rng.integers(0, len(flat), 16 * TRIED)
    found = drawn[flat[drawn]]
    if len(found) < TRIED:
        there = np.flatnonzero(flat)
        found = rng.permutation(there)[:TRIED] if len(there) < 1e6 else there[rng.integers(0, len(there), TRIED)]
    return np.asarray(found[:TRIED])


def _field(source: Any, points: np.ndarray) -> np.ndarray:
    return np.asarray(source.impressed_E(points), float)


def _axes(box: Box, longest: int) -> list[np.ndarray]:
    """Coordinates of about evenly spaced samples over the box, ``longest`` along its longest side."""
    extent = np.asarray(box.shape) * np.asarray(box.grid.spacing_m)
    counts = np.maximum(np.ceil(longest * extent / extent.max()), 6).astype(int)
    return [np.linspace(a, a + e, n) for a, e, n in zip(box.origin_m, extent, counts, strict=True)]
