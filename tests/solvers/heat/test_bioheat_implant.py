"""Heat around implants: every orientation from six solutions, metal on voxels, further sources."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.grids.grid import Grid
from emdose.models.implants import shapes
from emdose.solvers.heat.directions import PAIRS, hottest_direction
from emdose.solvers.heat.materials import Metals, body_maps, deposit, transfer
from emdose.solvers.heat.rise import heat
from emdose.solvers.heat.solver import Bioheat, Envelope, Perfusion
from emdose.solvers.heat.sources import PowerDensity
from emdose.solvers.results.power_tensor import UNIFORM, PowerTensor

GEL = Tissue("gel", 1000.0, Constant(80.0, 0.47), 4150.0, 0.54, 0.0, 0.0)
MUSCLE = Tissue("muscle", 1090.0, Constant(60.0, 0.7), 3421.0, 0.49, 37.0, 0.9)
RADIUS, CENTRE = 5e-3, (1e-3, -2e-3, 3e-3)


@pytest.fixture(scope="module")
def body() -> bodies.Phantom:
    return bodies.gel_box(2.5e-3, (0.06, 0.05, 0.07), MUSCLE)


@pytest.fixture(scope="module")
def implant():
    return shapes.ellipsoid((9e-3, 5e-3, 6e-3), "CoCrMo", centre_m=CENTRE)


@pytest.fixture(scope="module")
def power(implant) -> PowerTensor:
    """Made-up losses in the voxels of the implant: currents that are linear in position, hotter to one end."""
    from emdose.models.implants.voxels import voxelise

    voxels = voxelise(implant, 1.5e-3, check_walls=False)
    cells = np.argwhere(voxels.fraction > 0)
    r = np.stack([voxels.grid.centres(a)[cells[:, a]] - CENTRE[a] for a in range(3)])
    J = np.array([np.cross(np.eye(3)[i], r.T).T for i in range(3)]) * (1 + 60 * (r[0] + r[1]))
    Q = 4e8 * np.einsum("iam,jam->ijm", J, J) * voxels.fraction[tuple(cells.T)]
    matrix = Q.sum(axis=2) * voxels.grid.voxel_volume_m3
    return PowerTensor(
        np.array([270.0]), UNIFORM, matrix[None], voxels.grid, cells, Q[None].astype(np.complex64), metals=voxels.metals
    )


@pytest.fixture(scope="module")
def result(body, implant, power):
    return Bioheat(tolerance=1e-3).solve(body, implant, power, 300.0, device="cpu")


def test_deposit_keeps_the_power_and_stays_in_metal(body, implant, power) -> None:
    """Oracle: the power matrix, on voxels of another size and place."""
    from emdose.models.implants.voxels import embed

    metal = embed(implant, body)
    six = np.stack([power.loss[0, i, j].real for i, j in PAIRS])
    density = deposit(power.cells, six, power.grid, body.grid, metal.fraction)
    found = density.sum(axis=(1, 2, 3)) * body.grid.voxel_volume_m3
    np.testing.assert_allclose(found[:3], np.diag(power.matrix[0]).real, rtol=1e-6)
    assert np.abs(density[:, metal.fraction == 0]).max() == 0


@pytest.mark.parametrize("spacing", [1e-3, 1.7e-3, (4e-3, 2e-3, 3e-3)])
def test_transfer_keeps_power_and_place(spacing) -> None:
    """Oracle: total and first moment of the power."""
    rng = np.random.default_rng(1)
    fine, coarse = Grid((6, 7, 5), (2e-3, 2e-3, 2e-3), (0.0103, 0.0097, 0.011)), Grid((40, 40, 40), spacing, (0, 0, 0))
    values = rng.random((2, fine.size))
    out, lost = transfer(np.argwhere(np.ones(fine.shape)), values, fine, coarse)
    assert lost < 1e-12
    for axis in range(3):
        line = tuple(a + 1 for a in range(3) if a != axis)
        for moment, accuracy in ((0, 1e-12), (1, 0.02)):
            before = (values.reshape(2, *fine.shape).sum(axis=line) * fine.centres(axis) ** moment).sum(axis=1)
            after = (out.sum(axis=line) * coarse.centres(axis) ** moment).sum(axis=1)
            ratio = coarse.voxel_volume_m3 / fine.voxel_volume_m3
            np.testing.assert_allclose(after * ratio, before, rtol=accuracy)


def test_every_direction_from_six_solutions(result, body, implant, power) -> None:
    """Oracle: a solution of its own for a direction; whole maps, power, heating curve."""
    from emdose.models.implants.voxels import embed

    metal = embed(implant, body)
    maps = body_maps(body, Metals(metal.fraction, metal.part, metal.metals), 8.0)
    u = 3.0 * np.array([0.6, -0.48, 0.64])
    loss = np.einsum("ijm,i,j->m", power.loss[0].real, u, u)
    q = deposit(power.cells, loss[None], power.grid, body.grid, metal.fraction)
    alone = heat(maps, q, 300.0, times_s=result.times_s, tolerance=2e-4)
    peak = alone.final.max()
    assert np.abs(result.rise(u) - alone.final[0]).max() < 4e-3 * peak
    spot = result.peak(u)
    assert spot.rise_K == pytest.approx(peak, rel=4e-3)
    times, curve = result.heating_curve(u)
    np.testing.assert_allclose(curve[1:], alone.peaks[0], atol=4e-3 * peak)
    np.testing.assert_allclose(result.heating_curve(u, index=spot.index)[1][-1], spot.rise_K, rtol=1e-6)
    assert result.power_W(u) == pytest.approx(power.power(u, 270.0))
    half = result.time_to(0.5 * peak, u)
    assert np.interp(half, times, curve) == pytest.approx(0.5 * peak)
    assert result.time_to(10 * peak, u) is None
    assert result.balance_error < 1e-3


def test_worst_orientation_against_all_directions(result) -> None:
    """Oracle: brute force over directions; the worst for temperature differs from that for power."""
    hot, direction = result.worst()
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert result.peak(direction).rise_K == pytest.approx(hot.rise_K, rel=1e-5)
    assert result.peak(direction).index == hot.index
    n = np.arange(800) + 0.5
    z, phi = 1 - n / 800, np.pi * (1 + 5**0.5) * n
    tried = np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z], axis=1)
    peaks = np.array([result.peak(u).rise_K for u in tried])
    assert hot.rise_K >= peaks.max()
    assert hot.rise_K == pytest.approx(peaks.max(), rel=5e-3)
    watts, u = result.worst_power(2.0)
    assert result.power_W(2 * u) == pytest.approx(watts)
    assert watts == pytest.approx(max(result.power_W(2 * v) for v in tried), rel=5e-3)
    assert result.peak(u).rise_K <= hot.rise_K
    assert hot.tissue == "metal"
    assert result.peak(direction, tissue_only=True).tissue == "muscle"


def test_hottest_direction_of_random_matrices() -> None:
    """Oracle: eigenvalues of all places, without the bounds that spare most of them."""
    rng = np.random.default_rng(3)
    A = rng.normal(size=(4000, 3, 3)) * rng.random((4000, 1, 1))
    T = A @ A.swapaxes(1, 2)
    offset = 3 * rng.random(4000)
    value, u, at = hottest_direction(np.stack([T[:, i, j] for i, j in PAIRS]), offset)
    everywhere = np.linalg.eigvalsh(T)[:, -1] + offset
    assert value == pytest.approx(everywhere.max())
    assert at == int(everywhere.argmax())
    assert u @ T[at] @ u + offset[at] == pytest.approx(value)


def test_margin_changes_nothing(implant, power) -> None:
    """Oracle: the whole body, against the part around the implant."""
    wide = bodies.gel_box(2.5e-3, (0.12, 0.1, 0.11), MUSCLE)
    cut = Bioheat(tolerance=1e-3).solve(wide, implant, power, 60.0)
    assert cut.provenance["cut"]
    assert cut.phantom.grid.size < 0.5 * wide.grid.size
    whole = Bioheat(tolerance=1e-3, margin_m=1.0).solve(wide, implant, power, 60.0)
    assert cut.worst()[0].rise_K == pytest.approx(whole.worst()[0].rise_K, rel=2e-3)


def test_rf_and_gradients_together(body, implant, power, result) -> None:
    """Oracle: linearity; the sum of both rises, and a worst orientation that knows of the RF."""
    from emdose.dosimetry.sar import SarMap

    value = np.where(body.body, 4.0 * np.exp(-np.abs(np.indices(body.grid.shape)[0] - 4)), 0.0)
    sar = SarMap(value, "linear", body.grid, body.density)
    both = Bioheat(tolerance=1e-3).solve(body, implant, power, 300.0, extra={"RF": sar})
    u = np.array([0.0, 0.0, 2.0])
    rf = both.rise(u) - both.rise(u, extra=False)
    np.testing.assert_allclose(rf, both.extra["RF"], atol=1e-5 * rf.max())
    np.testing.assert_allclose(both.rise(u, extra=False), result.rise(u), atol=3e-3 * result.rise(u).max())
    course = Bioheat(tolerance=1e-3).solve_sar(body, sar, 300.0, implant=implant)
    np.testing.assert_allclose(course.rise[-1], both.extra["RF"], atol=3e-3 * rf.max())
    hot, direction = both.worst(0.1)
    assert hot.rise_K == pytest.approx(both.peak(0.1 * direction).rise_K, rel=1e-5)
    assert hot.rise_K > both.worst(0.1, extra=False)[0].rise_K


def test_switching_off(body, implant, power) -> None:
    """Oracle: less heat than with the source on, and a peak in between."""
    off = Bioheat().solve(body, implant, power, 300.0, envelope=Envelope.until(60.0), times_s=[60.0, 150.0])
    times, curve = off.heating_curve([0, 0, 1.0])
    assert times.tolist() == [0, 60, 150, 300]
    assert curve[1] > curve[2] > curve[3] > 0


def test_contact_resistance_keeps_heat_in_the_metal(body, implant, power, result) -> None:
    loose = Bioheat(contact_m2_K_W=2e-3).solve(body, implant, power, 300.0)
    u = np.array([0.0, 0.0, 1.0])
    assert loose.peak(u).rise_K > 1.05 * result.peak(u).rise_K
    beside = (loose.metal == 0) & body.body
    assert loose.rise(u)[beside].max() < result.rise(u)[beside].max()


def test_basal_temperature(body) -> None:
    """Oracle: metabolic heat over perfusion deep inside; the skin is colder than the core, warmer than the air."""
    deep = bodies.gel_box(4e-3, (0.2, 0.2, 0.2), MUSCLE)
    course = Bioheat(initial="steady", ambient_degC=20.0).solve_sar(
        deep, duration_s=10.0, power_W_m3=np.zeros(deep.grid.shape)
    )
    W = 37.0 * 1e-6 / 60 * 1090.0 * 1049.75 * 3617.0
    core = course.baseline_degC[25, 25, 25]
    assert core == pytest.approx(37.0 + 0.9 * 1090.0 / W, abs=0.02)
    skin = course.baseline_degC[1, 25, 25]
    assert 25.0 < skin < 36.0
    assert course.baseline_degC.min() == 20.0 or deep.body.all()


def test_spacing_and_duty_cycle(body) -> None:
    """Oracle: linearity in the factor; the same power on other voxels that fill the same box."""
    body = body.crop_to_body()
    q = np.where(body.body, 5e3, 0.0)
    fine = Bioheat().solve_sar(body, duration_s=60.0, power_W_m3=q)
    coarse = Bioheat(spacing_m=5e-3).solve_sar(body, [PowerDensity(q, body.grid)] * 2, 60.0, factor=0.5)
    assert coarse.power_W == pytest.approx(fine.power_W, rel=1e-6)
    assert coarse.peaks_K[-1] == pytest.approx(fine.peaks_K[-1], rel=0.03)
    assert fine.time_to(0.5 * fine.peaks_K[-1]) == pytest.approx(30.0, rel=0.05)
    assert any("Perfusion stays" in s for s in fine.assumptions)


def test_bad_input(body, implant, power) -> None:
    plain = Bioheat()
    far, bare = implant.moved((0.5, 0, 0)), bodies.gel_box(5e-3, (0.05, 0.05, 0.05), "head_liquid")
    for change, word in (
        (lambda: plain.solve(body, far, power), "implant outside the phantom"),
        (lambda: plain.solve(body, implant.moved((0.012, 0, 0)), power), "losses lie beside the implant"),
        (
            lambda: plain.solve_sar(bare, power_W_m3=np.zeros(bare.grid.shape)),
            "head_liquid.*: this tissue has no thermal data",
        ),
        (lambda: plain.solve_sar(body, power_W_m3=np.zeros((2, 2, 2))), "does not fit the phantom"),
        (lambda: plain.solve_sar(body, power_W_m3=np.zeros(body.grid.shape), factor=-1), "bad factor"),
        (lambda: Bioheat(perfusion=Perfusion("linear")).solve(body, implant, power), "superpose"),
        (lambda: Bioheat(edges="x"), "edges: unknown choice"),
        (lambda: Bioheat(ambient_degC=400), "ambient_degC"),
        (lambda: Bioheat(perfusion="hot"), "perfusion law"),
        (lambda: plain.solve(body, implant, power, 60.0).rise([1, 2]), "three finite real numbers"),
    ):
        with pytest.raises(InputError, match=word) as caught:
            change()
        assert "\n" not in str(caught.value)


def test_blood_counts_for_a_steady_start_only() -> None:
    """Oracle: the docstring: from a uniform temperature the rise knows no blood, though perfusion follows it."""
    body = bodies.gel_box(1e-2, (0.06, 0.06, 0.06), "muscle")
    q = np.where(body.body, 1e4, 0.0)
    law = {"perfusion": Perfusion("linear", slope_1_K=0.5)}
    rises = [
        Bioheat(**law, initial_degC=t, blood_degC=b).solve_sar(body, duration_s=600.0, power_W_m3=q).peaks_K[-1]
        for t, b in ((37.0, 37.0), (30.0, 37.0), (37.0, 33.0))
    ]
    assert rises[1:] == pytest.approx([rises[0]] * 2, rel=1e-6)
    steady = Bioheat(**law, initial="steady", ambient_degC=10.0, surface_W_m2_K=20.0).solve_sar(
        body, duration_s=600.0, power_W_m3=q
    )
    assert steady.peaks_K[-1] != pytest.approx(rises[0], rel=1e-3)


def test_the_part_around_an_implant_does_not_know_the_isocentre() -> None:
    """Oracle: translation of body and metal together; the margin on every side, rounded to voxels outwards."""
    wide, ball = (
        bodies.gel_box(4e-3, (0.12, 0.16, 0.2), MUSCLE),
        shapes.sphere(0.01, subdivisions=2).moved((0.01, 0, 0)),
    )
    for shift in ((0.0, 0.0, 0.0), (0.4, -0.3, 0.2)):
        cut, some = Bioheat(margin_m=0.02)._around(wide.translate(shift), ball.moved(shift), 60.0)
        assert some
        low, high = (np.array(c) - shift for c in cut.grid.bounds_m)
        for a, centre in enumerate((0.01, 0.0, 0.0)):
            assert -4.1e-3 < low[a] - (centre - 0.03) < 1e-6
            assert -1e-6 < high[a] - (centre + 0.03) < 4.1e-3


def test_arrays_say_what_they_hold(body) -> None:
    """Oracle: the density of the tissue between W/kg and W/m^3; an array without a name stands for neither."""
    from emdose.dosimetry.sar import SarMap

    value = np.where(body.body, 2.0, 0.0)
    sar = SarMap(value, "linear", body.grid, body.density)
    plain = Bioheat(tolerance=1e-2)
    expected = plain.solve_sar(body, sar, 10.0).power_W
    assert expected == pytest.approx(2.0 * body.mass_kg, rel=1e-5)
    for named in ({"sar_W_kg": value}, {"power_W_m3": value * 1090.0}):
        assert plain.solve_sar(body, duration_s=10.0, **named).power_W == pytest.approx(expected, rel=1e-6)
    assert plain.solve_sar(body, sar, 10.0, sar_W_kg=value).power_W == pytest.approx(2 * expected, rel=1e-6)
    for bare in (value, [sar, value], 3.0, value.tolist()):
        with pytest.raises(InputError, match=r"does not say what it holds.*sar_W_kg= or power_W_m3="):
            plain.solve_sar(body, bare, 10.0)
    with pytest.raises(InputError, match="nothing heats the body"):
        plain.solve_sar(body)
    with pytest.raises(InputError, match=r"sar_W_kg.*real numbers"):
        plain.solve_sar(body, sar_W_kg=1j * value)


def test_negative_power_only_by_name(body, implant, power) -> None:
    """Oracle: linearity; the difference of two exposures."""
    from emdose.dosimetry.sar import SarMap

    value = np.where(body.body, 2.0, 0.0)
    value[3, 4, 5] = -1.0
    sar = SarMap(value, "linear", body.grid, body.density)
    plain = Bioheat(tolerance=1e-2)
    for refused in (
        lambda: plain.solve_sar(body, sar),
        lambda: plain.solve_sar(body, sar_W_kg=value),
        lambda: plain.solve_sar(body, power_W_m3=value),
        lambda: plain.solve(body, implant, power, 10.0, extra={"RF": sar}),
    ):
        with pytest.raises(InputError, match=r"takes heat away; found .-.* in voxel \(3, 4, 5\).*signed=True"):
            refused()
    with pytest.raises(InputError, match=r"extra\['RF'\]: a source of heat that does not say"):
        plain.solve(body, implant, power, 10.0, extra={"RF": np.abs(value)})
    both = plain.solve_sar(body, sar, 10.0, signed=True)
    up, down = (plain.solve_sar(body, duration_s=10.0, sar_W_kg=np.maximum(s * value, 0)).rise[-1] for s in (1.0, -1.0))
    np.testing.assert_allclose(both.rise[-1], up - down, atol=1e-4 * up.max())


def test_a_map_of_another_place_is_refused(body) -> None:
    """Oracle: a grid that shares no voxel, and a body that is air where the power is."""
    q = np.where(body.body, 1e3, 0.0)
    away = PowerDensity(q, body.grid.moved((0.5, 0.0, 0.0)))
    with pytest.raises(InputError, match="beside the body"):
        Bioheat().solve_sar(body, away)
    hollow = body.pad(20)
    with pytest.raises(InputError, match="beside the body"):
        Bioheat().solve_sar(hollow, power_W_m3=np.where(hollow.body, 0.0, 1.0))
