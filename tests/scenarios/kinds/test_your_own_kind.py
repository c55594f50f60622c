"""A kind that emdose knows nothing of goes from TOML to page, terminal, results and checks through its entry point.

It lives in tests/support/toy_kind, which is what docs/guide/your-own-kind.md shows.
"""

from __future__ import annotations

import ast
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose import scenarios
from emdose.cli import main
from emdose.errors import InputError
from emdose.scenarios import kinds
from emdose.scenarios.results import recheck

TOY = Path(__file__).resolve().parents[2] / "support" / "toy_kind"
SOURCE = Path(em.__file__).parent
OWN = {row.name for row in kinds.OWN}
PLAIN = {"force", "label", "lead", "motion"}
"""Kinds whose names are plain words too, which anything may say."""


@pytest.fixture
def toy(monkeypatch):
    """The toy's distribution lies on the path, as an installed one does."""
    monkeypatch.syspath_prepend(str(TOY))
    yield TOY / "ball.toml"
    for name in [n for n in sys.modules if n.split(".")[0] == "emdose_toy"]:
        del sys.modules[name]


@pytest.fixture
def ball(toy, tmp_path):
    scenarios.run(toy, tmp_path / "ball", device="cpu")
    return tmp_path / "ball"


def plug_in(
    folder: Path, monkeypatch, text: str, *, row: str = "broken = broken_kind:KIND", name: str = "emdose-broken"
):
    """A distribution on the path whose entry point leads to a module with some text."""
    about = folder / "emdose_broken-2.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: emdose-broken\nVersion: 2.1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[emdose.kinds]\n{row}\n", encoding="utf-8")
    (folder / "broken_kind.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "broken_kind", raising=False)


def command(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_the_power_of_a_run_is_that_of_the_closed_form(ball):
    # Oracle: sigma (dB/dt)^2 / 4 times the integral of the squared distance from z over a ball, 8 pi R^5 / 15.
    result = em.read_result(ball)
    sigma = em.tissues.get("gel").conductivity(1e3)
    exact = sigma * 20.0**2 / 4 * 8 * math.pi * 0.05**5 / 15
    numbers = result.summary["quantities"]
    assert numbers["absorbed_power"]["value"] == pytest.approx(exact, rel=0.03)
    assert numbers["E_rms_max"]["value"] == pytest.approx(0.5 * 20 * 0.05, rel=0.05)
    assert type(result).__name__ == "InductionResult"
    assert result.E.max() == np.float32(numbers["E_rms_max"]["value"])


def test_a_summary_states_the_kind_and_the_package_that_brings_it(ball):
    summary = json.loads((ball / "summary.json").read_text(encoding="utf-8"))
    assert summary["scenario"]["scenario"]["kind"] == "induction"
    assert summary["provenance"]["versions"]["emdose-toy"] == "1.0"
    assert summary["files"] == ["result.h5", "scenario.lock.toml", "summary.json"]
    assert set(summary["timing_s"]) == {"ball", "circles", "total"}


def test_the_page_has_what_the_kind_puts_on_it(ball):
    text = em.write_report(ball).read_text(encoding="utf-8")
    for words in (
        "Gel ball in a changing field",
        "0.496 V/m, below limit of 1 V/m",
        "<svg",
        "absorbed power",
        "emdose-toy",
    ):
        assert words.lower() in text.lower(), words
    assert em.write_report(em.read_result(ball), ball / "again.html").read_text(encoding="utf-8") == text


def test_limits_are_checked_again_by_the_kind(ball):
    assert recheck(ball, {})["checks"][0]["verdict"] == "below limit"
    assert recheck(ball, {"relative_uncertainty": 1.5})["checks"][0]["verdict"] == "above limit"
    with pytest.raises(InputError, match="duty_cycle: this kind has no such circumstance"):
        recheck(ball, {"duty_cycle": 0.5})


def test_the_lock_file_runs_again_to_the_same(ball, tmp_path):
    again = scenarios.run(ball / "scenario.lock.toml", tmp_path / "again", device="cpu")
    assert again.summary["quantities"] == em.read_result(ball).summary["quantities"]
    assert scenarios.run(ball / "scenario.lock.toml", ball, device="cpu").state == "finished"


def test_the_whole_way_on_the_command_line(tmp_path):
    # Oracle: a process of its own that knows the toy by its entry point alone.
    path = os.pathsep.join([str(SOURCE.parent), str(TOY)])
    environment = {**os.environ, "PYTHONPATH": path, "EMDOSE_DEVICE": "cpu", "COLUMNS": "200"}

    def emdose(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "emdose", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = emdose("run", str(TOY / "ball.toml"), "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "plan: 22 x 22 x 22 voxels on cpu" in done.stderr
    assert "closing the circles" in done.stderr
    assert "E_rms_max" in done.stdout
    assert "0.4962" in done.stdout
    assert "below limit" in done.stdout
    (tmp_path / "out" / "report.html").unlink()
    assert emdose("report", "out").returncode == 0
    assert (tmp_path / "out" / "report.html").exists()
    done = emdose("check", "out", "--relative-uncertainty", "1.5", "--json", "rows.json")
    assert done.returncode == 0, done.stderr
    assert "above limit" in done.stdout
    assert json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["checks"][0]["unit"] == "V/m"
    done = emdose("check", str(TOY / "ball.toml"))
    assert "a valid scenario of kind induction" in done.stdout
    assert "ball: 0.528 kg of gel" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("radius_m = 0.05", "radius_mm = 50", ["ball.radius_mm: unknown key", "radius_m = 0.05"]),
        ("radius_m = 0.05", "radius_m = -1", ["ball.radius_m: bad value", "a radius in metres > 0"]),
        ("radius_m = 0.05", 'radius_m = 0.05\ntissue = "gell"', ["ball.tissue", "gell", "did you mean 'gel'"]),
        ("radius_m = 0.05", "radius_m = 0.05\nspacing_m = 0.1", ["ball"]),
        ("[field]", "[fields]", ["fields: unknown key", "did you mean 'field'"]),
        ('"induction"', '"inducton"', ["scenario.kind: unknown kind", "did you mean 'induction'"]),
    ],
)
def test_bad_input_is_one_clear_line(toy, tmp_path, capsys, old, new, words):
    bad = tmp_path / "bad.toml"
    bad.write_text(toy.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    code, _, err = command(capsys, "run", bad, "--out", tmp_path / "out")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert all(w in err for w in ("bad.toml", *words)), err


def test_without_its_package_a_kind_is_unknown_in_one_line(ball, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(TOY)])
    for arguments in (("report", ball), ("check", ball), ("run", TOY / "ball.toml", "--out", ball)):
        code, _, err = command(capsys, *arguments)
        assert code == 2
        assert len(err.splitlines()) == 1
        assert "unknown kind of scenario; found 'induction'; expected one of rf" in err


def test_a_summary_without_a_kind_is_one_line(ball, capsys):
    path = ball / "summary.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for scenario in ({}, None, {"scenario": {}}, {"scenario": []}):
        path.write_text(json.dumps(whole | {"scenario": scenario, "sha256": {}}), encoding="utf-8")
        code, _, err = command(capsys, "report", ball)
        assert code == 2
        assert "summary.json: scenario.scenario.kind: missing key" in err
    path.write_text(json.dumps(whole | {"scenario": {"scenario": {"kind": "rf"}}, "sha256": {}}), encoding="utf-8")
    code, _, err = command(capsys, "report", ball)
    assert code == 2
    assert "not a" in err
    assert len(err.splitlines()) == 1


def test_a_damaged_result_of_the_toy_is_one_line(ball, capsys):
    path = ball / "result.h5"
    path.write_bytes(path.read_bytes()[:500])
    code, _, err = command(capsys, "report", ball)
    assert code == 2
    assert "result.h5: changed or damaged since it was written" in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("", "cannot be loaded: AttributeError"),
        ("KIND = 7", "is not a kind of scenario; found 'broken_kind:KIND, of type int'"),
        ("from emdose.scenarios.kinds.ept import EptKind as KIND", "is not a kind of scenario"),
        ("from emdose.scenarios.kinds.ept import KIND", "has another name itself; found 'ept'; expected broken"),
        ("from emdose.scenarios import Kind\nclass Half(Kind):\n    name = 'broken'\nKIND = Half()", "abstract method"),
    ],
)
def test_a_broken_plug_in_is_one_line_that_names_it(tmp_path, monkeypatch, capsys, text, words):
    plug_in(tmp_path / "site", monkeypatch, text)
    scenario = tmp_path / "x.toml"
    scenario.write_text('[scenario]\nkind = "broken"\n', encoding="utf-8")
    code, _, err = command(capsys, "run", scenario, "--out", tmp_path / "out")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "the plug-in 'emdose-broken 2.1' for scenarios of kind 'broken'" in err
    assert words in err
    assert not (tmp_path / "out").exists()


