"""Single arrays in HDF5 files, by path inside the file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.atomic import replacing


def write_datasets(path: Path | str, arrays: Mapping[str, np.ndarray], *, fresh: bool = False) -> None:
    """Write arrays as datasets; groups on the way are created, datasets of the same name are replaced.

    Parameters
    ----------
    path : Path or str
        HDF5 file. What else it holds is kept unless ``fresh``.
    arrays : mapping of str to ndarray
        Datasets such as "/group/name".
    fresh : bool
        Start from an empty file.

    Raises
    ------
    InputError
        When the file is there but is not HDF5, or a name is a group already.
    OutputError
        When it cannot be written; the file is then what it was before.
    """
    import h5py

    path = Path(path)
    with replacing(path) as part:
        old = path.is_file() and not fresh
        if old:
            shutil.copyfile(path, part)
        if old and not h5py.is_hdf5(part):
            raise InputError("not an HDF5 file", file=path)
        with h5py.File(part, "a" if old else "w") as file:
            for name, array in arrays.items():
                if name in file:
                    if isinstance(file[name], h5py.Group):
                        raise InputError("this is a group already", file=path, field=name)
                    del file[name]
                file.create_dataset(name, data=array)
