r"""Averages of an induced field over small cubes and along short lines of one tissue.

Fields are taken constant within voxels. A cube of 2 mm is centred on every voxel; voxels that its faces cut count with
the part that lies inside, along an axis with voxels of 2 mm and more the voxel alone counts. A line of 5 mm is centred
on every voxel and ends where the tissue of the voxel ends, so that in thin tissues the average is over a shorter piece
and no smaller for it; its directions are the three axes of the grid and that of the field in the voxel. Cubes take what
they hold of the tissue of their voxel.

Source: ICNIRP, Health Phys. 99 (2010) 818 (vector average in a contiguous tissue volume of 2 x 2 x 2 mm3); IEEE
C95.1 as quoted in public (average along a straight line of 5 mm in any direction within the tissue).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import InputError
from emdose.solvers.results.induced import InducedField

CUBE_m, LINE_m = 2e-3, 5e-3
POINTS_PER_VOXEL = 4
"""Points of a line along the field per smallest voxel size, at least."""
LARGEST_WINDOW = 31
"""Most voxels along an edge of the cube."""


class LocalMeans:
    """Averages of fields in the voxels of one body.

    Parameters
    ----------
    induced : InducedField
        Which voxels there are.
    device : "auto", "cpu", "cuda" or Backend
        Where they are computed.

    Raises
    ------
    InputError
        For voxels so small that a cube of 2 mm holds more than 31 of them along an edge.
    """

    def __init__(self, induced: InducedField, device: str | Backend = "auto") -> None:
        self.be = backend.get(device)
        self._kernels = self.be.kernels.load(__package__, "local_means")
        grid = induced.phantom.grid
        self.spacing: tuple[float, ...] = tuple(map(float, grid.spacing_m))
        self.m = int(induced.cells.size)
        index = np.full(grid.size, -1, np.int32)
        index[induced.cells] = np.arange(self.m, dtype=np.int32)
        self._voxels = {
            **dict(zip(("n0", "n1", "n2"), grid.shape, strict=True)),
            "m": self.m,
            "cells": self.be.asarray(np.ascontiguousarray(induced.cells, np.int64)),
            "index": self.be.asarray(index),
            "labels": self.be.asarray(np.ascontiguousarray(induced.labels, np.int16)),
        }
        self._cube = [weights(CUBE_m, h) for h in self.spacing]
        self._line = [weights(LINE_m, h) for h in self.spacing]
        if max(map(len, self._cube)) > (LARGEST_WINDOW + 1) // 2:
            raise InputError(
                "voxels too small for averages over 2 mm",
                field="spacing_m",
                found=self.spacing,
                expected=f">= {CUBE_m / (LARGEST_WINDOW - 1):.2g} m",
            )

    @property
    def voxel_is_cube(self) -> bool:
        """Whether every cube is its voxel alone: no voxel edge is below 2 mm."""
        return max(map(len, self._cube)) == 1

    def cube(self, planes: np.ndarray) -> np.ndarray:
        """Average of values (p, m) over the cube around every voxel, (p, m) float32; p is at most 6."""
        if self.voxel_is_cube:
            return planes
        reach = [len(w) - 1 for w in self._cube]
        both = np.concatenate([np.concatenate([w[:0:-1], w]) for w in self._cube]).astype(np.float32)
        E, out = self.be.asarray(planes), self.be.xp.empty(planes.shape, np.float32)
        self._kernels.launch("box_means", self.m, self._voxels, *reach, self.be.asarray(both), len(planes), E, out)
        return self.be.to_numpy(out)

    def lines(self, planes: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Largest average of a component along the lines through every voxel, (m,) float32 [unit of the field].

        Parameters
        ----------
        planes : (3, m) or (6, m) float32 ndarray
            The field, for complex ones its real and its imaginary part.
        along : (3, m) float32 ndarray
            Unit vectors of the field, zero where there is none.
        """
        parts = planes.reshape(-1, 3, self.m)
        E = self.be.asarray(planes)
        largest = np.zeros(self.m, np.float32)
        for axis in range(3):
            kept = self.be.asarray(self._line[axis].astype(np.float32))
            means = []
            for p in range(len(parts)):
                out = self.be.xp.empty(self.m, np.float32)
                reach = len(self._line[axis]) - 1
                self._kernels.launch("axis_means", self.m, self._voxels, axis, reach, kept, E[3 * p + axis], out)
                means.append(self.be.to_numpy(out))
            np.maximum(largest, _size(means), out=largest)
        points = math.ceil(0.5 * LINE_m * POINTS_PER_VOXEL / min(self.spacing))
        step = along / (np.asarray(self.spacing)[:, None] * points / (0.5 * LINE_m))
        out = self.be.xp.empty((len(parts), self.m), np.float32)
        unit, steps = (self.be.asarray(np.ascontiguousarray(v, t)) for v, t in ((along, np.float32), (step, float)))
        self._kernels.launch("line_means", self.m, self._voxels, points, steps, unit, len(parts), E, out)
        return np.maximum(largest, _size(list(self.be.to_numpy(out))))

    def inside(self, induced: InducedField) -> np.ndarray:
        """Voxels all of whose six neighbours conduct, (m,) bool."""
        grid = induced.phantom.grid
        on = np.zeros([n + 2 for n in grid.shape], bool)
        core = on[1:-1, 1:-1, 1:-1]
        core.reshape(-1)[:] = False
        flat = np.zeros(grid.size, bool)
        flat[induced.cells] = True
        core[:] = flat.reshape(grid.shape)
        deep = core.copy()
        for axis in range(3):
            for start in (0, 2):
                window = [slice(1, -1)] * 3
                window[axis] = slice(start, start + grid.shape[axis])
                deep &= on[tuple(window)]
        return np.asarray(deep.reshape(-1)[induced.cells])


