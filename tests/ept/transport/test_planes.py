"""Multigrid over slices. Oracle: sparse LU of the whole."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, cg, gmres, spsolve

from emdose.ept.transport.planes import PlaneMultigrid
from emdose.errors import ConvergenceError

SHAPE = (9, 8, 13)


def problem(rng: np.random.Generator, skew: complex, ground: float) -> tuple:
    """D^H W D of D = dx + j dy with weights over four decades, and differences along z, in a ragged mask."""
    mask = rng.random(SHAPE) > 0.15
    number = np.full(SHAPE, -1)
    number[mask] = np.arange(mask.sum())

    def step(axis: int) -> sp.csr_matrix:
        other = np.roll(number, -1, axis)
        other[(slice(None),) * axis + (-1,)] = -1
        ok = mask & (other >= 0)
        here, there = number[ok], other[ok]
        one = np.ones(here.size)
        return sp.csr_matrix((np.r_[one, -one], (np.r_[here, here], np.r_[there, here])), shape=(mask.sum(),) * 2)

    weight = sp.diags(10 ** rng.uniform(-2, 2, mask.sum()))
    plane = weight @ (step(0) + 1j * step(1))
    matrix = plane.conj().T @ plane + 3 * step(2).T @ step(2) + ground * sp.eye(mask.sum()) + skew * step(2)
    return matrix.tocsc(), np.argwhere(mask)


def test_cycle_preconditions_what_is_all_but_singular_in_a_slice() -> None:
    """Equations that holomorphic functions all but solve: conjugate gradients reach sparse LU in few steps."""
    rng = np.random.default_rng(0)
    matrix, voxels = problem(rng, 0, 1e-4)
    rhs = rng.normal(size=len(voxels)) + 1j * rng.normal(size=len(voxels))
    steps: list[int] = []
    cycle = PlaneMultigrid(matrix, voxels, hermitian=True)
    x, left = cg(
        matrix, rhs, rtol=1e-10, maxiter=60, M=LinearOperator(matrix.shape, cycle, dtype=complex), callback=steps.append
    )
    assert left == 0
    assert len(steps) < 45
    assert np.allclose(x, spsolve(matrix, rhs), rtol=1e-5, atol=1e-5 * np.abs(x).max())
    other = rng.normal(size=len(voxels)) + 1j * rng.normal(size=len(voxels))
    assert np.vdot(other, cycle(rhs)) == pytest.approx(np.vdot(cycle(other), rhs), rel=1e-9)  # symmetric


@pytest.mark.parametrize("slices", [2, 3, 5, 6])
def test_what_is_holomorphic_and_the_same_in_all_slices_is_taken_hold_of(slices: int) -> None:
    """Sparse LU of thin stacks with a ground of 1e-8, reached in few steps; the last two slices are not but swept."""
    rng = np.random.default_rng(2)
    n = 12
    here, step = sp.eye(n - 1, n), sp.diags([-np.ones(n - 1), np.ones(n - 1)], [0, 1], shape=(n - 1, n))
    plane = sp.kron(step, here) + 1j * sp.kron(here, step)  # D of every voxel but those at the far rim
    plane = sp.diags(10 ** rng.uniform(-1, 1, plane.shape[0])) @ plane
    along = sp.diags([-np.ones(slices - 1), np.ones(slices - 1)], [0, 1], shape=(slices - 1, slices))
    matrix = sp.kron(plane.conj().T @ plane, sp.eye(slices)) + sp.kron(sp.eye(n * n), along.T @ along)
    matrix = (matrix + 1e-8 * sp.eye(n * n * slices)).tocsc()
    voxels = np.argwhere(np.ones((n, n, slices), bool))
    rhs = rng.normal(size=len(voxels)) + 1j * rng.normal(size=len(voxels))
    steps: list[int] = []
    cycle = LinearOperator(matrix.shape, PlaneMultigrid(matrix, voxels, hermitian=True), dtype=complex)
    x, left = cg(matrix, rhs, rtol=1e-10, maxiter=30, M=cycle, callback=steps.append)
    assert left == 0
    assert len(steps) < 20
    assert np.allclose(x, spsolve(matrix, rhs), rtol=1e-5, atol=1e-5 * np.abs(x).max())


def test_one_slice_is_solved_directly_and_a_matrix_need_not_be_hermitian() -> None:
    """Sparse LU; without symmetry the cycle serves GMRES."""
    rng = np.random.default_rng(1)
    matrix, voxels = problem(rng, 0.5 - 0.3j, 1.0)
    rhs = rng.normal(size=len(voxels)) + 0j
    cycle = PlaneMultigrid(matrix, voxels, hermitian=False)
    x, left = gmres(
        matrix, rhs, rtol=1e-10, M=LinearOperator(matrix.shape, cycle, dtype=complex), restart=60, maxiter=60
    )
    assert left == 0
    assert np.allclose(x, spsolve(matrix, rhs), rtol=1e-5, atol=1e-5 * np.abs(x).max())
    flat = voxels[:, 2] == 4
    one = matrix[flat][:, flat]
    found = PlaneMultigrid(one, voxels[flat], hermitian=False)(rhs[flat])
    assert np.allclose(one @ found, rhs[flat])


def test_singular_slice() -> None:
    """Negative control."""
    with pytest.raises(ConvergenceError, match="no unique solution"):
        PlaneMultigrid(sp.csr_matrix((3, 3)), np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]]), hermitian=False)
