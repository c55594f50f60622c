"""The files of a result folder that every kind of run has: their names, the summary, result.h5, JSON."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import atomic, datasets, files

RESULT_FILE = "result.h5"
SUMMARY_FILE = "summary.json"
FIELDS_FILE = "fields.vti"
LOCK_FILE = "scenario.lock.toml"
SUMS = "sha256"
"""Entry of a summary with the hash of every file that was written with it, by name."""
REPORT_FILE = "report.html"

LONGEST_STEM = 80
LARGEST_SUMMARY_BYTES = 200_000_000
SUMMARY_KEYS = ("quantities", "timing_s", "provenance", "scenario", "warnings")
"""What every summary has, whatever the kind of scenario."""


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Every name of a user as the beginning of a file name: ASCII without folders, short, each another one.

    Letters lose their accents, and whatever else a file name had better not hold becomes "-".
    """
    stems: dict[str, str] = {}
    for name in names:
        ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_only)[:LONGEST_STEM].strip("-._") or "unnamed"
        taken, number = {s.lower() for s in stems.values()}, 2
        one = stem
        while one.lower() in taken:
            one, number = f"{stem}-{number}", number + 1
        stems[name] = one
    return stems


def summary_text(summary: Mapping[str, Any]) -> str:
    """The text of a summary.json, sealed: what it holds is hashed into its entry "sha256"."""
    seals = {k: v for k, v in (summary.get(SUMS) or {}).items() if k != SUMMARY_FILE}
    plain = json.loads(to_json({**summary, SUMS: seals}))
    plain[SUMS][SUMMARY_FILE] = _seal(plain)
    return to_json(plain, indent=1) + "\n"


def is_sealed(summary: Mapping[str, Any]) -> bool:
    """Whether a summary says its own hash, as those of this version do."""
    sums = summary.get(SUMS)
    return isinstance(sums, Mapping) and SUMMARY_FILE in sums


def _seal(summary: Mapping[str, Any]) -> str:
    seals = {k: v for k, v in summary[SUMS].items() if k != SUMMARY_FILE}
    return hashlib.sha256(to_json({**summary, SUMS: seals}).encode()).hexdigest()


def read_summary(folder: Path | str) -> dict[str, Any]:
    """summary.json of a finished run.

    Raises
    ------
    InputError
        When there is none, or it is damaged or was changed since it was written; one of a version that kept no hash
        of it is believed.
    """
    path = Path(folder) / SUMMARY_FILE
    if not path.exists():
        raise InputError("no result of a finished run", file=folder, expected=f"a folder with {SUMMARY_FILE}")
    try:
        summary = json.loads(files.read_bytes(path, "a summary", LARGEST_SUMMARY_BYTES))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("damaged summary", file=path, expected="JSON; run the scenario again with --force") from None
    require_keys(summary, SUMMARY_KEYS, folder)
    if is_sealed(summary) and summary[SUMS][SUMMARY_FILE] != _seal(summary):
        raise InputError(
            "changed or damaged since it was written", file=path, expected="the file as written; run the scenario again"
        )
    return dict(summary)


def sums(paths: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 (hex) of files, by the name they are going to have."""
    return {name: files.sha256(path) for name, path in paths.items()}


def require_intact(folder: Path | str, summary: Mapping[str, Any]) -> None:
    """Raise InputError when result.h5 is not the file that its summary was written with.

    Summaries of versions that kept no hash are believed.
    """
    told = (summary.get(SUMS) or {}).get(RESULT_FILE)
    path = Path(folder) / RESULT_FILE
    if told is not None and files.sha256(path) != told:
        raise InputError(
            "changed or damaged since it was written",
            file=path,
            expected=f"the file that {SUMMARY_FILE} was written with; run the scenario again",
        )


def require_keys(summary: Any, keys: Sequence[str], folder: Path | str) -> None:
    """Raise InputError when the summary of a folder lacks one of some keys."""
    missing = [k for k in keys if not isinstance(summary, dict) or k not in summary]
    if missing:
        path = Path(folder) / SUMMARY_FILE
        raise InputError("not a summary of emdose", file=path, field=missing[0], expected="this key")


@contextlib.contextmanager
def new_result(stage: atomic.Stage, form: str, version: int, provenance: Mapping[str, Any]) -> Iterator[Any]:
    """An empty result.h5 to fill, an open h5py file; it appears when the stage is committed.

    Parameters
    ----------
    stage : Stage
        Where to write, see :func:`emdose.io.disk.atomic.staging`, which also turns errors into OutputError.
    form, version : str, int
        Format of the file and its version, for :func:`opened_result`.
    provenance : mapping
        Goes as JSON into the group /provenance.
    """
    import h5py

    # In memory first: on a full disk HDF5 cannot even close its file, and takes the process down with it.
    with h5py.File(RESULT_FILE, "w", driver="core", backing_store=False, block_size=2**24) as file:
        file.attrs["format"], file.attrs["format_version"] = form, version
        yield file
        file.create_group("provenance").attrs["json"] = to_json(provenance)
        file.flush()
        image = file.id.get_file_image()
    stage.path(RESULT_FILE).write_bytes(image)


@contextlib.contextmanager
def opened_result(folder: Path | str, form: str, version: int) -> Iterator[Any]:
    """result.h5 of a folder, an h5py file open for reading.

    Raises
    ------
    InputError
        When it is missing or damaged, or of another format or version.
    """
    path = Path(folder) / RESULT_FILE
    with datasets.opened(path) as file:
        stated = str(file.attrs.get("format"))
        if stated != form:
            raise InputError("not the result that its summary tells of", file=path, found=stated, expected=form)
        if file.attrs.get("format_version") != version:
            raise InputError(
                "not a result of this version of emdose",
                file=path,
                field="format_version",
                found=str(file.attrs.get("format_version")),
                expected=str(version),
            )
        yield file


def put_map(group: Any, name: str, values: np.ndarray, unit: str) -> None:
    """Put an array into an open h5py group, compressed when it is worth it, with its unit beside it."""
    many = np.ndim(values) > 0 and np.size(values) > 64
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if many else {}
    group.create_dataset(name, data=values, **options).attrs["unit"] = unit


def single(values: np.ndarray) -> np.ndarray:
    """Double precision as single; everything else as it is."""
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def to_json(value: Any, indent: int | None = None, *, exact: bool = False) -> str:
    """JSON text of nested plain values and NumPy scalars and arrays.

    What is not finite becomes null, as JSON has no word for it; with ``exact`` it stays, in the words of Python.
    """
    return json.dumps(_plain(value, exact), indent=indent, ensure_ascii=False, allow_nan=exact)


def _plain(value: Any, exact: bool) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v, exact) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [_plain(v, exact) for v in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, complex):
        return [_plain(value.real, exact), _plain(value.imag, exact)]
    if isinstance(value, float):
        return value if exact or math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)
