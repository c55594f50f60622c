"""Scenarios of kind ``implant-rf``: scaling, averages beside metal, heat with gradients, one line for bad input."""

from __future__ import annotations

import copy
import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import emdose as em
from emdose import scenarios
from emdose.dosimetry.sar import mean_square
from emdose.models.bodies import gel_box
from emdose.scenarios.kinds.implant_rf import evaluation
from emdose.scenarios.shared.implants import tensor_files

GRADIENTS = {
    "scenario": {"kind": "implant-gradient", "name": "both"},
    "implant": {"type": "sphere", "radius_m": 0.0125, "metal": "Ti6Al4V"},
    "solver": {"spacing_m": 2.5e-3, "frequencies_Hz": [270.0]},
    "exposures": {"ISO": {"type": "sinusoid", "frequency_Hz": 270.0, "dbdt_rms_T_s": 42.0, "direction": [0, 0, 1]}},
    "thermal": {"spacing_m": 5e-3, "duration_s": 60, "margin_m": 0.02, "curve_points": 4},
}
BALL = {
    "scenario": {"kind": "implant-rf", "name": "ball", "accept": ["metal_volume", "heat_cells_across"]},
    "phantom": {"type": "gel-box", "size_m": [0.06, 0.06, 0.06], "spacing_m": 5e-3},
    "coil": {"type": "plane-wave"},
    "exposure": {"frequency_Hz": 64e6},
    "normalise": {"background_sar_W_kg": 1.0},
    "implant": GRADIENTS["implant"],
    "surgery": {"shell": {"thickness_m": 5e-3}},
    "thermal": {"spacing_m": 5e-3, "duration_s": 60, "margin_m": 0.02, "curve_points": 4},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("implant-rf")


@pytest.fixture(scope="module")
def run(folder):
    found = em.run_scenario(copy.deepcopy(BALL), out=folder / "rf", device="cpu", progress=False)
    return em.read_result(found.folder)


def value(run, name):
    return run.quantities[name]["value"]


def test_the_background_is_what_was_asked_for(run) -> None:
    assert value(run, "background_sar") == pytest.approx(1.0, rel=1e-5)
    assert run.uncertainty["background_sar"]["expanded"] == 0
    assert all(entry["uncertainty"] is not None for entry in run.quantities.values())


def test_a_small_field_is_known_less_well() -> None:
    """Oracle: the error of E is relative to the whole: a tenth of the field has ten times as much."""
    body = gel_box(10e-3, (0.04, 0.04, 0.04))
    fields = em.Vie().solve(em.Exposure(body, em.PlaneWave(), 64e6), progress=False).drive([1.0])
    planes = np.argwhere(body.body)[:, 2]
    low, high = (np.where(np.arange(body.grid.shape[2]) == k, body.body, False) for k in (planes.min(), planes.max()))
    E = np.ones_like(fields.E)
    E[..., : planes.min() + 2] = 0.1
    fields = replace(fields, E=E, convergence={"E_error_estimate": [1e-3]})
    square = mean_square(E[0])
    share = np.sqrt(square[body.body].mean() / square[low].mean())
    assert share > 5
    assert evaluation.unfinished(fields, low) == pytest.approx(4e-3 * share, rel=1e-5)
    assert evaluation.unfinished(fields, high) < 5e-3


def test_a_method_of_test_fills_in_what_it_knows(tmp_path) -> None:
    from emdose.scenarios import kinds
    from emdose.scenarios.loading import from_tables

    asked = {k: v for k, v in copy.deepcopy(BALL).items() if k not in ("phantom", "normalise", "surgery")}
    job = kinds.get("implant-rf").job(from_tables({**asked, "test": {"method": "astm-f2182"}}, "test.toml"), "cpu")
    assert np.count_nonzero(job.whole.body) == 42 * 9 * 65
    assert job.implant.bounds_m[1][0] == pytest.approx(0.21 - 0.02)
    assert job.tables.normalise.target == {"background_sar_W_kg": 1.0}
    assert (job.tables.thermal.duration_s, job.tables.thermal.perfusion) == (60, False)
    for change, words in (
        ({"phantom": {"type": "sphere", "radius_m": 0.1}}, "gel-box"),
        ({"implant": {**BALL["implant"], "position_m": [0.1, 0, 0]}}, "wall_m"),
        ({"test": {"method": "astm-f2052"}}, "astm-f2182"),
    ):
        with pytest.raises(em.InputError, match=words):
            from_tables({**asked, "test": {"method": "astm-f2182"}, **change}, "test.toml")


def test_averages_beside_metal_tell_their_cube(run) -> None:
    top = run.quantities["psSAR10g"]
    assert top["cube"]["metal_share"] >= 0
    assert "metal has no mass" in top["note"]
    assert value(run, "psSAR10g_ratio") == pytest.approx(top["value"] / value(run, "psSAR10g_background"))
    replaced = {(r["tissue"], r["reason"]) for r in run.summary["implant_rf"]["replaced"]}
    assert replaced == {("gel", "metal"), ("gel", "shell")}


def test_the_balance_names_the_metal(run) -> None:
    part = run.summary["power_balance"]["metal_W"]
    assert sum(part.values()) == pytest.approx(value(run, "metal_power"))
    rows = run.summary["implant_rf"]["metal_table"]
    assert [r["metal"] for r in rows] == ["perfect conductor", "real metal"]
    heat = run.summary["thermal"]
    assert heat["metal_W"] == pytest.approx(value(run, "metal_power"), rel=1e-3)
    volume = run.phantom.grid.voxel_volume_m3
    all_of_it = (run.sar.value * run.sar.density).sum() * volume + heat["metal_W"]
    assert heat["power_W"] == pytest.approx(all_of_it, rel=1e-3)


def test_page_and_terminal(run) -> None:
    page = run.page()
    for words in ("Perfect conductor and real metal", "Metal in it", "What this leaves out", "bone cement"):
        assert words in page
    console = Console(file=io.StringIO(), width=160)
    scenarios.kinds.get("implant-rf").tell(console, run.summary)
    assert "made room for bone cement" in console.file.getvalue()


@pytest.fixture(scope="module")
def both(run, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "cache_folder", lambda: folder / "cache" / "kernels")
        tables = {**copy.deepcopy(GRADIENTS), "rf": {"file": str(run.folder / "result.h5")}}
        tables["scenario"]["accept"] = ["heat_cells_across", "eddy_error"]
        found = em.run_scenario(tables, out=folder / "both", device="cpu", progress=False)
        return em.read_result(found.folder)


def test_one_run_heats_by_both(run, both) -> None:
    """Oracle: superposition; the implant is no longer "ignored"."""
    about = both.summary["implant"]
    assert about["rf"]["note"] == ""
    assert about["rf"]["metal_W"] == pytest.approx(value(run, "metal_power"), rel=1e-3)
    assert not any("without the implant" in w for w in both.summary["warnings"])
    one = about["exposures"]["ISO"]
    # The other kind tells of the whole box: in this one gel behind the cement is warmer than what is near the metal.
    elsewhere = run.summary["thermal"]["elsewhere_K"]
    assert elsewhere > value(run, "rise_max") > 0
    assert one["rf_rise_K"] == pytest.approx(elsewhere, rel=0.02)
    assert "no effect of the implant" in run.page()
    largest = max(one["rf_rise_K"], one["gradient_rise_K"])
    assert largest < one["rise_K"] <= (one["rf_rise_K"] + one["gradient_rise_K"]) * 1.01


def test_gradients_in_the_same_run(folder, run) -> None:
    """Oracle: the losses of a ball in a uniform field, superposition, and the run without them."""
    tables = copy.deepcopy(BALL)
    tables["scenario"]["accept"].append("eddy_error")
    tables["gradients"] = {"frequency_Hz": 270.0, "dbdt_rms_T_s": 42.0, "spacing_m": 2.5e-3, "direction": [0, 0, 1]}
    found = em.read_result(em.run_scenario(tables, out=folder / "same", device="cpu", progress=False).folder)
    about = found.summary["thermal"]
    sigma = em.metals.get("Ti6Al4V").conductivity_S_m
    assert about["switched"]["power_W"] == pytest.approx(2 * np.pi * sigma * 0.0125**5 / 15 * 42**2, rel=0.08)
    assert about["superposition"] < 5e-3
    assert value(found, "rise_rf") == pytest.approx(value(run, "rise_max"), rel=1e-2)
    larger = max(value(found, "rise_rf"), value(found, "rise_gradients"))
    assert value(found, "rise_both_over_larger") == pytest.approx(value(found, "rise_max") / larger)
    assert "are on as well" in found.page()


def test_another_place_of_the_implant_is_refused(run, folder) -> None:
    tables = {**copy.deepcopy(GRADIENTS), "rf": {"file": str(run.folder / "result.h5")}}
    tables["implant"] = {**tables["implant"], "position_m": [0.002, 0, 0]}
    with pytest.raises(em.InputError, match="the RF run held other metal, or the same in another place"):
        em.run_scenario(tables, out=folder / "other", device="cpu", progress=False)


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("implant", {"position_m": [0.1, 0, 0]}, "implant outside the phantom"),
        ("surgery", {"shell": {"thickness_m": 1e-3}}, "a shell thinner than a voxel"),
        ("surgery", {"shell": {"thickness_m": 5e-3, "within": ["liver"]}}, "tissue not in this phantom"),
        ("normalise", {"b1plus_rms_T": 1e-6}, "exactly one of"),
        ("coil", {"type": "capacitor-loop", "size_m": [0.2, 0.2]}, "prescribed currents"),
        ("drive", {"name": "sideways"}, "unknown drive of this coil"),
    ],
)
def test_one_line_for_bad_input(folder, table, change, words) -> None:
    tables = copy.deepcopy(BALL)
    tables[table] = change if table == "coil" else {**tables.get(table, {}), **change}
    with pytest.raises(em.InputError, match=words):
        em.run_scenario(tables, out=folder / "bad", device="cpu", progress=False)


def test_metal_that_voxels_lose_is_not_valid(folder) -> None:
    tables = copy.deepcopy(BALL)
    del tables["surgery"]
    tables["implant"] = {"type": "cylinder", "radius_m": 2.2e-3, "length_m": 0.03}
    with pytest.raises(em.InputError, match="no voxel is metal") as told:
        em.run_scenario(tables, out=folder / "lost", device="cpu", progress=False)
    assert "use voxels of 0." in str(told.value)


def test_maps_are_those_of_the_site(run) -> None:
    names = set(run.to_xarray().data_vars)
    assert {"SAR", "SAR_background", "temperature_rise", "metal"} <= names
    assert np.asarray(run.background).max() > 0
