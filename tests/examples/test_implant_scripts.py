"""The scripts of the gallery on implants run as they stand, and what they compute is checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.mark.slow
def test_implant_stl(run: Any) -> None:
    """Oracles: the volume of the shape that was written; no direction beats the worst; the square of dB/dt."""
    import emdose as em

    got = run("12_implant_stl.py")
    assert got["hip"].volume_m3 == pytest.approx(em.implants.hip().volume_m3, rel=1e-5)
    rng = np.random.default_rng(2)
    for u in rng.normal(size=(20, 3)):
        u = 42 * u / np.linalg.norm(u)
        assert got["power"].power(u, 270) <= got["watt"] * (1 + 1e-6)
        assert got["heat"].peak(u / 42).rise_K <= got["spot"].rise_K * (1 + 1e-4)
    assert got["power"].worst(270, rms=21)[0] == pytest.approx(got["watt"] / 4)


def test_pulseq_heating(run: Any) -> None:
    """Oracle: for a rod along x without skin effect, P' = pi sigma a^4 (Bx^2 / 8 + (By^2 + Bz^2) / 4)... as bounds."""
    got = run("13_pulseq_heating.py")
    rms = got["spectrum"].rms
    # The mean square over the rod: what is uniform, and x along it times the slopes xx, xy, xz.
    b = rms[:3] ** 2 + 0.12**2 / 12 * rms[[3, 5, 6]] ** 2
    low = np.pi * 0.58e6 * 7e-3**4 * 0.12 * (b[0] / 8 + (b[1] + b[2]) / 4)
    found = got["power"].average_power(got["spectrum"])
    assert 0.6 * low < found < low  # ends of the rod and the skin effect lower it
    assert got["wave"].mean == pytest.approx(0, abs=1e-6)
    assert 0.9 < 1 - got["spectrum"].dropped < 1


def test_rf_and_gradients(run: Any) -> None:
    """Oracle: heat is linear: at one voxel both rises add up; the peak of both is at most the sum of the peaks."""
    got = run("14_rf_and_gradients.py")
    heat, along, both = got["heat"], got["along"] * 1.0, got["both"]
    parts = heat.rise(along, extra=False)[both.index] + heat.extra["RF"][both.index]
    assert both.rise_K == pytest.approx(parts, rel=1e-5)
    assert max(got["alone"]) <= both.rise_K <= sum(got["alone"]) * (1 + 1e-6)


@pytest.mark.slow
def test_implant_in_rf(run: Any) -> None:
    """Oracles: power is kept by averages and surface resistance is small; the peak cube tells its metal."""
    got = run("30_implant_in_rf.py")
    assert 1 < got["ratio"] < 3
    assert 0 < got["cube"].metal_share < 0.6
    assert 1e-4 < got["power"].power_W / got["sar"].power_W() < 1e-2


@pytest.mark.slow
def test_surgery_and_heat(run: Any) -> None:
    """Oracles: masses of what made room; heat is linear, so both rise more than one and less than the sum."""
    got = run("31_surgery_and_heat.py")
    here = got["exposure"].implanted
    assert sum(r.mass_kg for r in here.replaced) == pytest.approx(here.replaced_kg["bone_cortical"])
    rf_alone = sum(np.asarray(rise) for rise in got["heat"].extra.values()).max()
    assert max(got["alone"], rf_alone) < got["both"] < (got["alone"] + rf_alone) * 1.05
