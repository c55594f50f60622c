"""Outputs and coefficients in files of NumPy's format: blocks are read and written, and leave memory again."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError, OutputError


class NpyColumns:
    """An array (n, ...) in a file, whose columns are read when they are asked for: ``columns[:, a:b]``.

    A memory map would count every page that was read as memory of the process.

    Parameters
    ----------
    path : path
        File of NumPy's format.

    Raises
    ------
    InputError
        When it is no such file, or its order is Fortran's.
    """

    def __init__(self, path: Path | str) -> None:
        try:
            with open(path, "rb") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, fortran, dtype = read(file)
                start = file.tell()
        except (OSError, ValueError) as error:
            raise InputError("cannot be read", file=path, found=str(error), expected="an array of NumPy's") from None
        if fortran or not shape or dtype.kind != "f" or os.path.getsize(path) < start + dtype.itemsize * np.prod(shape):
            raise InputError(
                "not an array that can be read in rows", file=path, found=f"{dtype} {shape}", expected="real numbers"
            )
        self.path, self.shape, self.dtype, self._start = Path(path), shape, dtype, start

    @classmethod
    def of_map(cls, Y: np.memmap) -> Any:
        """Reader of the file that a memory map shows; the map itself where it is a part of one."""
        if Y.filename is None or not isinstance(Y.base, mmap.mmap) or not Y.flags.c_contiguous or Y.dtype.kind != "f":
            return Y
        self = cls.__new__(cls)
        self.path, self.shape, self.dtype, self._start = Path(Y.filename), Y.shape, Y.dtype, int(Y.offset)
        return self

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        n, m = self.shape[0], int(np.prod(self.shape[1:]))
        a, b, _ = key[1].indices(m)
        out = np.empty((n, b - a), self.dtype)
        with open(self.path, "rb", buffering=0) as file:
            for row in range(n):
                file.seek(self._start + (row * m + a) * out.itemsize)
                left = memoryview(out[row]).cast("B")
                while left:
                    done = file.readinto(left)
                    if not done:
                        raise InputError("ends before its array does", file=self.path)
                    left = left[done:]
        return out


def columns_ahead(flat: Any, m: int, step: int) -> Iterator[tuple[int, int, Any]]:
    """Columns in steps, (begin, end, part); the next ones of a file are read while these are worked on.

    Parameters
    ----------
    flat : array or NpyColumns
        What has them, (n, m).
    m, step : int
        How many there are, and how many make a part.
    """
    ranges = [(a, min(a + step, m)) for a in range(0, m, step)]
    if not isinstance(flat, NpyColumns):
        for a, b in ranges:
            yield a, b, flat[:, a:b]
        return
    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(flat.__getitem__, (slice(None), slice(*r))) for r in ranges[:1]]
        for (a, b), after in zip(ranges, [*ranges[1:], None], strict=True):
            part = coming.pop().result()
            if after is not None:
                coming.append(reader.submit(flat.__getitem__, (slice(None), slice(*after))))
            yield a, b, part


class NpyWriter:
    """A new file of NumPy's format that blocks of columns are written to; it has its name once it is complete.

    A block is written while the next one is worked on; what goes wrong with it is raised with the next, or at the end.

    Parameters
    ----------
    path : path
        Its name.
    shape : tuple of int
        Of the whole array.
    dtype : dtype
        Of its numbers.
    """

    def __init__(self, path: Path | str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.part = Path(path), Path(f"{path}.part")
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._pool = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        try:
            self._file = open(self.part, "wb", buffering=0)  # noqa: SIM115
            header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self._file, header)
            self._start = self._file.tell()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from None

    def write(self, a: int, block: np.ndarray) -> None:
        """Put a block (shape[0], b - a), which nobody writes to any more, at the columns from ``a``."""
        self._settle()
        self._pending = self._pool.submit(self._put, a, block)

    def _settle(self) -> None:
        """Wait for the block that is being written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _put(self, a: int, block: np.ndarray) -> None:
        m = int(np.prod(self.shape[1:]))
        try:
            for k, row in enumerate(np.ascontiguousarray(block, dtype=self.dtype)):
                self._file.seek(self._start + (k * m + a) * self.dtype.itemsize)
                left = memoryview(row).cast("B")
                while left:
                    left = left[self._file.write(left) :]
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> NpyWriter:
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing half-written behind."""
        self._pool.shutdown()
        self._file.close()
        self.part.unlink(missing_ok=True)

    def done(self) -> np.ndarray:
        """The complete array, read-only, as a memory map."""
        self._settle()
        self._file.close()
        os.replace(self.part, self.path)
        found: np.ndarray = np.load(self.path, mmap_mode="r")
        return found
