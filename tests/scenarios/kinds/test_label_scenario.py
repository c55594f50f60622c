"""The sheet of a label: a ball beside closed forms of power and torque, rows that say what was not computed, print."""

from __future__ import annotations

import copy
import csv
import json
import math

import numpy as np
import pytest
from command_line import call, one_line

import emdose as em
from emdose.io.meshes import write_implant
from emdose.models.bodies import gel_box
from emdose.models.implants import shapes
from emdose.scenarios.kinds.label import rf_runs, sheet
from emdose.scenarios.kinds.label.schema import SheetTable
from emdose.scenarios.shared.implants import tensor_files

BALL = {
    "scenario": {"kind": "label", "name": "ball"},
    "implant": {"type": "sphere", "radius_m": 0.012, "metal": "CoCrMo"},
    "sheet": {"longest_min": 4.0, "scan_min": 3.0, "landmarks": ["pelvis", "head"], "rises_K": [0.5, 1.0]},
    "solver": {"spacing_m": 2e-3},
    "thermal": {"spacing_m": 4e-3, "margin_m": 0.018},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("label")


@pytest.fixture(scope="module")
def run(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "cache_folder", lambda: folder / "cache" / "kernels")
        found = em.run_scenario(copy.deepcopy(BALL), out=folder / "result", device="cpu", progress=False)
        return em.read_result(found.folder)


def rows(run, group, **more):
    return [r for r in run.rows if r["group"] == group and all(r[k] == v for k, v in more.items())]


def test_allowed_rates_reach_the_rise_that_they_are_allowed_for(run) -> None:
    """The rise grows with the square of dB/dt: allowed = reference sqrt(R / rise); uncertainty half of the rise's."""
    rise = rows(run, sheet.TIME, unit="K")[0]
    for row in rows(run, sheet.GRADIENTS, unit="T/s"):
        R = float(row["name"].split()[-2])
        assert row["value"] == pytest.approx(42 * math.sqrt(R / rise["value"]), rel=1e-9)
        assert row["expanded"] / row["value"] == pytest.approx(0.5 * rise["expanded"] / rise["value"], rel=1e-9)


def test_the_rise_is_that_of_bioheat_alone(run) -> None:
    """The same ball by the library, three lines apart from the scenario."""
    ball = run.implant
    tensor = em.EddyCurrent(spacing_m=2e-3).solve(ball, [270.0], progress=False, device="cpu")
    gel = gel_box(4e-3, (0.06, 0.06, 0.06))
    heat = em.Bioheat(edges="insulated", perfusion="none").solve(gel, ball, tensor, 180.0, progress=False, device="cpu")
    wanted = heat.worst(42.0)[0].rise_K
    assert rows(run, sheet.TIME, unit="K")[0]["value"] == pytest.approx(wanted, rel=0.03)


def test_times_are_where_the_curve_crosses(run) -> None:
    curve = run.summary["label"]["curve"]
    for row in rows(run, sheet.TIME, unit="min"):
        if row["value"] is not None and "CEM43" not in row["name"]:
            rise = np.interp(60 * row["value"], curve["times_s"], curve["rise_K"])
            assert rise == pytest.approx(float(row["name"].split()[-2]), rel=1e-6)


def test_slew_rates_by_landmark_come_from_the_coils_at_the_implant(run) -> None:
    from emdose.models.gradients.windings import whole_body_gradients

    place = sheet.place("head", "pelvis", (0.1, 0.0, 0.0))
    assert place == pytest.approx([0.1, 0.0, -0.694])
    per = sheet.slew_factor(whole_body_gradients().uniform_matrix(place.tolist()))
    rate = rows(run, sheet.GRADIENTS, unit="T/s")[0]["value"]
    slew = rows(run, sheet.GRADIENTS, unit="T/m/s", landmark="head")[0]["value"]
    assert slew == pytest.approx(rate / per, rel=1e-9)


def test_every_slew_combination_stays_below_the_factor() -> None:
    random = np.random.default_rng(3)
    field = random.normal(size=(3, 3))
    top = max(np.linalg.norm(field @ np.sign(random.normal(size=3))) for _ in range(100))
    assert sheet.slew_factor(field) == pytest.approx(top)


def test_forces_have_documents_and_one_row_binds_per_field(run) -> None:
    forces = rows(run, sheet.FORCES)
    assert {r["field_T"] for r in forces} == {1.5, 3.0}
    documents = {r["document"] for r in forces}
    assert {"ASTM F2052", "ASTM F2213", "ISO/TS 10974, clause 10"} <= documents
    assert 1 <= sum(r["binds"] for r in run.rows) <= 2
    lenz = {r["field_T"]: r["value"] for r in forces if "turning" in r["name"]}
    assert lenz[3.0] == pytest.approx(4 * lenz[1.5], rel=1e-9)


def test_rf_rows_are_not_invented(run) -> None:
    found = rows(run, sheet.RF)
    assert len(found) == 2 * 2 * 2
    assert all(r["value"] is None and "not computed" in r["note"] for r in found)
    page = run.page()
    assert "not computed by this run" in page
    assert "@page" in page
    assert "conditional" not in page.split("Provenance")[0].lower().replace("mr conditional label", "")


def made_up_run(folder, **changes):
    """The summary of a finished run of RF heating, as far as a sheet reads it."""
    number = {"unit": "", "note": "", "uncertainty": {"expanded": 0.4, "k": 2}}
    tables = {
        "scenario": {"kind": "implant-rf", "name": "hip in gel"},
        "implant": {"type": "sphere", "radius_m": 0.012, "metal": "CoCrMo", "position_m": [0.1, 0, 0]},
        "thermal": {"duration_s": 180.0},
    }
    told = {
        "quantities": {
            "b1plus_rms": number | {"value": 2e-6, "note": "the target"},
            "whole_body_sar": number | {"value": 0.5},
            "rise_max": number | {"value": 4.0},
        },
        "validity": {"state": "valid"},
        "scenario": tables | changes,
        "provenance": {},
        "warnings": [],
        "timing_s": {},
    }
    folder.mkdir(exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(told))
    return str(folder / "result.h5")


def test_rf_rows_follow_from_a_finished_run(tmp_path) -> None:
    """Oracle: by hand. 4 K at 2 uT and 0.5 W/kg: 2 K at 2 uT / sqrt 2 and 0.25 W/kg; U of 10 % of the rise."""
    implant = {"type": "sphere", "radius_m": 0.012, "metal": "CoCrMo", "position_m": (0.0, 0.0, 0.0)}
    heat = rf_runs.read_rf_run(made_up_run(tmp_path / "a"), implant, 180.0)
    table = SheetTable(fields_T=[1.5, 3.0], landmarks=["pelvis"])
    found = {(r.field_T, r.name): r for r in rf_runs.rf_rows(table, {(1.5, "pelvis"): heat})}
    for level in (1.0, 2.0, 5.0):
        b1 = found[1.5, f"B1+rms for {level:g} K"]
        sar = found[1.5, f"whole-body SAR for {level:g} K"]
        assert b1.value == pytest.approx(2e-6 * math.sqrt(level / 4.0))
        assert sar.value == pytest.approx(0.5 * level / 4.0)
        assert b1.expanded == pytest.approx(0.05 * b1.value)
        # SAR is uncertain by itself as well: 0.4 of 0.5 W/kg.
        assert sar.expanded == pytest.approx(math.hypot(0.1, 0.8) * sar.value)
        assert sar.share == (pytest.approx(2.0 / sar.value) if level == 2.0 else None)
    assert found[3.0, "B1+rms for 2 K"].value is None
    assert "not computed" in found[3.0, "whole-body SAR for 2 K"].note


def test_what_a_dose_allows() -> None:
    """Oracle: a rise that is there from the start and stays: 10 min at 43 + log2(3 / 10) degC are 3 min CEM43."""
    heat = rf_runs.RfHeat("a", 1e-6, 0.1, 2.0, 0.2, "", times_s=(0.0, 600.0), peaks_K=(2.0, 2.0))
    wanted = 6.0 + math.log2(0.3) / 2  # below 43 degC a kelvin is a factor of 4
    assert heat.factor_to_dose(3.0, 37.0) == pytest.approx(wanted / 2.0, rel=1e-3)
    assert rf_runs.RfHeat("a", 1e-6, 0.1, 2.0, 0.2, "").factor_to_dose(3.0, 37.0) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenario": {"kind": "rf"}}, "not a run of RF heating"),
        ({"implant": {"type": "hip", "metal": "CoCrMo"}}, "another implant"),
        ({"thermal": {"duration_s": 900.0}}, "another duration"),
        ({"thermal": {"duration_s": 180.0, "duty_cycle": 0.5}}, "not heat of RF alone"),
        ({"gradients": {"dbdt_rms_T_s": 42.0}}, "not heat of RF alone"),
    ],
)
def test_runs_that_are_not_of_this_sheet_are_refused(tmp_path, changes, words) -> None:
    implant = {"type": "sphere", "radius_m": 0.012, "metal": "CoCrMo"}
    with pytest.raises(em.InputError, match=words):
        rf_runs.read_rf_run(made_up_run(tmp_path / "a", **changes), implant, 180.0)


