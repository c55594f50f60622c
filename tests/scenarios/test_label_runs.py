"""RF heating for the sheet of a label: which runs it lacks, how they are laid, and that the sheet takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import emdose as em
from emdose.scenarios import label_runs
from emdose.scenarios.kinds.label import rf_runs, sheet
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared.implants import tensor_files
from emdose.scenarios.shared.implants.sheet_words import sheet_tables

ROD = {
    "scenario": {"kind": "label", "name": "rod"},
    "implant": {"type": "cylinder", "radius_m": 8e-3, "length_m": 0.06, "metal": "CoCrMo"},
    "sheet": {"fields_T": [1.5], "landmarks": ["pelvis"], "scan_min": 1.0, "longest_min": 2.0, "rises_K": [1.0, 5.0]},
    "solver": {"spacing_m": 4e-3},
    "thermal": {"spacing_m": 5e-3, "margin_m": 0.02},
}


def made(**changes: Any) -> Any:
    return from_tables({**ROD, **changes}, Path("rod.toml"))


def test_every_field_and_landmark_has_a_run_where_the_implant_lies_in_the_coil() -> None:
    both = {"fields_T": [1.5, 3.0], "landmarks": ["pelvis", "heart"]}
    found = label_runs.planned(made(sheet=both))
    assert [(r.field_T, r.landmark) for r in found] == [
        (1.5, "pelvis"),
        (1.5, "heart"),
        (3.0, "pelvis"),
        (3.0, "heart"),
    ]
    for one in found:
        tables = one.tables
        assert tables["exposure"]["frequency_Hz"] == pytest.approx(42.577e6 * one.field_T, rel=1e-4)
        assert tables["phantom"]["landmark"] == one.landmark
        assert tables["thermal"]["duration_s"] == 900.0
        down = 0.0 if one.landmark == "pelvis" else 1e-3 * (100.0 - 468.7)
        assert tables["implant"]["position_m"] == pytest.approx([0.1, 0.0, down])


def test_the_head_of_a_hip_points_to_the_middle_of_the_body_unless_a_pose_is_given() -> None:
    hip = {"type": "hip", "metal": "CoCrMo"}
    assert label_runs.planned(made(implant=hip))[0].tables["implant"]["rotate_deg"] == [0.0, 0.0, 180.0]
    given = made(implant={**hip, "rotate_deg": [10.0, 0.0, 0.0]})
    assert list(label_runs.planned(given)[0].tables["implant"]["rotate_deg"]) == [10.0, 0.0, 0.0]


@pytest.mark.parametrize(("name", "high"), [("hip", -0.3687), ("knee", -0.8687), ("shoulder", 0.0913)])
def test_built_in_implants_lie_where_they_belong(name, high) -> None:
    """Heights of pelvis and knee over the heart of the stylised adult, by hand; the shoulder 8 cm below the neck."""
    scenario = from_tables(sheet_tables([name], None, "mm", ["3"], False), Path("a.toml"))
    (one,) = (r for r in label_runs.planned(scenario) if r.landmark == "heart")
    assert one.tables["implant"]["position_m"][2] == pytest.approx(high)


@dataclass
class Stopped:
    """Stands for a run that has not become valid."""

    folder: Path

    @property
    def summary(self) -> dict[str, Any]:
        return {}


def test_a_run_that_is_not_valid_or_refused_is_left_out_and_named(tmp_path, monkeypatch) -> None:
    said: list[str] = []

    class State:
        is_valid = False
        reasons = ("a residual of 1",)

    monkeypatch.setattr(label_runs, "_run", lambda one, file, out, *_: Stopped(out))
    monkeypatch.setattr(label_runs, "validity", lambda *_: State)
    found = label_runs.with_rf_runs(made(), tmp_path / "sheet", device="cpu", tell=said.append)
    assert not found.tables.rf
    assert "the run is not valid: a residual of 1" in said[-1]
    (told,) = found.tables.left_out.values()
    assert (told.field_T, told.landmark, told.reason) == (1.5, "pelvis", "the run is not valid: a residual of 1")
    rows = rf_runs.rf_rows(found.tables.sheet, {}, {(told.field_T, told.landmark): told.reason})
    assert {r.note for r in rows} == {"not computed: the run is not valid: a residual of 1"}


def test_poses_are_searched_and_those_that_do_not_fit_are_left_out() -> None:
    (one,) = label_runs.planned(made())
    assert list(one.tables["poses"]) == [*label_runs.TILTS, "other side"]
    other = one.tables["poses"]["other side"]
    assert (other["position_m"][0], other["rotate_deg"]) == (-0.1, [0.0, 0.0, 180.0])
    (given,) = label_runs.planned(made(sheet={**ROD["sheet"], "rf_poses": "given"}))
    assert given.tables["poses"] == {}
    said: list[str] = []
    tables = dict(label_runs._said(one.tables))
    tables["phantom"] = {"type": "gel-box", "size_m": [0.3, 0.1, 0.2], "spacing_m": 20e-3}
    tables["poses"] = {"out": {"position_m": [0.3, 0.0, 0.0]}, "in": {"position_m": [0.05, 0.0, 0.0]}}
    fitting = label_runs._fitting(from_tables(tables, Path("rod.toml")), "cpu", said.append)
    assert list(fitting.tables.poses) == ["in"]
    assert said[0].startswith("pose 'out' is not searched: ")


def test_another_kind_is_refused(tmp_path) -> None:
    with pytest.raises(em.InputError, match="not the sheet of a label"):
        label_runs.with_rf_runs(em.scenarios.load(em.scenarios.bundled("head-3t")), tmp_path / "a")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::emdose.errors.EmdoseWarning")  # its voxels are coarse for the metal
def test_the_sheet_takes_the_runs_and_keeps_them(tmp_path, monkeypatch) -> None:
    """Oracle: the square law from the run's own rise, and the folder of an ordinary run."""
    monkeypatch.setattr(tensor_files, "cache_folder", lambda: tmp_path / "cache" / "kernels")
    grids, said = label_runs.RfGrids(20e-3, 5e-3, 5e-3), []
    out = tmp_path / "sheet"

    def scenario(**changes: Any) -> Any:
        changes["sheet"] = {**changes.get("sheet", ROD["sheet"]), "rf_poses": "given"}
        return label_runs.with_rf_runs(made(**changes), out, grids=grids, device="cpu", tell=said.append)

    first = scenario()
    run = em.read_result(out / "rf-runs" / "1_5T-pelvis")
    sheet_run = em.read_result(em.run_scenario(first, out=out, device="cpu", progress=False).folder)
    rise = run.quantities["rise_max"]["value"]
    for level in (1.0, 2.0, 5.0):
        rows = [r for r in sheet_run.rows if r["name"] == f"B1+rms for {level:g} K" and r["group"] == sheet.RF]
        assert [r["value"] for r in rows] == [pytest.approx(1e-6 * math.sqrt(level / rise))]
        sar = [r["value"] for r in sheet_run.rows if r["name"] == f"whole-body SAR for {level:g} K"]
        assert sar == [pytest.approx(run.quantities["whole_body_sar"]["value"] * level / rise)]
    assert "1.5 T: allowed B1+rms" in sheet_run.page()
    when = (out / "rf-runs" / "1_5T-pelvis" / "summary.json").stat().st_mtime_ns
    assert scenario().sha256 == first.sha256
    assert (out / "rf-runs" / "1_5T-pelvis" / "summary.json").stat().st_mtime_ns == when
    assert not [text for text in said if "left out" in text]
    # Another length of the scan is another run in the same place.
    scenario(sheet={**ROD["sheet"], "scan_min": 2.0})
    assert em.read_result(out / "rf-runs" / "1_5T-pelvis").summary["scenario"]["thermal"]["duration_s"] == 120.0
