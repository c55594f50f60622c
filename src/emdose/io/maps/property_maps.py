"""Property maps to NIfTI, HDF5 and ParaView, and back from HDF5."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from emdose.ept.maps.property_map import PropertyMap, StatedCheck
from emdose.errors import InputError
from emdose.io.bodies.nifti import grid_affine_mm
from emdose.io.disk import atomic, datasets
from emdose.models.grids.grid import Grid
from emdose.validity import THRESHOLDS, Measure

UNITS = {"conductivity": "S/m", "u_conductivity": "S/m", "bias_conductivity": "S/m", "covariance": "S/m"}
_KIND = "emdose property map"


def write_property_map(path: Path | str, maps: PropertyMap) -> list[Path]:
    """Write a property map.

    Parameters
    ----------
    path : Path or str
        ``name.nii`` or ``name.nii.gz``: one file per map, ``name_conductivity.nii.gz`` and so on, in the orientation
        and with the affine of the B1+ files; ``.h5``: one file with everything; ``.vti``: for ParaView.
    maps : PropertyMap
        What to write.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        For another file ending.
    OutputError
        When it cannot be written; nothing is left behind.
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return _write_nifti(path, maps)
    if name.endswith((".h5", ".hdf5")):
        with atomic.replacing(path) as part:
            _write_hdf5(part, maps)
        return [path]
    if name.endswith(".vti"):
        from emdose.io.maps.vtk import write_vti

        named = {f"{n}_S_m" if n in UNITS else n: v for n, v in maps.maps().items()}
        write_vti(path, maps.grid, {**named, "flags": maps.flags})
        return [path]
    raise InputError("unknown kind of file", file=path, expected=".nii, .nii.gz, .h5 or .vti")


def nifti_files(maps: PropertyMap, stem: str, packed: bool = True) -> dict[str, bytes]:
    """Every map as the content of a NIfTI file, by file name ``stem_conductivity.nii.gz`` and so on."""
    import nibabel
    from nibabel.orientations import axcodes2ornt, ornt_transform

    to_file = ornt_transform(axcodes2ornt(tuple("RAS")), axcodes2ornt(tuple(maps.axis_codes)))
    affine = grid_affine_mm(maps.grid) if maps.affine is None else maps.affine
    contents = {}
    for name, values in {**maps.maps(), "flags": maps.flags}.items():
        data = values if values.dtype == np.uint8 else values.astype(np.float32)
        image: Any = nibabel.Nifti1Image(data, affine).as_reoriented(to_file)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = f"emdose {maps.method} {name} {UNITS.get(name, '')}".strip().encode()[:79]
        content = image.to_bytes()
        contents[f"{stem}_{name}.nii{'.gz' if packed else ''}"] = (
            gzip.compress(content, 4, mtime=0) if packed else content
        )
    return contents


def _write_nifti(path: Path, maps: PropertyMap) -> list[Path]:
    packed = path.name.lower().endswith(".gz")
    stem = path.name[: -len(".nii.gz" if packed else ".nii")]
    written = []
    with atomic.staging(path.parent) as stage:
        for target, content in nifti_files(maps, stem, packed).items():
            stage.path(target).write_bytes(content)
            written.append(path.parent / target)
    return written


def _write_hdf5(path: Path, maps: PropertyMap) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        write_property_group(file, maps)


def write_property_group(group: Any, maps: PropertyMap) -> None:
    """Put a property map into an open, empty h5py group."""
    group.attrs.update(
        {
            "kind": _KIND,
            "frequency_Hz": maps.frequency_Hz,
            "spacing_m": maps.grid.spacing_m,
            "origin_m": maps.grid.origin_m,
            "method": maps.method,
            "axis_order": "xyz",
            "axis_codes": maps.axis_codes,
            "settings": json.dumps(dict(maps.settings), default=str),
        }
    )
    if maps.data is not None:
        found = [[m.name, m.value, m.hint] for m in maps.data.measures()]
        group.attrs["data_check"] = json.dumps({"measures": found, "cause": maps.data.cause})
    if maps.affine is not None:
        group.attrs["affine_mm"] = maps.affine
    for name, values in {**maps.maps(), "flags": maps.flags}.items():
        data = group.create_dataset(name, data=values, chunks=True, compression="gzip", compression_opts=2)
        data.attrs["unit"] = UNITS.get(name, "1")


def read_property_map(path: Path | str) -> PropertyMap:
    """Read a property map that :func:`write_property_map` wrote as HDF5.

    The link to the input noise is not stored: :meth:`PropertyMap.region_mean` of what is read gives no uncertainty.

    Raises
    ------
    InputError
        When the file is not such a map.
    """
    with datasets.opened(path) as file:
        return read_property_group(file, path)


def read_property_group(group: Any, path: Path | str) -> PropertyMap:
    """The property map of an open h5py group; raises InputError when it holds none."""
    about = dict(group.attrs)
    if about.get("kind") != _KIND:
        raise InputError("not a property map of emdose", file=path)
    arrays: dict[str, Any] = {n: np.asarray(d) for n, d in group.items()}
    try:
        flags = arrays.pop("flags")
        grid = Grid(flags.shape, tuple(about["spacing_m"]), tuple(about["origin_m"]))
        optional = {n: arrays.pop(n, None) for n in ("conductivity", "permittivity")}
        return PropertyMap(
            grid=grid,
            frequency_Hz=float(about["frequency_Hz"]),
            flags=flags,
            **optional,
            **arrays,
            method=str(about["method"]),
            settings=json.loads(str(about["settings"])),
            data=_data_check(about.get("data_check")),
            affine=about.get("affine_mm"),
            axis_codes=str(about["axis_codes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"damaged property map: {error}", file=path) from None


def _data_check(text: Any) -> StatedCheck | None:
    """What the file says that its data said; measures whose threshold is no more are left out."""
    if text is None:
        return None
    told = json.loads(str(text))
    rows = [(str(n), float(v), str(h)) for n, v, h in told["measures"]]
    return StatedCheck(tuple(Measure(n, v, "", h) for n, v, h in rows if n in THRESHOLDS), str(told["cause"]))
