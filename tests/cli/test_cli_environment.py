"""Environment variables that make no sense. Oracle: exit code 2 and one line that names the variable."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OMP_NUM_THREADS", "1000000"),
        ("EMDOSE_THREADS", "²"),
        ("EMDOSE_CFLAGS", '-O2 "-DX'),
        ("EMDOSE_CACHE_DIR", "~no user has this name/cache"),
        ("EMDOSE_DEVICE", "gpu"),
    ],
)
def test_a_bad_variable_is_one_line(variable, value, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("EMDOSE_THREADS", "OMP_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-m", "emdose", "devices"],
        env={**environment, variable: value},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"emdose: error: {variable}: ")


def test_a_compiler_that_is_none_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "emdose", "devices"],
        env={**os.environ, "EMDOSE_COMPILER": "gcc -m32"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "EMDOSE_COMPILER = 'gcc -m32' is no compiler" in done.stderr
