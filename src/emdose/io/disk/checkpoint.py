"""What a run has done, on disk, so that a stopped one does not do it again."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.io.disk import atomic
from emdose.solvers.running import PART_PREFIX

_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError, NotImplementedError)
_KEY = "checkpoint key"
_SUM = "checkpoint checksum"


class FolderCheckpoint:
    """Named arrays in a folder, valid for one problem only: a :class:`~emdose.solvers.running.Checkpoint`.

    Parameters
    ----------
    folder : Path or str
        Where the files live; made when the first arrays are saved.
    key : str
        Hash of all that the arrays depend on; files of another key are refused.
    """

    def __init__(self, folder: Path | str, key: str) -> None:
        self.folder, self.key = Path(folder), key

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays under a name, all of them or none.

        Raises
        ------
        OutputError
            When they cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise atomic.output_error(error, self.folder) from error
        with atomic.replacing(self._path(name)) as part, part.open("wb") as stream:
            kept: dict[str, Any] = {k: np.asarray(v) for k, v in arrays.items()}
            kept |= {_SUM: np.array(checksum(self.key, kept)), _KEY: np.array(self.key)}
            # As np.savez, but closed whatever happens: that of NumPy 1.26 complains on stderr after a full disk.
            with zipfile.ZipFile(stream, "w") as archive:
                for key, array in kept.items():
                    with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, array, allow_pickle=False)

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """What :meth:`save` kept, or None when there is nothing that can be used; damage is said in a warning.

        Raises
        ------
        InputError
            When it was kept for another scenario: what that one has reached shall not be overwritten.
        """
        path = self._path(name)
        if not path.exists():
            return None
        try:
            # Pickles are refused.
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
                arrays = {k: data[k] for k in data.files}
            key, told = str(arrays.pop(_KEY)), str(arrays.pop(_SUM))
            if told != checksum(key, arrays):
                raise ValueError("does not match its checksum")
        except _DAMAGE as error:
            changed = " or changed" if "checksum" in str(error) else ""
            warnings.warn(
                f"{path}: checkpoint damaged{changed} ({type(error).__name__}); this part is solved again",
                EmdoseWarning,
                stacklevel=2,
            )
            return None
        if key != self.key:
            raise InputError(
                "checkpoint of another scenario",
                file=path,
                expected="the scenario it was made for; remove the folder to start anew",
            )
        return arrays

    @property
    def parts(self) -> tuple[int, ...]:
        """Numbers of the finished parts that have a file; see :func:`~emdose.solvers.running.part_name`."""
        numbers = (path.stem.removeprefix(PART_PREFIX) for path in self.folder.glob(f"{PART_PREFIX}*.npz"))
        return tuple(sorted(int(n) for n in numbers if n.isdigit()))

    @property
    def stored_key(self) -> str | None:
        """The key of what lies in the folder; None when there is nothing, or nothing that can be read."""
        for path in sorted(self.folder.glob("*.npz")):
            with contextlib.suppress(*_DAMAGE), path.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
                return str(data[_KEY])
        return None

    def has(self, name: str) -> bool:
        """Whether there is a file of a name; it may be damaged."""
        return self._path(name).exists()

    def size(self, name: str) -> int:
        """Bytes of the file of a name, which its arrays take in memory too; 0 where there is none."""
        try:
            return self._path(name).stat().st_size
        except OSError:
            return 0

    def keep_only(self, names: Collection[str]) -> None:
        """Remove what has another name, and what writes that were cut short have left."""
        kept = {self._path(name) for name in names}
        for path in [*self.folder.glob("*.npz"), *self.folder.glob(f".*{atomic.PART}")]:
            if path not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()

    def clear(self) -> None:
        """Remove the folder."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def checksum(key: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 (hex) of a key and of every array: its name, type, shape and values."""
    total = hashlib.sha256(key.encode())
    for name, array in sorted(arrays.items()):
        array = np.ascontiguousarray(array)
        total.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()
