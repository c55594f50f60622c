"""Lines of VTK files as curves of a coil, with ports and currents from the data of lines or points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io import mesh_process
from emdose.io.coils.tables import FileCurve

Lines = Mapping[str, np.ndarray]
"""Arrays of a file: "points" (n, 3), "ends" of its lines, and data by "line NAME", "point NAME" and "file NAME"."""


def read_lines(path: Path) -> Lines:
    """Arrays of a file of lines, read in a process of its own; raises InputError when it is damaged or has none."""
    arrays, _ = mesh_process.read("vtk lines", path, "VTK poly data with lines")
    return arrays


def curves_of(arrays: Lines, path: Path) -> tuple[list[FileCurve], str | None, dict[str, np.ndarray]]:
    """Curves of the lines of a file in its own unit, the unit that it states, and its named drives.

    Raises
    ------
    InputError
        When currents are no finite numbers, one for every line or point.
    """
    ends = arrays["ends"]
    starts = np.concatenate([[0], ends[:-1]])
    ports, names = _words(arrays, "port", starts), _words(arrays, "conductor", starts)
    amplitude, phase = (
        _numbers(arrays, "current_A", starts, ends, path),
        _numbers(arrays, "phase_deg", starts, ends, path),
    )
    curves = []
    for n, (a, b) in enumerate(zip(starts, ends, strict=True)):
        last = max(int(b) - 1, int(a))  # the last point has no piece behind it
        size = np.ones(last - a) if amplitude is None else amplitude[a:last]
        angle = np.zeros(last - a) if phase is None else phase[a:last]
        name = names[n] if names is not None else f"curve {n + 1}"
        places = [f"line {n + 1}, point {i + 1}" for i in range(int(b - a))]
        port = ports[n] if ports is not None else None
        currents = (size * np.exp(1j * np.radians(angle))).tolist()
        curves.append(FileCurve(port, name, arrays["points"][a:b].tolist(), currents, places))
    return curves, *told(arrays, path)


def told(arrays: Lines, path: Path) -> tuple[str | None, dict[str, np.ndarray]]:
    """The unit that a file states, and its named drives; raises InputError for drives that cannot be read."""
    texts = {k.removeprefix("file "): str(v[0]) for k, v in arrays.items() if k.startswith("file ") and _is_text(v)}
    drives = {k.removeprefix("drive "): _weights(v, path) for k, v in texts.items() if k.startswith("drive ")}
    return texts.get("unit"), drives


def drive_texts(drives: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Named drives as texts about a file, which :func:`told` reads."""
    return {f"drive {k}": " ".join(str(complex(w)) for w in v) for k, v in drives.items()}


def _is_text(values: np.ndarray) -> bool:
    return values.dtype.kind == "U" and values.ndim == 1 and len(values) > 0


def _words(arrays: Lines, name: str, starts: np.ndarray) -> list[str] | None:
    """Texts or whole numbers of every line, from data of lines or of the first point of each."""
    values = arrays.get(f"line {name}")
    if values is None and f"point {name}" in arrays:
        values = arrays[f"point {name}"][np.minimum(starts, len(arrays[f"point {name}"]) - 1)]
    if values is None or values.ndim != 1 or len(values) != len(starts):
        return None
    return [str(v) if values.dtype.kind == "U" else f"{name} {v:g}" for v in values]


def _numbers(arrays: Lines, name: str, starts: np.ndarray, ends: np.ndarray, path: Path) -> np.ndarray | None:
    """A number for every point, from data of points or of lines."""
    values = arrays.get(f"point {name}")
    if values is None and f"line {name}" in arrays:
        own = arrays[f"line {name}"]
        values = np.repeat(own, ends - starts) if len(own) == len(starts) and own.ndim == 1 else own
    if values is None:
        return None
    good = values.dtype.kind in "iuf" and values.shape == (int(ends[-1]),)
    if not good or not np.all(np.isfinite(values)):
        found = str(values.dtype) if not good else "a value that is not finite"
        raise InputError("bad data of lines", file=path, field=name, found=found, expected="a finite number for each")
    return np.asarray(values, float)


def _weights(text: str, path: Path) -> np.ndarray:
    try:
        weights = np.array([complex(part) for part in text.split()])
        if not np.all(np.isfinite(weights)):
            raise ValueError
        return weights
    except ValueError:
        raise InputError("a drive that cannot be read", file=path, field="drives", found=text[:60]) from None
