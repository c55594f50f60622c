"""Limits that users read in their own copy of a standard: small CSV or TOML files."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path
from typing import Any

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.io.disk.files import read_bytes

LARGEST_FILE = 2**20
COLUMNS = ("standard", "edition", "limit", "clause", "value", "initials")


def read_confirmations(path: Path | str) -> tuple[dict[str, Any], ...]:
    """What users read in their copies of standards, for ``verified_by`` of :func:`emdose.check`.

    CSV has one row per limit with the columns ``edition, limit, clause, value, initials`` and, where it is not
    IEC 60601-2-33, ``standard``; lines that begin with # are comments. TOML has the same keys in tables
    ``[[verified_by]]``. ``limit`` is the name of a row as ``emdose limits`` shows it.

    Parameters
    ----------
    path : Path or str
        A .csv or .toml file.

    Raises
    ------
    InputError
        For a file that cannot be read, unknown or missing columns, and empty cells.
    """
    path = Path(path)
    raw = read_bytes(path, "confirmed limits (CSV or TOML)", LARGEST_FILE)
    try:
        text = raw.decode("utf-8-sig")
        rows = _toml_rows(text, path) if path.suffix.lower() == ".toml" else _csv_rows(text, path)
    except UnicodeDecodeError:
        raise InputError("not a text in UTF-8", file=path) from None
    except (tomllib.TOMLDecodeError, RecursionError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", file=path) from None
    if not rows:
        raise InputError("no confirmed limit in this file", file=path)
    for number, row in enumerate(rows, 1):
        for key in row:
            if key not in COLUMNS:
                raise unknown("unknown key", key, COLUMNS, field=f"row {number}").at(file=path)
        for key in COLUMNS[1:]:
            if row.get(key) in (None, ""):
                raise InputError("missing value", file=path, field=f"row {number}: {key}")
    return tuple(rows)


def _toml_rows(text: str, path: Path) -> list[dict[str, Any]]:
    data = tomllib.loads(text)
    rows = data.get("verified_by")
    if set(data) != {"verified_by"} or not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise InputError("no table of confirmed limits", file=path, found=", ".join(data), expected="[[verified_by]]")
    return rows


def _csv_rows(text: str, path: Path) -> list[dict[str, Any]]:
    lines = [line for line in text.splitlines(keepends=True) if line.strip() and not line.lstrip().startswith("#")]
    reader = csv.DictReader(io.StringIO("".join(lines)), skipinitialspace=True, strict=True)
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(reader, 1):
        if None in row or None in row.values():
            raise InputError("row of another length than the header", file=path, field=f"row {number}")
        cells = {(key or "").strip(): value.strip() for key, value in row.items()}
        rows.append({k: v for k, v in cells.items() if not (k == "standard" and not v)})
    return rows
