"""Field dumps of openEMS in the frequency domain (HDF5), one file for every field and port."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.datasets import opened
from emdose.io.foreign.joining import PortField, quantity_of

KNOWN = {"time": "exp(+jwt)", "amplitude": "peak", "length": "m", "magnetic": "A/m", "components": "xyz"}
"""Documented of the program; whether components were interpolated, and what the pulse was, is the user's."""
GROUP = "FieldData/FD"


def is_openems(h5: Any) -> bool:
    """Whether an open HDF5 file is one of these."""
    return "FieldData" in h5 and "Mesh" in h5


def parts(paths: Sequence[Path], frequency_Hz: float | None) -> list[PortField]:
    """The fields in files of this kind.

    Raises
    ------
    InputError
        For a dump in the time domain, several frequencies of which none is chosen, or arrays that do not fit.

    Notes
    -----
    "Mesh/x|y|z"; "FieldData/FD/f0_real" and "f0_imag", (3, nz, ny, nx) as the program writes them or (nx, ny, nz, 3),
    with the attribute "frequency". The magnetic field is H.

    Source: the page "HDF5 Field Dumps" of its documentation, as quoted by other packages; its source was not read.
    """
    found = []
    for path in paths:
        with opened(path) as h5:
            if "Mesh" not in h5 or any(n not in h5["Mesh"] for n in "xyz"):
                raise InputError("no rectilinear mesh", file=path, field="Mesh", expected="x, y and z; no cylinder")
            if GROUP not in h5:
                raise InputError("a dump in time", file=path, field=GROUP, expected="a dump in the frequency domain")
            axes = tuple(np.asarray(h5["Mesh"][n][()], float).ravel() for n in "xyz")
            group = h5[GROUP]
            names = [k.removesuffix("_real") for k in group if k.endswith("_real")]
            frequencies = {n: _frequency(group, n, k) for k, n in enumerate(sorted(names, key=_number))}
            name = _chosen(frequencies, frequency_Hz, path)
            real, imaginary = (np.asarray(group[f"{name}_{p}"][()]) for p in ("real", "imag"))
        values = _ordered(real, tuple(len(a) for a in axes), path) + 1j * _ordered(
            imaginary, tuple(len(a) for a in axes), path
        )
        quantity = "E" if quantity_of(path) == "E" else "H"
        found.append(PortField(path, quantity, axes, values, frequencies[name]))  # type: ignore[arg-type]
    return found


def _chosen(frequencies: dict[str, float | None], wanted: float | None, path: Path) -> str:
    if not frequencies:
        raise InputError("no field in this file", file=path, field=GROUP, expected="f0_real and f0_imag")
    if len(frequencies) == 1:
        return next(iter(frequencies))
    known = {n: f for n, f in frequencies.items() if f is not None}
    near = [n for n, f in known.items() if wanted is not None and abs(f - wanted) <= 1e-6 * wanted]
    if len(near) != 1:
        listed = ", ".join(f"{f:g}" for f in known.values()) or "not told"
        raise InputError(
            "several frequencies in one file",
            file=path,
            field="frequency_Hz",
            found=wanted,
            expected=f"one of {listed} Hz",
        )
    return near[0]


def _frequency(group: Any, name: str, number: int) -> float | None:
    for value in (group[f"{name}_real"].attrs.get("frequency"), group.attrs.get("frequency")):
        if value is not None:
            listed = np.ravel(value).astype(float)
            return float(listed[min(number, len(listed) - 1)])
    return None


def _ordered(values: np.ndarray, shape: tuple[int, ...], path: Path) -> np.ndarray:
    if values.shape == (3, *shape[::-1]):
        return values.transpose(0, 3, 2, 1)
    if values.shape == (*shape, 3):
        return np.moveaxis(values, -1, 0)
    raise InputError(
        "field does not fit the mesh", file=path, field=GROUP, found=values.shape, expected=str((3, *shape[::-1]))
    )


def _number(name: str) -> int:
    return int("".join(c for c in name if c.isdigit()) or 0)
