"""HDF5 files: open for reading, whatever their damage, and single arrays by path inside the file."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import EmdoseError, InputError
from emdose.io.disk.atomic import replacing
from emdose.io.disk.files import first_line


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[Any]:
    """An HDF5 file open for reading; whatever its damage makes h5py raise inside becomes one InputError.

    Raises
    ------
    InputError
        When the file is missing, no HDF5, or damaged where it is read.
    """
    import h5py

    path = Path(path)
    if path.is_dir() or not path.exists():
        raise InputError("this is a folder" if path.is_dir() else "no such file", file=path, expected="an HDF5 file")
    try:
        with h5py.File(path, "r") as h5:
            yield h5
    except EmdoseError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, MemoryError, IndexError) as error:
        raise InputError(f"not a readable HDF5 file: {first_line(error)}", file=path) from None


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
