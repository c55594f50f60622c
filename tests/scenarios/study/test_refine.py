"""``em.refine`` and ``emdose refine``: grids are ordinary runs, the finest one's summary gets the uncertainty."""

from __future__ import annotations

import json
import shutil

import pytest
from command_line import call, one_line

import emdose as em
from emdose import scenarios
from emdose.errors import InputError, NotValidError
from emdose.io.disk.run_files import read_summary
from emdose.uncertainty import refinement

GRIDS = (12.5e-3, 10e-3, 8e-3)


@pytest.fixture(scope="module")
def refined(tmp_path_factory):
    """A small ball on three grids."""
    folder = tmp_path_factory.mktemp("refined")
    tables = {
        "scenario": {"kind": "rf", "name": "small"},
        "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 8e-3},
        "coil": {"type": "birdcage", "rungs": 8},
        "exposure": {"frequency_Hz": 127.74e6},
        "normalise": {"b1plus_rms_T": 2e-6},
        "output": {"fields": False, "paraview": False},
    }
    file = folder / "small.toml"
    file.write_text(scenarios.shared.toml.dump(tables), encoding="utf-8")
    return file, em.refine(file, GRIDS, folder / "out", device="cpu")


def test_every_grid_is_an_ordinary_run(refined) -> None:
    """Oracle: the files: each folder is a finished run of the scenario on its grid, and can be run again as it is."""
    _, study = refined
    assert [f.name for f in study.folders] == ["8mm", "10mm", "12.5mm"]
    for folder, h in zip(study.folders, study.spacings_m, strict=True):
        assert scenarios.load(folder / "scenario.lock.toml").tables.phantom.spacing_m == h
        assert em.read_result(folder).phantom.spacing_m[0] == pytest.approx(h)


def test_summary_of_the_finest_run_states_the_uncertainty(refined) -> None:
    """Oracle: arithmetic of the three summaries; what was prescribed has none; a page and a table say the same."""
    _, study = refined
    told = [read_summary(f)["quantities"] for f in study.folders]
    for name in ("absorbed_power", "psSAR10g", "E_peak"):
        expected = refinement(sorted(GRIDS), [t[name]["value"] for t in told])
        assert told[0][name]["uncertainty"] == json.loads(json.dumps(expected.uncertainty()))
        assert told[1][name]["uncertainty"] != told[0][name]["uncertainty"]
    assert (told[0]["b1plus_rms"]["uncertainty"] or {"expanded": 0.0})["expanded"] == 0.0
    out = study.folders[0].parent
    written = json.loads((out / "refine.json").read_text())
    assert written["quantities"]["absorbed_power"]["values"] == [t["absorbed_power"]["value"] for t in told]
    assert "Numbers on every grid" in (out / "refine.html").read_text()
    assert "discretisation" in (study.folders[0] / "report.html").read_text()


def test_finished_grids_are_served(refined, capsys) -> None:
    """Oracle: nothing is computed again: the results keep their bytes."""
    file, study = refined
    before = [(f / "result.h5").stat().st_mtime_ns for f in study.folders]
    code, out, _ = call(capsys, "refine", file, "--spacings", "12.5e-3, 10e-3 8e-3", "--out", file.parent / "out")
    assert code == 0
    assert "Absorbed power" in out
    assert [(f / "result.h5").stat().st_mtime_ns for f in study.folders] == before


def test_uncertainty_of_the_scenario_stays(refined, tmp_path) -> None:
    """Oracle: what the user stated is not overwritten."""
    file, _ = refined
    raw = scenarios.shared.toml.read(file)
    raw["checks"] = {"relative_uncertainty": 0.3}
    (tmp_path / "stated.toml").write_text(scenarios.shared.toml.dump(raw), encoding="utf-8")
    study = em.refine(tmp_path / "stated.toml", (20e-3, 12.5e-3), tmp_path / "out", device="cpu", report=False)
    found = read_summary(study.folders[0])["quantities"]
    assert found["psSAR10g"]["uncertainty"]["basis"] == "given in the scenario"
    assert found["absorbed_power"]["uncertainty"]["kind"] == "discretisation"
    assert not (tmp_path / "out" / "refine.html").exists()


