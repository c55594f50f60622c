"""Data tables that are shipped inside the package."""

from __future__ import annotations

import csv
from importlib.resources import files


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
