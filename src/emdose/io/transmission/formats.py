"""Records of matrices in HDF5 files and groups, NumPy archives and MATLAB files (version 7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import EmdoseError, InputError
from emdose.io import mesh_process
from emdose.io.disk.atomic import replacing
from emdose.io.disk.datasets import opened
from emdose.io.disk.files import check_memory, first_line, plain_file
from emdose.io.transmission.records import LISTS, MatrixRecord

ENDINGS = (".h5", ".hdf5", ".npz", ".mat")
EXPECTED = "matrices: .h5, .npz, or .mat"
MATLAB_LARGEST = 2**31 - 1
"""Bytes of one variable of a MATLAB 7 file."""
ATTRIBUTE_LARGEST = 60_000
"""Bytes of one attribute of HDF5."""
MATLAB = {"vops": "VOP", "q_matrices": "Q", "temperature_matrices": "T", "global_matrix": "Sglobals"}
"""Names of arrays in MATLAB files; Sglobal is the first of Sglobals."""


def put(group: Any, record: MatrixRecord) -> None:
    """Write a record into a group of an open HDF5 file, such as one of a result.

    Parameters
    ----------
    group : h5py.Group
        The group; datasets of the same names must not be there.
    record : MatrixRecord
        What :func:`emdose.io.transmission.records.record_of` makes.

    Raises
    ------
    InputError
        For names that are together too long for an attribute.
    """
    for name, array in record.arrays.items():
        group.create_dataset(name, data=np.asarray(array))
    for name, value in record.told.items():
        text = json.dumps(value) if isinstance(value, list | dict) else value
        if isinstance(text, str) and len(text.encode()) > ATTRIBUTE_LARGEST:
            expected = "fewer or shorter names; .npz holds more"
            raise InputError("too long for HDF5", field=name, found=f"{len(text)} characters", expected=expected)
        group.attrs[name] = text


def taken(group: Any) -> MatrixRecord:
    """The record in a group of an open HDF5 file."""
    import h5py

    arrays, told = {}, {}
    for name, item in group.items():
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biufcV":
            values = item[()]
            if item.dtype.names == ("real", "imag"):
                values = values["real"] + 1j * values["imag"]
            # MATLAB 7.3 files list axes the other way round than MATLAB: A(i, j, k) is [k, j, i] here.
            arrays[name] = np.asarray(values).T if "MATLAB_class" in item.attrs else np.asarray(values)
    for name, value in group.attrs.items():
        told[name] = _plain(value)
        if name in LISTS and isinstance(told[name], str):
            told[name] = _listed(told[name], name)
    if "MATLAB_class" in group.attrs or any("MATLAB_class" in i.attrs for i in group.values()):
        return MatrixRecord(arrays, told, "mat")
    return MatrixRecord(arrays, told, "hdf5")


def save(path: Path | str, record: MatrixRecord) -> Path:
    """Write a record by the ending of the file name.

    Raises
    ------
    InputError
        For another ending, or matrices too large for MATLAB 7.
    OutputError
        When it cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError("unknown kind of file", file=path, found=path.suffix, expected=", ".join(ENDINGS))
    if ending == ".mat":
        variables = _matlab(record, path)
    with replacing(path) as part:
        if ending == ".npz":
            held: dict[str, Any] = {"metadata": np.array(json.dumps(dict(record.told))), **record.arrays}
            with part.open("wb") as stream:
                np.savez(stream, **held)
        elif ending == ".mat":
            from scipy.io import savemat

            with part.open("wb") as stream:
                savemat(stream, variables, format="5", do_compression=True, oned_as="row", long_field_names=True)
        else:
            import h5py

            with h5py.File(part, "w") as file:
                put(file, record)
    return path


