"""Arrays that processes leave for each other. Oracle: the arrays themselves, bit for bit, and how often one is made."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from emdose.compute import array_files
from emdose.compute.array_files import ArrayFolder
from emdose.compute.shared import WORTH_S, Shared
from emdose.errors import EmdoseWarning


@pytest.mark.parametrize("dtype", ["complex64", "float64", "int32", "bool"])
def test_an_array_comes_back_to_the_last_bit(tmp_path: Path, dtype: str) -> None:
    array = (np.random.default_rng(1).normal(size=(3, 4, 5)) * 9).astype(dtype)
    folder = ArrayFolder(tmp_path / "arrays")
    assert folder.load("field 1") is None
    folder.save("field 1", array.transpose(2, 0, 1))
    found = ArrayFolder(tmp_path / "arrays").load("field 1")
    assert found is not None
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array.transpose(2, 0, 1))
    assert folder.load("field 2") is None
    assert [p.suffix for p in (tmp_path / "arrays").iterdir()] == [".array"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-9] + b"x" * 9, lambda _: b"", lambda b: b[40:]])
def test_a_damaged_file_is_told_and_made_again(tmp_path: Path, damage) -> None:
    folder = ArrayFolder(tmp_path)
    folder.save("field", np.arange(12.0))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(EmdoseWarning, match="damaged array"):
        assert folder.load("field") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_full_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_files, "LIMIT_BYTES", 1000)
    folder = ArrayFolder(tmp_path)
    for n in range(4):
        folder.save(f"field {n}", np.full(80, n, float))
    assert [folder.load(f"field {n}") is not None for n in range(4)] == [True, False, False, False]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(EmdoseWarning, match="stays in memory"):
        ArrayFolder(tmp_path / "file").save("field", np.arange(3))


def test_memos_of_two_processes_make_what_takes_long_once(tmp_path: Path) -> None:
    """Oracle: how often each is made. What is quick, or no array, is made by each: a file would cost more."""
    made = []

    def make(name: str, seconds: float, value):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        made.append(name)
        return value

    slow = 1.5 * WORTH_S
    for _ in range(2):
        memo = Shared(10**8, tmp_path)
        np.testing.assert_array_equal(memo.get("slow", lambda: make("slow", slow, np.arange(5))), np.arange(5))
        memo.get("quick", lambda: make("quick", 0.0, np.arange(5)))
        assert memo.get("words", lambda: make("words", slow, "words")) == "words"
    assert sorted(made) == ["quick", "quick", "slow", "words", "words"]
    alone = Shared(10**8)
    alone.get("slow", lambda: make("slow", slow, np.arange(5)))
    assert made.count("slow") == 2
