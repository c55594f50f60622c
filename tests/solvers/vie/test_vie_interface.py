"""What the volume integral promises besides numbers: plans, progress, checkpoints, errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from field_promises import require_promises
from memory_checkpoint import Memory

from emdose.compute import backend
from emdose.dosimetry.sar import point_sar
from emdose.errors import ConvergenceError, EmdoseWarning, InputError, ResourceError
from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.grids.grid import Grid
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.vie import problem as vie_problem
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import bounding_box, edge_mean
from emdose.validation.cases.volume_integral import gel, solve_sphere


@pytest.fixture(scope="module")
def exposure():
    return Exposure(bodies.sphere(0.05, 0.01, gel()).pad(2), Birdcage(rungs=4, radius_m=0.1, length_m=0.1), 128e6)


@pytest.fixture(scope="module")
def fields(exposure):
    return Vie().solve(exposure, device="cpu")


def test_fields_are_complete(exposure, fields):
    # Oracle: the conventions of constants.py.
    require_promises(exposure, fields, "Vie", 1e-4)
    assert all(0 < e < 0.01 for e in fields.convergence["E_error_estimate"])


def test_error_estimate_bounds_the_error(exposure):
    # Oracle: the solution in double precision to 1e-10.
    exact = Vie(tolerance=1e-10, dtype="complex128").solve(exposure, device="cpu")
    rough = Vie(tolerance=1e-2, E_error=1.0, dtype="complex128").solve(exposure, device="cpu")
    inside = edge_mean(exposure.phantom.body.astype(float), 0.0) > 0
    for p in range(2):
        error = np.linalg.norm((rough.E[p] - exact.E[p])[inside]) / np.linalg.norm(exact.E[p][inside])
        assert 0.1 < error / rough.convergence["E_error_estimate"][p] < 1.1


def test_quadrature_has_b1plus(fields):
    # Oracle: the symmetry of a sphere in a four-rung birdcage.
    driven = fields.drive("quadrature")
    c = tuple(n // 2 for n in fields.grid.shape)
    around = tuple(slice(i - 1, i + 1) for i in c)
    assert abs(driven.b1minus()[(0, *around)].mean()) < 0.02 * abs(driven.b1plus()[(0, *around)].mean())


@pytest.mark.parametrize("drive", ["quadrature", [0.3, 1.0 - 0.5j]])
def test_one_drive_is_the_combination_of_its_ports_for_one_right_hand_side(exposure, fields, drive):
    # Oracle: superposition of the ports that were solved for each by itself.
    whole, one = fields.drive(drive), Vie().solve(exposure, device="cpu", drive=drive)
    for name in ("E", "B"):
        a, b = getattr(one, name), getattr(whole, name)
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)
    assert one.provenance["drive"] == whole.provenance["drive"]
    assert (one.ports, list(one.drives)) == (whole.ports, list(whole.drives))
    assert one.power.power()["absorbed_W"] == pytest.approx(whole.power.power()["absorbed_W"], rel=1e-3)
    assert len(one.residual) == 1 < len(fields.residual)


def test_a_drive_that_the_coil_does_not_have_is_refused(exposure):
    for drive, text in (("quadratur", "quadrature"), ([1.0], "2 finite complex amplitudes")):
        with pytest.raises(InputError, match=text):
            Vie().solve(exposure, device="cpu", drive=drive)


def test_yee_curl_of_e_is_b(exposure, fields):
    # Oracle: Faraday's law on the lattice for the scattered field; the incident one is exact at points.
    from emdose.solvers.yee_grid.incident import incident_B, incident_E

    be, g = backend.get("cpu"), exposure.phantom.grid
    E = fields.E - incident_E(exposure.coil, g, 128e6, be, np.complex128)
    B = fields.B - incident_B(exposure.coil, g, 128e6, be, np.complex128)
    h = g.spacing_m[0]
    n = (slice(None), slice(None, -1), slice(None, -1), slice(None, -1))
    curl_z = (np.diff(E[:, 1], axis=1)[:, :, :-1, :-1] - np.diff(E[:, 0], axis=2)[:, :-1, :, :-1]) / h
    expected = curl_z / (-2j * np.pi * 128e6)
    assert np.linalg.norm(B[:, 2][n] - expected) < 2e-2 * np.linalg.norm(B[:, 2][n])


def test_progress(exposure):
    events = []
    Vie().solve(exposure, device="cpu", progress=events.append)
    stages = [e.stage for e in events]
    assert stages[0] == "setup"
    assert stages[-2:] == ["fields", "done"]
    steps = [e for e in events if e.stage == "port"]
    # Ports are solved for together, under the name of the first.
    assert {(e.index, e.name, e.count) for e in steps} == {(0, exposure.coil.ports[0], 2)}
    assert all(e.tolerance == 1e-4 for e in steps)
    assert steps[-1].fraction == 1.0


def test_interrupted_runs_resume(exposure, monkeypatch):
    # Oracle: the uninterrupted run.
    monkeypatch.setattr(vie_problem, "TOGETHER", 1)
    memory, fields = Memory(), Vie().solve(exposure, device="cpu")

    def stop(event):
        if event.stage == "port" and event.index == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Vie().solve(exposure, device="cpu", progress=stop, checkpoint=memory)
    assert set(memory.kept) == {"port-0000"}
    again = Vie().solve(exposure, device="cpu", checkpoint=memory)
    assert again.convergence["resumed"] == [True, False]
    assert np.array_equal(again.E, fields.E)
    assert np.array_equal(again.residual, fields.residual)
    for told in ("iterations", "products", "history", "E_error_per_residual", "E_error_estimate"):
        assert again.convergence[told] == fields.convergence[told], told
    assert set(memory.kept) == {"port-0000", "port-0001"}


@pytest.mark.parametrize("damage", ["another problem", "not finite", "other arrays"])
def test_a_checkpoint_of_another_problem_is_not_believed(exposure, fields, damage):
    memory = Memory()
    Vie().solve(exposure, device="cpu", checkpoint=memory)
    one, two = (memory.kept[name] for name in ("port-0000", "port-0001"))
    if damage == "another problem":
        memory.kept = {"port-0000": one | {"J": 2 * one["J"]}, "port-0001": two | {"J": two["J"][:, :3]}}
    elif damage == "not finite":
        memory.kept = {"port-0000": one | {"J": one["J"] * np.nan}, "port-0001": two | {"told": two["told"] * np.nan}}
    else:
        memory.kept = {"port-0000": {"E": one["J"]}, "port-0001": {"J": two["J"]}}
    again = Vie().solve(exposure, device="cpu", checkpoint=memory)
    assert again.convergence["resumed"] == [False, False]
    assert np.allclose(again.E, fields.E, rtol=1e-5, atol=1e-6 * np.abs(fields.E).max())


def test_missed_tolerance_keeps_what_it_has(exposure):
    memory = Memory()
    with pytest.raises(ConvergenceError, match="misses the tolerance") as caught:
        Vie(max_iterations=3).solve(exposure, device="cpu", checkpoint=memory)
    partial = caught.value.partial
    assert partial.E.shape[0] == 2
    assert partial.residual.max() > 1e-4
    assert not memory.kept


def test_iteration_goes_on_until_the_error_of_E_is_met():
    # Oracle: the solution in double precision to 1e-10; a residual of 1e-4 leaves 1 % of E there by the estimate.
    exposure = Exposure(bodies.sphere(0.1, 0.02, gel()), PlaneWave(), 2e6)
    exact = Vie(tolerance=1e-10).solve(exposure, device="cpu")
    inside = edge_mean(exposure.phantom.body.astype(float), 0.0) > 0

    def error(fields):
        return np.linalg.norm((fields.E[0] - exact.E[0])[inside]) / np.linalg.norm(exact.E[0][inside])

    by_residual, asked, tighter = (Vie(E_error=e).solve(exposure, device="cpu") for e in (1.0, 0.005, 0.0005))
    assert by_residual.convergence["E_error_estimate"][0] > 0.005
    for fields, most in ((asked, 0.005), (tighter, 0.0005)):
        assert error(fields) < fields.convergence["E_error_estimate"][0] <= most
        assert fields.residual[0] < 1e-4
    assert by_residual.convergence["iterations"] < tighter.convergence["iterations"]
    assert by_residual.residual[0] > asked.residual[0] > tighter.residual[0]


def test_stagnation_before_the_error_of_E_is_met():
    # Oracle: single precision rounds to 6e-8 of the currents, which at 1 kHz are 1e7 times what decides.
    exposure = Exposure(bodies.sphere(0.1, 0.02, gel()), PlaneWave(), 1e3)
    with pytest.raises(ConvergenceError, match=r'error of E .* misses E_error = 0\.02.*dtype="complex128"') as caught:
        Vie(dtype="complex64").solve(exposure, device="cpu")
    partial = caught.value.partial
    assert partial.residual[0] < 1e-4
    assert partial.convergence["E_error_estimate"][0] > 0.02
    assert max(partial.convergence["iterations"]) < 1000


@pytest.mark.parametrize(("frequency_Hz", "method"), [(1e3, "cocr"), (5e3, "cocr"), (128e3, "gmres")])
def test_slow_sources_converge_as_they_are(frequency_Hz: float, method: str) -> None:
    """Oracle: the Mie series of the case of ``emdose validate``; static preconditioning stagnates below some 10 kHz."""
    fields, series = solve_sphere(frequency_Hz, 0.02, "cpu")
    assert fields.convergence["method"] == method
    assert fields.power.power()["absorbed_W"] == pytest.approx(series.power()["absorption"], rel=0.15)


@pytest.mark.parametrize(
    ("options", "frequency_Hz", "dtype"),
    [
        ({}, 64e6, "complex64"),
        ({}, 5e6, "complex128"),
        ({"dtype": "complex64", "E_error": 0.1}, 5e6, "complex64"),
        ({"tolerance": 1e-6}, 64e6, "complex128"),
    ],
)
def test_precision_follows_the_permittivity(options, frequency_Hz, dtype):
    # Oracle: the rule, 6e-8 abs(eps) <= tolerance; eps is 176 at 64 MHz and 2160 at 5 MHz.
    fields = Vie(**options).solve(Exposure(bodies.sphere(0.05, 0.025, gel()), PlaneWave(), frequency_Hz), device="cpu")
    assert fields.convergence["dtype"] == str(fields.E.dtype) == dtype


def test_plan_names_a_spacing_that_fits(exposure, monkeypatch):
    plan = Vie().plan(exposure, "cpu")
    assert plan.method == "gmres"
    assert plan.bytes > 0
    assert abs(plan.size / 2300 - 1) < 0.3
    wide = Exposure(bodies.sphere(0.05, 0.005, gel()), Birdcage(rungs=4, radius_m=0.1, length_m=0.1), 128e6)
    need, least = (Vie(method=m).plan(wide, "cpu").bytes for m in ("gmres", "cocr"))
    assert least < need
    monkeypatch.setattr(backend.Backend, "memory_free_bytes", lambda self: 1.01 * least / 0.9)
    assert Vie().plan(wide, "cpu").method == "cocr"
    monkeypatch.setattr(backend.Backend, "memory_free_bytes", lambda self: 2**16)
    with pytest.raises(ResourceError, match=r"needs .* GiB but .* a spacing of .* mm would fit"):
        Vie().solve(exposure, device="cpu")


def test_anisotropic_voxels_are_refused():
    body = bodies.sphere(0.05, (0.01, 0.01, 0.02), gel())
    with pytest.raises(InputError, match=r"cubic voxels.*resample\(0.01\)"):
        Vie().solve(Exposure(body, PlaneWave(), 128e6), device="cpu")


def test_coarse_voxels_warn():
    body = bodies.sphere(0.05, 0.01, gel())
    with pytest.warns(EmdoseWarning, match="cells per wavelength"):
        Vie(tolerance=1e-2).solve(Exposure(body, PlaneWave(), 1e9), device="cpu")


@pytest.mark.parametrize(
    "options",
    [
        {"tolerance": 0},
        {"tolerance": float("nan")},
        {"restart": 0},
        {"max_iterations": 2.5},
        {"dtype": "float32"},
        {"E_error": 0},
        {"E_error": float("nan")},
        {"dtype": "complex64", "tolerance": 1e-6},
        {"method": "cg"},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(InputError):
        Vie(**options)


@pytest.mark.parametrize("solver", [Vie, Fdtd])
def test_the_majority_rule_is_withdrawn(solver):
    # On spheres with shells of one voxel its SAR summed to 4 to 7 % more than what was absorbed; docs/theory/vie.md.
    with pytest.raises(TypeError, match="materials"):
        solver(materials="majority")


@pytest.mark.parametrize("radii", [(0.1,), (0.08, 0.09, 0.1)])
def test_sar_adds_up_to_the_absorbed_power(radii):
    # Oracle: conservation of energy, with shells of one voxel too.
    media = (gel(60.0, 0.6, "a"), gel(15.0, 0.07, "b"), gel(50.0, 0.6, "c"))
    body = bodies.layered_sphere(radii, media[: len(radii)], 10e-3)
    fields = Vie().solve(Exposure(body, PlaneWave(), 64e6), device="cpu")
    assert point_sar(fields, body).power_W() == pytest.approx(fields.power.power()["absorbed_W"], rel=1e-5)


def test_options_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Vie().tolerance = 1.0


def test_body_at_the_border_and_off_centre():
    # Oracle: the same body in a larger grid.
    body = bodies.sphere(0.04, 0.01, gel()).crop_to_body()
    array = LoopArray(2, radius_m=0.09, length_m=0.08)
    tight = Vie(tolerance=1e-5).solve(Exposure(body, array, 128e6), device="cpu")
    wide = Vie(tolerance=1e-5).solve(Exposure(body.pad(3), array, 128e6), device="cpu")
    n = tight.grid.shape[0]
    for a, b in ((tight.E, wide.E), (tight.B, wide.B)):
        part = b[:, :, 3 : 3 + n, 3 : 3 + n, 3 : 3 + n]
        assert np.linalg.norm(a[:, :, :-1, :-1, :-1] - part) < 1e-4 * np.linalg.norm(part)


def test_edge_mean_is_the_mean_of_four():
    # Oracle: an explicit sum.
    rng = np.random.default_rng(0)
    v = rng.normal(size=(3, 4, 5))
    out = edge_mean(v, 1.0)
    p = np.pad(v, 1, constant_values=1.0)
    assert out[0, 1, 2, 3] == pytest.approx(p[2, 2:4, 3:5].mean())
    assert out[1, 1, 2, 0] == pytest.approx(p[1:3, 3, 0:2].mean())
    assert out[2, 3, 4, 4] == pytest.approx(p[3:5, 4:6, 5].mean())
    assert np.all(out[0, -1] == 1.0)


def test_bounding_box():
    mask = np.zeros((4, 5, 6), bool)
    mask[1:3, 2, 0:5] = True
    assert bounding_box(mask) == ((1, 2, 0), (3, 3, 5))
    assert Grid((4, 5, 6), 0.1).node_shape == (5, 6, 7)
