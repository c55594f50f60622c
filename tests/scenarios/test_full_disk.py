"""A disk that is full at any write ends a run in one line; nothing is half-written, and what was there stays."""

from __future__ import annotations

import copy
import errno
import json
import os

import pytest
from run_server import RunServer
from test_evaluation_is_kept import EPT, METAL

from emdose import scenarios
from emdose.errors import OutputError
from emdose.io.disk import atomic
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml

RF = {
    "scenario": {"kind": "rf", "name": "ball"},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 12.5e-3, "tissue": "muscle"},
    "coil": {"type": "loop-array", "elements": 2, "radius_m": 0.1, "length_m": 0.1},
    "exposure": {"frequency_Hz": 127.74e6},
    "normalise": {"absorbed_power_W": 1.0},
}
CASES = {"rf": RF, "implant-gradient": METAL, "ept": EPT}
KINDS = ["rf", *(pytest.param(kind, marks=pytest.mark.slow) for kind in CASES if kind != "rf")]


@pytest.fixture
def fail_at(monkeypatch):
    """Make the n-th flush of a file fail as on a full disk; counts the flushes of files."""
    real, state = atomic._flush, {"count": 0, "at": None}

    def flush(path, flags):
        if path.suffix == atomic.PART:
            state["count"] += 1
            if state["count"] == state["at"]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, flags)

    monkeypatch.setattr(atomic, "_flush", flush)

    def set_(at):
        state.update(count=0, at=at)
        return state

    return set_


def ended(run):
    """What a run that could not write says; None when it could."""
    try:
        run()
    except OutputError as error:
        return str(error)
    return None


def numbers(folder):
    summary = json.loads((folder / "summary.json").read_text())
    return {k: summary[k] for k in ("quantities", "checks")}


@pytest.mark.parametrize("kind", KINDS)
def test_every_write_can_fail(kind, tmp_path, fail_at):
    # Oracle: the run on a disk with room; the n-th flush of the n-th try fails.
    file, out = tmp_path / "case.toml", tmp_path / "out"
    file.write_text(toml.dump(CASES[kind]), encoding="utf-8")
    fail_at(None)
    scenarios.run(file, tmp_path / "whole", device="cpu")
    for at in range(1, 60):
        fail_at(at)
        problem = ended(lambda: scenarios.run(file, out, device="cpu", resume=True))
        if problem is None:
            break
        assert "No space left on device" in problem
        assert "\n" not in problem
        assert not list(out.rglob("*.part"))
        assert not (out / "summary.json").exists()
        assert not (out / "result.h5").exists()
    assert at > 3
    assert numbers(out) == numbers(tmp_path / "whole")


@pytest.mark.parametrize("kind", KINDS)
def test_an_earlier_result_stays(kind, tmp_path, fail_at):
    # Oracle: the earlier run, read back after every failure of a changed one.
    tables = copy.deepcopy(CASES[kind])
    file, out = tmp_path / "case.toml", tmp_path / "out"
    file.write_text(toml.dump(tables), encoding="utf-8")
    fail_at(None)
    scenarios.run(file, out, device="cpu")
    before = (out / "summary.json").read_bytes(), (out / "result.h5").read_bytes()
    tables["scenario"]["name"] = "changed"
    file.write_text(toml.dump(tables), encoding="utf-8")
    for at in range(1, 60):
        fail_at(at)
        if ended(lambda: scenarios.run(file, out, device="cpu")) is None:
            break
        assert ((out / "summary.json").read_bytes(), (out / "result.h5").read_bytes()) == before
        assert not list(out.rglob("*.part"))
    assert at > 3
    assert read_result(out).summary["scenario"]["scenario"]["name"] == "changed"


def test_real_limits_of_the_system(tmp_path):
    # Oracle: files that the system does not let grow beyond a size (RLIMIT_FSIZE); HDF5 and NumPy write for themselves.
    file, out = tmp_path / "case.toml", tmp_path / "out"
    file.write_text(toml.dump(RF), encoding="utf-8")
    command = ["run", file, "--device", "cpu", "--quiet", "--no-report"]
    told = []
    with RunServer() as server:
        assert server(*command, "--out", tmp_path / "whole")["code"] == 0
        for largest in (1_000, 20_000, 60_000, 150_000, 10_000_000):
            end = server(*command, "--out", out, "--resume", largest_file=largest)
            told.append(end["code"])
            assert "Traceback" not in end["err"]
            if end["code"]:
                assert end["code"] == 2, end
                errors = [line for line in end["err"].splitlines() if line.startswith("emdose: error")]
                assert len(errors) == 1
                assert "cannot write: File too large" in errors[0]
                assert not (out / "summary.json").exists()
            assert not list(out.rglob("*.part"))
    assert told[0] == 2
    assert told[-1] == 0
    assert numbers(out) == numbers(tmp_path / "whole")
