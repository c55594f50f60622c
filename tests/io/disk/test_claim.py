"""A folder is one process's at a time, and nobody's when that process is gone."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from emdose.errors import OutputError
from emdose.io.disk import claim
from emdose.io.disk.claim import FolderClaim, InUseError

HOLD = """
import sys, time
from pathlib import Path
from emdose.io.disk.claim import FolderClaim
FolderClaim(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["locks", "no locks"])
def system(request, monkeypatch):
    """A file system with locks, and one without."""
    if request.param == "no locks":
        monkeypatch.setattr(claim, "_lock", lambda handle: None)
    return request.param


def left(path, **told):
    """What a process leaves that could not tidy up."""
    path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": 0.0} | told))


def test_one_at_a_time(system, tmp_path):
    # Oracle: the definition.
    one, two = FolderClaim(tmp_path / ".running"), FolderClaim(tmp_path / ".running")
    one.acquire()
    with pytest.raises(InUseError, match=rf"{re.escape(str(tmp_path))}: another emdose \(process {os.getpid()}\)"):
        two.acquire()
    one.release()
    two.acquire()
    two.release()
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path):
    # Oracle: kill -9 of the process that held it.
    path = tmp_path / ".running"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match=rf"process {process.pid}\)"):
            FolderClaim(path).acquire()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists()
    mine = FolderClaim(path)
    mine.acquire()
    assert json.loads(path.read_text())["pid"] == os.getpid()
    mine.release()


@pytest.mark.parametrize(
    "told", [{"pid": 2**22 + 1}, {}, {"pid": "x"}, {"started": None}], ids=["gone", "reused", "odd", "unsigned"]
)
def test_stale_files_are_taken_over(system, tmp_path, told):
    # Oracle: no such process; a process of that number, this one, which began at another time than the file tells.
    left(tmp_path / ".running", **told)
    mine = FolderClaim(tmp_path / ".running")
    mine.acquire()
    mine.release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "1", "not json", "[]"])
def test_files_of_other_versions_are_taken_over(tmp_path, text):
    # Oracle: nobody holds the lock.
    (tmp_path / ".running").write_text(text)
    mine = FolderClaim(tmp_path / ".running")
    mine.acquire()
    mine.release()
    assert not list(tmp_path.iterdir())


def test_another_host(tmp_path, monkeypatch):
    # Oracle: the lock is the system's, whoever has signed; without locks the process elsewhere is believed to run.
    left(tmp_path / ".running", host="elsewhere", pid=7)
    mine = FolderClaim(tmp_path / ".running")
    mine.acquire()
    mine.release()
    monkeypatch.setattr(claim, "_lock", lambda handle: None)
    left(tmp_path / ".running", host="elsewhere", pid=7)
    with pytest.raises(InUseError, match=r"process 7 on elsewhere\) .* remove .*\.running if it has ended"):
        mine.acquire()


def test_a_file_that_was_taken_away_is_no_claim(tmp_path, monkeypatch):
    # Oracle: between opening and locking the one who had it removes the file: the lock on it is worth nothing.
    path, real, opened = tmp_path / ".running", os.open, []

    def racing(*args, **more):
        handle = real(*args, **more)
        if not opened:
            path.unlink()
        opened.append(handle)
        return handle

    monkeypatch.setattr(os, "open", racing)
    mine = FolderClaim(path)
    mine.acquire()
    assert len(opened) == 2
    assert os.path.samestat(os.stat(path), os.fstat(opened[1]))
    mine.release()


def test_no_room_for_it(tmp_path, monkeypatch):
    # Oracle: the disk is full when the file is signed.
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OutputError, match="No space left on device"):
        FolderClaim(tmp_path / ".running").acquire()
    assert not list(tmp_path.iterdir())


FOUR = """
import sys, time
from pathlib import Path
from emdose import scenarios
from emdose.cli import commands, main
folder, number = Path(sys.argv[1]), sys.argv[2]
(folder / f"ready-{number}").touch()
while len(list(folder.glob("ready-*"))) < 4:
    time.sleep(0.001)
real = scenarios.run
def run(*args, progress, **more):
    def wait(event):  # the one that runs goes on when the others have given up
        until = time.monotonic() + 60
        while event.stage == "plan" and len(list(folder.glob("done-*"))) < 3 and time.monotonic() < until:
            time.sleep(0.01)
        progress(event)
    return real(*args, progress=wait, **more)
scenarios.run = run
try:
    main(["run", str(folder / "small.toml"), "--out", str(folder / "out"), "--device", "cpu", "--quiet", "--no-report"])
finally:
    (folder / f"done-{number}").touch()
"""


def test_of_four_starts_at_once_one_runs(tmp_path):
    # Oracle: one finished run with exit code 0; three lines, three exit codes 2.
    (tmp_path / "small.toml").write_text(
        '[scenario]\nkind = "rf"\nname = "small"\n[phantom]\ntype = "sphere"\nradius_m = 0.05\nspacing_m = 0.0125\n'
        '[coil]\ntype = "loop"\nradius_m = 0.1\n[exposure]\nfrequency_Hz = 64e6\n[normalise]\nabsorbed_power_W = 1.0\n'
    )
    start = [sys.executable, "-c", FOUR, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*start, str(n)], **pipes) for n in range(4)]
    ends = [(p.communicate(timeout=120)[1], p.returncode) for p in processes]
    assert sorted(code for _, code in ends) == [0, 2, 2, 2], ends
    for text, code in ends:
        if code:
            assert len(text.splitlines()) == 1
            assert "out: another emdose" in text
            assert "is running in this folder" in text
    assert (tmp_path / "out" / "summary.json").exists()
    assert not (tmp_path / "out" / ".running").exists()


def test_many_take_turns(tmp_path):
    # Oracle: a counter that everyone who has the folder raises by one without another lock loses no turn.
    text = """
import sys, time
from pathlib import Path
from emdose.io.disk.claim import FolderClaim, InUseError
path = Path(sys.argv[1])
for _ in range(30):
    mine = FolderClaim(path / ".running")
    while True:
        try:
            mine.acquire()
            break
        except InUseError:
            time.sleep(0.0005)
    counter = path / "counter"
    counter.write_text(str(int(counter.read_text() or 0) + 1))
    mine.release()
"""
    (tmp_path / "counter").write_text("")
    processes = [subprocess.Popen([sys.executable, "-c", text, str(tmp_path)]) for _ in range(4)]
    until = time.monotonic() + 60
    assert [p.wait(timeout=max(1.0, until - time.monotonic())) for p in processes] == [0] * 4
    assert (tmp_path / "counter").read_text() == "120"
