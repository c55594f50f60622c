"""``emdose study`` and ``emdose run`` with [uncertainty]: tables, exit codes, one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import SMALL, call, one_line

ASKED = (
    SMALL
    + """[uncertainty]
spacing_m = "own"
outputs = ["psSAR10g"]
[[uncertainty.inputs]]
path = "normalise.b1plus_rms_T"
name = "drive"
relative = 0.01
"""
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(ASKED)
    return path


def test_a_study_and_more_of_it(capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path) -> None:
    """SAR goes with the square of the drive; a second call computes only what is not there."""
    out = tmp_path / "study"
    code, said, err = call(capsys, "study", small, "--out", out, "--method", "chaos", "--runs", 6)
    assert code == 0, err
    assert "psSAR10g" in said
    told = json.loads((out / "study.json").read_text())
    assert told["outputs"]["psSAR10g"]["sd"] == pytest.approx(0.02 * told["outputs"]["psSAR10g"]["value"], rel=0.05)
    assert (out / "study.html").exists()
    assert "samples of the study" in err
    code, said, err = call(capsys, "study", small, "--out", out, "--method", "chaos", "--runs", 7, "--no-report")
    assert code == 0, err
    assert "8 samples, 7 of them kept from before" in said
    code, _, err = call(capsys, "study", small, "--out", out, "--method", "chaos", "--runs", 1)
    assert code == 2
    assert "runs" in one_line(err.splitlines()[-1] + "\n")
    small.write_text(ASKED.replace("0.01", "0.02"))
    code, _, err = call(capsys, "study", small, "--out", out, "--quiet")
    assert code == 2
    assert "belongs to another study" in err


def test_a_run_says_what_its_intervals_hold(capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path) -> None:
    code, said, err = call(capsys, "run", small, "--out", tmp_path / "out")
    assert code == 0, err
    assert "inputs, discretisation and what is numerical, combined" in said
    assert "uncertainty" in (tmp_path / "out" / "report.html").read_text().lower()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("normalise.b1plus_rms_T", "normalise.b1plus_rsm_T"), "did you mean 'b1plus_rms_T'"),
        (("relative = 0.01", 'relative = 0.01\nlaw = "norml"'), "unknown law"),
        (("relative = 0.01", "half_width = 0.01"), "unknown parameter of the normal law"),
        (('["psSAR10g"]', '["psSAR10"]'), "no such output"),
    ],
)
def test_what_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    small.write_text(ASKED.replace(*change))
    code, _, err = call(capsys, "study", small, "--out", tmp_path / "s", "--quiet")
    assert code == 2
    assert words in one_line(err.splitlines()[-1] + "\n")
