"""File names of a run. Oracle: where a file lies that has such a name."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from emdose.errors import InputError, OutputError
from emdose.io.disk import atomic
from emdose.io.disk.run_files import SUMMARY_KEYS, SUMS, file_stems, is_sealed, read_summary, summary_text

NAMES = [
    "head/3T",
    "../../outside",
    "/etc/passwd",
    "C:\\temp",
    "..",
    ".",
    "Köpfe 3 T",
    "名前",
    " a ",
    "x" * 200,
    "-",
    "a:b*c?",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_becomes_a_file_inside_the_folder(tmp_path, name):
    stem = file_stems([name])[name]
    path = tmp_path / f"{stem}.s1p"
    path.write_text("")
    assert path.resolve().parent == tmp_path.resolve()
    assert path.name in {p.name for p in tmp_path.iterdir()}
    assert stem.isascii()
    assert len(stem) <= 80
    with atomic.staging(tmp_path) as stage:
        stage.path(path.name).write_text("1")
    assert path.read_text() == "1"


def test_a_plain_name_stays_as_it_is():
    assert file_stems(["birdcage_3-T.v2"]) == {"birdcage_3-T.v2": "birdcage_3-T.v2"}
    assert file_stems(["Köpfe 3 T"]) == {"Köpfe 3 T": "Kopfe-3-T"}


def test_two_names_are_two_files():
    stems = file_stems(["a/b", "a-b", "A:B", "a b", "名", "前"])
    assert len({s.lower() for s in stems.values()}) == 6
    assert list(stems.values()) == ["a-b", "a-b-2", "A-B-3", "a-b-4", "unnamed", "unnamed-2"]


@pytest.mark.parametrize("name", ["../a", "a/b", "/a", "..", "."])
def test_a_stage_takes_no_paths(tmp_path, name):
    with pytest.raises(OutputError, match="is no file name"), atomic.staging(tmp_path / ".") as stage:
        stage.path(name)


SUMMARY = {key: {} for key in SUMMARY_KEYS} | {
    "quantities": {"sar": {"value": np.float32(1.1), "unit": "W/kg", "note": "Köpfe", "u": math.nan}, "b": 1 / 3},
    SUMS: {"result.h5": "ab"},
}


def test_a_summary_is_read_back_and_sealed_again_to_the_same_text(tmp_path):
    text = summary_text(SUMMARY)
    (tmp_path / "summary.json").write_text(text, encoding="utf-8")
    told = read_summary(tmp_path)
    assert is_sealed(told)
    assert not is_sealed(SUMMARY)
    assert told[SUMS]["result.h5"] == "ab"
    assert summary_text(told) == text


def test_no_change_of_a_summary_goes_unseen(tmp_path):
    # Oracle: every character of the text, replaced by another; what still holds the same values may pass.
    text = summary_text(SUMMARY)
    for at, was in enumerate(text):
        other = {"1": "2", '"': "'", " ": "\t", "\n": " "}.get(was, "1")
        (tmp_path / "summary.json").write_text(text[:at] + other + text[at + 1 :], encoding="utf-8")
        try:
            told = read_summary(tmp_path)
        except InputError:
            continue
        assert told == json.loads(text) or not is_sealed(told), text[max(at - 20, 0) : at + 20]
