"""Solutions from a reduced basis. Oracle: the same problem solved from nothing, and the residual by a product."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.reduced.basis import ReducedBasis
from emdose.errors import EmdoseWarning
from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.vie.problem import VieProblem
from emdose.solvers.vie.reduction import Reduction, edge_groups, family_key
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import edge_mean

SPACING_M = 0.0125
COIL = Birdcage(rungs=4, radius_m=0.1, length_m=0.1)


@pytest.fixture(scope="module")
def layered():
    return bodies.layered_sphere([0.04, 0.055], ["muscle", "fat"], SPACING_M)


def changed(body, muscle=0.0, fat=0.0):
    at = {t.name: t for t in body.tissues}
    return body.with_tissue("muscle", conductivity_S_m=at["muscle"].conductivity(128e6) * (1 + muscle)).with_tissue(
        "fat", conductivity_S_m=at["fat"].conductivity(128e6) * (1 + fat)
    )


def error(a, b, body):
    inside = edge_mean(body.body.astype(float), 0.0) > 0
    return max(np.linalg.norm((a.E[p] - b.E[p])[inside]) / np.linalg.norm(b.E[p][inside]) for p in range(len(a.E)))


def test_one_tissue_that_changes_soon_takes_no_product(layered):
    """The solution is a smooth function of one number: some solutions hold all others to the tolerance."""
    basis, products = ReducedBasis(10**8, check_every=1000), []
    for s in (-0.4, 0.4, 0.0, -0.2, 0.2, -0.3, 0.3, -0.1, 0.1):
        Vie().solve(Exposure(changed(layered, s), COIL, 128e6), "cpu", basis=basis)
    for s in (0.11, -0.35, 0.27, 0.05):
        body = changed(layered, s)
        found = Vie().solve(Exposure(body, COIL, 128e6), "cpu", basis=basis)
        told = found.convergence
        products += told["products"]
        assert told["from_basis"] == [True, True]
        assert told["start_residual"] == pytest.approx(list(found.residual))
        assert max(found.residual) <= 1e-4
        assert told["iterations"] == [0, 0]
        exact = Vie(tolerance=1e-9, dtype="complex128").solve(Exposure(body, COIL, 128e6), "cpu")
        assert error(found, exact, body) < max(told["E_error_estimate"])
        power = found.power.power(np.ones(2))
        assert power["closure"] < 1e-3
    assert products == [0] * 8


def test_every_start_ends_at_the_solution_from_nothing(layered):
    basis, rng = ReducedBasis(10**8), np.random.default_rng(1)
    products, cold = [], []
    for _ in range(8):
        body = changed(layered, *rng.uniform(-0.3, 0.3, 2))
        found = Vie().solve(Exposure(body, COIL, 128e6), "cpu", basis=basis)
        alone = Vie().solve(Exposure(body, COIL, 128e6), "cpu")
        assert found.residual.max() <= 1e-4
        assert error(found, alone, body) < sum(max(f.convergence["E_error_estimate"]) for f in (found, alone))
        products.append(sum(found.convergence["products"]))
        cold.append(sum(alone.convergence["products"]))
    assert products[-1] < 0.3 * cold[-1]


def test_the_certificate_is_the_true_residual(layered):
    """Rounding of single precision leaves some 1e-6 between them."""
    basis, be = ReducedBasis(10**8, check_every=1000), backend.get("cpu")
    for s in (-0.3, 0.0, 0.3):
        Vie().solve(Exposure(changed(layered, s, -s), COIL, 128e6), "cpu", basis=basis)
    for s in (-0.31, 0.1, 0.5):
        exposure = Exposure(changed(layered, s, 0.1), COIL, 128e6)
        problem = VieProblem(Vie(), exposure, be)
        b = problem.right_hand_sides([0, 1])
        start = Reduction(problem, basis).start(b, lambda *_: True)
        exact = VieProblem(Vie(tolerance=1e-9, dtype="complex128"), exposure, be)
        r = exact.right_hand_sides([0, 1]) - exact.apply(start.x.astype(complex))
        true = np.linalg.norm(r, axis=1) / np.linalg.norm(b, axis=1)
        assert start.products == 0
        np.testing.assert_allclose(start.share, true, atol=3e-6)


def test_a_check_by_a_product_is_counted(layered):
    basis = ReducedBasis(10**8, check_every=1)
    exposure = Exposure(layered, COIL, 128e6)
    Vie().solve(exposure, "cpu", basis=basis)
    found = Vie().solve(exposure, "cpu", basis=basis).convergence
    assert (found["products"], found["iterations"], found["from_basis"]) == ([1, 1], [0, 0], [True, True])


def test_a_wrong_vector_is_found_by_the_check(layered):
    """What a memory error would do: N x of a vector is not that of the vector."""
    basis = ReducedBasis(10**8, check_every=1)
    exposure = Exposure(layered, COIL, 128e6)
    exact = Vie().solve(exposure, "cpu", basis=basis)
    (family,) = basis._families.values()
    family.span.V[:2] *= 1.01
    with pytest.warns(EmdoseWarning, match="vectors are dropped"):
        found = Vie().solve(exposure, "cpu", basis=basis)
    assert found.residual.max() <= 1e-4
    assert min(found.convergence["iterations"]) > 0
    assert error(found, exact, layered) < 2 * max(exact.convergence["E_error_estimate"])
    assert len(family.span) == 2


def test_coil_and_drive_change_the_right_hand_side_alone(layered):
    basis = ReducedBasis(10**8)
    Vie().solve(Exposure(layered, COIL, 128e6), "cpu", basis=basis)
    moved = layered.translate((0.0, 0.0, 3e-3))
    found = Vie().solve(Exposure(moved, COIL, 128e6), "cpu", basis=basis)
    assert max(found.convergence["start_residual"]) < 0.2
    other = Vie().solve(Exposure(layered, PlaneWave(), 128e6), "cpu", basis=basis)
    alone = Vie().solve(Exposure(layered, PlaneWave(), 128e6), "cpu")
    assert error(other, alone, layered) < 2 * max(alone.convergence["E_error_estimate"])
    assert len(basis._families) == 1


def test_an_error_that_is_asked_for_is_met_from_the_basis_too(layered):
    """With a residual that would do, the estimate of the error decides."""
    basis, exposure = ReducedBasis(10**8), Exposure(layered, COIL, 128e6)
    Vie(tolerance=1e-2, E_error=1.0).solve(exposure, "cpu", basis=basis)
    found = Vie(tolerance=1e-2, E_error=1e-3).solve(exposure, "cpu", basis=basis)
    assert found.convergence["from_basis"] == [False, False]
    assert max(found.convergence["E_error_estimate"]) <= 1e-3
    exact = Vie(tolerance=1e-9, dtype="complex128").solve(exposure, "cpu")
    assert error(found, exact, layered) <= 1e-3


def test_the_error_per_residual_is_remembered(layered):
    """An answer without an iteration has no Krylov space of its own to estimate the inverse from."""
    basis, exposure = ReducedBasis(10**8, check_every=1000), Exposure(layered, COIL, 128e6)
    first = Vie().solve(exposure, "cpu", basis=basis).convergence
    again = Vie().solve(exposure, "cpu", basis=basis).convergence
    assert again["from_basis"] == [True, True]
    for one, other in zip(first["E_error_per_residual"], again["E_error_per_residual"], strict=True):
        assert other >= 0.999 * one


def test_groups_are_edges_of_one_permittivity(layered):
    be = backend.get("cpu")
    problem = VieProblem(Vie(dtype="complex128"), Exposure(changed(layered, 0.13, 0.07), COIL, 128e6), be)
    groups = edge_groups(problem)
    for k in range(groups.max() + 1):
        values = problem.M[groups == k]
        np.testing.assert_allclose(values, values[0], rtol=1e-12)
    assert groups.max() + 1 == len(np.unique(np.round(problem.M, 9)))


def test_another_family_is_told_apart(layered):
    be = backend.get("cpu")

    def key(body, frequency_Hz=128e6):
        return family_key(VieProblem(Vie(), Exposure(body, COIL, frequency_Hz), be))

    same = key(layered)
    assert key(changed(layered, 0.2)) == same
    assert key(layered.translate((0.0, 0.0, 3e-3))) == same
    assert key(layered.with_tissue("fat", density_kg_m3=900.0)) == same
    others = {
        key(layered, 64e6),
        key(bodies.layered_sphere([0.03, 0.055], ["muscle", "fat"], SPACING_M)),
        key(bodies.layered_sphere([0.04, 0.055], ["muscle", "fat"], 0.011)),
    }
    assert len(others | {same}) == 4


def test_processes_share_it_on_disk(layered, tmp_path):
    exposure = Exposure(layered, COIL, 128e6)
    Vie().solve(exposure, "cpu", basis=ReducedBasis(10**8, tmp_path))
    found = Vie().solve(exposure, "cpu", basis=ReducedBasis(10**8, tmp_path))
    assert found.convergence["from_basis"] == [True, True]
    assert found.convergence["basis_vectors"] == 2


@pytest.mark.parametrize("options", [{"method": "cocr"}, {"method": "bicgstab"}, {"dtype": "complex128"}])
def test_other_methods_and_precisions_start_from_it_as_well(layered, options):
    basis = ReducedBasis(10**8)
    for s in (0.0, 0.1):
        body = changed(layered, s, 0.0)
        found = Vie(**options).solve(Exposure(body, COIL, 128e6), "cpu", basis=basis)
    assert max(found.convergence["start_residual"]) < 0.05
    assert found.residual.max() <= 1e-4
    alone = Vie(**options).solve(Exposure(body, COIL, 128e6), "cpu")
    assert error(found, alone, body) < 2 * max(alone.convergence["E_error_estimate"])
