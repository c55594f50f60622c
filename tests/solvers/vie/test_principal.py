"""Many right-hand sides at once. Oracles: each of them alone, residuals by products, and the error's order."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.models import bodies
from emdose.models.coils.ideal import LoopArray
from emdose.models.exposure import Exposure
from emdose.solvers.vie.principal import principal_solutions, responses
from emdose.solvers.vie.problem import VieProblem
from emdose.solvers.vie.solver import Vie

ARRAY = LoopArray(8, radius_m=0.09, length_m=0.06)


@pytest.fixture(scope="module")
def problem():
    body = bodies.layered_sphere([0.03, 0.045, 0.055], ["brain", "bone", "muscle"], 0.0075)
    return VieProblem(Vie(dtype="complex128"), Exposure(body, ARRAY, 298e6), backend.get("cpu"))


@pytest.fixture(scope="module")
def b(problem):
    return problem.right_hand_sides(list(range(8)))


def true_residual(problem, b, x):
    return np.linalg.norm(b - problem.apply(x), axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_every_port_meets_its_tolerance(problem, b, tolerance):
    found = principal_solutions(problem, b, tolerance)
    assert found.converged.all()
    true = true_residual(problem, b, found.x)
    assert true.max() <= tolerance
    np.testing.assert_allclose(found.residual, true, rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(found.ax, problem.apply(found.x), atol=1e-9 * np.abs(found.ax).max())


def test_tolerances_may_differ(problem, b):
    tolerance = np.where(np.arange(8) == 3, 1e-6, 1e-2)
    found = principal_solutions(problem, b, tolerance)
    assert np.all(true_residual(problem, b, found.x) <= tolerance)


def test_ports_share_their_products(problem, b):
    """Oracle: each alone. The products are counted by the operator itself."""
    alone = sum(principal_solutions(problem, b[p : p + 1], 1e-4).products for p in range(8))
    before = problem.products
    together = principal_solutions(problem, b, 1e-4).products
    assert problem.products - before == together
    assert together < 0.75 * alone


def test_one_port_and_dependent_ports_cost_no_more(problem, b):
    """Oracle: a combination of ports needs no direction of its own; nor does a field of zero."""
    two = principal_solutions(problem, b[:2], 1e-4)
    more = np.concatenate([b[:2], b[:1] - 2j * b[1:2], 0 * b[:1]])
    found = principal_solutions(problem, more, 1e-4)
    assert found.products <= two.products + 2
    assert true_residual(problem, more[:3], found.x[:3]).max() <= 1e-4
    assert np.linalg.norm(found.x[3]) == pytest.approx(0, abs=1e-10)


def test_it_begins_anew_where_its_vectors_are_few(problem, b):
    found = principal_solutions(problem, b, 1e-5, directions=16)
    assert found.converged.all()
    assert true_residual(problem, b, found.x).max() <= 1e-5


def test_single_precision_tells_what_it_reaches(b, problem):
    """Oracle: the residual in double precision."""
    low = VieProblem(Vie(dtype="complex64"), problem.exposure, backend.get("cpu"))
    found = principal_solutions(low, b.astype(np.complex64), 1e-5)
    true = true_residual(problem, b, found.x.astype(complex))
    assert np.all(true <= np.maximum(found.residual, 1e-5) * 1.05 + 5e-7)


def test_responses_are_good_to_the_square_of_the_residual(problem, b):
    """Oracle: solutions to 1e-10; orders of the error of E J alone and of its stationary form."""
    E = problem.incident_on_unknowns(list(range(8)))
    exact = problem.h**3 * E @ principal_solutions(problem, b, 1e-10).x.T
    errors = []
    for tolerance in (1e-2, 1e-3):
        found = principal_solutions(problem, b, tolerance)
        plain = problem.h**3 * E @ found.x.T
        stationary = responses(problem, found, E)
        size = np.abs(exact).max()
        errors.append((np.abs(plain - exact).max() / size, np.abs(stationary - exact).max() / size))
        np.testing.assert_allclose(stationary, stationary.T)
        np.testing.assert_allclose(responses(problem, found, E[:2], E[3:6]), stationary[:2, 3:6])
    assert errors[0][1] < 0.1 * errors[0][0]
    assert errors[1][1] < 0.03 * errors[0][1]
