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
from emdose.io.disk.files import check_memory, first_line, plain_file


@contextlib.contextmanager
def opened(path: Path | str, *, field: str | None = None, hint: str = "", whole: bool = True) -> Iterator[Any]:
    """An HDF5 file open for reading; whatever its damage makes h5py raise inside becomes one InputError.

    Parameters
    ----------
    path : Path or str
        The file.
    field, hint : str, optional
        What it is wanted for, and what may help when it is no HDF5 file, for the error text.
    whole : bool
        Every dataset in it may be read, so that each must fit the memory; else the caller looks at the size.

    Raises
    ------
    InputError
        When the file is missing, no HDF5, damaged where it is read, or has parts in other files.
    """
    import h5py

    path = plain_file(path, "an HDF5 file", field)
    try:
        with h5py.File(path, "r") as h5:
            _require_closed(h5, path, whole)
            yield h5
    except EmdoseError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, MemoryError, IndexError) as error:
        raise InputError(f"not a readable HDF5 file{hint}: {first_line(error)}", file=path, field=field) from None


def _require_closed(h5: Any, path: Path, sizes: bool) -> None:
    """Raise InputError for links, storage and virtual datasets in other files: a map could be any file of the user.

    With ``sizes`` also for a dataset that does not fit the memory.
    """
    import h5py
    import psutil

    # Both walks end at the first find; they must not raise, since h5py does not expect it of what they call.
    inside = (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT)
    link = h5.id.links.visit(lambda name, info: None if info.type in inside else name, info=True)
    if link is not None:
        raise InputError("this HDF5 file links to another file", file=path, field=f"/{link.decode(errors='replace')}")
    shapes: dict[str, tuple[tuple[int, ...], int]] = {}

    def outside(name: str, item: Any) -> tuple[str, str, str] | None:
        if not isinstance(item, h5py.Dataset):
            return None
        shapes[name] = (item.shape or (), item.dtype.itemsize)
        how = item.id.get_create_plist()
        if how.get_external_count():
            return name, "keeps this dataset in", how.get_external(0)[0].decode(errors="replace")
        if how.get_layout() == h5py.h5d.VIRTUAL:
            sources = {how.get_virtual_filename(n) for n in range(how.get_virtual_count())} - {"."}
            return (name, "takes this dataset from", min(sources)) if sources else None
        return None

    found = h5.visititems(outside)
    if found is not None:
        raise InputError(f"this HDF5 file {found[1]} another file", file=path, field=f"/{found[0]}", found=found[2])
    free = psutil.virtual_memory().available
    for name, (shape, size) in shapes.items() if sizes else ():
        check_memory(shape, size, path, f"/{name}", free)


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
        When the file is there but is not HDF5 or has parts in other files, or a name is a group already.
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
            _require_closed(file, path, sizes=False)
            for name, array in arrays.items():
                if name in file:
                    if isinstance(file[name], h5py.Group):
                        raise InputError("this is a group already", file=path, field=name)
                    del file[name]
                file.create_dataset(name, data=array)