def weights(length_m: float, h: float) -> np.ndarray:
    """Part of a length, centred on a voxel of size h, in that voxel and in those beyond it, in units of h, (r + 1,)."""
    if length_m <= h * (1 + 1e-9):
        return np.ones(1)
    half = 0.5 * length_m / h
    reach = math.ceil(half - 0.5 - 1e-9)
    return np.clip(half - (np.arange(reach + 1) - 0.5), 0.0, 1.0)


def magnitude(planes: np.ndarray) -> np.ndarray:
    r"""Largest value over time of a vector (m,): its length, for phasors the larger half axis of the ellipse.

    .. math:: a^2 = \tfrac12 \left(|\mathbf E|^2 + |\mathbf E \cdot \mathbf E|\right)
    """
    if len(planes) == 3:
        return np.sqrt(np.einsum("cm,cm->m", planes, planes))
    re, im = planes[:3], planes[3:]
    a, b, ab = (np.einsum("cm,cm->m", u, v) for u, v in ((re, re), (im, im), (re, im)))
    return np.asarray(np.sqrt(0.5 * (a + b + np.hypot(a - b, 2 * ab))))


def directions(planes: np.ndarray) -> np.ndarray:
    """Unit vectors of a field (3, m), for phasors along the larger half axis of the ellipse; 0 where there is none."""
    vector: Any = planes[:3]
    if len(planes) == 6:
        re, im = planes[:3], planes[3:]
        square = np.einsum("cm,cm->m", re, re) - np.einsum("cm,cm->m", im, im)
        turn = 0.5 * np.arctan2(-2 * np.einsum("cm,cm->m", re, im), square)
        vector = re * np.cos(turn) - im * np.sin(turn)
    size = np.sqrt(np.einsum("cm,cm->m", vector, vector))
    return np.asarray(np.divide(vector, size, out=np.zeros_like(vector), where=size > 0))


def as_planes(field: np.ndarray) -> np.ndarray:
    """A real or complex field (3, m) as real rows, float32 and contiguous."""
    rows = [field.real, field.imag] if np.iscomplexobj(field) else [field]
    return np.ascontiguousarray(np.concatenate(rows), np.float32)


def _size(parts: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.abs(parts[0]) if len(parts) == 1 else np.hypot(*parts))
