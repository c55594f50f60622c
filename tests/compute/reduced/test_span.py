"""The algebra of a reduced basis. Oracle: dense least squares and dense solutions of small random families."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.reduced.basis import ReducedBasis
from emdose.compute.reduced.span import SolutionSpan, least

N_UNKNOWNS = 60


class World:
    """A random family (I - M N) x = b with six groups of unknowns."""

    def __init__(self, dtype=complex, seed=1):
        self.rng, self.be = np.random.default_rng(seed), backend.get("cpu")
        n = N_UNKNOWNS
        self.N = (self.complex(n, n) / np.sqrt(2 * n)).astype(dtype)
        self.groups = self.rng.integers(0, 6, n)
        self.e, self.dtype, self.products = self.complex(n).astype(dtype), np.dtype(dtype), 0

    def complex(self, *shape):
        return self.rng.normal(size=shape) + 1j * self.rng.normal(size=shape)

    def apply(self, v):
        self.products += 1
        return self.N @ v

    def member(self, spread=1.0):
        M = (0.5 + spread * 0.1 * self.complex(6)[self.groups]).astype(self.dtype)
        A = np.eye(N_UNKNOWNS) - M[:, None] * self.N
        return M, (M * self.e).astype(self.dtype), A

    def span(self, limit=10**7):
        return SolutionSpan(self.groups, self.be, self.dtype, limit)

    def grown(self, count, limit=10**7):
        span = self.span(limit)
        for _ in range(count):
            _, b, A = self.member()
            span.append(np.linalg.solve(A, b).astype(self.dtype), self.apply)
        return span


def test_best_answer_is_that_of_dense_least_squares():
    world = World()
    span = world.grown(8)
    M, b, A = world.member()
    V = span.combine(np.eye(8)).T
    c, *_ = np.linalg.lstsq(A @ V, b, rcond=None)
    found = span.best(M, b)
    np.testing.assert_allclose(found.x, V @ c, atol=1e-12)
    np.testing.assert_allclose(found.coefficients, c, atol=1e-11)


def test_the_certificate_is_the_residual():
    for dtype, tolerance in ((complex, 1e-13), (np.complex64, 2e-6)):
        world = World(dtype)
        span = world.grown(8)
        for _ in range(5):
            M, b, A = world.member()
            found = span.best(M, b)
            true = b - A.astype(complex) @ found.x
            assert np.linalg.norm(true - found.residual) < tolerance * np.linalg.norm(b)
            assert found.share == pytest.approx(np.linalg.norm(true) / np.linalg.norm(b), abs=tolerance)


def test_a_member_of_the_span_is_solved_without_a_product():
    """One group of unknowns changes along a line: x is a rational function of it, met by as many vectors as it has."""
    world = World()
    span, M0 = world.span(), np.full(6, 0.5, complex)

    def member(t):
        M = M0.copy()
        M[2] += 0.2 * t
        M = M[world.groups]
        return M, M * world.e, np.eye(N_UNKNOWNS) - M[:, None] * world.N

    rank = int((world.groups == 2).sum()) + 1
    for t in np.cos(np.pi * (np.arange(rank) + 0.5) / rank):
        _, b, A = member(t)
        span.append(np.linalg.solve(A, b), world.apply)
    before = world.products
    for t in (-0.93, 0.1, 0.77):
        M, b, A = member(t)
        found = span.best(M, b)
        assert found.share < 1e-9
        np.testing.assert_allclose(found.x, np.linalg.solve(A, b), atol=1e-8)
    assert world.products == before


def test_the_normal_equations_of_many_members_are_those_of_each():
    world = World()
    span = world.grown(5)
    members = [world.member() for _ in range(4)]
    values = np.array([[M[world.groups == k][0] for k in range(6)] for M, _, _ in members])
    V = span.combine(np.eye(5)).T
    for G, (_, _, A) in zip(span.normal(values), members, strict=True):
        np.testing.assert_allclose(G, (A @ V).conj().T @ (A @ V), atol=1e-12)


def test_right_hand_sides_follow_from_forces():
    world = World()
    span = world.grown(5)
    M, b, A = world.member()
    Ve, We, ee = span.forces(world.e)
    m = np.array([M[world.groups == k][0] for k in range(6)])
    V = span.combine(np.eye(5)).T
    np.testing.assert_allclose(Ve @ m - We @ np.abs(m) ** 2, (A @ V).conj().T @ b, atol=1e-12)
    assert ee @ np.abs(m) ** 2 == pytest.approx(np.linalg.norm(b) ** 2)


def test_an_answer_that_lies_in_the_span_is_not_added():
    world = World()
    span = world.grown(3)
    x = span.combine(np.array([[1.0, 2.0, -1.0]]))[0]
    before = world.products
    assert span.append(x, world.apply) is None
    assert span.append(0 * x, world.apply) is None
    assert span.append(np.nan * x, world.apply) is None
    assert len(span) == 3
    assert world.products == before


def test_vectors_are_orthonormal_and_come_with_their_product():
    world = World(np.complex64)
    span = world.grown(10)
    V, W = span.V[: len(span)], span.W[: len(span)]
    np.testing.assert_allclose(V.conj() @ V.T, np.eye(10), atol=1e-5)
    order = np.argsort(world.groups, kind="stable")
    np.testing.assert_allclose(W, V @ world.N[np.ix_(order, order)].T, atol=1e-5)


def test_a_known_product_is_used_while_it_keeps_its_digits():
    world = World()
    span = world.span()
    x = world.complex(N_UNKNOWNS)
    span.append(x, world.apply, world.N @ x)
    assert world.products == 0
    near = x + 0.01 * world.complex(N_UNKNOWNS)
    span.append(near, world.apply, world.N @ near)
    assert world.products == 1
    with pytest.raises(TypeError, match="needs N x"):
        span.append(world.complex(N_UNKNOWNS), None)


def test_the_bound_of_memory_is_kept_and_what_mattered_stays():
    world = World()
    limit = 40_000
    span = world.span(limit)
    assert 6 < span.capacity < 40
    late = []
    for i in range(80):
        M, b, A = world.member(spread=0.02)
        late.append(span.best(M, b).share)
        span.append(np.linalg.solve(A, b), world.apply)
        assert span.bytes <= limit, i
    # A smaller change of M is met better: what was kept by the compression serves the members that come.
    assert np.median(late[60:]) < 0.1 * late[1]
    M, b, A = world.member(spread=0.02)
    found = span.best(M, b)
    np.testing.assert_allclose(found.residual, b - A @ found.x, atol=1e-12)


def test_a_span_for_a_single_vector_goes_on():
    world = World()
    span = world.span(1)
    assert span.capacity == 1
    for _ in range(3):
        _, b, A = world.member()
        span.append(np.linalg.solve(A, b), world.apply)
        assert len(span) == 1


def test_dependent_columns_are_left_out():
    rng = np.random.default_rng(1)
    A = rng.normal(size=(20, 4)) + 1j * rng.normal(size=(20, 4))
    A = np.concatenate([A, A[:, :1] + 1e-9 * A[:, 1:2]], axis=1)
    b = rng.normal(size=20) + 0j
    c = least(A.conj().T @ A, A.conj().T @ b)
    best = np.linalg.lstsq(A[:, :4], b, rcond=None)[0]
    np.testing.assert_allclose(A @ c, A[:, :4] @ best, atol=1e-6)
    assert np.abs(c).max() < 100


def test_nothing_is_known_at_first_and_nothing_asked_for_is_zero():
    world = World()
    M, b, _ = world.member()
    found = world.span().best(M, b)
    assert (found.share, float(np.abs(found.x).max())) == (1.0, 0.0)
    assert world.grown(2).best(M, 0 * b).share == 0.0


def test_threads_share_a_span():
    world = World()
    span, members = world.span(), [world.member() for _ in range(24)]
    errors = []

    def work(mine):
        for M, b, A in mine:
            found = span.best(M, b)
            if np.linalg.norm(b - A @ found.x - found.residual) > 1e-10:
                errors.append(found.share)
            span.append(np.linalg.solve(A, b), lambda v: world.N @ v)

    threads = [threading.Thread(target=work, args=(members[i::4],)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    assert len(span) == 24


def test_families_are_kept_apart_and_the_oldest_goes():
    world = World()
    be = world.be
    basis = ReducedBasis(60_000)
    for i in range(12):
        family = basis.family(f"family {i}", lambda: world.groups, be, complex)
        assert len(family.span) == 0
        for _ in range(8):
            _, b, A = world.member()
            family.learn(np.linalg.solve(A, b), world.apply, 2.0)
        basis.family(f"family {i}", lambda: world.groups, be, complex)
        assert basis.bytes <= 60_000
    assert len(basis.family("family 11", lambda: world.groups, be, complex).span) == 8
    assert len(basis.family("family 0", lambda: world.groups, be, complex).span) == 0
    assert "of 8 vectors" not in repr(basis)


def test_one_answer_in_so_many_is_due_for_a_check():
    world = World()
    family = ReducedBasis(10**6, check_every=4).family("a", lambda: world.groups, world.be, complex)
    assert [family.due() for _ in range(8)] == [False, False, False, True] * 2
