"""Children of emdose. Oracle: a program planted where a user keeps data says so when it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import emdose
from emdose.compute import child
from emdose.compute.child import Limits

PLANTED = ("numpy", "pyvista", "vtk", "runpy", "json", "sitecustomize", "usercustomize", "lazy_loader", "emdose")
SOURCE = str(Path(emdose.__file__).resolve().parents[1])
SPACE = 2**32
needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """The current folder, full of modules that leave a mark; returns the mark."""
    mark = tmp_path / "executed"
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r} + ' ')\n")
    monkeypatch.chdir(tmp_path)
    return mark


def test_a_child_finds_the_emdose_that_runs(planted):
    """Also where it is found through PYTHONPATH only, as here, or is an editable installation."""
    code = "import emdose, numpy; print(emdose.__file__, numpy.__file__, __import__('os').getcwd())"
    command = child.command("emdose.version")
    command[3] += "\n" + code
    done = subprocess.run(command, cwd=child.FOLDER, capture_output=True, text=True, check=True)
    own, _, folder = done.stdout.split()
    assert own == emdose.__file__
    assert folder == child.FOLDER
    assert not planted.exists()


def test_python_m_emdose_runs_nothing_from_the_current_folder_but_its_own_first_imports(planted):
    """Python itself looks there first for what ``-m`` names; the command ``emdose`` does not."""
    for name in ("emdose", "lazy_loader", "runpy", "sitecustomize", "usercustomize", "json"):
        (planted.parent / f"{name}.py").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "emdose", "demo", "--list"],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not planted.exists()


def _run(code: str, limits: Limits) -> child.Ended:
    """A child that runs a text in place of a module."""
    module = "emdose.version"
    command = child.command(module, limits=limits)
    command[3] = command[3].partition("import runpy")[0] + code
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "command", lambda *_, **__: command)
        return child.run(module, limits=limits)


@needs_limits
def test_a_child_has_no_more_memory_than_it_is_given():
    ended = _run("x = bytearray(8 * 2**30)", Limits(SPACE, 60))
    assert ended.code == 1
    assert b"MemoryError" in ended.errors
    assert _run("x = bytearray(2**20); print(len(x))", Limits(SPACE, 60)).out.strip() == b"1048576"


def test_a_child_ends_in_time_with_all_that_it_started():
    start = time.perf_counter()
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(100)'])"
    ended = _run(code, Limits(SPACE, 2))
    assert ended.late
    assert time.perf_counter() - start < 60


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_child_that_crashes_leaves_its_parent_alone():
    assert _run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Limits(SPACE, 60)).code == -11
