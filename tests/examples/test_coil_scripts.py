"""The scripts of the gallery whose coils are solved with their body, checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emdose as em


@pytest.mark.slow
def test_two_engines_on_one_head(run: Any) -> None:
    """Oracle: the other engine, which shares nothing but the voxels."""
    got = run("10_vie_beside_fdtd.py")
    assert got["difference"] < 0.01
    peaks = [got["sar"][n].peak for n in ("Vie", "Fdtd")]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.01)


def test_tuned_birdcage(run: Any) -> None:
    """Oracles: what tuning and matching mean, reciprocity, and conservation of power."""
    got = run("11_tuned_birdcage.py")
    near = min(got["tuned"].modes(), key=lambda m: abs(m.frequency_Hz - 127.74e6))
    assert abs(near.frequency_Hz - 127.74e6) < 0.5 * near.frequency_Hz / near.quality
    assert np.abs(np.diag(got["s"])).max() < 1e-2
    assert got["s"][0, 1] == pytest.approx(got["s"][1, 0], abs=1e-6)
    assert got["power"]["closure"] < 1e-3
    assert 0 < got["power"]["lost_W"] < 0.3 * got["power"]["extinction_W"]


@pytest.mark.slow
def test_one_cage_two_engines(run: Any) -> None:
    """Oracle: the other engine; on cells of 10 mm its strips act wider, and its cage wants a larger capacitor."""
    got = run("28_vsie_beside_fdtd.py")
    inside = got["ball"].body
    mine, theirs = (got["b1"][name][inside] for name in ("Vsie", "Fdtd"))
    assert np.linalg.norm(mine - theirs) < 0.03 * np.linalg.norm(mine)
    assert mine.mean() == pytest.approx(theirs.mean(), rel=0.02)


def test_decoupled_array(run: Any) -> None:
    """Oracles: the closed form of the inductor cancels the reactive coupling; twice and half of it do not."""
    got = run("29_decoupled_array.py")
    neighbours = np.array(got["coupling"])[:, 0]
    assert np.argmin(neighbours) == 10
    assert neighbours[10] < -25 < neighbours[[0, -1]].min()


@pytest.mark.slow
def test_worst_place_of_a_rod(run: Any) -> None:
    """Oracle: the direct solution of one place."""
    got = run("33_worst_place.py")
    exposure = em.Exposure(got["gel"], got["coil"], 63.87e6, implants=[got["rod"].moved((0.05, 0.0, 0.0))])
    fields = em.Vie(tolerance=1e-6).solve(exposure, drive="quadrature", progress=False).scale(absorbed_power_W=1.0)
    sar, tissue = em.point_sar(fields, exposure.tissue), exposure.tissue
    metal = exposure.implanted.metal
    expected = em.mass_average(sar, tissue.density, 10e-3, mass_kg=10e-3, metal=metal).peak
    assert got["peaks"][5] == pytest.approx(expected, rel=1e-3)


def test_shim_under_limits(run: Any) -> None:
    """Oracles: all matrices by brute force, the upper bound of unknown phases, the proof of every shim."""
    got = run("45_shim_under_limits.py")
    assert len(got["vops"]) < 0.05 * len(got["q"].matrices)
    peaks = np.array([got["q"].sar(s.drive[0]).max() for s in got["shims"]])
    worst = [em.worst_drive(got["vops"], np.abs(s.drive[0])).upper for s in got["shims"]]
    assert np.all(peaks <= got["limits"] * (1 + 1e-9))
    assert np.all(peaks <= worst)
    assert np.all(np.diff(got["error"]) <= 1e-6)
    assert max(s.gap for s in got["shims"]) < 1e-4


def test_temperature_limited_shim(run: Any) -> None:
    """Oracles: rises of all voxels by their own matrices; at the same rise a limit of it errs less than one of SAR."""
    got = run("52_temperature_limited_shim.py")
    (rise, error), (by_sar, sar_error) = (np.array(got["curves"][n]) for n in ("in kelvin", "of 10 g SAR"))
    assert np.all(rise <= np.geomspace(0.2, 1, 6) * (1 + 1e-5))
    assert np.all(np.diff(error) < 0)
    assert np.all(np.diff(sar_error) < 0)
    same = np.interp(rise, by_sar, sar_error)
    assert np.all((error < same)[rise > by_sar[0]])
    assert len(got["warm"].matrices) == int(got["head"].body.sum())


def test_ways_of_supervising_power(run: Any) -> None:
    """Oracle: at the factor of every way the largest of all matrices keeps 10 W/kg, and at the last one reaches it."""
    got = run("47_ways_of_supervising_power.py")
    q, modes = got["q"], got["modes"]
    for v in got["drives"].values():
        scales = modes.scales(v)
        peaks = [q.sar(factor * v).max() for factor in scales.values()]
        assert max(peaks) <= 10 * (1 + 1e-4)
        assert peaks[-1] == pytest.approx(10, rel=1e-4)
        assert scales["virtual observation points"] > scales["power of each channel"]


def test_one_cover_of_several_bodies(run: Any) -> None:
    """Oracles: all matrices of all balls by brute force, and certificates against each of them."""
    got = run("46_one_cover_of_several_bodies.py")
    least = {name: (vops.peak(got["v"]) / got["truth"]).min() for name, vops in got["bounds"].items()}
    assert least["middle ball"] < 0.9
    assert min(least["one cover of all"], least["middle ball and margin"]) >= 1 - 1e-9
    assert got["bounds"]["one cover of all"].certify(got["sets"]) > 0
    factors = dict(zip(got["sets"], got["read"]["middle ball and margin"].margin.factors, strict=True))
    assert factors["2.2 kg"] <= 1
    assert factors["1.7 kg"] > 1


def test_sequence_sheet(run: Any) -> None:
    """Oracles: SAR of the fields themselves at the B1+rms of the protocol; what is absorbed in 6 min is all of it."""
    got = run("48_sequence_sheet.py")
    exposure, exam, head = got["exposure"], got["exam"], got["head"]
    driven = got["fields"].scale(b1plus_rms_T=exam.b1plus_rms_T, over="slice")
    sar = em.point_sar(driven, head)
    assert exposure.quantity("whole body").average == pytest.approx(em.dosimetry.whole_body_sar(sar), rel=1e-4)
    peak = em.mass_average(sar, head.density, head.spacing_m, 10e-3).value.max()
    assert exposure.quantity("10 g").average == pytest.approx(peak, rel=1e-4)
    for q in exposure.quantities:
        if q.deposited is not None:
            assert q.window(360.0).value == pytest.approx(q.deposited / 360, rel=1e-9)
