from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Run a script of the gallery by its name, in a folder of its own, and give what it has defined."""
    monkeypatch.chdir(tmp_path)  # what a script writes stays out of the repository
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.delenv("EMDOSE_EPTLIB", raising=False)
    return lambda name: runpy.run_path(str(EXAMPLES / name), run_name="__main__")
