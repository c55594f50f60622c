"""Splines through samples of a field, and their integrals along the edges of voxels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.solvers.quasistatic.network import Box

DEGREE = 5
"""Of the splines: of cubic ones a body that walks past a magnet needs twice the samples along every axis."""


class EdgeSplines:
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
        self.about: Mapping[str, Any] = {}
        self.value, self.integral = [], []
        for a, axis in enumerate(axes):
            spline = make_interp_spline(axis, np.eye(len(axis)), k=DEGREE)
            fine = np.linspace(axis[0], axis[-1], box.corners[a])
            self.value.append(spline(fine))
            upto = spline.antiderivative()(fine)
            self.integral.append(np.diff(upto, axis=0, prepend=upto[:1]))
        self._last = axes[-1]

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

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Splines along the last axis for every row of edges, whose basis is local.

        Returns
        -------
        (3, corners along x, along y, samples) ndarray
            Their coefficients, for edges along each axis.
        (2, corners along z, width) ndarray
            What coefficients count for: in values at corners, and in integrals up edges to them.
        (2, corners along z) int32 ndarray
            The first of them.
        """
        from scipy.interpolate import BSpline, make_interp_spline

        own = make_interp_spline(self._last, np.moveaxis(self.samples, 3, 0), k=DEGREE)
        coefficients = np.moveaxis(own.c, 0, 3)
        rows = np.empty((3, *self.box.corners[:2], coefficients.shape[3]))
        for c in range(3):
            x, y, _ = self._matrices(c)
            part = np.tensordot(x, coefficients[c], 1)
            np.matmul(y, part, out=rows[c])
        basis = BSpline(own.t, np.eye(coefficients.shape[3]), DEGREE)
        fine = np.linspace(self._last[0], self._last[-1], self.box.corners[2])
        upto = basis.antiderivative()(fine)
        both = np.stack([basis(fine), np.diff(upto, axis=0, prepend=upto[:1])])
        some = np.abs(both) > 1e-15 * np.abs(both).max(axis=(1, 2), keepdims=True)
        some |= ~some.any(axis=2, keepdims=True)
        first, last = some.argmax(axis=2), both.shape[2] - some[:, :, ::-1].argmax(axis=2)
        # Every row of weights is as wide as the widest; one without any counts nothing.
        first[~np.any(both, axis=2)] = 0
        last[~np.any(both, axis=2)] = 1
        width = int((last - first).max())
        first = np.minimum(first, both.shape[2] - width)
        weights = np.take_along_axis(both, first[:, :, None] + np.arange(width), axis=2)
        return rows, np.ascontiguousarray(weights), first.astype(np.int32)


class EdgeSums:
    """Integrals up edges that were taken one by one.

    Parameters
    ----------
    emf : (3, corners) ndarray
        They [V].
    about : mapping
        How many points they took.
    """

    def __init__(self, emf: np.ndarray, about: Mapping[str, Any]) -> None:
        self.emf, self.about = emf, about

    def everywhere(self) -> np.ndarray:
        """Integrals up all edges, (3, corners) [V]."""
        return self.emf
