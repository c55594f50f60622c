"""The files of a result folder that every kind of run has: their names, the summary, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import files

RESULT_FILE = "result.h5"
SUMMARY_FILE = "summary.json"
FIELDS_FILE = "fields.vti"
LOCK_FILE = "scenario.lock.toml"
REPORT_FILE = "report.html"

LARGEST_SUMMARY_BYTES = 200_000_000
SUMMARY_KEYS = (
    "quantities",
    "checks",
    "convergence",
    "power_balance",
    "timing_s",
    "provenance",
    "scenario",
    "warnings",
)


def read_summary(folder: Path | str) -> dict[str, Any]:
    """summary.json of a finished run; raises InputError when there is none or it is damaged."""
    path = Path(folder) / SUMMARY_FILE
    if not path.exists():
        raise InputError("no result of a finished run", file=folder, expected=f"a folder with {SUMMARY_FILE}")
    try:
        summary = json.loads(files.read_bytes(path, "a summary", LARGEST_SUMMARY_BYTES))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("damaged summary", file=path, expected="JSON; run the scenario again with --force") from None
    missing = [k for k in SUMMARY_KEYS if not isinstance(summary, dict) or k not in summary]
    if missing:
        raise InputError("not a summary of emdose", file=path, field=missing[0], expected="this key")
    return summary


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON text of nested plain values and NumPy scalars and arrays; what is not finite becomes null."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [_plain(v) for v in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)
