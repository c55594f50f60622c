"""Krylov solvers on small dense systems."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.krylov import bicgstab, cocr, gmres

BE = backend.get("cpu")


def system(n=60, rhs=2, dtype=complex, symmetric=False, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    A = np.eye(n) + 0.3 / np.sqrt(n) * (A + A.T if symmetric else A)
    b = rng.normal(size=(rhs, n)) + 1j * rng.normal(size=(rhs, n))
    return A.astype(dtype), b.astype(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.complex128, 1e-10), (np.complex64, 1e-5)])
@pytest.mark.parametrize("method", ["gmres", "gmres restarted", "bicgstab", "cocr"])
def test_solution_of_dense_systems(method, dtype, tolerance):
    # Oracle: numpy.linalg.solve.
    A, b = system(dtype=dtype, symmetric=method == "cocr")
    options = {"tolerance": tolerance, "max_iterations": 400, "be": BE}

    def apply(x):
        return x @ A.T

    if method == "cocr":
        solution = cocr(apply, b, weight=np.ones((1, b.shape[1]), dtype), **options)
    elif method == "bicgstab":
        solution = bicgstab(apply, b, **options)
    else:
        solution = gmres(apply, b, restart=8 if "restarted" in method else 50, **options)
    expected = np.linalg.solve(A.astype(complex), b.T.astype(complex)).T
    assert solution.converged.all()
    assert np.linalg.norm(solution.x - expected) < 20 * tolerance * np.linalg.norm(expected)
    residual = np.linalg.norm(b - apply(solution.x), axis=1) / np.linalg.norm(b, axis=1)
    assert np.allclose(residual, solution.residual, rtol=0.3, atol=1e-7)


def test_gmres_residuals_do_not_grow():
    # Oracle: GMRES minimises the residual over growing spaces.
    A, b = system()
    history = np.array(gmres(lambda x: x @ A.T, b, tolerance=1e-10, restart=60, max_iterations=60, be=BE).history)
    assert np.all(np.diff(history, axis=0) <= 1e-9)


def test_gmres_ends_after_as_many_steps_as_distinct_eigenvalues():
    # Oracle: the degree of the minimal polynomial.
    A = np.diag(np.repeat([1.0, 2.0, 5.0], 10)).astype(complex)
    b = np.random.default_rng(0).normal(size=(1, 30)).astype(complex)
    solution = gmres(lambda x: x @ A.T, b, tolerance=1e-12, restart=30, max_iterations=30, be=BE)
    assert solution.iterations.max() == 3


def test_norm_of_the_inverse():
    # Oracle: singular values of the matrix, which those of a large Krylov space approach from above.
    A, b = system(30, 1)
    solution = gmres(lambda x: x @ A.T, b, tolerance=1e-13, restart=30, max_iterations=30, be=BE)
    exact = 1 / np.linalg.svd(A, compute_uv=False)[-1]
    assert 0.8 * exact < solution.inverse_norm[0] < 1.0001 * exact


def test_single_precision_keeps_the_basis_orthogonal():
    # Oracle: GMRES in double precision needs as many steps; lost orthogonality would show as more.
    rng = np.random.default_rng(3)
    Q, _ = np.linalg.qr(rng.normal(size=(400, 400)))
    A = (Q * np.linspace(0.02, 1.0, 400)) @ Q.T
    b = rng.normal(size=(1, 400))
    counts = []
    for dtype in (np.complex64, np.complex128):
        M, v = A.astype(dtype), b.astype(dtype)
        solution = gmres(lambda x, M=M: x @ M.T, v, tolerance=1e-4, restart=200, max_iterations=200, be=BE)
        assert solution.converged.all()
        counts.append(solution.iterations[0])
    assert counts[0] <= counts[1] + 1


def test_zero_right_hand_side_and_initial_guess():
    # Oracle: the solution of A x = 0 is 0; a perfect guess needs no iteration.
    A, b = system()
    b[1] = 0
    solution = gmres(lambda x: x @ A.T, b, tolerance=1e-8, restart=50, max_iterations=100, be=BE)
    assert not solution.x[1].any()
    exact = np.linalg.solve(A, b.T).T
    again = gmres(lambda x: x @ A.T, b, tolerance=1e-8, restart=50, max_iterations=100, be=BE, x0=exact)
    assert again.iterations.max() == 0


@pytest.mark.parametrize("method", [gmres, bicgstab])
def test_hopeless_systems_end_and_say_so(method):
    # Oracle: a singular system with an inconsistent right-hand side has no solution.
    A = np.diag([1.0, 1.0, 0.0]).astype(complex)
    b = np.array([[1.0, 1.0, 1.0]], complex)
    options = {"restart": 3} if method is gmres else {}
    with np.errstate(all="ignore"):
        solution = method(lambda x: x @ A.T, b, tolerance=1e-6, max_iterations=100, be=BE, **options)
    assert not solution.converged.any()


def test_callback_sees_every_iteration():
    A, b = system()
    seen = []
    gmres(
        lambda x: x @ A.T,
        b,
        tolerance=1e-6,
        restart=10,
        max_iterations=100,
        be=BE,
        callback=lambda i, r: seen.append((i, r)),
    )
    assert [i for i, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1][1] <= 1e-6
