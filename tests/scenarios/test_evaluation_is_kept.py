"""Long parts of an evaluation, heat and methods of EPT, are kept one by one, by all that they depend on."""

from __future__ import annotations

import copy
import json

import h5py
import numpy as np
import pytest

from emdose import scenarios
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.errors import InputError
from emdose.io.disk import run_files
from emdose.io.kept_arrays import arrays_of, fingerprint, of_arrays
from emdose.scenarios.kinds.implant_gradient import job as implant_job
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.heat.rise import HeatSolution
from emdose.solvers.heat.solver import Bioheat
from emdose.solvers.vie.solver import Vie

METAL = {
    "scenario": {"kind": "implant-gradient", "name": "ball", "accept": ["spectrum_dropped"]},
    "implant": {"type": "sphere", "radius_m": 10e-3, "metal": "Ti6Al4V"},
    "solver": {"spacing_m": 1.25e-3, "frequencies_Hz": [270.0, 1000.0], "cache": False},
    "exposures": {
        "ISO": {"type": "preset", "duration_s": 60.0},
        "x": {"type": "sinusoid", "frequency_Hz": 1000.0, "dbdt_rms_T_s": 20.0, "direction": [1.0, 0.0, 0.0]},
    },
    "thermal": {"spacing_m": 4e-3, "margin_m": 0.02, "duration_s": 60.0, "curve_points": 5},
}
EPT = {
    "scenario": {"kind": "ept", "name": "ball"},
    "data": {"type": "simulated", "snr": 100.0},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 10e-3},
    "coil": {"type": "birdcage", "rungs": 8},
    "exposure": {"frequency_Hz": 127.74e6},
    "methods": {
        "slow": {"type": "convection-reaction", "radius": 1, "monte_carlo": 4},
        "quick": {"type": "helmholtz", "radius": 1},
    },
}


def run(tables, tmp_path, out="out"):
    (tmp_path / "case.toml").write_text(toml.dump(tables), encoding="utf-8")
    return scenarios.run(tmp_path / "case.toml", tmp_path / out, device="cpu")


def forbid(monkeypatch, *solvers):
    for solver in solvers:
        monkeypatch.setattr(solver, "solve", lambda *_, **__: pytest.fail("solved again"))


def same(one, two, keys=("quantities", "checks", "convergence")):
    a, b = (json.loads(run_files.to_json({k: o.summary[k] for k in keys})) for o in (one, two))
    assert a == b
    with h5py.File(one.folder / "result.h5") as x, h5py.File(two.folder / "result.h5") as y:

        def equal(name, item):
            if isinstance(item, h5py.Dataset) and isinstance(item[()], np.ndarray):
                assert item[()].tobytes() == y[name][()].tobytes(), name

        x.visititems(equal)


def test_heat_of_an_implant(tmp_path, monkeypatch):
    # Oracle: runs in folders of their own; thresholds and names need no heat, another duration needs no tensor.
    tables = copy.deepcopy(METAL)
    run(tables, tmp_path)
    tables["thermal"]["thresholds_K"] = [0.01, 0.1]
    tables["scenario"]["name"] = "other"
    anew = run(tables, tmp_path, "anew")
    forbid(monkeypatch, EddyCurrent)
    with monkeypatch.context() as patch:
        patch.setattr(implant_job, "heat", lambda *_, **__: pytest.fail("heated again"))
        again = run(tables, tmp_path)
    assert again.state == "evaluated"
    same(anew, again)
    kept = {p.name for p in (tmp_path / "out" / "solution").iterdir()}
    tables["exposures"]["x"]["dbdt_rms_T_s"] = 10.0
    run(tables, tmp_path)
    later = {p.name for p in (tmp_path / "out" / "solution").iterdir()}
    assert len(later) == len(kept)  # what is of no use any more has gone
    assert later != kept
    tables["implant"]["radius_m"] = 9e-3
    with pytest.raises(InputError, match="another scenario"):
        run(tables, tmp_path)


