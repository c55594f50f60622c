"""Scenarios of kind rf whose coil of metal is solved by boundary elements beside a volume integral."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import emdose as em
from emdose import scenarios
from emdose.errors import InputError
from emdose.io.disk import run_files
from emdose.report.pages import common_rows
from emdose.scenarios import kinds
from emdose.scenarios.kinds.rf.circuits import second_mesh
from emdose.scenarios.loading import load
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.circuit_tables import CIRCUIT_COILS, is_circuit_type

LOOP = {
    "scenario": {"kind": "rf", "name": "loop"},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 12.5e-3},
    "coil": {
        "type": "capacitor-loop",
        "size_m": [0.1, 0.1],
        "capacitors": 2,
        "gap_m": 0.0125,
        "strip_width_m": 0.01,
        "centre_m": [0.0, 0.0871, 0.0],
        "normal": [0.0, 1.0, 0.0],
    },
    "exposure": {"frequency_Hz": 127.74e6},
    "solver": {"second_mesh": 2},
    "tuning": {},
    "normalise": {"b1plus_rms_T": 1e-6},
}
"""A strip loop with two gaps beside a ball."""


@pytest.fixture
def loop():
    return copy.deepcopy(LOOP)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a finished run of the loop; tests must not change it."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "loop.toml").write_text(toml.dump(LOOP), encoding="utf-8")
    return scenarios.run(folder / "loop.toml", folder / "result", device="cpu").folder


@pytest.fixture(scope="module")
def summary(tuned):
    return run_files.read_summary(tuned)


# ---- a tuned coil --------------------------------------------------------------------------------------------------
def test_matched_at_the_frequency(summary):
    """Oracle: what tuning and matching mean: a mode at the frequency, and no reflection there."""
    assert summary["provenance"]["engine"] == "Vsie"
    network = summary["network"]
    f, s = np.array(network["frequencies_Hz"]), np.array(network["S"]) @ [1, 1j]
    at = np.argmin(np.abs(f - 127.74e6))
    assert f[at] == pytest.approx(127.74e6, rel=1e-9)
    assert np.abs(s[at, 0, 0]) < 1e-2
    assert np.abs(s).max() <= 1 + 1e-6  # nothing comes out of a passive coil
    near = min(network["modes"], key=lambda m: abs(m["frequency_Hz"] - 127.74e6))
    assert abs(near["frequency_Hz"] - 127.74e6) < 0.1 * 127.74e6 / near["quality"]
    values = {e["capacitance_F"] for e in network["elements"].values()}
    assert summary["quantities"]["tuned_capacitance"]["value"] == pytest.approx(values.pop(), rel=1e-8)
    assert not values


def test_power_goes_where_the_parts_say(summary):
    """Oracles: conservation of power; the parts of a loss are all of it."""
    power = summary["power_balance"]
    assert power["closure"] < 1e-3
    assert set(power["losses_W"]) == {"coil", "elements"}
    assert sum(power["losses_W"].values()) == pytest.approx(power["lost_W"], rel=1e-9)
    assert 0 < power["losses_W"]["coil"] < 0.5 * power["extinction_W"]
    assert abs(power["losses_W"]["elements"]) < 1e-6 * power["extinction_W"]  # ideal capacitors
    page = common_rows.power(summary)
    assert [r["name"] for r in page["rows"]] == [
        "Delivered by the source",
        "Absorbed in the body",
        "Lost in the metal of the coil",
        "Radiated by coil and body",
    ]
    assert "lost in the metal of the coil" in page["chart"]


def test_what_is_kept_has_the_losses(tuned, summary):
    """Oracle: the summary."""
    fields = em.read_result(tuned).fields
    assert fields.power.losses() == pytest.approx(summary["power_balance"]["losses_W"])


def test_two_meshes_are_in_the_uncertainty(tuned, summary):
    """Oracle: the house's rule for two grids, at second order the difference itself, beside the curve of the voxels."""
    told = summary["second_mesh"]
    assert told["factor"] == 2
    assert told["metal_unknowns"][1] < told["metal_unknowns"][0]
    names = set(told["quantities"])
    assert {"psSAR10g", "absorbed_power", "tuned_capacitance"} <= names
    assert "b1plus_rms" not in names  # prescribed
    voxels = em.read_result(tuned).fields.discretisation()
    for name, alone in (("absorbed_power", voxels.expanded("power")), ("tuned_capacitance", 0.0)):
        one, entry = told["quantities"][name], summary["quantities"][name]
        assert one["value"] == entry["value"]
        assert one["expanded"] == pytest.approx(abs(one["value"] - one["second"]), rel=1e-6)
        assert entry["uncertainty"]["expanded"] == pytest.approx(
            math.hypot(one["expanded"], alone * entry["value"]), rel=1e-6
        )
        assert entry["uncertainty"]["kind"] == "discretisation"
        assert second_mesh.BASIS in entry["uncertainty"]["basis"]
        assert entry["uncertainty"]["of"].endswith("mesh of the metal")


def test_page_tells_both_meshes_and_the_metal(tuned):
    """Oracle: the words of the sections."""
    page = em.write_report(tuned).read_text(encoding="utf-8")
    assert "Metal on two meshes" in page
    assert "58.0 MS/m" in page
    assert "boundary elements" in page  # for a paper
    assert "Work of the incident field" not in page


