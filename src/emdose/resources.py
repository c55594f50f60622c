"""What is shipped inside the package: data tables, and the code itself as far as results depend on it."""

from __future__ import annotations

import csv
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from emdose.version import __version__

CODE = (".py", ".cuh", ".csv")
"""Endings of files whose content can change a number."""


def text(name: str) -> str:
    """Content of the package file ``emdose/data/<name>``.

    Parameters
    ----------
    name : str
        File name, with folders separated by "/".

    Raises
    ------
    FileNotFoundError
        When the package carries no such file.
    """
    return files("emdose").joinpath("data", *name.split("/")).read_text(encoding="utf-8-sig")


def csv_rows(name: str) -> list[dict[str, str]]:
    """Rows of the shipped table ``emdose/data/<name>``, as written, one dict per row.

    Lines that begin with ``#`` (also quoted, ``"#``) and empty lines are skipped; the first other line is the header.
    """
    lines = (line for line in text(name).splitlines(keepends=True) if line.strip())
    return list(csv.DictReader(line for line in lines if not line.lstrip().startswith(("#", '"#'))))


@cache
def code_sha256(*rooms: str, without: tuple[str, ...] = ()) -> str:
    """SHA-256 (hex) of modules, kernels and tables of the package: what is kept of a run serves the same code only.

    Parameters
    ----------
    rooms : str
        Folders or files below ``emdose``; all of it when none is named.
    without : tuple of str
        Names of files that do not count.
    """
    root = Path(str(files("emdose")))
    digest = hashlib.sha256()
    for top in [root / room for room in rooms] or [root]:
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.suffix in CODE and path.name not in without and path.is_file():
                digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
                digest.update(path.read_bytes())
    # Without files of its own, in an archive say, the package is told by its version.
    return digest.hexdigest() if root.is_dir() else hashlib.sha256(__version__.encode()).hexdigest()
