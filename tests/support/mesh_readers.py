"""Readers of meshes in the process of the tests, for tests of what is read rather than of the process that reads it.

A process for each file takes longer than nearly all that is asked of it. ``tests/io/test_mesh_doors.py``, the formats
and the damaged files of ``tests/io`` and the fuzzers go through the processes.
"""

from __future__ import annotations

import importlib
import io
import sys

import pytest

from emdose.compute import child
from emdose.io import mesh_process


def run_here(module: str, *arguments: str, data: bytes = b"", limits: child.Limits) -> child.Ended:
    """What :func:`emdose.compute.child.run` returns of the module, run in this process without limits."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *arguments])
        patch.setattr(sys, "stdout", out)
        importlib.import_module(module).main()
    return child.Ended(0, out.buffer.getvalue(), b"")  # type: ignore[attr-defined]


@pytest.fixture
def meshes_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of meshes are read in this process."""
    monkeypatch.setattr(mesh_process.child, "run", run_here)
