"""Arrays in a folder that several processes write to and read: what one has made the others need not make."""

from __future__ import annotations

import contextlib
import json
import uuid
import warnings
from pathlib import Path

import numpy as np

from emdose.compute import private_files
from emdose.errors import EmdoseWarning

MAGIC, SUFFIX = b"emdose array of a study, format 1\n", ".array"
_LONGEST_HEADER = 4096
LIMIT_BYTES = 2**30
"""What a folder holds at most [bytes]: arrays of one sample alone, as of a coil that moves, would fill a disk."""


class ArrayFolder:
    """A file for every array, under the hash of its key. One that is damaged is told in a warning and removed.

    A file appears under its name when it is complete. Nothing in the files can be executed.

    Parameters
    ----------
    folder : Path
        Where the files lie; made when the first array is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str) -> np.ndarray | None:
        """The array of a key, the same to the last bit; None where there is none."""
        path = self._path(key)
        try:
            with path.open("rb") as stream:
                if stream.read(len(MAGIC)) != MAGIC:
                    raise ValueError("not one")
                told = json.loads(stream.readline(_LONGEST_HEADER))
                body = stream.read()
            if told["key"] != key:
                return None
            if private_files.digest(body) != told["sha256"]:
                raise ValueError("does not match its checksum")
            return np.frombuffer(bytearray(body), np.dtype(told["dtype"])).reshape(told["shape"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            warnings.warn(f"{path}: damaged array of a study ({error}); it is removed", EmdoseWarning, stacklevel=2)
            with contextlib.suppress(OSError):
                path.unlink()
            return None

    def save(self, key: str, array: np.ndarray) -> None:
        """Keep an array, while there is room; what cannot be written is told in a warning and stays in memory."""
        path = self._path(key)
        if path.exists() or self._size() + array.nbytes > LIMIT_BYTES:
            return
        body = np.ascontiguousarray(array).tobytes()
        told = {"key": key, "dtype": array.dtype.str, "shape": array.shape, "sha256": private_files.digest(body)}
        part = self.folder / f".{path.name}.{uuid.uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(MAGIC + json.dumps(told).encode() + b"\n" + body)
            private_files.keep(part, path)
        except OSError as error:
            warnings.warn(f"{path}: {error.strerror or error}; it stays in memory", EmdoseWarning, stacklevel=2)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    def _size(self) -> int:
        total = 0
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                with contextlib.suppress(OSError):
                    total += path.stat().st_size
        return total

    def _path(self, key: str) -> Path:
        return self.folder / f"{private_files.digest(key.encode())[:32]}{SUFFIX}"
