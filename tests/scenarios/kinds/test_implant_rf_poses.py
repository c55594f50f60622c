"""Several poses of an implant in one body. Oracle: a run of its own for every pose."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import emdose as em
from emdose.scenarios.loading import from_tables

ROD: dict[str, Any] = {
    "scenario": {"kind": "implant-rf", "name": "rod", "accept": ["metal_volume", "heat_cells_across"]},
    "phantom": {"type": "gel-box", "size_m": [0.06, 0.06, 0.06], "spacing_m": 10e-3},
    "coil": {"type": "plane-wave"},
    "exposure": {"frequency_Hz": 64e6},
    "normalise": {"whole_body_sar_W_kg": 1.0},
    "implant": {"type": "cylinder", "radius_m": 4e-3, "length_m": 0.024, "metal": "Ti6Al4V"},
    "subdomain": {"spacing_m": 4e-3, "margin_m": 8e-3, "rim_m": 8e-3},
    "thermal": {"spacing_m": 6e-3, "duration_s": 60, "margin_m": 0.012, "curve_points": 4, "cells_across": 0},
    "poses": {"across": {"rotate_deg": [0, 90, 0]}, "aside": {"position_m": [0.01, 0, 0]}},
}


@pytest.mark.filterwarnings("ignore::emdose.errors.EmdoseWarning")  # its cells are coarse for the metal
def test_the_worst_pose_is_the_result(tmp_path) -> None:
    def run(tables: dict[str, Any], name: str) -> Any:
        return em.read_result(em.run_scenario(tables, out=tmp_path / name, device="cpu", progress=False).folder)

    found = run(copy.deepcopy(ROD), "all")
    rows = found.summary["implant_rf"]["poses"]
    assert [r["name"] for r in rows] == ["as given", "across", "aside"]
    rises = [r["rise_max"]["value"] for r in rows]
    (worst,) = (r for r in rows if r["worst"])
    assert worst["rise_max"]["value"] == max(rises) == found.quantities["rise_max"]["value"]
    assert max(rises) > 1.05 * min(rises)
    alone = {k: v for k, v in copy.deepcopy(ROD).items() if k != "poses"}
    alone["implant"] |= {k: worst[k] for k in ("rotate_deg", "position_m")}
    again = run(alone, "worst")
    for name in ("rise_max", "psSAR10g", "background_sar"):
        assert again.quantities[name]["value"] == pytest.approx(found.quantities[name]["value"], rel=1e-5)
    assert "Poses that were searched" in found.page()
    assert "Poses that were searched" not in again.page()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subdomain": None}, "one body"),
        ({"gradients": {"dbdt_rms_T_s": 1.0}}, "one pose"),
        ({"poses": {"out": {"position_m": [0.08, 0, 0]}}}, "poses.out"),
    ],
)
def test_one_line_for_poses_that_cannot_be(change, words) -> None:
    from emdose.scenarios import kinds

    tables = {k: v for k, v in {**copy.deepcopy(ROD), **change}.items() if v is not None}
    with pytest.raises(em.InputError, match=words):
        kinds.get("implant-rf").job(from_tables(tables, "poses.toml"), "cpu")
