"""The static inverse. Oracles: the static limit of the operator, reciprocity, and counts of products."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage
from emdose.models.exposure import Exposure
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.vie.problem import VieProblem
from emdose.solvers.vie.solver import Vie
from emdose.solvers.vie.static_inverse import StaticInverse

COIL = Birdcage(rungs=4, radius_m=0.1, length_m=0.1)


@pytest.fixture(scope="module")
def layered():
    return bodies.layered_sphere([0.04, 0.05, 0.06], ["brain", "bone", "muscle"], 0.0075)


def draw(n, count=1, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, n)) + 1j * rng.normal(size=(count, n))


def test_it_is_the_inverse_of_the_static_operator(layered):
    """Oracle: I - M N with next to no wave; what is left is the air that the potential does not reach."""
    body = BodyOperator(Vie(dtype="complex128"), layered, 1e6, backend.get("cpu"))
    y = draw(len(body.index), 2)
    inverse = StaticInverse(body.contrast, body.index, body.shape, body.be, body.dtype)
    back = body.apply(inverse.apply(y))
    assert np.linalg.norm(back - y) < 0.1 * np.linalg.norm(y)
    # Two right-hand sides in step are those one by one, to what the conjugate gradients leave.
    alone = inverse.apply(y[1:])
    assert np.linalg.norm(body.apply(alone - inverse.apply(y)[1:])) < 0.1 * np.linalg.norm(y[1])


def test_it_is_complex_symmetric_but_for_a_diagonal(layered):
    """Oracle: reciprocity, by which (I - M N)^-1 M is symmetric."""
    body = BodyOperator(Vie(dtype="complex128"), layered, 128e6, backend.get("cpu"))
    inverse = StaticInverse(body.contrast, body.index, body.shape, body.be, body.dtype)
    inverse.accuracy = 1e-20
    x, y = draw(len(body.index), 2)
    a, b = (inverse.apply((body.M * v)[None])[0] for v in (x, y))
    assert abs(x @ b - y @ a) < 1e-6 * abs(x @ b)


@pytest.mark.parametrize(("frequency_Hz", "most"), [(1e6, 6), (64e6, 6), (298e6, 12)])
def test_iterations_follow_the_wave_alone(layered, frequency_Hz, most):
    """Oracle: eigenvalues gather at one; abs(eps) goes from 60 to 14 000 here. COCR without it takes 30 to 300."""
    fields = Vie(dtype="complex128", E_error=1.0).solve(Exposure(layered, COIL, frequency_Hz), "cpu")
    plain = Vie(dtype="complex128", E_error=1.0, method="cocr").solve(Exposure(layered, COIL, frequency_Hz), "cpu")
    assert max(fields.convergence["iterations"]) <= most
    assert min(plain.convergence["iterations"]) > 3 * most


def test_a_finer_grid_takes_no_more_iterations():
    """Oracle: the continuous equations, whose spectrum does not know the grid."""
    counts = [
        max(
            Vie()
            .solve(Exposure(bodies.layered_sphere([0.03, 0.045], ["muscle", "fat"], h), COIL, 128e6), "cpu")
            .convergence["iterations"]
        )
        for h in (0.015, 0.0075, 0.005)
    ]
    assert max(counts) <= 7
    assert max(counts) - min(counts) <= 1


def test_other_contrasts_need_another_one(layered):
    problem = VieProblem(Vie(), Exposure(layered, COIL, 128e6), backend.get("cpu"))
    assert problem.static_inverse is None
    x = problem.right_hand_sides([0])
    problem.precondition(x)
    assert problem.static_inverse is not None
    assert problem.products == 0
