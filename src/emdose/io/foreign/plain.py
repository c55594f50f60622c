"""Fields in a plain HDF5 file: a few datasets, and attributes that say what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.circuits.network import Network
from emdose.errors import InputError
from emdose.io.disk.datasets import opened
from emdose.io.foreign.joining import UNITS, agreed
from emdose.io.foreign.values import CONVENTIONS, ForeignFields, as_complex

LAYOUT = "datasets x, y, z, E and B or H, each (port, 3, nx, ny, nz); attributes such as frequency_Hz and amplitude"
MAPS = ("conductivity", "density")
SPELLINGS = {"time_factor": "time", "drive_unit": "drive", "length_unit": "length", "magnetic_unit": "magnetic"}
"""Other names of attributes."""


def is_plain(h5: Any) -> bool:
    """Whether an open HDF5 file is one of these."""
    return all(n in h5 for n in "xyz")


def read(path: Path, frequency_Hz: float | None, hashes: Mapping[str, str]) -> ForeignFields:
    """The fields in such a file.

    Parameters
    ----------
    path : Path
        The file: datasets "x", "y", "z" (n,), "E" and "B" or "H" (port, 3, nx, ny, nz) or (3, nx, ny, nz), complex or
        as "E_real" and "E_imag"; "conductivity" and "density" (nx, ny, nz) [S/m], [kg/m^3], "S" (port, port) with the
        attribute "reference_ohm" may be there. Attributes "frequency_Hz", "ports", and the names of conventions.
    frequency_Hz : float or None
        As the user names it [Hz].
    hashes : mapping
        SHA-256 of the file.

    Raises
    ------
    InputError
        When the file is not like this.
    """
    with opened(path) as h5:
        for name in "xyz":
            if name not in h5 or not hasattr(h5[name], "shape"):
                raise InputError("dataset missing", file=path, field=name, expected=LAYOUT)
        axes = tuple(np.asarray(h5[n][()], float).ravel() for n in "xyz")
        E = _field(h5, "E", path)
        both = {n: v for n in "BH" if (v := _field(h5, n, path)) is not None}
        maps = {n: np.asarray(h5[n][()], float) for n in MAPS if n in h5}
        said = {SPELLINGS.get(k, k): _text(v) for k, v in h5.attrs.items()}
        s = None if "S" not in h5 else as_complex(np.asarray(h5["S"][()]))
        reference = float(h5["S"].attrs.get("reference_ohm", 50.0)) if s is not None else 50.0
    if len(both) > 1:
        raise InputError("both B and H for the same fields", file=path, expected="one of them")
    field = E if E is not None else next(iter(both.values()), None)
    if field is None:
        raise InputError("no field in this file", file=path, field="E", expected=LAYOUT)
    names = said.get("ports")
    ports = tuple(names.split(",")) if isinstance(names, str) else tuple(f"port {n + 1}" for n in range(len(field)))
    stated = {k: str(v) for k, v in said.items() if k in CONVENTIONS}
    stated = {**UNITS.get(next(iter(both), ""), {}), **stated}
    frequency = agreed(frequency_Hz, said.get("frequency_Hz"), path)
    network = None
    if s is not None and frequency is not None:
        network = Network(np.array([frequency]), s.reshape(1, *s.shape[-2:]), ports, reference)
    try:
        return ForeignFields(
            program="plain HDF5",
            axes=axes,  # type: ignore[arg-type]
            E=E,
            magnetic=next(iter(both.values()), None),
            ports=ports,
            frequency_Hz=frequency,  # type: ignore[arg-type]
            stated=stated,
            sources=dict.fromkeys(stated, "the file"),
            network=network,
            files=hashes,
            conductivity=maps.get("conductivity"),
            density=maps.get("density"),
        )
    except InputError as error:
        raise error.at(file=path) from None


def _field(h5: Any, name: str, path: Path) -> np.ndarray | None:
    if name in h5:
        values = as_complex(np.asarray(h5[name][()]))
    elif f"{name}_real" in h5 and f"{name}_imag" in h5:
        real, imaginary = (np.asarray(h5[f"{name}_{part}"][()]) for part in ("real", "imag"))
        if real.shape != imaginary.shape:
            raise InputError(
                "parts of a field do not fit", file=path, field=name, found=f"{real.shape}, {imaginary.shape}"
            )
        values = real + 1j * imaginary
    else:
        return None
    values = values[None] if values.ndim == 4 else values
    if values.ndim != 5 or values.shape[1] != 3:
        raise InputError("not a vector field", file=path, field=name, found=values.shape, expected=LAYOUT)
    return values


def _text(value: Any) -> Any:
    """An attribute as text or number; several texts joined by commas."""
    if isinstance(value, np.ndarray) and value.ndim:
        return ",".join(v.decode() if isinstance(v, bytes) else str(v) for v in value.ravel())
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode() if isinstance(value, bytes) else value