def test_csv_and_json_hold_the_same_rows(run) -> None:
    with (run.folder / "label.csv").open() as file:
        table = list(csv.DictReader(file))
    told = json.loads((run.folder / "label.json").read_text())["rows"]
    assert [r["name"] for r in table] == [r["name"] for r in told] == [r["name"] for r in run.rows]
    assert float(table[-1]["value"]) == told[-1]["value"]


def test_the_binding_row_is_the_largest_share() -> None:
    made = [
        sheet.SheetRow(sheet.GRADIENTS, "a", 1.0, "T/s", share=0.5),
        sheet.SheetRow(sheet.FORCES, "b", 1.0, "1", field_T=3.0, share=0.7),
        sheet.SheetRow(sheet.RF, "c", None, "T", field_T=1.5),
    ]
    marked = sheet.with_binding(made, [1.5, 3.0])
    assert [r.binds for r in marked] == [True, True, False]


def test_a_dose_of_a_steady_temperature() -> None:
    """44 degC from the start: CEM43 grows by 2 min a minute, so that 10 are reached after 5."""
    t = np.array([0.0, 1.0, 3600.0])
    curve = sheet.HeatingCurve(t, np.array([7.0, 7.0, 7.0]), 0.0)
    assert curve.minutes_to_dose(10.0, 37.0)[0] == pytest.approx(5.0, rel=1e-3)
    assert curve.minutes_to(8.0) == (None, None)


