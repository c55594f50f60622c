"""A region and some tissue around it as a body by itself, whose equations are inverted as a dense matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from emdose.errors import ConvergenceError
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.yee_grid.edge_materials import metal_edges
from emdose.solvers.yee_grid.green_convolution import Convolution

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

MOST = 15_000
"""Unknowns of a dense matrix: 1.8 GB, and some minutes on two cores."""
LEAST = 8_000
"""So many are taken in any case, where there are."""
SHARE = 0.2
"""Of the free memory that the matrix may take."""


@dataclass(frozen=True, eq=False)
class PartOfBody:
    """The region and some voxels around it as a body by itself.

    Parameters
    ----------
    body : BodyOperator
        Its equations.
    place : (p,) int ndarray
        Its unknowns among those of the whole body.
    """

    body: BodyOperator
    place: np.ndarray

    @classmethod
    def of(cls, whole: BodyOperator, mask: np.ndarray, around: int) -> PartOfBody:
        """The part of a body of the voxels of a mask and some around them."""
        phantom, wide = whole.phantom, widened(mask, around)
        labels = np.where(wide, phantom.labels, 0).astype(phantom.labels.dtype)
        part = BodyOperator(whole.solver, replace(phantom, labels=labels, regions={}), whole.frequency_Hz, whole.be)
        own, index = (np.asarray(b.be.to_numpy(b.index)) for b in (part, whole))
        c, *at = np.unravel_index(own, (3, *part.shape))
        moved = [a + low - first for a, low, first in zip(at, part.low, whole.low, strict=True)]
        flat = np.ravel_multi_index((c, *moved), (3, *whole.shape))
        return cls(part, np.searchsorted(index, flat))

    def answers(self, rows: np.ndarray, tolerance: float) -> tuple[np.ndarray, float]:
        """Answers (r, p) complex64 to units on unknowns (r,) of the whole body, and the largest residual of some of
        them; raises ConvergenceError where that is above a tolerance."""
        own = np.searchsorted(self.place, rows)
        factors = lu_factor(equations(self.body), overwrite_a=True, check_finite=False)
        units = np.zeros((len(self.place), len(own)), np.complex64)
        units[own, np.arange(len(own))] = 1
        x = lu_solve(factors, units, check_finite=False)
        # Single precision leaves some 1e-5 of the units; what one refinement leaves is that of a product.
        x += lu_solve(factors, self._left(x, units), check_finite=False)
        some = np.unique(np.linspace(0, len(own) - 1, 8).astype(int))
        residual = float(np.linalg.norm(self._left(x[:, some], units[:, some]), axis=0).max())
        if residual > tolerance:
            raise ConvergenceError(f"answers of a part of the body: residual {residual:.2g} misses {tolerance:g}")
        return np.ascontiguousarray(x.T), residual

    def _left(self, x: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Residuals (p, r) by the operator."""
        body, out = self.body, np.empty_like(x)
        for n in range(x.shape[1]):
            made = body.apply(body.be.asarray(x[None, :, n].astype(body.dtype)))
            out[:, n] = units[:, n] - body.be.to_numpy(made)[0]
        return out


def widened(mask: np.ndarray, around: int) -> np.ndarray:
    """Voxels of a mask and those within some voxels around it."""
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, np.ones((3, 3, 3), bool), iterations=around)) if around else mask


def voxels_around(phantom: Phantom, mask: np.ndarray, edges: int, free_bytes: float) -> tuple[int, int]:
    """How many voxels around a region to take, and the unknowns of that part: as many as a dense matrix can have."""
    most = int(min(MOST, max(LEAST, 3 * edges), (SHARE * free_bytes / 8) ** 0.5))
    body, found, last = np.asarray(phantom.body, bool), (0, 0), 0
    for around in range(1, max(mask.shape)):
        unknowns = int(np.count_nonzero(metal_edges(widened(mask, around) & body)))
        if unknowns > most or unknowns == last:
            break
        found, last = (around, unknowns), unknowns
    return found


def equations(body: BodyOperator) -> np.ndarray:
    """1 - M N of a body as a dense matrix, complex64: N depends on the way between two edges alone."""
    n, be = body.shape, body.be
    wide: Any = tuple(2 * k - 1 for k in n)
    convolution = Convolution(wide, wide, (0, 0, 0), body.h, body.k, be, np.complex128)
    kernel = np.empty((3, 3, *wide), np.complex64)
    middle = tuple(k - 1 for k in n)
    for c in range(3):
        J = np.zeros((1, 3, *wide), complex)
        J[(0, c, *middle)] = 1
        sent = be.to_numpy(convolution.scattered(be.asarray(J)))[0]
        sent[(c, *middle)] += 1
        kernel[:, c] = sent  # (seen, source)
    index = np.asarray(be.to_numpy(body.index))
    M = np.asarray(be.to_numpy(body.M)).astype(np.complex64)
    part, x, y, z = np.unravel_index(index, (3, *n))
    place = (x * wide[1] + y) * wide[2] + z
    zero = (middle[0] * wide[1] + middle[1]) * wide[2] + middle[2]
    flat, volume = kernel.ravel(), wide[0] * wide[1] * wide[2]
    out = np.empty((len(index), len(index)), np.complex64, order="F")
    for j in range(len(index)):
        out[:, j] = -M * flat[(3 * part + part[j]) * volume + place - place[j] + zero]
        out[j, j] += 1
    return out
