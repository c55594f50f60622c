"""Vectors of a span in a folder that several processes write to and read."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emdose.compute import private_files
from emdose.errors import EmdoseWarning

MAGIC, SUFFIX = b"emdose vector of a span, format 1\n", ".vector"
_LONGEST_HEADER = 4096


@dataclass(frozen=True, eq=False)
class Pair:
    """A vector v with N v, and what its solution told.

    Parameters
    ----------
    v, w : (n,) ndarray
        The vector and N v.
    inverse_norm : float
        Estimate of norm(A^-1); NaN where there is none.
    """

    v: np.ndarray
    w: np.ndarray
    inverse_norm: float


class VectorFolder:
    """A file for every pair, under the hash of its content: writers never meet, and nothing is written twice.

    A file appears under its name when it is complete. One that is damaged is told in a warning and removed. Nothing in
    the files can be executed.

    Parameters
    ----------
    folder : Path or str
        Where the files lie; made when the first pair is saved.
    key : str
        Hash of all that N depends on; files of another key are ignored.
    n : int
        Length of the vectors.
    dtype : complex dtype
        Their type.
    limit_bytes : int
        When the folder holds more, nothing is added [bytes].
    """

    def __init__(self, folder: Path | str, key: str, n: int, dtype: Any, limit_bytes: int) -> None:
        self.folder, self.key, self.n, self.dtype = Path(folder), key, n, np.dtype(dtype)
        self.limit_bytes, self._known = limit_bytes, set[str]()

    def save(self, pair: Pair) -> Path | None:
        """Keep a pair; None when the folder is full or cannot be written to, which is told in a warning."""
        body = b"".join(np.ascontiguousarray(a, self.dtype).tobytes() for a in (pair.v, pair.w))
        told = {"key": self.key, "n": self.n, "dtype": self.dtype.name, "inverse_norm": float(pair.inverse_norm)}
        name = private_files.digest(self.key.encode() + body)[:32] + SUFFIX
        path = self.folder / name
        self._known.add(name)
        if path.exists() or self._size() + len(body) > self.limit_bytes:
            return path if path.exists() else None
        header = json.dumps({**told, "sha256": private_files.digest(body)}).encode() + b"\n"
        part = self.folder / f".{name}.{uuid.uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(MAGIC + header + body)
            private_files.keep(part, path)
        except OSError as error:
            warnings.warn(
                f"{path}: {error.strerror or error}; the reduced basis stays in memory", EmdoseWarning, stacklevel=2
            )
            return None
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return path

    def new(self) -> Iterator[Pair]:
        """Pairs that came since the last time, the oldest first."""
        for path in self._files():
            if path.name in self._known:
                continue
            self._known.add(path.name)
            try:
                pair = self._read(path)
            except FileNotFoundError:
                continue  # removed by another process
            except (OSError, ValueError, KeyError, TypeError) as error:
                warnings.warn(
                    f"{path}: damaged vector of a reduced basis ({error}); it is removed", EmdoseWarning, stacklevel=2
                )
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            if pair is not None:
                yield pair

    def _read(self, path: Path) -> Pair | None:
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise ValueError("not one")
            told = json.loads(stream.readline(_LONGEST_HEADER))
            if told["key"] != self.key:
                return None
            if (told["n"], told["dtype"]) != (self.n, self.dtype.name):
                raise ValueError("of another size")
            body = stream.read(2 * self.n * self.dtype.itemsize + 1)
        if len(body) != 2 * self.n * self.dtype.itemsize or private_files.digest(body) != told["sha256"]:
            raise ValueError("does not match its checksum")
        v, w = np.frombuffer(body, self.dtype).reshape(2, self.n)
        if not np.isfinite(v).all() or not np.isfinite(w).all():
            raise ValueError("values that are not finite")
        return Pair(v, w, float(told["inverse_norm"]))

    def _files(self) -> list[Path]:
        found = []
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    with contextlib.suppress(OSError):
                        found.append((entry.stat().st_mtime, Path(entry.path)))
        return [path for _, path in sorted(found)]

    def _size(self) -> int:
        total = 0
        for path in self._files():
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total
