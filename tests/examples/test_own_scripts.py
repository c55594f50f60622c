"""The scripts of the gallery with a coil and a body of one's own: Python and the scenario in their head agree."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import emdose as em

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def scenario_of(script: str) -> str:
    """The scenario that stands in the docstring of a script."""
    doc = ast.get_docstring(ast.parse((EXAMPLES / script).read_text(encoding="utf-8")), clean=False)
    assert doc is not None
    return doc.partition("::\n")[2]


def told(run: Any) -> dict[str, Any]:
    """Numbers and rows of limits as plain values."""
    return dict(json.loads(json.dumps({k: run.summary[k] for k in ("quantities", "checks", "power_balance")})))


def assert_complete(folder: Path, body: str) -> None:
    """Page, maps and tables of a run are there, and the maps lie on the body."""
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    assert (folder / "all.vti").stat().st_size > 10_000
    maps = nibabel.load(folder / "maps" / "SAR_10g_W_kg.nii.gz")
    np.testing.assert_allclose(maps.affine, nibabel.load(body).affine, atol=1e-4)
    assert (folder / "tables" / "quantities.csv").exists()


@pytest.mark.slow
def test_own_array(run: Any) -> None:
    """Oracle: the scenario, bit for bit; the array that was written; peak SAR at 1 uT grows with the frequency."""
    got = run("24_own_array.py")
    assert got["array"].ports == tuple(f"loop {n}" for n in range(1, 9))
    peaks = []
    for tesla, MHz in ((1.5, 63.87), (3, 127.74), (7, 298.0)):
        text = scenario_of("24_own_array.py").replace("127.74e6", f"{MHz}e6")
        Path("array.toml").write_text(text, encoding="utf-8")
        by_scenario = em.read_result(em.run_scenario("array.toml", f"scenario {tesla}").folder)
        by_python = em.read_result(f"{tesla} T")
        assert told(by_scenario) == told(by_python)
        assert_complete(Path(f"{tesla} T"), "head.nii.gz")
        peaks.append(by_python.quantities["psSAR10g"]["value"])
    assert peaks == sorted(peaks)
    assert peaks[-1] > 2 * peaks[0]


@pytest.mark.slow
def test_own_knee(run: Any) -> None:
    """Oracles: the scenario, bit for bit; the size and shield of em.Birdcage; rows of extremities alone have values."""
    got = run("25_own_knee.py")
    Path("knee.toml").write_text(scenario_of("25_own_knee.py"), encoding="utf-8")
    by_scenario = em.read_result(em.run_scenario("knee.toml", "scenario").folder)
    by_python = em.read_result("own knee")
    assert told(by_scenario) == told(by_python)
    assert_complete(Path("own knee"), "knee.nii.gz")
    ready = em.Birdcage(8, radius_m=0.1, length_m=0.16, shield_radius_m=0.13)
    assert got["cage"].shield == ready.shield
    assert got["cage"].extent_m == pytest.approx(np.array(ready.extent_m), abs=1e-12)
    held = [row for row in by_python.checks if row["quantity"] == "local SAR" and row["value"] is not None]
    assert held
    assert {row["region"] for row in held} == {"extremities"}


@pytest.mark.slow
def test_own_plate(run: Any) -> None:
    """Oracles: the scenario, bit for bit but for the surface, which was read in mm; the volume of the box."""
    got = run("27_own_plate.py")
    Path("plate.toml").write_text(scenario_of("27_own_plate.py"), encoding="utf-8")
    by_scenario = em.run_scenario("plate.toml", "scenario").result
    by_python = got["run"]
    assert by_python.implant.volume_m3 == pytest.approx(80e-3 * 14e-3 * 4e-3, rel=1e-9)
    assert by_python.validity.state == "valid"
    assert set(by_python.quantities) == set(by_scenario.quantities)
    for name, entry in by_scenario.quantities.items():
        if isinstance(entry["value"], float):
            assert by_python.quantities[name]["value"] == pytest.approx(entry["value"], rel=1e-4), name
    folder = Path("plate")
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    assert (folder / "all.vti").stat().st_size > 10_000
    assert nibabel.load(folder / "maps" / "label.nii.gz").shape == by_python.phantom.grid.shape
    assert (folder / "tables" / "quantities.csv").exists()