def test_evaluated_again_without_solving(tuned, loop, tmp_path, monkeypatch):
    """Oracle: SAR goes with the square of B1+; a solver that is asked for nothing."""
    import shutil

    from emdose.solvers.vsie.solver import Vsie

    def never(*_, **__):
        raise AssertionError("solved again")

    shutil.copytree(tuned, tmp_path / "out")
    monkeypatch.setattr(Vsie, "cosimulate", never)
    loop["normalise"] = {"b1plus_rms_T": 2e-6}
    (tmp_path / "loop.toml").write_text(toml.dump(loop), encoding="utf-8")
    again = scenarios.run(tmp_path / "loop.toml", tmp_path / "out", resume=True, device="cpu").summary
    before = run_files.read_summary(tuned)
    for name in ("psSAR10g", "absorbed_power"):
        assert again["quantities"][name]["value"] == pytest.approx(4 * before["quantities"][name]["value"], rel=1e-5)
        told = [s["second_mesh"]["quantities"][name]["second"] for s in (again, before)]
        assert told[0] == pytest.approx(4 * told[1], rel=1e-5)


# ---- tables --------------------------------------------------------------------------------------------------------
def test_a_coil_of_metal_is_solved_by_vsie_unless_said(loop, write):
    """Oracle: the rule of engines."""
    assert load(write(loop)).tables.solver.type == "vsie"
    del loop["solver"]
    assert load(write(loop)).tables.solver.type == "vsie"
    loop["solver"] = "fdtd"
    assert load(write(loop)).tables.solver.type == "fdtd"
    assert {is_circuit_type(t.model_fields["type"].annotation.__args__[0]) for t in CIRCUIT_COILS} == {True}
    assert not is_circuit_type("birdcage")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"solver": "vie"}, 'solver.*"vsie" or "fdtd" for a coil of type "capacitor-loop"'),
        (
            {"coil": {"type": "birdcage"}, "solver": "vsie", "tuning": None},
            'solver.*"vie" or "fdtd" for a source of type "birdcage"',
        ),
        ({"solver": {"type": "vsie", "across": 0}}, r"solver\.across.*cells across a strip"),
        ({"solver": {"type": "vsie", "second_mesh": 1.0}}, r"solver\.second_mesh"),
        (
            {"solver": {"type": "vsie", "across": 3, "second_mesh": 2}},
            r"solver\.second_mesh.*across of 2 x second_mesh",
        ),
        ({"solver": {"type": "vsie", "margin_m": 0.1}}, r"solver\.margin_m"),
    ],
)
def test_wrong_tables_are_one_line(loop, write, change, told):
    """Oracle: the key, and what fits."""
    tables = {k: v for k, v in (loop | change).items() if v is not None}
    with pytest.raises(InputError, match=told) as error:
        load(write(tables))
    assert "\n" not in str(error.value)


def test_a_coil_lies_where_it_is_put(loop, write):
    """Oracle: the table; a grid in the air would round this away, and refuses."""
    from emdose.scenarios.kinds.rf.job import RfJob

    loop["coil"]["position_m"] = [0.0, 1.234e-3, 0.0]
    job = RfJob(load(write(loop)), "cpu")
    low, high = job.coil.extent_m
    assert 0.5 * (low[1] + high[1]) == pytest.approx(0.0871 + 1.234e-3)
    loop["solver"] = {"type": "fdtd"}
    with pytest.raises(InputError, match="beside its place"):
        RfJob(load(write(loop)), "cpu")


def test_a_finer_grid_has_a_finer_mesh(loop, write):
    """Oracle: arithmetic."""
    loaded = load(write(loop))
    solver = kinds.get("rf").on_grid(loaded, 6.25e-3)["solver"]
    assert solver["refine"] == pytest.approx(2.0)
    assert solver["second_mesh"] is None


def test_solver_of_python_becomes_a_table(tmp_path):
    """Oracle: the options; a mesh that no key makes is refused by name."""
    from emdose.scenarios.shared.circuit_tables import VsieTable
    from emdose.scenarios.shared.coils import vsie
    from emdose.scenarios.shared.objects.solver_tables import vsie_values
    from emdose.scenarios.shared.objects.written import Writing
    from emdose.solvers.mom.meshing.options import MeshOptions

    for solver in (
        em.Vsie(conductivity_S_m=None, tolerance=1e-3),
        em.Vsie(mesh=MeshOptions(across=3, shield_around=32), thickness_m=20e-6),
    ):
        table = Writing(tmp_path).tables({"solver": solver})["solver"]
        assert table["type"] == "vsie"
        assert vsie(VsieTable(**table)) == solver
    with pytest.raises(InputError, match=r"solver\.mesh"):
        vsie_values({"mesh": {**MeshOptions().__dict__, "growth": 1.5}}, "solver")


# ---- studies -------------------------------------------------------------------------------------------------------
def test_the_place_of_a_coil_is_an_uncertain_input(loop, write, tmp_path):
    """Oracles: a coil that is a millimetre off changes the field somewhat, and no cell rounds it away; SAR for a given
    B1+ goes with conductivity."""
    del loop["solver"]["second_mesh"]
    loop["uncertainty"] = {
        "method": "budget",
        "inputs": [
            {"path": "phantom.tissues.*.conductivity_S_m", "law": "log-normal", "relative": 0.1, "name": "sigma"},
            {"path": "coil.position_m[1]", "law": "normal", "sd": 1e-3, "name": "place"},
        ],
    }
    em.run_scenario(write(loop), tmp_path / "out", device="cpu", progress=False)
    budgets = run_files.read_summary(tmp_path / "out")["uncertainty"]["budgets"]
    varies, absorbed = (
        {r["source"]: r["contribution"] for r in budgets[name]["rows"]}
        for name in ("b1plus_variation_slice", "absorbed_power")
    )
    assert 1e-4 < abs(varies["place"]) < 0.05
    assert abs(absorbed["sigma"]) > abs(absorbed["place"]) > 0
