"""The maps of a run as files of other programs: VTK images and NIfTI volumes.

One rule for the background in every file: where a map means nothing, such as SAR in air, it is NaN, unless the user
asks for another number; labels are 0 there, and fields go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.bodies import nifti as volumes
from emdose.io.maps import vtk
from emdose.io.maps.labelled import AXES, Contents, LabelledArray

UNIT_WORDS = {"W/kg": "W_kg", "V/m": "V_m", "S/m": "S_m", "kg/m^3": "kg_m3", "W/m^3": "W_m3"}
"""Units in names of files and arrays, where these are not written as they are."""


def with_ending(path: Path | str, ending: str) -> Path:
    """The path; one that has no ending gets it. Raises InputError for another ending."""
    target = Path(path)
    if not target.suffix:
        return target.with_name(target.name + ending)
    if target.suffix.lower() != ending:
        raise InputError("another kind of file", file=target, found=target.suffix, expected=ending)
    return target


def named(name: str, unit: str) -> str:
    """Name of a map with its unit at the end, such as "SAR_10g_W_kg"."""
    word = UNIT_WORDS.get(unit, unit)
    return f"{name}_{word}" if word not in ("", "1") else name


def maps(
    held: Contents, quantities: Sequence[str] | None = None, background: float = np.nan
) -> Iterator[tuple[str, LabelledArray, np.ndarray]]:
    """Maps on the grid with their names, made one by one: (nx, ny, nz), or (3, nx, ny, nz) for vectors.

    The background is filled by the rule.

    Parameters
    ----------
    held : Contents
        What a run holds.
    quantities : sequence of str, optional
        Names; by default all that lie on the grid. InputError for one that is not there.
    background : float
        What stands where a map means nothing.
    """
    names = list(held.quantities) if quantities is None else list(quantities)
    for name in names:
        held.pick(name)  # a wrong name before anything is made
    for name in names:
        item = held.pick(name)
        if tuple(d for d in item.dims if d != "component") != AXES:
            if quantities is not None:
                raise InputError("not a map on the voxels", field="quantities", found=name, expected="axes x, y and z")
            continue
        values = np.asarray(item.make())
        if item.kind != "label" and item.inside is not None:
            values = np.where(item.inside(), values, values.dtype.type(background))
        yield name, item, values


def vti(held: Contents, quantities: Sequence[str] | None = None, background: float = np.nan) -> bytes:
    """Maps as the bytes of a VTK image; complex ones as two arrays, ``_real`` and ``_imag``; labels with names."""
    if held.grid is None:
        raise InputError("no voxels to write")
    names = held.quantities if quantities is None else quantities
    items = {name: held.pick(name) for name in names}
    words = {f"{name}_names": item.names for name, item in items.items() if item.kind == "label" and item.names}
    return vtk.vti_bytes(held.grid, _arrays(held, quantities, background), words)


def _arrays(held: Contents, quantities: Sequence[str] | None, background: float) -> Iterator[tuple[str, np.ndarray]]:
    """Real arrays with their names in a file for ParaView."""
    for name, item, values in maps(held, quantities, background):
        if item.kind == "label":
            yield name, values.astype(np.uint8) if values.dtype == bool else values
        elif values.dtype.kind == "c":
            yield named(f"{name}_real", item.unit), values.real.astype(np.float32)
            yield named(f"{name}_imag", item.unit), values.imag.astype(np.float32)
        else:
            yield named(name, item.unit), values.astype(np.float32)


def nifti(
    held: Contents,
    quantities: Sequence[str] | None,
    background: float,
    affine_mm: np.ndarray | None,
    *,
    packed: bool,
) -> dict[str, bytes]:
    """Maps as the bytes of NIfTI files by name; of complex numbers and vectors the magnitude, ``abs_...``.

    Parameters
    ----------
    held, quantities, background
        As of :func:`maps`.
    affine_mm : (4, 4) ndarray or None
        From voxels to the world [mm]; that of the grid by default.
    packed : bool
        Whether they are gzipped.
    """
    if held.grid is None:
        raise InputError("no voxels to write")
    found: dict[str, bytes] = {}
    for name, item, values in maps(held, quantities, background):
        title = name
        if item.kind == "label":
            values = values.astype(np.uint8) if values.dtype == bool else values
        elif "component" in item.dims or values.dtype.kind == "c":
            if quantities is None and {f"abs_{name}", f"abs_{name}_peak"} & {*held.quantities}:
                continue  # the same, in the unit of the field
            sizes = np.abs(values) ** 2
            values = np.sqrt(sizes.sum(axis=item.dims.index("component")) if "component" in item.dims else sizes)
            title = f"abs_{name}"
        values = values if item.kind == "label" else values.astype(np.float32)
        stem = named(title, item.unit if item.kind != "label" else "")
        found[f"{stem}.nii{'.gz' if packed else ''}"] = volumes.encoded(
            values, held.grid, gz=packed, affine_mm=affine_mm, about=f"emdose {item.title} [{item.unit or '1'}]"
        )
    return found
