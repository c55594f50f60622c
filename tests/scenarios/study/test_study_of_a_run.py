"""Runs with a table [uncertainty]. Oracles: closed forms of how a number goes with its input, and the run itself."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import pytest

import emdose as em
from emdose.scenarios import load

TOYS = Path(__file__).parents[2] / "support" / "toy_kind"
BALL = """
[scenario]
kind = "rf"
name = "ball"
[phantom]
type = "sphere"
radius_m = 0.05
spacing_m = 0.01
tissue = "muscle"
[coil]
type = "birdcage"
[exposure]
frequency_Hz = 64e6
[normalise]
b1plus_rms_T = 1e-6
"""
ASKED = """
[uncertainty]
outputs = ["psSAR10g", "whole_body_sar", "b1plus_rms"]
[[uncertainty.inputs]]
path = "normalise.b1plus_rms_T"
name = "drive"
relative = 0.01
[[uncertainty.inputs]]
path = "phantom.tissues.*.conductivity"
name = "conductivity"
relative = 0.05
"""


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy kind, installed like a plug-in of somebody else."""
    monkeypatch.syspath_prepend(str(TOYS))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOYS), *sys.path]))
    return TOYS / "ball.toml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ball")
    (folder / "ball.toml").write_text(ASKED.replace("[uncertainty]", "[uncertainty]\nspacing_m = 'own'") + BALL)
    em.run_scenario(folder / "ball.toml", folder / "out")
    return folder


def test_budgets_of_a_run(finished: Path) -> None:
    """SAR goes with the square of the drive: c u = 2 % of it (one step up: 2.01 %); B1+ itself with the drive."""
    summary = json.loads((finished / "out" / "summary.json").read_text())
    sar = summary["quantities"]["psSAR10g"]
    rows = {r["source"]: r for r in summary["uncertainty"]["budgets"]["psSAR10g"]["rows"]}
    assert rows["drive"]["contribution"] == pytest.approx(0.0201 * sar["value"], rel=1e-3)
    assert 0.0 < rows["conductivity"]["contribution"] < 0.06 * sar["value"]
    assert rows["voxels"]["kind"] == "discretisation"
    total = math.sqrt(sum(r["contribution"] ** 2 for r in rows.values()))
    assert sar["uncertainty"]["expanded"] == pytest.approx(sar["uncertainty"]["k"] * total, rel=1e-9)
    assert sar["uncertainty"]["kind"] == "combined"
    b1 = summary["uncertainty"]["budgets"]["b1plus_rms"]
    assert b1["combined"] == pytest.approx(0.01 * 1e-6, rel=1e-6)
    assert summary["uncertainty"]["study"]["samples"] == 2


def test_a_run_with_its_study_is_served(finished: Path) -> None:
    """The second time nothing is computed; the lock file runs as it is."""
    before = (finished / "out" / "summary.json").read_bytes()
    again = em.run_scenario(finished / "out" / "scenario.lock.toml", finished / "out")
    assert again.state == "finished"
    assert (finished / "out" / "summary.json").read_bytes() == before


def test_another_law_keeps_the_run_and_takes_the_voxels_once(finished: Path) -> None:
    """Budgets are made anew from what the run itself says, not from the budgets before; equal samples are served."""
    text = (finished / "ball.toml").read_text().replace("relative = 0.05", "relative = 0.02")
    (finished / "other.toml").write_text(text)
    first = json.loads((finished / "out" / "summary.json").read_text())["uncertainty"]
    found = em.run_scenario(finished / "other.toml", finished / "out")
    assert found.state == "finished"
    second = found.summary["uncertainty"]
    rows = [{r["source"]: r["contribution"] for r in u["budgets"]["psSAR10g"]["rows"]} for u in (first, second)]
    assert rows[0]["voxels"] == rows[1]["voxels"]
    assert rows[1]["conductivity"] == pytest.approx(0.4 * rows[0]["conductivity"], rel=0.1)
    assert second["study"]["cached"] == 1


def test_a_kind_of_somebody_else_is_studied_without_an_edit(toys: Path, tmp_path: Path) -> None:
    """E = r dB/dt / 2: u(E) = u(dB/dt) r / 2; power goes with the square."""
    text = toys.read_text() + '[uncertainty]\n[[uncertainty.inputs]]\npath = "field.dbdt_rms"\nrelative = 0.01\n'
    (tmp_path / "ball.toml").write_text(text)
    found = em.run_scenario(tmp_path / "ball.toml", tmp_path / "out").summary
    E, power = (found["uncertainty"]["budgets"][n] for n in ("E_rms_max", "absorbed_power"))
    assert E["combined"] == pytest.approx(0.01 * E["value"], rel=1e-9)
    assert power["combined"] == pytest.approx(0.0201 * power["value"], rel=1e-9)
    # The kind states nothing of its grid: what the inputs leave must not be taken for all there is.
    stated = found["quantities"]["E_rms_max"]["uncertainty"]
    assert stated["kind"] == "inputs"
    assert "states nothing for grid and noise" in stated["basis"]


def test_a_kind_without_default_laws_says_so(toys: Path, tmp_path: Path) -> None:
    (tmp_path / "ball.toml").write_text('uncertainty = "default"\n' + toys.read_text())
    with pytest.raises(em.InputError, match="has no default laws"):
        em.run_scenario(load(tmp_path / "ball.toml"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


IMPLANT = """
uncertainty = "default"
[scenario]
kind = "implant-gradient"
name = "bead"
[implant]
type = "sphere"
radius_m = 5e-3
[solver]
spacing_m = 1e-3
cache = false
frequencies_Hz = [270.0, 1000.0]
[exposures.hum]
type = "sinusoid"
frequency_Hz = 270.0
dbdt_rms_T_s = 42.0
duration_s = 60.0
[thermal]
spacing_m = 2.5e-3
margin_m = 0.02
curve_points = 2
"""


@pytest.mark.slow
def test_default_laws_of_metal_in_gel(tmp_path: Path) -> None:
    """Of a ball below its skin depth P = (2 pi / 15) sigma a^5 (dB/dt)^2: with sigma, and the square of the rate."""
    (tmp_path / "bead.toml").write_text(IMPLANT)
    found = em.run_scenario(tmp_path / "bead.toml", tmp_path / "out").summary
    power, rise = (found["uncertainty"]["budgets"][f"{n}: hum"] for n in ("power", "peak rise"))
    share = {r["source"]: r["contribution"] / power["value"] for r in power["rows"]}
    assert share["metals.CoCrMo.conductivity_S_m"] == pytest.approx(0.05 / math.sqrt(3), rel=0.02)
    assert share["exposures.hum.dbdt_rms_T_s"] == pytest.approx(0.04 / math.sqrt(3), rel=0.02)
    heat = {r["source"]: r["contribution"] / rise["value"] for r in rise["rows"]}
    assert heat["gel.heat_capacity_J_kg_K"] < -0.005
    assert share["gel.heat_capacity_J_kg_K"] == 0
