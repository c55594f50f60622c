"""Sweeps that come with emdose."""

from __future__ import annotations

from pathlib import Path

from emdose import resources
from emdose.checks import unknown


def sweep_names() -> list[str]:
    """Their names."""
    folder = resources.files("emdose.scenarios.sweep") / "files"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def sweep_file(target: str) -> Path:
    """A file that is there, or a bundled sweep by its name.

    Raises
    ------
    InputError
        When it is neither.
    """
    path = Path(target)
    if path.suffix == ".toml" or path.is_file():
        return path
    if target not in sweep_names():
        raise unknown("no such sweep", target, sweep_names(), field="FILE", also="a file (.toml)")
    return Path(str(resources.files("emdose.scenarios.sweep") / "files" / f"{target}.toml"))
