"""Metal in the body. Oracles: the dense equations, edges within metal as unknowns, reciprocity, energy, an FDTD."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.reduced.basis import ReducedBasis
from emdose.constants import EPS_0, MU_0
from emdose.errors import InputError, ResourceError
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.coils.ideal import Birdcage
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.implants import box
from emdose.models.leads import Lead
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.vie.metal import buried, couplings
from emdose.solvers.vie.principal import principal_solutions
from emdose.solvers.vie.problem import VieProblem
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import edge_mean, metal_edges

F = 128e6
COIL = Birdcage(rungs=4, radius_m=0.1, length_m=0.1)
GEL = Tissue("gel", 1000.0, Constant(78.0, 0.5))
EXACT = Vie(dtype="complex128", tolerance=1e-9)


@pytest.fixture(scope="module")
def exposure():
    block = box((0.03, 0.03, 0.03), "CoCrMo", centre_m=(0.005, 0.005, 0.005))
    return Exposure(bodies.sphere(0.04, 0.01, GEL).pad(1), COIL, F, implants=[block])


@pytest.fixture(scope="module")
def problem(exposure):
    return VieProblem(EXACT, exposure, backend.get("cpu"))


@pytest.fixture(scope="module")
def dense(problem):
    one = np.eye(len(problem.index), dtype=complex)
    return np.concatenate([problem.apply(one[i : i + 64]) for i in range(0, len(one), 64)]).T


def field(problem, fields):
    return fields.E[(slice(None), slice(None), *problem.box)].reshape(len(fields.E), -1)[:, problem.index]


def test_solution_is_that_of_the_dense_equations(exposure, problem, dense):
    x = np.linalg.solve(dense, problem.right_hand_sides([0, 1]).T).T
    E = problem.field(x) * problem.in_tissue
    for tolerance in (1e-2, 1e-4):
        found = Vie(tolerance=tolerance, E_error=1.0).solve(exposure, "cpu", progress=False)
        error = np.linalg.norm(field(problem, found) - E, axis=1) / np.linalg.norm(E, axis=1)
        estimate = np.array(found.convergence["E_error_estimate"])
        assert np.all(error < estimate)
        assert np.all(estimate < 20 * error)
        assert max(found.convergence["products"]) <= 16


def test_without_room_for_the_couplings_it_takes_more_products(exposure, monkeypatch):
    # Oracle: the preconditioned solution.
    be = backend.get("cpu")
    preconditioned = Vie(tolerance=1e-6).solve(exposure, be, progress=False)
    monkeypatch.setattr("emdose.solvers.vie.problem.metal_bytes", lambda *_: 10**15)
    assert Vie().plan(exposure, be).method == "cocr"
    found = Vie(tolerance=1e-6).solve(exposure, be, progress=False)
    assert min(found.convergence["products"]) > 2 * max(preconditioned.convergence["products"])
    assert np.linalg.norm(found.E - preconditioned.E) < 1e-5 * np.linalg.norm(found.E)


def test_edges_within_metal_need_no_current(problem, dense):
    # Oracle: the same with all edges of metal as unknowns, to what Green's function leaves of its own equation.
    x = np.linalg.solve(dense, problem.right_hand_sides([0]).T).T
    assert np.count_nonzero(buried(problem.edges)) == 36
    places = np.union1d(problem.index, np.flatnonzero(problem.edges))
    at = np.searchsorted(places, problem.index)
    M = np.ones(len(places), complex)
    M[at] = problem.M
    one, columns = np.eye(len(places), dtype=complex), []
    for i in range(0, len(one), 64):
        J = np.zeros((len(one[i : i + 64]), 3 * np.prod(problem.shape)), complex)
        J[:, places] = one[i : i + 64]
        field = problem.convolution.scattered(J.reshape(-1, 3, *problem.shape)).reshape(len(J), -1)[:, places]
        columns.append(one[i : i + 64] - M * (one[i : i + 64] + field))
    E = problem.E_incident[(0, slice(None), *problem.box)].reshape(-1)[places]
    all_of = np.linalg.solve(np.concatenate(columns).T, 1j * problem.omega * EPS_0 * M * E)
    all_of[at] -= x[0]
    assert np.linalg.norm(all_of) < 5e-4 * np.linalg.norm(x[0])


def test_ports_are_reciprocal(problem):
    found = principal_solutions(problem, problem.right_hand_sides([0, 1]), 1e-8)
    E = problem.incident_on_unknowns([0, 1])
    assert found.converged.all()
    Z = E @ found.x.T
    assert abs(Z[0, 1] - Z[1, 0]) < 1e-7 * abs(Z[0, 0])
    assert found.products < 60


@pytest.mark.parametrize("metal", ["perfect", "real"])
def test_power_is_conserved_and_metal_has_no_field(exposure, metal):
    # Oracle: extinction, absorption and far field, each from its own side.
    fields = Vie(metal=metal, tolerance=1e-6).solve(exposure, "cpu", progress=False)
    driven = fields.drive("quadrature")
    assert driven.power.power()["closure"] < 2e-5
    losses = driven.power.losses()
    if metal == "perfect":
        assert losses == {}
        on_metal = fields.E[:, metal_edges(exposure.implanted.metal)]
        assert np.abs(on_metal).max() < 1e-12 * np.abs(fields.E).max()
    else:
        assert 0 < losses["implants"] < 0.05 * driven.power.power()["absorbed_W"]
    assert fields.body_mass_kg == pytest.approx(exposure.tissue.mass_kg)
    assert np.array_equal(fields.body, exposure.tissue.body)
    assert fields.provenance["implants"] == [{"name": i.name, "sha256": i.hash()} for i in exposure.implants]


def test_loss_of_real_metal_follows_its_surface_impedance(exposure):
    # Oracle: half the surface resistance times the square of the current of a perfect conductor over width h.
    problem = VieProblem(Vie(tolerance=1e-6), exposure, backend.get("cpu"))
    x = principal_solutions(problem, problem.right_hand_sides([0]), 1e-6).x[0]
    block = exposure.implants[0]
    metal = block.parts[0].metal.replace(conductivity_S_m=1e10)  # so little that the currents stay
    conducting = Exposure(exposure.phantom, COIL, F, implants=[block.with_metal(metal)])
    resistance = (np.pi * F * MU_0 / metal.conductivity_S_m) ** 0.5
    expected = 0.5 * resistance * problem.h**4 * np.sum(np.abs(x[problem.on_metal]) ** 2)
    found = Vie(metal="real", tolerance=1e-6).solve(conducting, "cpu", progress=False).power.lost_W[0, 0].real
    assert found == pytest.approx(expected, rel=1e-3)


def test_couplings_are_those_of_a_wave_in_tissue():
    # Oracle: symmetry, and the field of a current element in an endless medium some cells away.
    at = np.array([[2, 0, 0, 0], [2, 16, 0, 0], [0, 0, 0, 0], [0, 16, 0, 0], [1, 3, 2, 5]]).T
    eps, kh, R = 60 - 40j, 0.02, 16
    K = couplings(at, np.full(5, eps), kh)
    np.testing.assert_allclose(K, K.T, rtol=1e-12)
    k = kh * np.sqrt(eps)
    wave = eps * np.exp(-1j * k * R) / (4 * np.pi * R)
    assert K[0, 1] == pytest.approx(wave * (k**2 - 1j * k / R - 1 / R**2), rel=0.015)
    assert K[2, 3] == pytest.approx(wave * (2j * k / R + 2 / R**2), rel=0.015)


def test_a_reduced_basis_knows_metal_from_tissue(exposure):
    # Oracle: solutions without the basis; metal elsewhere is another family.
    basis, block = ReducedBasis(), exposure.implants[0]
    for move, conductivity, new in ((0.0, 0.5, True), (0.0, 0.5, False), (0.01, 0.5, True)):
        body = exposure.phantom.with_tissue("gel", conductivity_S_m=conductivity)
        case = Exposure(body, COIL, F, implants=[block.moved((0.0, 0.0, -move))])
        found = Vie().solve(case, "cpu", progress=False, basis=basis)
        expected = Vie(tolerance=1e-6).solve(case, "cpu", progress=False)
        assert found.convergence["from_basis"] == [not new, not new]
        assert np.linalg.norm(found.E - expected.E) < 2e-4 * np.linalg.norm(expected.E)


def test_what_cannot_be_solved_is_said(exposure, monkeypatch):
    lead = Lead([(-0.02, 0, 0), (0.02, 0, 0)], 0.5e-3)
    with pytest.raises(InputError, match="leads"):
        Vie().solve(Exposure(exposure.phantom, COIL, F, leads=[lead]), "cpu")
    with pytest.raises(InputError, match="metal"):
        Vie(metal="steel")
    be = backend.get("cpu")
    monkeypatch.setattr(type(be), "memory_free_bytes", lambda self: 10**6)
    with pytest.raises(ResourceError, match="GiB"):
        Vie().plan(exposure, be)


@pytest.mark.slow
@pytest.mark.parametrize("wave", [PlaneWave((0, 1, 0), (0, 0, 1)), PlaneWave((0, 1, 0), (1, 0, 0))])
def test_fdtd_on_the_same_grid(wave):
    # Oracle: the same scheme in the time domain, edges of metal shorted.
    gel = bodies.gel_box(0.01, (0.12, 0.08, 0.16))
    rod = box((0.018, 0.018, 0.08), centre_m=(0.015, 0.005, 0.0))
    exposure = Exposure(gel, wave, F, implants=[rod])
    found = Vie(tolerance=1e-5).solve(exposure, "cpu", progress=False)
    other = Fdtd(metal="cells").solve(exposure, "cpu", progress=False)
    tissue = (edge_mean(exposure.tissue.body.astype(float), 0.0) > 0) & ~metal_edges(exposure.implanted.metal)
    assert np.linalg.norm((found.E - other.E)[:, tissue]) < 1e-3 * np.linalg.norm(other.E[:, tissue])
    assert np.linalg.norm(found.B - other.B) < 1e-3 * np.linalg.norm(other.B)
    powers = [f.power.power() for f in (found, other)]
    assert powers[0]["absorbed_W"] == pytest.approx(powers[1]["absorbed_W"], rel=1e-3)
