"""Who sees how far a job is: a terminal by default, nobody in a pipe, and whoever listens."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

import emdose as em
from emdose.errors import InputError
from emdose.solvers import progress
from emdose.solvers.running import Done, Iteration, silent

JOB = """
import emdose as em, time
from emdose.solvers import progress
progress.QUIET_S = 0.0
exposure = em.Exposure(em.phantoms.sphere(0.05, 12.5e-3), em.Birdcage(rungs=8), 127.74e6)
em.Vie().solve(exposure{more})
"""


def _in_a_terminal(code: str, **environment: str) -> str:
    """What a process with a terminal for stderr shows there."""
    above, below = pty.openpty()
    where = {**os.environ, "TERM": "xterm", "COLUMNS": "120", **environment}
    with subprocess.Popen([sys.executable, "-c", code], stderr=below, stdout=subprocess.PIPE, env=where) as process:
        os.close(below)
        shown = b""
        while True:
            try:
                part = os.read(above, 65536)
            except OSError:  # Linux says so when the other end has gone
                break
            if not part:
                break
            shown += part
        assert process.stdout.read() == b""
    os.close(above)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_terminal_has_a_bar_unless_it_is_told_not_to():
    # Oracle: a pseudo-terminal.
    # The last stage: a bar is drawn some ten times a second, and a shorter stage may come and go between.
    assert "computing the fields" in _in_a_terminal(JOB.format(more=""))
    assert _in_a_terminal(JOB.format(more=", progress=False")) == ""
    assert _in_a_terminal(JOB.format(more=""), EMDOSE_PROGRESS="0") == ""


def test_a_pipe_has_none():
    # Oracle: what the process has written.
    done = subprocess.run([sys.executable, "-c", JOB.format(more="")], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.fixture
def exposure():
    return em.Exposure(em.phantoms.sphere(0.05, 12.5e-3), em.Birdcage(rungs=8), 127.74e6)


def test_a_function_gets_the_events(exposure):
    heard = []
    em.Vie().solve(exposure, "cpu", heard.append)  # by place, as well as by name
    assert isinstance(heard[-1], Done)
    assert any(isinstance(e, Iteration) for e in heard)
    again = []
    em.Vie().solve(exposure, device="cpu", progress=again.append)
    assert [e.stage for e in again] == [e.stage for e in heard]


@pytest.mark.parametrize("outer", [False, None, silent])
def test_what_runs_inside_shows_nothing_by_itself(monkeypatch, outer):
    # Oracle: the promise that one place decides.
    monkeypatch.setattr(progress, "is_watched", lambda: True)
    with progress.listening(outer), progress.listening(True) as inner:
        assert inner is silent
    with progress.listening(True) as first:
        assert isinstance(first, progress.ProgressBar)
        with progress.listening(True) as second:
            assert second is silent


def test_who_watches(monkeypatch):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stderr", open(os.devnull, "w"))  # noqa: SIM115
    assert not progress.is_watched()
    monkeypatch.setenv(progress.VARIABLE, "1")
    assert progress.is_watched()
    monkeypatch.setenv(progress.VARIABLE, "off")
    assert not progress.is_watched()


def test_something_else_is_one_line(exposure):
    with pytest.raises(InputError, match=r"progress.*True"):
        em.Vie().solve(exposure, progress="yes")


@pytest.mark.parametrize("solve", [em.Vie.solve, em.Fdtd.solve, em.Fdtd.cosimulate, em.EddyCurrent.solve])
def test_every_solver_shows_it_by_default(solve):
    import inspect

    assert inspect.signature(solve).parameters["progress"].default is True
