"""Solved ports on disk, so that a stopped run does not solve them again."""

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

_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError, NotImplementedError)
_KEY = "checkpoint key"


class PortCheckpoint:
    """Currents of finished ports, or states of running ones, in a folder, valid for one scenario only.

    Parameters
    ----------
    folder : Path or str
        Where the files live; made when the first port is saved.
    key : str
        Hash of the scenario; files of another key are not used.
    """

    def __init__(self, folder: Path | str, key: str) -> None:
        self.folder, self.key = Path(folder), key

    def save(self, port: int, J: np.ndarray) -> None:
        """Keep the solution of a port, whole or not at all.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        self._write(self._path(port), {"J": J})

    def load(self, port: int) -> np.ndarray | None:
        """The solution of a port, or None when there is none that can be used; damage is said in a warning."""
        path = self._path(port)
        key, arrays = self._read(path)
        if arrays is None:
            return None
        if key != self.key:
            self._warn(path, "from another scenario")
            return None
        J = arrays.get("J")
        if J is None or not np.all(np.isfinite(J)):
            self._warn(path, "damaged (no currents)" if J is None else "not finite")
            return None
        return J

    def save_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep named arrays under a name, all of them or none.

        Raises
        ------
        OutputError
            When they cannot be written.
        """
        self._write(self.folder / f"{name}.npz", arrays)

    def load_arrays(self, name: str) -> dict[str, np.ndarray] | None:
        """What :meth:`save_arrays` kept, or None when there is nothing that can be used; damage is said in a warning.

        Raises
        ------
        InputError
            When it was kept for another scenario: what that one has reached shall not be overwritten.
        """
        path = self.folder / f"{name}.npz"
        key, arrays = self._read(path)
        if arrays is None:
            return None
        if key != self.key:
            raise InputError(
                "checkpoint of another scenario",
                file=path,
                expected="the scenario it was made for; remove the folder to start anew",
            )
        return arrays

    @property
    def ports(self) -> tuple[int, ...]:
        """Numbers of the ports that have a file."""
        numbers = (path.stem.removeprefix("port-") for path in self.folder.glob("port-*.npz"))
        return tuple(sorted(int(n) for n in numbers if n.isdigit()))

    def clear(self) -> None:
        """Remove the folder."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)

    def _path(self, port: int) -> Path:
        return self.folder / f"port-{port:04d}.npz"

    def _write(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise atomic.output_error(error, self.folder) from error
        with atomic.replacing(path) as part, part.open("wb") as stream:
            kept: dict[str, Any] = {_KEY: np.array(self.key), **{k: np.asarray(v) for k, v in arrays.items()}}
            np.savez(stream, **kept)

    def _read(self, path: Path) -> tuple[str, dict[str, np.ndarray] | None]:
        """Key and arrays of a file; None, with a warning unless there is no file, when they cannot be read."""
        if not path.exists():
            return "", None
        try:
            # The CRC of the zip container finds damaged bytes; pickles are refused.
            with np.load(path, allow_pickle=False) as data:
                arrays = {k: data[k] for k in data.files}
            return str(arrays.pop(_KEY)), arrays
        except _DAMAGE as error:
            self._warn(path, f"damaged ({type(error).__name__})")
            return "", None

    @staticmethod
    def _warn(path: Path, why: str) -> None:
        warnings.warn(f"{path}: checkpoint {why}; this port is solved again", EmdoseWarning, stacklevel=3)
