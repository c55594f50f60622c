"""Scenarios of kind ``lead``: numbers beside a call of the functions, files, the page, and one line for bad input."""

from __future__ import annotations

import copy
import io
import json

import numpy as np
import pytest
from rich.console import Console

import emdose as em
from emdose import scenarios

PATH = [[-0.12, 0.0, 0.0], [0.0, 0.01, 0.0], [0.12, 0.0, 0.02]]
LEAD = {
    "scenario": {"kind": "lead", "name": "wire in gel"},
    "lead": {
        "path_m": PATH,
        "conductor_radius_m": 5e-4,
        "coat_radius_m": 7.5e-4,
        "tip_ball_m": 1.5e-3,
        "bare_end_m": 0.01,
        "name": "wire",
    },
    "transfer_function": {"permittivity": 80.0, "conductivity_S_m": 0.47, "quantity": "tip power"},
    "phantom": {"type": "gel-box", "size_m": [0.32, 0.12, 0.12], "spacing_m": 0.02},
    "coil": {"type": "plane-wave", "direction": [0, 0, 1], "polarisation": [1, 0, 0]},
    "exposure": {"frequency_Hz": 63.87e6},
    "drives": {"one": {"amplitudes": [1.0]}},
    "normalise": {"absorbed_power_W": 1.0},
    "paths": {"count": 12, "spread_m": 4e-3},
    "budget": {"magnitude": 0.05, "phase_rad": 0.1, "field": 0.1},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lead") / "result"
    found = em.run_scenario(copy.deepcopy(LEAD), out=folder, device="cpu", progress=False)
    return em.read_result(found.folder)


def refused(changes, match, tmp_path) -> None:
    tables = copy.deepcopy(LEAD)
    for path, value in changes.items():
        table, _, key = path.partition(".")
        if value is None:
            tables.pop(table)
        elif key:
            tables.setdefault(table, {})[key] = value
        else:
            tables[table] = value
    with pytest.raises(em.InputError, match=match):
        em.run_scenario(tables, out=tmp_path / "bad", device="cpu", progress=False)


def test_numbers_are_those_of_the_functions(run) -> None:
    """The same from Python: transfer function, fields, paths, percentile."""
    lead = em.Lead(np.array(PATH), 5e-4, 7.5e-4, bare_end_m=0.01)
    tf = em.transfer_function(lead, 63.87e6, 80.0, 0.47, quantity="tip power", tip_ball_m=1.5e-3)
    fields = em.Vie().solve(em.Exposure(run.phantom, em.PlaneWave((0, 0, 1), (1, 0, 0)), 63.87e6))
    fields = fields.drive([1.0]).scale(absorbed_power_W=1.0)
    paths = [lead.path_m, *em.paths_around(lead, 11, 4e-3, phantom=run.phantom)]
    found = em.tier3(tf, fields, paths)
    numbers = {name: entry["value"] for name, entry in run.quantities.items()}
    assert numbers["tip power, 95th percentile"] == pytest.approx(found.percentile(95), rel=1e-3)
    assert numbers["tip power, worst"] == pytest.approx(found.worst[0], rel=1e-3)
    assert numbers["tip power, nominal path"] == pytest.approx(found.quantity[0, 0], rel=1e-3)
    bound = em.tier1(tf, fields, run.phantom)
    assert numbers["tip power, tier 1"] == pytest.approx(bound.value, rel=1e-3)
    assert numbers["tip power, tier 1"] > numbers["tip power, worst"]
    spread = run.quantities["tip power, 95th percentile"]["uncertainty"]["expanded"]
    assert 0.2 < spread / numbers["tip power, 95th percentile"] < 0.7
    assert run.validity.state == "valid"


def test_what_it_leaves(run) -> None:
    assert len(run.paths) == 12
    assert run.tier3.quantity.shape == (12, 1)
    assert run.tier3.cases == ("one",)
    rows = (run.folder / "tier3.csv").read_text("utf-8").splitlines()
    assert rows[1] == "path,drive,quantity_W"
    assert float(rows[2].split(",")[2]) == pytest.approx(run.tier3.quantity[0, 0], rel=1e-6)
    tf = em.read_transfer_function(run.folder / "transfer-function.csv", 63.87e6)
    np.testing.assert_allclose(tf.values, run.transfer_function.values, rtol=1e-9, atol=1e-15)
    assert tf.scale_unit == "W/V^2"
    assert json.loads((run.folder / "summary.json").read_text("utf-8"))["lead"]["cases"][0]["name"] == "one"


def test_page_and_terminal(run) -> None:
    page = em.write_report(run.folder).read_text("utf-8")
    for text in ("Tier 3: tip power over all paths", "Transfer function", "tangential E, rms", "95th percentile"):
        assert text in page
    stream = io.StringIO()
    kind = scenarios.kinds.get("lead")
    kind.tell(Console(file=stream, width=120), run.summary)
    assert "tip power, 95th percentile" in stream.getvalue()
    assert "transfer function" in str(kind.methods(run.summary))


def test_a_file_and_a_finished_run(run, tmp_path) -> None:
    """The transfer function that a run has written, in the fields of a finished run of kind rf."""
    rf = {k: copy.deepcopy(LEAD[k]) for k in ("phantom", "coil", "exposure", "normalise")}
    rf |= {"scenario": {"kind": "rf", "name": "gel"}, "drive": LEAD["drives"]["one"], "output": {"paraview": False}}
    rf["checks"] = {"patient": False}
    field = em.run_scenario(rf, out=tmp_path / "rf", device="cpu", progress=False)
    again = {k: copy.deepcopy(LEAD[k]) for k in ("lead", "paths", "scenario")}
    again["transfer_function"] = {"file": str(run.folder / "transfer-function.csv")}
    again["fields"] = {"run": str(field.folder / "result.h5")}
    found = em.read_result(em.run_scenario(again, out=tmp_path / "lead", device="cpu", progress=False).folder)
    name = "tip power, 95th percentile"
    assert found.quantities[name]["value"] == pytest.approx(run.quantities[name]["value"], rel=2e-3)
    assert found.quantities[name]["uncertainty"] is None


def test_refused(tmp_path) -> None:
    refused({"lead.path_m": [[0, 0, 0], [0.3, 0, 0]]}, "leaves the tissue|stays in the tissue", tmp_path)
    refused({"lead.path_m": [[0, 0, 0], [120, 0, 0]]}, "in metres", tmp_path)
    refused({"lead.tip_ball_m": 0.0}, "a radius in metres", tmp_path)
    refused({"lead.coat_radius_m": 4e-4}, "coat thinner than the conductor", tmp_path)
    refused({"transfer_function": {"permittivity": 80.0}}, "a file, or permittivity", tmp_path)
    refused({"transfer_function.scale": 2.0}, "scale and scale_unit together", tmp_path)
    refused({"phantom": None}, r"a table \[phantom\]", tmp_path)
    refused({"fields": {"run": "result.h5"}}, "the run in", tmp_path)
    (tmp_path / "tf.csv").write_text("distance_from_tip_mm,magnitude,phase_rad\n0,1,0\n200,1,-1\n242,1,-2\n")
    own = {"file": str(tmp_path / "tf.csv"), "permittivity": 80.0, "conductivity_S_m": 0.47}
    refused({"transfer_function": own}, "unknown time convention", tmp_path)


def test_it_is_refined(tmp_path) -> None:
    """Two grids of the body: the difference of the tier 3 number is in its uncertainty."""
    from emdose.scenarios.shared import toml

    (tmp_path / "lead.toml").write_text(toml.dump(copy.deepcopy(LEAD)), encoding="utf-8")
    found = em.refine(tmp_path / "lead.toml", [0.03, 0.02], out=tmp_path / "refined", device="cpu", progress=False)
    assert "tip power, 95th percentile" in str(found)
