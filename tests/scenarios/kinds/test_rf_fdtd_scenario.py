"""Scenarios of kind rf that are solved by finite differences in time: coils of given currents, and of metal."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from command_line import call, one_line

from emdose import scenarios
from emdose.errors import ConvergenceError, EmdoseWarning
from emdose.io.disk import run_files
from emdose.scenarios.kinds.rf.recheck import recheck
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml

LOOP = {
    "solver": {"type": "fdtd", "margin_m": 0.05, "cpml_cells": 6},
    "scenario": {"kind": "rf", "name": "loop"},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 12.5e-3},
    "coil": {
        "type": "capacitor-loop",
        "size_m": [0.1, 0.1],
        "capacitors": 2,
        "gap_m": 0.0125,
        "centre_m": [0.0, 0.0875, 0.0],
        "normal": [0.0, 1.0, 0.0],
    },
    "exposure": {"frequency_Hz": 127.74e6},
    "tuning": {},
    "normalise": {"b1plus_rms_T": 1e-6},
}
"""A loop with two gaps beside a ball: two runs on 20 thousand cells."""


def run(file, out, **options):
    return scenarios.run(file, out, device="cpu", **options)


@pytest.fixture
def loop():
    return json.loads(json.dumps(LOOP))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a finished run of the loop; tests must not change it."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "loop.toml").write_text(toml.dump(LOOP))
    return run(folder / "loop.toml", folder / "result").folder


@pytest.fixture
def same_runs(tuned, monkeypatch):
    """Runs of the metal of the loop once for all tests that only change its circuit."""
    from emdose.solvers.fdtd.solver import Fdtd

    def cosimulate(self, exposure, *_):
        return GAPS[0].with_values({e.name: e.capacitance_F for e in exposure.coil.elements})

    if not GAPS:
        real = Fdtd.cosimulate
        monkeypatch.setattr(Fdtd, "cosimulate", lambda *a: GAPS.append(real(*a)) or GAPS[0])
        run(tuned.parent / "loop.toml", tuned.parent / "again")
    monkeypatch.setattr(Fdtd, "cosimulate", cosimulate)


GAPS = []


@pytest.fixture(scope="module")
def summary(tuned):
    return run_files.read_summary(tuned)


# ---- the engine is one word ----------------------------------------------------------------------------------------
def test_two_engines_agree(finished, small, write, tmp_path):
    # Oracle: the volume integral on the same voxels and currents.
    small["solver"] = "fdtd"
    mine = run(write(small), tmp_path / "out").summary
    theirs = run_files.read_summary(finished)
    for name in ("psSAR10g", "psSAR1g", "absorbed_power", "b1plus_body"):
        assert mine["quantities"][name]["value"] == pytest.approx(theirs["quantities"][name]["value"], rel=5e-3)
    assert mine["power_balance"]["closure"] < 0.01
    assert mine["convergence"]["converged"] is True
    assert mine["scenario"]["solver"]["type"] == "fdtd"
    assert "network" not in mine
    assert not list((tmp_path / "out").glob("*.s*p"))


# ---- a tuned coil --------------------------------------------------------------------------------------------------
def test_folder_holds_the_touchstone_file(tuned):
    # Oracle: the list of files in the documentation.
    assert {p.name for p in tuned.iterdir()} == {
        "result.h5",
        "summary.json",
        "fields.vti",
        "scenario.lock.toml",
        "solution",
        "loop.s1p",
    }


def test_matched_at_the_frequency(summary):
    # Oracle: what tuning and matching mean: a mode at the frequency, and no reflection there.
    network = summary["network"]
    f = np.array(network["frequencies_Hz"])
    s = np.array(network["S"]) @ [1, 1j]
    at = np.argmin(np.abs(f - 127.74e6))
    assert f[at] == pytest.approx(127.74e6, rel=1e-9)
    assert np.abs(s[at, 0, 0]) < 1e-2
    assert np.abs(s).max() <= 1 + 1e-6  # nothing comes out of a passive coil
    near = min(network["modes"], key=lambda m: abs(m["frequency_Hz"] - 127.74e6))
    assert abs(near["frequency_Hz"] - 127.74e6) < 0.1 * 127.74e6 / near["quality"]
    assert network["tuned"] is True
    assert set(network["matching"]) == {"feed"}
    values = {e["capacitance_F"] for e in network["elements"].values()}
    assert len(values) == 1
    assert values != {10e-12}


def test_a_tuned_coil_is_not_said_to_have_its_first_capacitance(tuned, summary):
    # Oracle: the scenario's 10 pF are where tuning began; what the coil has stands among its elements.
    coil = summary["provenance"]["coil"]
    assert coil["start_capacitance_F"] == 10e-12
    assert "capacitance_F" not in coil
    assert read_result(tuned).coil.parameters["start_capacitance_F"] == 10e-12


def test_power_balance_of_the_matched_coil(summary):
    # Oracles: conservation of power; a coil of ideal metal and capacitors loses nothing.
    power = summary["power_balance"]
    assert power["closure"] < 0.02
    assert abs(power["lost_W"]) < 1e-6 * power["extinction_W"]
    assert summary["quantities"]["b1plus_rms"]["value"] == pytest.approx(1e-6, rel=1e-5)


def test_touchstone_is_the_summary(tuned, summary):
    # Oracle: scikit-rf's reader.
    skrf = pytest.importorskip("skrf")
    network = skrf.Network(tuned / "loop.s1p")
    assert np.allclose(network.f, summary["network"]["frequencies_Hz"], rtol=1e-12)
    assert np.allclose(network.s, np.array(summary["network"]["S"]) @ [1, 1j], atol=1e-9)
    assert np.allclose(network.z0, 50)


@pytest.mark.parametrize(
    ("name", "file"), [("head/3T", "head-3T.s1p"), ("../../outside", "outside.s1p"), ("..", "unnamed.s1p")]
)
def test_the_name_of_a_scenario_is_never_a_path(loop, tmp_path, same_runs, name, file):
    # Oracle: the files outside the folder of the result are those of before; the name itself is shown.
    loop["scenario"]["name"] = name
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (place / "loop.toml").write_text(toml.dump(loop))
    outcome = run(place / "loop.toml", place / "out")
    assert (place / "out" / file).exists()
    assert outcome.summary["scenario"]["scenario"]["name"] == name
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if place / "out" not in p.parents}
    assert left == {"a", "a/b", "a/b/loop.toml", "a/b/out"}


def test_checked_again_without_solving(tuned, summary):
    # Oracle: the rows that the run itself wrote; and half the duty cycle halves every average of SAR.
    result = read_result(tuned)
    values = [[r["value"] or 0.0 for r in recheck(result, c)["checks"]] for c in ({}, {"duty_cycle": 0.5})]
    assert max(values[0]) > 0
    assert values[0] == pytest.approx([r["value"] or 0.0 for r in summary["checks"]], rel=1e-5)
    assert values[1] == pytest.approx([0.5 * v for v in values[0]], rel=1e-5)


def test_fields_are_kept(tuned, summary):
    # Oracle: SAR computed anew from the stored E.
    import emdose as em

    result = read_result(tuned)
    assert np.allclose(em.point_sar(result.fields, result.phantom).value, result.sar.value, rtol=1e-5)
    assert result.fields.power.lost_W == pytest.approx(summary["power_balance"]["lost_W"])
    assert result.coil.drive_unit == "V"
    assert len(result.coil.segments)


def test_report_is_made_again(tuned, tmp_path, capsys):
    # Oracle: the section of the network, from the folder alone.
    code, _, err = call(capsys, "report", tuned, "--out", tmp_path / "page.html")
    assert code == 0, err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Coil as a network" in page
    assert "Steps" in page
    assert "Work of the incident field" not in page


def test_lock_and_resume_give_the_same(tuned, summary, tmp_path):
    # Oracle: the uninterrupted run. The lock file is the scenario; a run that is stopped after its first gap goes on.
    class StopError(Exception):
        pass

    def stop(event):
        if event.stage == "port" and event.index == 1:
            raise StopError

    lock = tuned / "scenario.lock.toml"
    with pytest.raises(StopError):
        run(lock, tmp_path / "out", progress=stop)
    outcome = run(lock, tmp_path / "out", resume=True)
    assert outcome.state == "resumed"
    assert (tmp_path / "out" / "scenario.lock.toml").read_text() == lock.read_text()
    assert outcome.summary["scenario"]["scenario"]["sha256"] == summary["scenario"]["scenario"]["sha256"]
    assert outcome.summary["network"] == summary["network"]
    assert outcome.summary["quantities"] == summary["quantities"]


def test_plan_counts_cells_steps_and_runs(loop, write):
    # Oracle: two gaps are two runs; the cells are those of the engine, absorber included, not the voxels of the body.
    from emdose.scenarios.kinds.rf.job import RfJob
    from emdose.scenarios.loading import load

    plan = RfJob(load(write(loop)), "cpu").plan()
    solution = plan.solution
    cells = " x ".join(map(str, solution.shape))
    assert np.prod(solution.shape) == solution.cells
    assert str(plan).startswith(f"{cells} cells, 2 runs of about {solution.steps} steps on cpu; about ")


# ---- what does not work out is no lost result ----------------------------------------------------------------------
def test_without_tuning_the_coil_is_run_as_given(loop, write, tmp_path, same_runs):
    # Oracle: the elements of the scenario; Foster: a coil that is not tuned has no mode at the frequency.
    del loop["tuning"]
    loop["coil"]["capacitance_F"] = 40e-12
    network = run(write(loop), tmp_path / "out").summary["network"]
    assert {e["capacitance_F"] for e in network["elements"].values()} == {40e-12}
    assert network["tuned"] is False
    assert network["matching"] == {}
    assert all(abs(m["frequency_Hz"] - 127.74e6) > 5e6 for m in network["modes"] if m["quality"] > 2)


def test_coil_that_cannot_be_matched_is_kept(loop, write, tmp_path, monkeypatch, same_runs):
    # Oracle: the warning, in the summary too, beside a complete result.
    from emdose.circuits import matching

    def refuse(*_, **__):
        raise ConvergenceError("the feeds are tightly coupled")

    monkeypatch.setattr(matching, "match", refuse)
    with pytest.warns(EmdoseWarning, match="not matched: the feeds are tightly coupled"):
        outcome = run(write(loop), tmp_path / "out")
    assert any("not matched" in w for w in outcome.summary["warnings"])
    assert outcome.summary["network"]["matching"] == {}
    assert outcome.summary["network"]["tuned"] is True


def test_dipole_has_no_capacitors_to_tune(loop, write, tmp_path):
    # Oracle: a dipole far shorter than half a wave is matched by two elements all the same; no modes are claimed.
    loop["coil"] = {"type": "dipole", "length_m": 0.3, "gap_m": 0.0125, "centre_m": [0.1, 0.0, 0.0]}
    network = run(write(loop), tmp_path / "out").summary["network"]
    assert network["modes"] == []
    s = np.array(network["S"]) @ [1, 1j]
    assert np.abs(s[:, 0, 0]).min() < 1e-2
    assert network["elements"] == {}


# ---- bad input -----------------------------------------------------------------------------------------------------
BAD = {
    "circuit coil with vie": ({"solver": "vie"}, 'solver.*"fdtd" for a coil of type "capacitor-loop"'),
    "tuning of ideal currents": (
        {"coil": {"type": "loop", "radius_m": 0.1}},
        "tuning.*coil of given currents, type 'loop'",
    ),
    "courant": ({"solver": {"type": "fdtd", "courant": 1.2}}, r"solver\.courant.*1\.2.*0\.999"),
    "grading": ({"solver": {"type": "fdtd", "growth": 3.0}}, r"solver\.growth.*3"),
    "absorber": ({"solver": {"type": "fdtd", "cpml_cells": 2}}, r"solver\.cpml_cells.*2"),
    "finest step without snapping": (
        {"solver": {"type": "fdtd", "finest_m": 0.005}},
        r"solver\.finest_m.*0\.005.*snap",
    ),
    "finest step too fine": (
        {"solver": {"type": "fdtd", "snap": True, "finest_m": 1e-6}},
        r"solver\.finest_m.*1e-06.*expected 0\.0",
    ),
    "snapping by a number": ({"solver": {"type": "fdtd", "snap": 1}}, r"solver\.snap.*true or false"),
    "a plane wave on graded steps": (
        {"solver": {"type": "fdtd", "snap": True}, "coil": {"type": "plane-wave"}, "tuning": None},
        r"solver\.snap.*plane wave needs equal steps",
    ),
    "body at the absorber": ({"solver": {"type": "fdtd", "margin_m": 0.01}}, r"solver\.margin_m: .*too close"),
    "cells larger than voxels": ({"solver": {"type": "fdtd", "spacing_m": 0.03}}, "cells larger than the voxels"),
    "an option of the other engine": ({"solver": {"type": "fdtd", "restart": 50}}, r"solver\.restart.*unknown key"),
    "unknown engine": ({"solver": "fem"}, r"solver.*fem.*vie.*fdtd"),
    "coil in the body": ({"coil.centre_m": [0.0, 0.0, 0.0]}, "runs through the body"),
    "infinite capacitor": ({"coil.capacitance_F": float("inf")}, r"coil\.capacitance_F"),
    "no capacitance": ({"coil.capacitance_F": 0.0}, r"coil\.capacitance_F.*0"),
    "picofarads": ({"coil.capacitance_pF": 10}, r"capacitance_pF.*capacitance_F"),
    "two shapes": ({"coil.radius_m": 0.05}, "either radius_m or size_m"),
    "points": ({"tuning.points": 2}, r"tuning\.points"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, loop, write, tmp_path, capsys):
    # Oracle: the house rule: one line that names key, what was found and what was expected; exit code 2; no folder.
    change, says = BAD[name]
    for path, value in change.items():
        *tables, key = path.split(".")
        table = loop
        for t in tables:
            table = table[t]
        table[key] = value
    code, _, err = call(capsys, "run", write(loop), "--out", tmp_path / "out", "--device", "cpu")
    assert code == 2, err
    assert re.search(says, one_line(err)), err
    assert not (tmp_path / "out").exists()
