"""What a run has done, on disk, so that a stopped one does not do it again."""

from __future__ import annotations

import contextlib
import shutil
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.io.disk import atomic
from emdose.solvers.running import PART_PREFIX

_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError, NotImplementedError)
_KEY = "checkpoint key"


class FolderCheckpoint:
    """Named arrays in a folder, valid for one scenario only: a :class:`~emdose.solvers.running.Checkpoint`.

    Parameters
    ----------
    folder : Path or str
        Where the files live; made when the first arrays are saved.
    key : str
        Hash of the scenario; files of another key are refused.
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
            kept: dict[str, Any] = {_KEY: np.array(self.key), **{k: np.asarray(v) for k, v in arrays.items()}}
            np.savez(stream, **kept)

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
            # The CRC of the zip container finds damaged bytes; pickles are refused.
            with np.load(path, allow_pickle=False) as data:
                arrays = {k: data[k] for k in data.files}
            key = str(arrays.pop(_KEY))
        except _DAMAGE as error:
            warnings.warn(
                f"{path}: checkpoint damaged ({type(error).__name__}); this part is solved again",
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

    def clear(self) -> None:
        """Remove the folder."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"
