"""Operators of the contrast-source inversion: adjoints, agreement with the forward solver, derivatives of data terms.

Oracles: the definition of an adjoint, <y, A x> = <A^H y, x>; the volume integral solver on the same grid; Taylor's
theorem.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from emdose.compute import backend
from emdose.ept.inversion.data import KINDS, DataTerm
from emdose.ept.inversion.newton import State, TotalVariation, data_gradient
from emdose.ept.inversion.operators import (
    ScatteringOperators,
    at_centres,
    gradient,
    gradient_adjoint,
    rotating,
    rotating_adjoint,
)
from emdose.models.bodies import box, rasterise
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.coils.ideal import Birdcage
from emdose.models.exposure import Exposure
from emdose.models.grids.grid import Grid
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.incident import incident_B, incident_E

FREQUENCY = 128e6
RNG = np.random.default_rng(5)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


@pytest.fixture(scope="module")
def lattice() -> ScatteringOperators:
    body = np.zeros((9, 8, 7), bool)
    body[2:7, 1:7, 2:6] = True
    body[3, 3, 3] = body[2, 1, 2] = False
    return ScatteringOperators(Grid(body.shape, 5e-3), body, FREQUENCY, backend.get("cpu"), "complex128")


@pytest.fixture(scope="module")
def contrast(lattice: ScatteringOperators) -> np.ndarray:
    return 50 - 80j + 4 * random(len(lattice.body_index))


def mismatch(A: Callable, AH: Callable, x: np.ndarray, y: np.ndarray) -> float:
    left, right = np.vdot(y, A(x)), np.vdot(AH(y), x)
    return abs(left - right) / abs(left)


@pytest.mark.parametrize("name", ["on_edges", "electric", "magnetic"])
def test_adjoint_of_lattice_maps(lattice: ScatteringOperators, name: str) -> None:
    """Dot-product test."""
    edges, voxels = len(lattice.edge_index), len(lattice.body_index)
    shapes = {
        "on_edges": ((voxels,), (edges,)),
        "electric": ((2, edges), (2, edges)),
        "magnetic": ((2, edges), (2, 2, *lattice.voxels)),
    }
    x, y = (random(*s) for s in shapes[name])
    assert mismatch(getattr(lattice, name), getattr(lattice, f"{name}_adjoint"), x, y) < 1e-10


def test_adjoint_of_the_solution_operator(lattice: ScatteringOperators, contrast: np.ndarray) -> None:
    """Dot-product test of the inverse of I - chi G, and its definition."""
    chi, shape = lattice.on_edges(contrast), (2, len(lattice.edge_index))
    x, y = random(*shape), random(*shape)
    assert (
        mismatch(lambda v: lattice.solve(chi, v, 1e-13), lambda v: lattice.solve_adjoint(chi, v, 1e-13), x, y) < 1e-10
    )
    w = lattice.solve(chi, x, 1e-13)
    assert np.linalg.norm(w - chi * lattice.electric(w) - x) < 1e-11 * np.linalg.norm(x)


def test_adjoint_of_curl_and_gradient() -> None:
    """Dot-product test of the local maps."""
    A, b = random(2, 3, 5, 6, 7), random(2, 2, 4, 5, 6)
    assert mismatch(lambda v: rotating(v, 2 - 3j), lambda v: rotating_adjoint(v, 2 - 3j), A, b) < 1e-13
    assert (
        mismatch(lambda v: gradient(v, 0.3), lambda v: gradient_adjoint(v, 0.3), random(4, 5, 6), random(3, 4, 5, 6))
        < 1e-13
    )


def test_fields_are_those_of_the_forward_solver() -> None:
    """Vie on the same grid: E on the edges and B1+ at the voxel centres."""
    tissues = (Tissue("shell", 1000.0, Constant(65.0, 1.0)), Tissue("core", 1000.0, Constant(73.0, 0.6)))
    solids = [
        box(tissues[0], (0, 0, 0.005), (0.03, 0.035, 0.03)),
        box(tissues[1], (0.005, 0, 0.005), (0.015, 0.02, 0.01)),
    ]
    phantom = rasterise(solids, Grid((9, 10, 9), 1e-2))
    coil, be = Birdcage(8, radius_m=0.12), backend.get("cpu")
    fields = Vie(tolerance=1e-9, dtype="complex128").solve(Exposure(phantom, coil, FREQUENCY), device="cpu")
    lattice = ScatteringOperators(phantom.grid, phantom.body, FREQUENCY, be, "complex128")
    chi = lattice.on_edges(phantom.complex_permittivity(FREQUENCY)[phantom.body].astype(complex) - 1)
    E = lattice.restrict(incident_E(coil, lattice.box, FREQUENCY, be, complex))
    w = lattice.solve(chi, chi * E, 1e-10)
    b = at_centres(incident_B(coil, lattice.box, FREQUENCY, be, complex)) + lattice.magnetic(w)
    cut = tuple(slice(a, b) for a, b in zip(lattice.low, lattice.high, strict=True))
    nodes = tuple(slice(a, b + 1) for a, b in zip(lattice.low, lattice.high, strict=True))
    expected = at_centres(fields.B)[(slice(None), slice(None), *cut)]
    assert np.linalg.norm(b - expected) < 1e-6 * np.linalg.norm(expected)
    expected = lattice.restrict(fields.E[(slice(None), slice(None), *nodes)])
    assert np.linalg.norm(E + lattice.electric(w) - expected) < 1e-6 * np.linalg.norm(expected)


def data_term(lattice: ScatteringOperators, kind: str, fit_scale: bool) -> DataTerm:
    shape = (2, *lattice.voxels)
    data = random(*shape) if kind != "phaseless" else np.abs(random(*shape)) + 0j
    return DataTerm(kind, random(2, 3), random(2, 3), data, RNG.uniform(0, 2, shape), fit_scale)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_the_data_terms(lattice: ScatteringOperators, kind: str) -> None:
    """Taylor: the remainder of the linear expansion falls by four when the step is halved; adjoint by dot product."""
    term = data_term(lattice, kind, True)
    b, db = random(3, 2, *lattice.voxels) + 4, random(3, 2, *lattice.voxels)
    rest = [np.linalg.norm(term.model(b + t * db) - term.model(b) - t * term.derivative(b, db)) for t in (1e-3, 5e-4)]
    if kind == "complex":
        assert max(rest) < 1e-10 * np.linalg.norm(term.model(b))
    else:
        assert rest[0] / rest[1] == pytest.approx(4, rel=0.05)
    r = random(2, *lattice.voxels)
    left = np.vdot(r, term.derivative(b, db)).real
    assert np.vdot(term.adjoint(b, r), db).real == pytest.approx(left, rel=1e-10)


@pytest.mark.parametrize("fit_scale", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_misfit(lattice: ScatteringOperators, kind: str, fit_scale: bool) -> None:
    """Central difference of F_D / 2 with the factor fitted anew; the Gauss-Newton Hessian is symmetric."""
    term = data_term(lattice, kind, fit_scale)
    b, x, y = random(3, 2, *lattice.voxels) + 4, random(3, 2, *lattice.voxels), random(3, 2, *lattice.voxels)
    t = 1e-4
    slope = (term.misfit(b + t * x) - term.misfit(b - t * x)) / (4 * t)
    assert np.vdot(term.gradient(b), x).real == pytest.approx(slope, rel=1e-6)
    assert np.vdot(term.normal(b, x), y).real == pytest.approx(np.vdot(x, term.normal(b, y)).real, rel=1e-10)
    assert np.vdot(term.normal(b, x), x).real >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_through_the_object_equation(lattice: ScatteringOperators, contrast: np.ndarray, kind: str) -> None:
    """Central difference of F_D / 2 along a change of contrast, with the sources solved anew."""
    edges, term = len(lattice.edge_index), data_term(lattice, kind, True)
    E0, b0 = 1e2 * random(3, edges), 1e-7 * (random(3, 2, *lattice.voxels) + 3)

    def state(chi: np.ndarray) -> State:
        on_edges = lattice.on_edges(chi)
        w = lattice.solve(on_edges, on_edges * E0, 1e-12)
        b = b0 + lattice.magnetic(w)
        return State(chi, w, E0 + lattice.electric(w), b, term.misfit(b), 0.0)

    x, t = random(len(contrast)), 1e-2
    slope = (state(contrast + t * x).data - state(contrast - t * x).data) / (4 * t)
    slope_adjoint = np.vdot(data_gradient(lattice, term, state(contrast), 1e-12), x).real
    assert slope_adjoint == pytest.approx(slope, rel=1e-5)


def test_total_variation_factor(lattice: ScatteringOperators, contrast: np.ndarray) -> None:
    """Central difference of F_R / 2; F_R is 1 where it is set up, and nothing counts across the rim of the body."""
    penalty = TotalVariation(lattice).at(contrast, 1.5)
    x, t = random(len(contrast)), 1e-4
    assert penalty.value(contrast) == pytest.approx(1, rel=1e-12)
    slope = (penalty.value(contrast + t * x) - penalty.value(contrast - t * x)) / (4 * t)
    assert np.vdot(penalty.slope, x).real == pytest.approx(slope, rel=1e-6)
    assert TotalVariation(lattice).mean(np.full(len(contrast), 3 - 2j)) == 0
