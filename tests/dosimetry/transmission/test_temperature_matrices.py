"""Temperature matrices: what a drive warms, for every drive, by n^2 solutions or by one per point.

Oracle: direct runs of the bioheat solver with the SAR of 20 drives; linearity; the symmetry of conduction; an order of
matrices that conduction keeps (positive sources, positive rises; later is warmer).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices, _make_positive
from emdose.solvers.heat.materials import body_maps
from emdose.solvers.heat.responses import HeatResponse
from emdose.solvers.heat.rise import steady
from emdose.solvers.heat.stepping import Perfusion

PORTS, H, TIME = 3, 6e-3, 300.0
FINE = em.Bioheat(dtype="float64", tolerance=1e-4)


@pytest.fixture(scope="module")
def body() -> em.Phantom:
    """A ball whose one half is perfused and conducts better."""
    ball = em.phantoms.sphere(radius_m=0.045, spacing_m=H)
    thermal = {"heat_capacity_J_kg_K": 3500.0, "thermal_conductivity_W_m_K": 0.5, "perfusion_mL_min_kg": 60.0}
    first = ball.tissues[1].replace(**thermal)
    second = ball.tissues[1].replace(
        name="fatty", density_kg_m3=900.0, **{**thermal, "thermal_conductivity_W_m_K": 0.2, "perfusion_mL_min_kg": 10.0}
    )
    labels = np.array(ball.labels)
    labels[: labels.shape[0] // 2][labels[: labels.shape[0] // 2] > 0] = 2
    return replace(ball, labels=labels, tissues=(ball.tissues[0], first, second))


@pytest.fixture(scope="module")
def q(body: em.Phantom) -> QMatrices:
    """Point matrices of fields that fall off from three sides, with their own phases."""
    at = np.flatnonzero(body.body)
    place = np.stack(np.unravel_index(at, body.grid.shape), axis=1) * H - 0.045
    turn = 2 * np.pi * np.arange(PORTS) / PORTS
    depth = place[:, :2] @ np.stack([np.cos(turn), np.sin(turn)])
    along = np.random.default_rng(1).normal(size=(3, PORTS)) + 0.3j * np.arange(PORTS)
    F = np.exp((25 + 12j) * depth)[:, None, :] * along
    return QMatrices(np.einsum("mak,mal->mkl", F.conj(), F), at, body.grid, tuple("abc"), "V", "mid-ordinate")


@pytest.fixture(scope="module")
def settled(q: QMatrices, body: em.Phantom) -> em.TemperatureMatrices:
    return em.temperature_matrices(q, body, FINE)


@pytest.fixture(scope="module")
def timed(q: QMatrices, body: em.Phantom) -> em.TemperatureMatrices:
    return em.temperature_matrices(q, body, FINE, time_s=TIME)


def drives(count: int = 20) -> np.ndarray:
    rng = np.random.default_rng(7)
    return rng.normal(size=(count, PORTS)) + 1j * rng.normal(size=(count, PORTS))


def test_matrices_tell_the_rises_of_direct_runs(timed: em.TemperatureMatrices, q: QMatrices, body: em.Phantom) -> None:
    """20 drives, each by a run of its own that chooses its own steps, in single precision as users run them."""
    for v in drives():
        course = em.Bioheat().solve_sar(body, duration_s=TIME, sar_W_kg=q.sar_map(v), times_s=[TIME], progress=False)
        assert np.abs(timed.rise_map(v) - course.rise[-1]).max() < 2e-3 * course.peaks_K[-1]


def test_with_the_same_steps_they_are_the_same_to_rounding(
    timed: em.TemperatureMatrices, q: QMatrices, body: em.Phantom
) -> None:
    response = HeatResponse(
        body_maps(body), TIME, [q.sar_map(np.ones(PORTS)) * body.density], tolerance=1e-4, dtype="float64"
    )
    sources = np.stack([q.sar_map(v) * body.density for v in drives(4)])
    for v, rise in zip(drives(4), response.rises(sources), strict=True):
        assert np.abs(timed.rise_map(v) - rise).max() < 1e-6 * rise.max()


def test_the_steady_state_is_that_of_the_solver(
    settled: em.TemperatureMatrices, q: QMatrices, body: em.Phantom
) -> None:
    sources = np.stack([q.sar_map(v) * body.density for v in drives()])
    for v, rise in zip(drives(), steady(body_maps(body), sources), strict=True):
        assert np.abs(settled.rise_map(v) - rise).max() < 1e-6 * rise.max()


@pytest.mark.parametrize(("time_s", "allowed"), [(None, 1e-6), (TIME, 2e-5)])
def test_solutions_by_points_and_by_sources_are_one(
    q: QMatrices, body: em.Phantom, time_s: float | None, allowed: float
) -> None:
    points = [[0.03, 0.0, 0.001], [-0.02, 0.01, 0.0], [0.001, 0.001, 0.001]]
    by = {
        m: em.temperature_matrices(q, body, FINE, time_s=time_s, points_m=points, method=m)
        for m in ("sources", "points", "auto")
    }
    assert by["auto"].method == "points"  # three points, nine power densities
    assert by["sources"].method == "sources"
    assert np.array_equal(by["sources"].voxel, by["points"].voxel)
    scale = np.abs(by["sources"].matrices).max()
    assert np.abs(by["sources"].matrices - by["points"].matrices).max() < allowed * scale


def test_a_region_and_points_pick_from_all(settled: em.TemperatureMatrices, q: QMatrices, body: em.Phantom) -> None:
    region = np.zeros(body.grid.shape, bool)
    region[3:6] = True
    part = em.temperature_matrices(q, body, FINE, region=region)
    assert part.method == "sources"
    kept = np.isin(settled.voxel, part.voxel)
    assert np.array_equal(settled.voxel[kept], np.flatnonzero(region & body.body))
    assert np.allclose(part.matrices, settled.matrices[kept], rtol=1e-12)


def test_they_are_hermitian_and_positive_and_grow_with_time(
    settled: em.TemperatureMatrices, timed: em.TemperatureMatrices
) -> None:
    for one in (settled, timed):
        assert np.array_equal(one.matrices, one.matrices.conj().swapaxes(1, 2))
        assert np.linalg.eigvalsh(one.matrices).min() > 0
        assert one.raised == 0
    later = np.linalg.eigvalsh(settled.matrices - timed.matrices)
    assert later.min() > -1e-4 * np.abs(timed.matrices).max()


def test_they_are_compressed_and_limit_drives_in_kelvin(settled: em.TemperatureMatrices, tmp_path: Path) -> None:
    vops = em.compress(settled, 0.05)
    vops.certify(settled)
    assert vops.unit == "K"
    assert em.read_vops(em.write_vops(vops, tmp_path / "vops.npz")).certify(settled) > 0
    v = drives(200)
    warmest = np.array([settled.rise(one).max() for one in v])
    ratio = vops.peak(v) / warmest
    assert ratio.min() >= 1 - 1e-9
    assert np.allclose(vops.rise(v).max(axis=-1), vops.peak(v))
    with pytest.raises(em.InputError, match="another quantity"):
        vops.sar(v)
    limits = em.DriveConstraints.of(vops, 0.1)
    assert set(limits.labels) == {"temperature"}
    A = np.random.default_rng(3).normal(size=(40, PORTS)) + 1j
    found = em.shim(A, 5.0, limits)
    assert settled.rise(found.drive[0]).max() <= 0.1
    assert found.use.max() == pytest.approx(1, abs=1e-6)
    worst = em.worst_drive(settled)
    assert worst.unit == "K"
    assert worst.lower == pytest.approx(settled.worst_case()[0], rel=1e-12)
    any_phases = em.worst_drive(vops, 1.0)
    assert any_phases.upper >= max(settled.rise(np.exp(1j * np.angle(one))).max() for one in v)


def test_drives_in_quick_turn_heat_by_their_mean(settled: em.TemperatureMatrices) -> None:
    v = drives(5)
    mean = np.einsum("ti,tj->ij", v, v.conj()) / len(v)
    assert np.allclose(settled.rise_of_mean(mean), np.mean([settled.rise(one) for one in v], axis=0), rtol=1e-12)


def test_other_voxels_for_the_heat(q: QMatrices, body: em.Phantom) -> None:
    fine = replace(FINE, spacing_m=3e-3)
    found = em.temperature_matrices(q, body, fine, time_s=TIME)
    assert found.grid.spacing_m == (3e-3, 3e-3, 3e-3)
    for v in drives(2):
        course = fine.solve_sar(body, duration_s=TIME, sar_W_kg=q.sar_map(v), times_s=[TIME], progress=False)
        assert np.abs(found.rise_map(v) - course.rise[-1]).max() < 1e-3 * course.peaks_K[-1]


def test_without_perfusion_it_is_warmer(settled: em.TemperatureMatrices, q: QMatrices, body: em.Phantom) -> None:
    dry = em.temperature_matrices(q, body, replace(FINE, perfusion="none"))
    assert np.linalg.eigvalsh(dry.matrices - settled.matrices).min() > 0


def test_fields_and_their_matrices_give_the_same() -> None:
    ball = em.phantoms.sphere(radius_m=0.03, spacing_m=10e-3).with_tissue(
        "head_liquid", heat_capacity_J_kg_K=3500.0, thermal_conductivity_W_m_K=0.5, perfusion_mL_min_kg=60.0
    )
    coil = em.LoopArray(2, radius_m=0.06, length_m=0.06)
    fields = em.Vie().solve(em.Exposure(ball, coil, frequency_Hz=298e6), progress=False)
    one = em.temperature_matrices(fields, ball, time_s=TIME)
    other = em.temperature_matrices(em.q_matrices(fields, ball), ball, time_s=TIME)
    assert one.drive_unit == fields.drive_unit
    assert np.allclose(one.matrices, other.matrices, rtol=1e-6, atol=0)
    v = np.array([1.0, 1j])
    driven = em.point_sar(fields.drive(v), ball)
    course = em.Bioheat().solve_sar(ball, driven, TIME, times_s=[TIME], progress=False)
    assert np.abs(one.rise_map(v) - course.rise[-1]).max() < 2e-3 * course.peaks_K[-1]


def test_thermal_dose_stays_below_its_bound(q: QMatrices, body: em.Phantom) -> None:
    v = 2.2 * drives(1)[0]
    course = em.Bioheat().solve_sar(body, duration_s=600.0, sar_W_kg=q.sar_map(v), progress=False)
    dose = em.thermal_dose(course)
    assert dose.total_min.max() > 0
    bound = em.cem43_bound(course.peaks_K[-1], 600.0)
    assert 0.1 * bound < dose.total_min.max() <= bound
    assert bound == pytest.approx(600 / 60 * 0.5 ** (43 - 37 - course.peaks_K[-1]))  # above 43 degC


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bioheat": em.Bioheat(perfusion=Perfusion("linear"))}, "no quadratic form"),
        ({"time_s": -1.0}, "bad time"),
        ({"method": "fast"}, "unknown method"),
        ({"points_m": [[0.5, 0, 0]]}, "outside of what is heated"),
        ({"points_m": [[0.0, 0.0, 0.0]], "region": np.ones((1, 1, 1), bool)}, "a region and points"),
        ({"region": np.ones((2, 2, 2), bool)}, "does not fit the voxels"),
        ({"bioheat": em.Bioheat(perfusion="none", surface_W_m2_K=0.0)}, "no steady state"),
    ],
)
def test_what_cannot_be_is_refused(q: QMatrices, body: em.Phantom, options: dict, words: str) -> None:
    with pytest.raises(em.InputError, match=words):
        em.temperature_matrices(q, body, options.pop("bioheat", FINE), **options)


def test_other_matrices_are_refused(settled: em.TemperatureMatrices, q: QMatrices, body: em.Phantom) -> None:
    with pytest.raises(em.InputError, match="averaged"):
        em.temperature_matrices(replace(q, averaging_mass_kg=0.01), body)
    with pytest.raises(em.InputError, match="another body"):
        em.temperature_matrices(q, em.phantoms.sphere(radius_m=0.04, spacing_m=H))
    with pytest.raises(em.InputError, match="no matrices of SAR"):
        em.temperature_matrices(settled, body)  # type: ignore[arg-type]
    for vops in (settled, em.compress(settled, 0.1)):
        with pytest.raises(em.InputError, match="no average over a window"):
            em.window_peaks(vops, drives(), 1.0)
        with pytest.raises(em.InputError, match="another quantity"):
            em.dosimetry.sar_efficiency(np.ones((4, PORTS)), np.ones(PORTS), vops)
    with pytest.raises(em.InputError, match="does not fit the ports"):
        settled.rise([1, 2])
    with pytest.raises(em.InputError, match="does not fit the ports"):
        settled.rise_of_mean(np.eye(2))


def test_eigenvalues_below_zero_are_raised_and_told() -> None:
    T = np.array([np.diag([1.0, 0.2]), np.diag([0.1, -1e-4])]) + 0j
    T[0, 0, 1] = 0.1j  # of upper triangles
    assert _make_positive(T, 1e-3) == pytest.approx(1e-4, rel=0.02)
    assert np.allclose(T, [[[1, 0.1j], [-0.1j, 0.2]], np.diag([0.1, 0.0])], rtol=0, atol=1e-15)
    with pytest.raises(em.ConvergenceError, match="shorter steps"):
        _make_positive(T - 0.1 * np.eye(2), 1e-3)


@pytest.mark.slow
def test_a_head_sized_ball_of_a_user() -> None:
    """23 000 voxels, 8 loops at 7 T: 20 drives within 1 %, points equal sources, and the certificate of its bounds."""
    ball = em.phantoms.sphere(radius_m=0.08, spacing_m=4.5e-3).with_tissue(
        "head_liquid", heat_capacity_J_kg_K=3600.0, thermal_conductivity_W_m_K=0.5, perfusion_mL_min_kg=150.0
    )
    array = em.LoopArray(8, radius_m=0.12, length_m=0.12)
    fields = em.Vie().solve(em.Exposure(ball, array, frequency_Hz=298e6), progress=False)
    q = em.q_matrices(fields, ball)
    found = em.temperature_matrices(q, ball, time_s=360.0)
    assert len(found.matrices) > 20_000
    rng = np.random.default_rng(5)
    for _ in range(20):
        v = rng.normal(size=8) + 1j * rng.normal(size=8)
        course = em.Bioheat().solve_sar(ball, duration_s=360.0, sar_W_kg=q.sar_map(v), times_s=[360.0], progress=False)
        assert np.abs(found.rise_map(v) - course.rise[-1]).max() < 0.01 * course.peaks_K[-1]
    points = [[0.07, 0.0, 0.0], [0.0, 0.06, 0.02], [0.0, 0.0, 0.0]]
    few = em.temperature_matrices(q, ball, time_s=360.0, points_m=points)
    assert few.method == "points"
    same = found.matrices[np.searchsorted(found.voxel, few.voxel)]
    assert np.abs(few.matrices - same).max() < 2e-3 * np.abs(same).max()
    em.compress(found, 0.1).certify(found)


def test_a_value(settled: em.TemperatureMatrices) -> None:
    assert isinstance(settled, TemperatureMatrices)
    assert settled.convention == "vHQv"
    assert settled.time_s == np.inf
    assert settled.unit == "K"
    assert any("same all the time" in line for line in settled.assumptions)
