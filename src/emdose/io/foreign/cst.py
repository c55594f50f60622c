"""Fields that CST exports to HDF5, one file for every field and port."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.datasets import opened
from emdose.io.foreign.joining import PortField, frequency_of
from emdose.io.foreign.values import LENGTHS, as_complex

KNOWN = {"time": "exp(+jwt)", "amplitude": "peak", "components": "xyz", "positions": "points"}
"""Documented of the program; how the drive was normalised is a setting of the user's."""
MESH = ("Mesh line x", "Mesh line y", "Mesh line z")
FIELDS = {"E-Field": "E", "H-Field": "H", "B-Field": "B"}
UNITS = {"A/m": "A/m", "kA/m": "kA/m", "T": "T", "Vs/m^2": "T", "V.s/m^2": "T", "mT": "mT", "uT": "uT"}


def is_cst(h5: Any) -> bool:
    """Whether an open HDF5 file is one of these."""
    return all(name in h5 for name in MESH)


def parts(paths: Sequence[Path]) -> list[PortField]:
    """The fields in files of this kind.

    Raises
    ------
    InputError
        When a file holds none of them, or one that does not fit its mesh lines.

    Notes
    -----
    Datasets "Mesh line x|y|z" with the attribute "unit", and "E-Field", "H-Field" or "B-Field" (nz, ny, nx) of
    compounds x, y, z of compounds re, im.

    Source: the reader of CoSimPy 2.0.0 (MIT licence) and public scripts that read such files.
    """
    found = []
    for path in paths:
        with opened(path) as h5:
            missing = [name for name in MESH if name not in h5]
            if missing:
                raise InputError("dataset missing", file=path, field=missing[0], expected="an HDF5 export of CST")
            names = [name for name in FIELDS if name in h5]
            if len(names) != 1:
                raise InputError("not one field", file=path, found=names, expected=" or ".join(FIELDS))
            axes = tuple(np.asarray(h5[name][()], float).ravel() for name in MESH)
            shape = tuple(len(a) for a in axes)
            raw = h5[names[0]][()]
            unit, length = (_unit(h5[name]) for name in (names[0], MESH[0]))
        if raw.dtype.names is None or set(raw.dtype.names) != set("xyz"):
            raise InputError("not a field of three components", file=path, field=names[0], found=str(raw.dtype))
        raw = np.squeeze(raw)
        if raw.shape != shape[::-1]:
            raise InputError(
                "field does not fit its mesh lines",
                file=path,
                field=names[0],
                found=raw.shape,
                expected=str(shape[::-1]),
            )
        if FIELDS[names[0]] == "E" and unit not in ("", "V/m"):
            raise InputError("electric field in another unit", file=path, field=names[0], found=unit, expected="V/m")
        values = np.stack([as_complex(raw[c]).transpose(2, 1, 0) for c in "xyz"])
        stated = {"length": length} if length in LENGTHS else {}
        if FIELDS[names[0]] != "E" and unit in UNITS:
            stated["magnetic"] = UNITS[unit]
        found.append(PortField(path, FIELDS[names[0]], axes, values, frequency_of(path), stated))  # type: ignore[arg-type]
    return found


def _unit(dataset: Any) -> str:
    value = dataset.attrs.get("unit", b"")
    value = np.ravel(value)[0] if isinstance(value, np.ndarray) and value.size else value
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text.split("\0")[0].strip()