def test_methods_of_ept(tmp_path, monkeypatch):
    # Oracle: runs in folders of their own; a method that has not changed is not run again, nor is the solver.
    tables = copy.deepcopy(EPT)
    run(tables, tmp_path)
    tables["methods"]["quick"]["radius"] = 2
    tables["methods"]["very slow"] = tables["methods"].pop("slow")
    tables["evaluation"] = {"erosion": [0, 1]}
    anew = run(tables, tmp_path, "anew")
    forbid(monkeypatch, Vie)
    calls = []
    plain = ConvectionReaction.reconstruct

    def reconstruct(self, b1, device="auto"):
        calls.append((b1.grid.shape, int(b1.mask.sum())))
        return plain(self, b1, device)

    monkeypatch.setattr(ConvectionReaction, "reconstruct", reconstruct)
    again = run(tables, tmp_path)
    assert again.state == "evaluated"
    b1 = read_result(again.folder).b1
    # Only the rehearsal on a few voxels, and the region that has become another one, for its bias.
    assert (b1.grid.shape, int(b1.mask.sum())) not in calls
    same(anew, again, ("quantities", "checks"))


def test_heat_of_rf(tmp_path, monkeypatch):
    # Oracle: a run in a folder of its own; limits at another duty cycle of the checks need no new heat.
    tables = {
        "scenario": {"kind": "rf", "name": "ball"},
        "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 12.5e-3, "tissue": "muscle"},
        "coil": {"type": "birdcage", "rungs": 8},
        "exposure": {"frequency_Hz": 127.74e6},
        "normalise": {"absorbed_power_W": 1.0},
        "thermal": {"duration_s": 60.0, "duty_cycle": 0.5},
    }
    run(tables, tmp_path)
    tables["checks"] = {"duty_cycle": 0.25, "patient": True}
    anew = run(tables, tmp_path, "anew")
    forbid(monkeypatch, Vie)
    monkeypatch.setattr(Bioheat, "solve_sar", lambda *_, **__: pytest.fail("heated again"))
    again = run(tables, tmp_path)
    assert again.state == "evaluated"
    same(anew, again)
    assert again.summary["thermal"]["curve"] == anew.summary["thermal"]["curve"]


def test_arrays_of_a_solution():
    # Oracle: the dataclass itself, field by field.
    one = HeatSolution(
        times_s=np.arange(3.0),
        rise=np.ones((1, 3, 2, 2, 2), np.float32),
        final=np.zeros((1, 4, 4, 4), np.float32),
        window=(slice(1, 3), slice(0, 2), slice(2, 4)),
        peaks=np.full((1, 3), np.nan),
        time_error=float("nan"),
        steps=7,
        level=1,
        energy={"supplied": np.ones(1), "stored": np.zeros(1)},
        provenance={"device": "cpu", "voxels": [4, 4, 4]},
    )
    two = of_arrays(HeatSolution, arrays_of(one))
    assert two.window == one.window
    assert fingerprint(two) == fingerprint(one)
    assert (two.steps, two.level, dict(two.provenance)) == (7, 1, {"device": "cpu", "voxels": [4, 4, 4]})


def test_fingerprints_tell_contents_apart():
    # Oracle: the list of values that differ.
    values = [
        np.zeros(2),
        np.zeros(2, np.float32),
        np.zeros((2, 1)),
        np.ones(2),
        [0.0, 0.0],
        (0.0,),
        {"a": 1},
        {"a": 1.0},
        {"b": 1},
        None,
        "None",
        0,
        False,
        slice(0, 2),
    ]
    found = [fingerprint(v) for v in values]
    assert len({*found}) == len(values)
    assert found == [fingerprint(copy.deepcopy(v)) for v in values]
    with pytest.raises(TypeError, match="no fingerprint"):
        fingerprint(object())
