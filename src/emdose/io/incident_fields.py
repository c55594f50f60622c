"""Incident fields of other programs, from HDF5 files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.datasets import opened
from emdose.io.disk.files import sha256
from emdose.models.coils.incident_field import IncidentField
from emdose.models.grids.sampled_field import SampledField

AMPLITUDES = {"peak": 1.0, "rms": math.sqrt(2)}
TIME_FACTORS = ("exp(+jwt)", "exp(-jwt)")
LAYOUT = "datasets x, y, z, E and perhaps H; attributes frequency_Hz, amplitude and time_factor"


def read_incident_field(path: Path | str, **more: Any) -> IncidentField:
    """The field of a source without the body, on a rectilinear grid of points.

    Parameters
    ----------
    path : Path or str
        HDF5 file with the datasets "x", "y", "z" (nx,), (ny,), (nz,) [m], "E" and perhaps "H" (port, 3, nx, ny, nz) or
        (3, nx, ny, nz), complex [V/m], [A/m]; in place of "E" also "E_real" and "E_imag", and so for "H". Attributes of
        the file: "frequency_Hz"; "amplitude", which is "peak" or "rms"; "time_factor", which is "exp(+jwt)" or
        "exp(-jwt)" (the field is conjugated); "ports", their names, may be left out.
    **more
        Other arguments of :class:`~emdose.models.coils.incident_field.IncidentField`.

    Returns
    -------
    IncidentField
        Peak phasors of exp(+jwt).

    Raises
    ------
    InputError
        When the file is not such a file, or an attribute that numbers depend on is missing.
    """
    path = Path(path)
    with opened(path, hint=f" ({LAYOUT})") as h5:
        axes = [_dataset(h5, n, path) for n in "xyz"]
        E, H = _field(h5, "E", path), _field(h5, "H", path)
        about = {n: _attribute(h5, n, path) for n in ("frequency_Hz", "amplitude", "time_factor")}
        names = h5.attrs.get("ports")
    if E is None:
        raise InputError("no electric field in this file", file=path, field="E", expected=LAYOUT)
    for name, choices in (("amplitude", AMPLITUDES), ("time_factor", TIME_FACTORS)):
        if not isinstance(about[name], str) or about[name] not in choices:
            raise InputError("unknown choice", file=path, field=name, found=about[name], expected=" or ".join(choices))
    factor, conjugate = AMPLITUDES[about["amplitude"]], about["time_factor"] == TIME_FACTORS[1]
    electric, magnetic = (None if v is None else factor * (v.conj() if conjugate else v) for v in (E, H))
    if names is not None:
        more.setdefault("ports", [n.decode() if isinstance(n, bytes) else str(n) for n in np.ravel(names)])
    more.setdefault("name", path.stem)
    origin = {"file": path.name, "file_sha256": sha256(path), **more.pop("parameters", {})}
    frequency = about["frequency_Hz"]
    try:
        assert electric is not None
        return IncidentField.on_points(axes, electric, magnetic, frequency_Hz=frequency, parameters=origin, **more)
    except InputError as error:
        raise error.at(file=path) from None


def incident_field_bytes(field: IncidentField) -> bytes:
    """The HDF5 file that :func:`read_incident_field` makes the same field of.

    Raises
    ------
    InputError
        For a field that a function gives: no file holds a function.
    """
    import h5py

    parts = {"E": field.E, "H": field.H}
    sampled = {name: part for name, part in parts.items() if isinstance(part, SampledField)}
    if len(sampled) != sum(part is not None for part in parts.values()):
        raise InputError(
            "a field given by a function cannot be written",
            field="coil",
            found=field.name,
            expected="IncidentField.on_points(...): arrays on a grid of points",
        )
    axes = sampled["E"].axes_m
    if any(not np.array_equal(a, b) for part in sampled.values() for a, b in zip(part.axes_m, axes, strict=True)):
        raise InputError("E and H lie on different points", field="coil", found=field.name, expected="one grid of both")
    with h5py.File("field.h5", "w", driver="core", backing_store=False) as file:
        for name, axis in zip("xyz", axes, strict=True):
            file[name] = axis
        for name, part in sampled.items():
            file[name] = part.values
        file.attrs.update(frequency_Hz=field.frequency_Hz, amplitude="peak", time_factor=TIME_FACTORS[0])
        file.attrs["ports"] = list(field.ports)
        file.flush()
        return bytes(file.id.get_file_image())


def _dataset(h5: Any, name: str, path: Path) -> np.ndarray:
    if name not in h5 or not hasattr(h5[name], "shape"):
        raise InputError("dataset missing", file=path, field=name, expected=LAYOUT)
    values = np.asarray(h5[name][()])
    if values.dtype.kind not in "iufc":
        raise InputError("not an array of numbers", file=path, field=name, found=str(values.dtype))
    return values


def _field(h5: Any, name: str, path: Path) -> np.ndarray | None:
    if name in h5:
        return _dataset(h5, name, path)
    if f"{name}_real" in h5 or f"{name}_imag" in h5:
        real, imag = (_dataset(h5, f"{name}_{part}", path) for part in ("real", "imag"))
        if real.shape != imag.shape:
            raise InputError("parts of a field do not fit", file=path, field=name, found=f"{real.shape}, {imag.shape}")
        return real + 1j * imag
    return None


def _attribute(h5: Any, name: str, path: Path) -> Any:
    value = h5.attrs.get(name)
    if value is None:
        raise InputError("attribute missing", file=path, field=name, expected=LAYOUT)
    value = value.decode() if isinstance(value, bytes) else value
    return value.item() if isinstance(value, np.generic) else value
