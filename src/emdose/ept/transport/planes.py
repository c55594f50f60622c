r"""Equations of a stack of slices: every slice by sparse LU, the slices among each other by multigrid along z.

B1+ turns in the plane across the static field, so that the equations of EPT couple strongly, and in the gradient method
all but singularly, within a slice: any function holomorphic in :math:`x + jy` nearly solves them, and no local smoother
takes hold of it. Exact solutions of whole slices do. Along z the coupling is that of a plain difference; what is smooth
along z is corrected on stacks of half as many slices (linear interpolation, Galerkin products), down to a single slice,
which is solved directly.

Source: U. Trottenberg, C. Oosterlee and A. Schueller, Multigrid, Academic Press 2001, ch. 5.1 (plane relaxation,
semi-coarsening).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from emdose.errors import ConvergenceError


@dataclass(eq=False)
class _Stack:
    """One level: its matrix in the order of the slices, their factors, and the interpolation from the next level."""

    matrix: Any
    order: np.ndarray
    slices: list[slice]
    rows: list[tuple[slice, Any]]
    factors: list[Any]
    finer: Any = None


class PlaneMultigrid:
    """A symmetric multigrid cycle for a matrix that couples a voxel to its own slice and the two next to it.

    Parameters
    ----------
    matrix : (n, n) sparse matrix
        Real or complex.
    voxels : (n, 3) int ndarray
        Index (x, y, z) of every unknown.
    hermitian : bool
        Whether the matrix is Hermitian and positive definite; its factors then need no pivoting.

    Raises
    ------
    ConvergenceError
        When the equations of a slice are singular.
    """

    def __init__(self, matrix: Any, voxels: np.ndarray, hermitian: bool) -> None:
        z = voxels[:, 2].astype(np.int64)
        column = np.ravel_multi_index(tuple(voxels[:, :2].T), tuple(voxels[:, :2].max(axis=0) + 1)).astype(np.int64)
        self.stacks: list[_Stack] = []
        while True:
            stack, z, column = _stack(matrix, z, column, hermitian)
            self.stacks.append(stack)
            # Down to one slice: sweeps over two leave what is holomorphic in both, and the same, as it is.
            if len(stack.slices) == 1:
                break
            stack.finer, z, column = _interpolation(z, column)
            matrix = stack.finer.T @ stack.matrix @ stack.finer

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """One V-cycle from zero."""
        return self._cycle(rhs, 0)

    def _cycle(self, rhs: np.ndarray, depth: int) -> np.ndarray:
        stack = self.stacks[depth]
        b = rhs[stack.order]
        x = np.zeros_like(b)
        _sweep(stack, b, x, range(len(stack.slices)))
        if stack.finer is not None:
            x += stack.finer @ self._cycle(stack.finer.T @ (b - stack.matrix @ x), depth + 1)
        if len(stack.slices) > 1:
            _sweep(stack, b, x, range(len(stack.slices) - 1, -1, -1))
        out = np.empty_like(x)
        out[stack.order] = x
        return out


def _stack(matrix: Any, z: np.ndarray, column: np.ndarray, hermitian: bool) -> tuple[_Stack, np.ndarray, np.ndarray]:
    order = np.lexsort((column, z))
    matrix, z, column = matrix.tocsr()[order][:, order].tocsr(), z[order], column[order]
    ends = np.r_[np.unique(z, return_index=True)[1], len(z)]
    slices = [slice(int(a), int(b)) for a, b in pairwise(ends)]
    rows, factors = [], []
    for i, own in enumerate(slices):
        reach = slice(slices[max(i - 1, 0)].start, slices[min(i + 1, len(slices) - 1)].stop)
        rows.append((reach, matrix[own, reach]))
        factors.append(_factors(matrix[own, own].tocsc(), hermitian))
    return _Stack(matrix, order, slices, rows, factors), z, column


def _factors(matrix: Any, hermitian: bool) -> Any:
    from scipy.sparse.linalg import splu

    try:
        if hermitian:
            options = {"SymmetricMode": True}
            return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        return splu(matrix, permc_spec="COLAMD")
    except RuntimeError as error:
        raise ConvergenceError(f"the equations of a slice have no unique solution ({error})") from None


def _interpolation(z: np.ndarray, column: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Linear along z from every second slice; where one of the two is missing the other stands for both."""
    import scipy.sparse as sp

    width = int(column.max()) + 1
    z = z - z.min()
    keys = z * width + column  # sorted, as the unknowns are

    def there(wanted: np.ndarray) -> np.ndarray:
        return keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted

    every = np.arange(len(z))
    odd = every[z % 2 == 1]
    above, below = there(keys[odd] + width), there(keys[odd] - width)
    # An odd voxel without neighbours along z has a coarse one of its own.
    fine = [every[z % 2 == 0], odd[above], odd[below], odd[~above & ~below]]
    half = [z[fine[0]] // 2, (z[fine[1]] + 1) // 2, z[fine[2]] // 2, z[fine[3]] // 2]
    share = 1.0 / np.maximum(above.astype(float) + below, 1)
    weight = [np.ones(len(fine[0])), share[above], share[below], np.ones(len(fine[3]))]
    rows = np.concatenate(fine)
    found, columns = np.unique(np.concatenate(half) * width + column[rows], return_inverse=True)
    matrix = sp.csr_matrix((np.concatenate(weight), (rows, columns)), shape=(len(z), len(found)))
    return matrix, found // width, found % width


def _sweep(stack: _Stack, b: np.ndarray, x: np.ndarray, sequence: range) -> None:
    """Solve one slice after the other with what its neighbours are by then."""
    for i in sequence:
        own, (reach, rows) = stack.slices[i], stack.rows[i]
        x[own] += stack.factors[i].solve(b[own] - rows @ x[reach])
