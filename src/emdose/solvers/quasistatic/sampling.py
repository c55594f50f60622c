r"""Line integrals of an impressed field along the edges of voxels, from few samples where these say enough.

A coil of many wires is slow to evaluate at millions of edges, and smooth in the body. Its field is sampled on a coarse
grid, and the splines of fifth degree through the samples are integrated along every edge exactly: three products of
thin matrices. The integrals around every face are then the flux of the curl of one smooth field. The error is measured
beside the source itself at edges and around faces chosen at random, grid after grid, before one is taken for all;
where none is good enough the source is integrated directly, by the Gauss rule of two points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.solvers.quasistatic.network import Box

GAUSS = 0.5 / np.sqrt(3.0)
"""Places of the two points of the Gauss rule about the middle of an edge, in its length; exact for cubic fields."""
POINTS = (8, 14, 24, 32, 40, 50, 64, 100, 160)
"""Samples along the longest side of the box, one after the other until the error is small enough."""
DEGREE = 5
"""Of the splines: of cubic ones a body that walks past a magnet needs twice the samples along every axis."""
FEW = 30_000
"""Edges at which a source is integrated directly."""
ERROR, CURL_ERROR = 1e-4, 3e-4
"""Largest relative error of the field, and of its curl in fields around the body, that interpolation may have."""
TRIED = 400
"""Edges, and faces, at which the error is measured."""
_BLOCK = 2**18


def line_integrals(box: Box, source: Any, exists: np.ndarray) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Integral of a source's field up every edge that exists.

    Parameters
    ----------
    box : Box
        Where.
    source : InductionSource
        What impresses the field.
    exists : (3, nx + 1, ny + 1, nz + 1) bool ndarray
        Which edges count.

    Returns
    -------
    (3, nx + 1, ny + 1, nz + 1) float64 ndarray
        Integrals [V], anything finite where there is no edge.
    mapping
        "points" where the source was evaluated, and "E_error" and "curl_error" of the interpolation, 0 without one.

    Raises
    ------
    InputError
        When the field of the source is not finite in the body.
    """
    there = [np.flatnonzero(exists[axis].reshape(-1)) for axis in range(3)]
    count = sum(len(t) for t in there)
    used = 0
    if count > FEW:
        check = _Check(box, source, there)
        used += check.points
        for longest in POINTS:
            axes = _axes(box, longest)
            points = int(np.prod([len(a) for a in axes]))
            if points > count:
                break
            mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
            samples = np.concatenate([_field(source, part) for part in np.array_split(mesh, -(-points // _BLOCK))])
            used += points
            if not np.all(np.isfinite(samples)):
                break
            smooth = _Splines(box, axes, np.moveaxis(samples.reshape(*(len(a) for a in axes), 3), -1, 0))
            E_error, curl_error = check(smooth.at)
            if E_error <= ERROR and curl_error <= CURL_ERROR:
                return smooth.everywhere(), {"points": used, "E_error": E_error, "curl_error": curl_error}
    emf = np.zeros(exists.shape)
    for axis in range(3):
        emf[axis].reshape(-1)[there[axis]] = direct(box, source, axis, there[axis])
    if not np.all(np.isfinite(emf)):
        raise InputError("field of a source is not finite in the body", field=source.name)
    return emf, {"points": used + 2 * count, "E_error": 0.0, "curl_error": 0.0}


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
    there : list of (n,) ndarray
        Flat indices of the edges that exist along each axis.
    """

    def __init__(self, box: Box, source: Any, there: list[np.ndarray]) -> None:
        rng = np.random.default_rng(0)
        h = box.grid.spacing_m
        self.length = np.asarray(h)
        self.extent = max(n * s for n, s in zip(box.shape, h, strict=True))
        self.edges, self.faces = [], []
        self.points = 0
        for axis in range(3):
            some = rng.choice(there[axis], min(TRIED, len(there[axis])), replace=False)
            self.edges.append((axis, some, direct(box, source, axis, some)))
            b, c = (axis + 1) % 3, (axis + 2) % 3
            b_here = np.stack(np.unravel_index(rng.choice(there[b], len(some)), box.corners), axis=1)
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


def _field(source: Any, points: np.ndarray) -> np.ndarray:
    return np.asarray(source.impressed_E(points), float)


def _axes(box: Box, longest: int) -> list[np.ndarray]:
    """Coordinates of about evenly spaced samples over the box, ``longest`` along its longest side."""
    extent = np.asarray(box.shape) * np.asarray(box.grid.spacing_m)
    counts = np.maximum(np.ceil(longest * extent / extent.max()), 6).astype(int)
    return [np.linspace(a, a + e, n) for a, e, n in zip(box.origin_m, extent, counts, strict=True)]


class _Splines:
    """Splines through samples of a field.

    Parameters
    ----------
    box : Box
        Where.
    axes : list of (n,) ndarray
        Coordinates of the samples [m].
    samples : (3, n0, n1, n2) ndarray
        The field there [V/m].
    """

    def __init__(self, box: Box, axes: list[np.ndarray], samples: np.ndarray) -> None:
        from scipy.interpolate import make_interp_spline

        self.box, self.samples = box, samples
        self.value, self.integral = [], []
        for a, axis in enumerate(axes):
            spline = make_interp_spline(axis, np.eye(len(axis)), k=DEGREE)
            fine = np.linspace(axis[0], axis[-1], box.corners[a])
            self.value.append(spline(fine))
            upto = spline.antiderivative()(fine)
            self.integral.append(np.diff(upto, axis=0, prepend=upto[:1]))

    def _matrices(self, axis: int) -> list[np.ndarray]:
        """Weights of the samples for integrals up edges along an axis, by coordinate."""
        return [self.integral[a] if a == axis else self.value[a] for a in range(3)]

    def at(self, axis: int, index: np.ndarray) -> np.ndarray:
        """Integral [V] up edges along an axis, given by flat indices of their high corners."""
        x, y, z = (m[i] for m, i in zip(self._matrices(axis), np.unravel_index(index, self.box.corners), strict=True))
        part = np.tensordot(x, self.samples[axis], 1)
        return np.asarray(np.einsum("nbc,nb,nc->n", part, y, z, optimize=True))

    def everywhere(self) -> np.ndarray:
        """Integrals up all edges, (3, corners) [V]."""
        out = np.empty((3, *self.box.corners))
        for c in range(3):
            x, y, z = self._matrices(c)
            part = np.tensordot(y, np.tensordot(self.samples[c], z, (2, 1)), (1, 1)).transpose(1, 0, 2)
            np.matmul(x, part.reshape(len(part), -1), out=out[c].reshape(len(x), -1))
        return out
