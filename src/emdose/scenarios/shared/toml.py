"""Scenario text: TOML in, TOML out, and one clear line for whatever is wrong with it."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emdose.errors import InputError
from emdose.io.disk import files

LARGEST_SCENARIO_BYTES = 1_000_000
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = {ord("\b"): r"\b", ord("\t"): r"\t", ord("\n"): r"\n", ord("\f"): r"\f", ord("\r"): r"\r"}


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
    lines: list[str] = []
    _dump_table(tables, (), lines)
    return "\n".join(lines).strip() + "\n"


def digest(tables: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of nested mappings, independent of the order of keys and of how numbers are written."""
    return hashlib.sha256(json.dumps(_canonical(tables), sort_keys=True).encode()).hexdigest()


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


def _dump_table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {k: v for k, v in table.items() if not isinstance(v, Mapping) and v is not None}
    if path and (plain or not any(isinstance(v, Mapping) for v in table.values())):
        lines += ["", f"[{'.'.join(_key(p) for p in path)}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            _dump_table(value, (*path, key), lines)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(v) for v in value)}]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').translate(_CONTROL)
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