def test_runs_that_are_not_valid_do_not_count(refined, tmp_path) -> None:
    """Oracle: the gate: two of three grids have too few iterations, and one is no refinement."""
    file, _ = refined
    raw = scenarios.shared.toml.read(file)
    raw["solver"] = {"max_iterations": 2}
    (tmp_path / "short.toml").write_text(scenarios.shared.toml.dump(raw), encoding="utf-8")
    with pytest.raises(NotValidError):
        em.refine(tmp_path / "short.toml", (20e-3, 12.5e-3), tmp_path / "out", device="cpu", report=False)


def test_functions_are_refined_too() -> None:
    """Oracle: arithmetic."""

    def area(h: float) -> float:
        return 2.0 + 100 * h

    study = em.refine(area, (1e-3, 2e-3, 4e-3))
    assert list(study) == ["area"]
    assert study["area"].extrapolated == pytest.approx(2.0)
    both = em.refine(lambda h: {"a": 1 + h, "b": 2 - h, "word": "no number"}, (1e-3, 2e-3))
    assert sorted(both) == ["a", "b"]
    assert len(both) == 2
    with pytest.raises(InputError):
        em.refine(area)
    with pytest.raises(InputError):
        em.refine(lambda _: "word", (1e-3, 2e-3))


def test_bad_input_is_one_line_and_leaves_nothing(refined, tmp_path, capsys) -> None:
    """Oracle: the command line's contract: exit code 2, one line, nothing solved."""
    file, _ = refined
    out = tmp_path / "out"
    for arguments in (
        ("nosuch",),
        ("ept-brain",),
        (file, "--spacings", "8e-3"),
        (file, "--spacings", "8e-3 wide"),
        (file, "--spacings", "8e-3 -8e-3"),
        (file, "--spacings", "8e-3 1e-5"),
        (file, "--spacings", "8e-3 0.09"),
    ):
        code, _, err = call(capsys, "refine", *arguments, "--out", out)
        assert code == 2, arguments
        one_line(err)
        assert not out.exists(), arguments
    shutil.copy(file, tmp_path / "other.txt")
    code, _, err = call(capsys, "refine", file, "--out", tmp_path)
    assert code == 2
    assert "not a folder of refinements" in one_line(err)


def test_each_kind_scales_its_grids(tmp_path) -> None:
    """Oracle: the tables: every spacing by the same factor, bodies from files by new voxels."""
    hip = scenarios.load(scenarios.bundled("hip-gradient"))
    kind = scenarios.kind("implant-gradient")
    tables = kind.on_grid(hip, 2 * kind.spacing_m(hip))
    assert tables["thermal"]["spacing_m"] == pytest.approx(2 * hip.tables.thermal.spacing_m)
    em.write_phantom(em.phantoms.sphere(0.03, 5e-3), tmp_path / "ball.h5")
    raw = scenarios.shared.toml.read(scenarios.bundled("birdcage-fdtd"))
    raw["phantom"] = {"type": "file", "file": "ball.h5"}
    (tmp_path / "file.toml").write_text(scenarios.shared.toml.dump(raw), encoding="utf-8")
    cage = scenarios.load(tmp_path / "file.toml")
    rf = scenarios.kind("rf")
    assert rf.spacing_m(cage) == pytest.approx(5e-3)
    scaled = rf.on_grid(cage, 7.5e-3)
    assert scaled["phantom"]["resample_spacing_m"] == pytest.approx([7.5e-3] * 3)
    if cage.tables.solver.finest_m is not None:
        assert scaled["solver"]["finest_m"] == pytest.approx(1.5 * cage.tables.solver.finest_m)