def test_a_broken_plug_in_harms_no_other_kind(tmp_path, monkeypatch):
    plug_in(tmp_path / "site", monkeypatch, "1 / 0")
    assert {"broken"} | OWN <= set(kinds.names())
    assert scenarios.load(scenarios.bundled("sphere-mie")).kind == "rf"


def test_a_plug_in_cannot_take_the_name_of_an_own_kind(tmp_path, monkeypatch):
    plug_in(tmp_path / "site", monkeypatch, "1 / 0", row="rf = broken_kind:KIND")
    assert kinds.get("rf").schema().__module__ == "emdose.scenarios.kinds.rf.schema"
    assert kinds.brought_by("rf") is None


def test_two_plug_ins_of_one_name_are_told(toy, tmp_path, monkeypatch):
    plug_in(tmp_path / "site", monkeypatch, "KIND = 7", row="induction = broken_kind:KIND")
    with pytest.raises(InputError, match=r"several plug-ins bring scenarios of kind 'induction'.*emdose-broken 2\.1"):
        scenarios.load(toy)


def test_a_job_that_writes_no_result_file_leaves_nothing(toy, tmp_path, monkeypatch):
    kind = kinds.get("induction")
    monkeypatch.setattr(f"{type(kind).__module__}.job.InductionJob.write", lambda *_: None)
    with pytest.raises(em.OutputError, match=r"the job of kind 'induction' has written no result\.h5"):
        scenarios.run(toy, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_another_folder_of_the_same_package_is_no_second_plug_in(toy, tmp_path, monkeypatch):
    shutil.copytree(TOY, tmp_path / "copy")
    monkeypatch.syspath_prepend(str(tmp_path / "copy"))
    assert scenarios.load(toy).kind == "induction"


def test_kinds_do_not_name_each_other():
    """Neither by an import of any sort nor by a string; what they share lies in scenarios.shared."""
    folders = [p.parent for p in (SOURCE / "scenarios" / "kinds").glob("*/__init__.py")]
    assert {p.name for p in folders} == {name.replace("-", "_") for name in OWN}
    guilty = []
    for folder in folders:
        others = [f"kinds.{p.name}" for p in folders if p != folder]
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                named += [a.name for a in node.names] if isinstance(node, ast.Import) else []
                named += [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []
                guilty += [f"{path.name}:{node.lineno}" for n in named if any(o in n for o in others)]
    assert guilty == []


def test_only_the_table_of_kinds_names_a_kind():
    """The core, the report and the command line know a kind by its protocol alone."""
    made = {"label.py", "label_runs.py", "sweep.py"}  # what writes scenarios of one kind from a few words
    places = [*(SOURCE / "report").rglob("*.py"), *(SOURCE / "cli").glob("*.py"), *(SOURCE / "scenarios").glob("*.py")]
    guilty = []
    for path in (p for p in places if p.name not in made):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            texts = [node.value] if isinstance(node, ast.Constant) and id(node) not in said else []
            bad = any("scenarios.kinds." in m for m in modules) or any(t in (*(OWN - PLAIN), "implant") for t in texts)
            guilty += [f"{path.name}:{node.lineno}"] if bad else []
    assert guilty == []
