"""Reads one voxel map from NIfTI, HDF5, MATLAB v7.3, NumPy files or arrays, with what the file says about its grid."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import did_you_mean, one_of
from emdose.errors import InputError
from emdose.io.disk import datasets
from emdose.io.disk.files import check_memory, plain_file
from emdose.values import read_only

ORDERS = ("xyz", "zyx")
_ADDRESS = re.compile(r"^(.+\.(?:h5|hdf5|he5|mat|npz)):(.*)$", re.IGNORECASE)


@read_only
@dataclass(frozen=True, eq=False)
class VoxelMap:
    """An array in (x, y, z) order, with channels in front, and what its file told.

    ``affine`` [mm] and ``spacing_m`` are None where the file does not know them.
    """

    values: np.ndarray
    name: str
    affine: np.ndarray | None = None
    axis_codes: str = "RAS"


def read_map(source: Any, what: str, order: str | None = None) -> VoxelMap:
    """Read a map.

    Parameters
    ----------
    source : array, path or "file.h5:/group/dataset"
        ``.nii``/``.nii.gz`` (turned to the orientation closest to RAS+), ``.h5``/``.hdf5`` and ``.mat`` v7.3 and
        ``.npz`` with the dataset behind a colon (not needed when the file holds one array), ``.npy``.
    what : str
        What the map is, for error texts.
    order : {"xyz", "zyx"}, optional
        Axis order of arrays that are not NIfTI. EPTlib's HDF5 files are "zyx". By default "xyz", and for ``.mat`` files
        the order that MATLAB shows.

    Raises
    ------
    InputError
        When it cannot be read as a map of three axes, or four with channels.
    """
    if order is not None:
        one_of("order", order, ORDERS, problem="unknown axis order")
    if not isinstance(source, (str, Path)):
        return _ordered(VoxelMap(np.asarray(source), ""), order or "xyz", what)
    text = str(source)
    match = _ADDRESS.match(text)
    path, dataset = (match[1], match[2].strip("/")) if match else (text, "")
    suffix = Path(path).suffix.lower()
    if path.lower().endswith((".nii", ".nii.gz")):
        return _nifti(path, what)
    if suffix == ".npy":
        return _ordered(VoxelMap(_numpy(path, "", what), text), order or "xyz", what)
    if suffix == ".npz":
        return _ordered(VoxelMap(_numpy(path, dataset, what), text), order or "xyz", what)
    if suffix in (".h5", ".hdf5", ".he5"):
        return _ordered(VoxelMap(_hdf5(path, dataset, what), text), order or "xyz", what)
    if suffix == ".mat":
        # MATLAB stores the first index fastest; HDF5 shows its arrays with the axes reversed.
        flipped = {"xyz": "zyx", "zyx": "xyz"}[order or "xyz"]
        return _ordered(VoxelMap(_hdf5(path, dataset, what), text), flipped, what, squeeze_last=False)
    raise InputError(
        "unknown kind of file", file=path, field=what, expected=".nii, .nii.gz, .h5:/dataset, .mat (v7.3), .npy or .npz"
    )


def file_of(address: str) -> str:
    """The file of "file.h5:/group/dataset", or of a plain file name."""
    match = _ADDRESS.match(address)
    return match[1] if match else address


def _ordered(found: VoxelMap, order: str, what: str, squeeze_last: bool = True) -> VoxelMap:
    values = found.values
    if values.dtype.names in (
        ("real", "imag"),
        ("r", "i"),
        ("re", "im"),
    ):  # how MATLAB and others write complex numbers
        one, two = (values[name] for name in values.dtype.names)
        values = one + 1j * two
    if values.dtype.kind == "V" and values.dtype.names:
        raise InputError("compound values", file=found.name, field=what, expected="real or complex arrays")
    if values.dtype.kind not in "biufc":
        raise InputError("not an array of numbers", file=found.name, field=what, found=str(values.dtype))
    if values.ndim == 2:
        values = values[..., None] if order == "xyz" else values[None]
    if values.ndim not in (3, 4):
        raise InputError(
            "not a voxel map",
            file=found.name,
            field=what,
            found=f"{values.ndim} axes",
            expected="three, or four with channels",
        )
    if order == "zyx":
        if values.ndim == 4 and not squeeze_last:  # MATLAB (x, y, z, channel) arrives as (channel, z, y, x)
            values = values.transpose(0, 3, 2, 1)
        else:
            values = values.transpose(*range(values.ndim - 3), *range(values.ndim - 1, values.ndim - 4, -1))
    return VoxelMap(np.ascontiguousarray(values), found.name, found.affine, found.axis_codes)


def _nifti(path: str, what: str) -> VoxelMap:
    import nibabel

    try:
        image: Any = nibabel.load(plain_file(path, field=what))
        codes = "".join(nibabel.aff2axcodes(image.affine))
        units = image.header.get_xyzt_units()[0]
        stored_zooms = image.header.get_zooms()[:3]
        check_memory(image.shape, image.get_data_dtype().itemsize + 16, path, what)
        image = nibabel.as_closest_canonical(image)
        values = np.asanyarray(image.dataobj)
    except InputError:
        raise
    except Exception as error:  # nibabel, zlib and struct raise types of their own
        raise InputError(f"not a readable NIfTI file: {' '.join(str(error).split())}", file=path, field=what) from None
    to_mm = {"mm": 1.0, "meter": 1e3, "micron": 1e-3}.get(units, 1.0)
    affine = np.diag([to_mm, to_mm, to_mm, 1.0]) @ np.asarray(image.affine, float)
    spacing_mm = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if not np.all(np.isfinite(affine)) or np.any(spacing_mm <= 0):
        raise InputError("affine is not usable", file=path, field="affine")
    if spacing_mm.max() < 0.02 or spacing_mm.min() > 50:
        raise InputError(
            "voxel size in the header is not credible: metres against millimetres?",
            file=path,
            field="pixdim",
            found=f"{tuple(float(z) for z in stored_zooms)} in {units}",
            expected="0.02 mm to 50 mm; correct the header's unit or pass spacing_m=",
        )
    if values.ndim == 4:
        values = np.moveaxis(values, 3, 0)
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    return _ordered(VoxelMap(values, path, affine, codes), "xyz", what)


def _numpy(path: str, name: str, what: str) -> np.ndarray:
    try:
        with plain_file(path, field=what).open("rb") as stream:
            if zipfile.is_zipfile(stream):
                with zipfile.ZipFile(stream) as archive:
                    check_memory((sum(i.file_size for i in archive.infolist()),), 2, path, what)
            stream.seek(0)
            loaded = np.load(stream, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else loaded[_only(name, list(loaded.files), path, what)]
    except InputError:
        raise
    except Exception as error:  # zipfile, struct and numpy raise types of their own
        raise InputError(f"not a readable NumPy file: {' '.join(str(error).split())}", file=path, field=what) from None


def _hdf5(path: str, name: str, what: str) -> np.ndarray:
    import h5py

    hint = " (save with '-v7.3')" if path.lower().endswith(".mat") else ""
    with datasets.opened(path, field=what, hint=hint, whole=False) as file:
        names: list[str] = []
        file.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
        found = file[_only(name, names, path, what)]
        check_memory(found.shape, 2 * found.dtype.itemsize, path, what)
        return np.asarray(found[()])


def _only(name: str, names: list[str], path: str, what: str) -> str:
    if name in names:
        return name
    if not name and len(names) == 1:
        return names[0]
    problem = "no such dataset" if name else "which dataset?"
    expected = f"{path}:/NAME with one of {', '.join(names[:12])}"
    hint = did_you_mean(name, names)
    raise InputError(problem, file=path, field=what, found=name or None, expected=expected, hint=hint)