@pytest.fixture
def surfaces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tensor_files, "cache_folder", lambda: tmp_path / "cache" / "kernels")
    write_implant(shapes.cylinder(5e-3, 30e-3), tmp_path / "rod.stl", unit="mm")
    return tmp_path


@pytest.mark.slow
def test_the_command_makes_the_sheet_of_a_surface(surfaces, capsys) -> None:
    words = ("label", "rod.stl", "--metal", "CoCrMo", "--fields", "1.5", "3", "--device", "cpu", "--quiet", "--no-rf")
    code, _, err = call(capsys, *words)
    assert code == 0, err
    names = {p.name for p in (surfaces / "rod-label").iterdir()}
    assert {"report.html", "label.csv", "label.json", "summary.json"} <= names
    told = json.loads((surfaces / "rod-label" / "summary.json").read_text())
    assert told["scenario"]["sheet"]["fields_T"] == [1.5, 3.0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("rod.stl",), "no metal"),
        (("rod.stl", "--metal", "CoCrMo", "--unit", "m"), "an implant of 30 m"),
        (("rod.txt", "--metal", "CoCrMo"), "not an implant"),
        (("rod.stl", "--metal", "CoCrMo", "--fields", "high"), "not a field"),
        (("missing.stl", "--metal", "CoCrMo"), "missing.stl"),
        (("rod.stl", "--metal", "MP35N"), "no susceptibility known"),
    ],
)
def test_bad_commands_are_one_line(surfaces, capsys, words, expected) -> None:
    code, _, err = call(capsys, "label", *words, "--device", "cpu")
    assert code == 2
    assert expected in one_line(err)