def load(path: Path | str, group: str = "/") -> MatrixRecord:
    """Read a record, whatever the ending of the file name says.

    Parameters
    ----------
    path : Path or str
        HDF5 file (also of MATLAB 7.3), NumPy archive, or MATLAB file of version 5 to 7.
    group : str
        Group of an HDF5 file.

    Raises
    ------
    InputError
        When it is none of them, damaged, or too large.
    """
    import h5py

    path = plain_file(path, EXPECTED)
    with path.open("rb") as stream:
        start = stream.read(128)
    if start[:4] == b"PK\x03\x04":
        return _from_npz(path)
    if start[:10] == b"MATLAB 5.0":
        return _from_matlab(path)
    if not h5py.is_hdf5(path):
        raise InputError("no file of matrices", file=path, expected=EXPECTED)
    with opened(path) as file:
        if group not in file or not isinstance(file[group], h5py.Group):
            raise InputError("no such group", file=path, field=group, expected=", ".join(file) or "a group")
        try:
            return taken(file[group])
        except InputError as error:
            raise error.at(file=path) from None


def _from_npz(path: Path) -> MatrixRecord:
    try:
        check_memory((path.stat().st_size,), 1, path)
        with np.load(path, allow_pickle=False) as archive:
            held = {name: archive[name] for name in archive.files}
    except EmdoseError:
        raise
    except Exception as error:  # zipfile, zlib, struct and json raise types of their own
        raise InputError(f"not a readable NumPy archive: {first_line(error)}", file=path) from None
    told = _table(str(held.pop("metadata", "{}")), path)
    return MatrixRecord({k: v for k, v in held.items() if v.dtype.kind in "biufc"}, told, "npz")


def _from_matlab(path: Path) -> MatrixRecord:
    numbered, about = mesh_process.read("matlab variables", path, EXPECTED)
    arrays = {name: numbered[str(n)] for n, name in enumerate(about["names"])}
    words = dict(about["words"])
    told = {**words, **_table(words.pop("metadata", "{}"), path)}
    if "kind" not in told:
        return MatrixRecord(arrays, told, "mat")
    back = {short: name for name, short in MATLAB.items()}
    arrays.pop("Sglobal", None)
    found = {}
    for name, value in arrays.items():
        own = back.get(name, name)
        if value.ndim == 2 and own in MATLAB:  # MATLAB has no last axis of length 1
            value = value[:, :, None]
        found[own] = np.moveaxis(value, -1, 0) if value.ndim == 3 else value
    for name in ("chosen", "combination", "voxel", "global_mass_kg", "margin_factors"):
        if name in found:
            found[name] = found[name].reshape(-1)
    return MatrixRecord(found, told, "mat")


def _matlab(record: MatrixRecord, path: Path) -> dict[str, Any]:
    """Variables of a MATLAB file: stacks of matrices as (port, port, matrix)."""
    out: dict[str, Any] = {}
    for name, array in record.arrays.items():
        if array.nbytes > MATLAB_LARGEST:
            found = f"{array.nbytes / 2**30:.1f} GiB"
            raise InputError(
                "too large for MATLAB 7", file=path, field=name, found=found, expected="2 GiB; .h5 holds more"
            )
        out[MATLAB.get(name, name)] = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
    if "global_matrix" in record.arrays:
        out["Sglobal"] = record.arrays["global_matrix"][0]
    for name, value in record.told.items():
        if not isinstance(value, dict):
            out[name] = np.array(value, object) if isinstance(value, list) else value
    return {**out, "metadata": json.dumps(dict(record.told))}


def _table(text: str, path: Path) -> dict[str, Any]:
    """The words that a file holds as JSON."""
    try:
        told = json.loads(text)
    except ValueError as error:
        raise InputError(f"words are no JSON: {first_line(error)}", file=path, field="metadata") from None
    if not isinstance(told, dict):
        raise InputError("words are no table", file=path, field="metadata", found=type(told).__name__)
    return told


def _listed(text: str, name: str) -> Any:
    """A list or table that an attribute holds as JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"not readable: {first_line(error)}", field=name, found=text[:40]) from None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.item() if isinstance(value, np.generic) else value
