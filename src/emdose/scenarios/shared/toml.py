"""Scenario text: TOML in, TOML out, and one clear line for whatever is wrong with it."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from emdose.errors import InputError
from emdose.io.disk import files

LARGEST_SCENARIO_BYTES = 1_000_000


def read(path: Path | str) -> dict[str, Any]:
    """Parse a TOML file.

    Raises
    ------
    InputError
        When the file is missing, unreadable, too large, not UTF-8 or not TOML; the latter names the line.
    """
    return parse(files.read_bytes(path, "a scenario file (.toml)", LARGEST_SCENARIO_BYTES), file=path)


def parse(data: bytes, file: object = None) -> dict[str, Any]:
    """Parse TOML bytes; raises InputError with ``file:line`` where the text is not TOML."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            "not a text file in UTF-8",
            file=_at(file, line),
            found=data[error.start : error.start + 1],
            expected="a scenario in TOML",
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
        reason = str(error)[: match.start()] if match else str(error)
        line = int(match[1]) if match and match[1] else text.count("\n") + 1
        found = text.splitlines()[line - 1].strip() if line <= len(text.splitlines()) else None
        raise InputError(f"not valid TOML: {reason}", file=_at(file, line), found=found or "end of file") from None
    except (ValueError, RecursionError) as error:  # integers of 5000 digits; thousands of brackets
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]
        raise InputError(f"not valid TOML: {reason}", file=file, expected="a scenario in TOML") from None


def dump(tables: Mapping[str, Any]) -> str:
    """TOML text of nested mappings of strings, numbers, bools and lists; entries that are None are left out."""
    return tomli_w.dumps(_without_none(tables))


def digest(tables: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of nested mappings, independent of the order of keys and of how numbers are written."""
    return hashlib.sha256(json.dumps(_canonical(tables), sort_keys=True).encode()).hexdigest()


_STEP = re.compile(r'(?:^|\.)(?:"((?:[^"\\]|\\.)+)"|([^."\[\]]+))|\[(\d+)\]')
_BARE = re.compile(r"[A-Za-z0-9_*-]+")


def steps_of(path: str) -> tuple[str | int, ...]:
    """The keys of a path into tables: ``phantom.tissues."white matter".density_kg_m3``, ``coil.centre_m[2]``.

    Raises
    ------
    InputError
        When it is not written like that.
    """
    found: list[str | int] = []
    end = 0
    while isinstance(path, str) and end < len(path) and (match := _STEP.match(path, end)):
        quoted, bare, number = match.groups()
        found.append(int(number) if number else (bare.strip() if bare else re.sub(r"\\(.)", r"\1", quoted)))
        end = match.end()
    if not found or isinstance(found[0], int) or end < len(path):
        expected = "keys with dots, such as phantom.tissues.fat.conductivity_S_m or coil.centre_m[2]"
        raise InputError("not a path into a scenario", field="path", found=path, expected=expected)
    return tuple(found)


def dotted(steps: Sequence[str | int]) -> str:
    """The text of a path; inverse of :func:`steps_of`."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if _BARE.fullmatch(step) else '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return text


def numbers_of(tables: Any, above: tuple[str | int, ...] = ()) -> dict[str, float]:
    """Every number in nested tables and lists, by its path."""
    if isinstance(tables, Mapping):
        parts: Any = tables.items()
    elif isinstance(tables, list | tuple):
        parts = enumerate(tables)
    else:
        good = isinstance(tables, int | float) and not isinstance(tables, bool)
        return {dotted(above): float(tables)} if good else {}
    found: dict[str, float] = {}
    for key, value in parts:
        found |= numbers_of(value, (*above, key))
    return found


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _canonical(v) for k, v in value.items() if v is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_canonical(v) for v in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    return value


def _at(file: object, line: int) -> object:
    return f"{file}:{line}" if file is not None else f"line {line}"


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings without the entries that TOML has no word for."""
    found = {str(k): v for k, v in table.items() if v is not None}
    return {k: _without_none(v) if isinstance(v, Mapping) else v for k, v in found.items()}
