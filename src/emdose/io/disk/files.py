"""Plain files: read whole, hashed, with errors in one line."""

from __future__ import annotations

import hashlib
import math
import stat
from pathlib import Path

from emdose.errors import InputError


def plain_file(path: Path | str, expected: str | None = None, field: str | None = None) -> Path:
    """The path of a file that can be read to its end.

    Parameters
    ----------
    path : Path or str
        The file.
    expected, field : str, optional
        What it should be, and what it is wanted for, for the error text.

    Raises
    ------
    InputError
        When it is missing, a folder, or a device or a pipe, which may never end.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("no such file", file=path, field=field, expected=expected) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read: {reason}", file=path, field=field) from None
    if stat.S_ISDIR(mode):
        raise InputError("this is a folder", file=path, field=field, expected=expected)
    if not stat.S_ISREG(mode):
        raise InputError("not a plain file but a device or a pipe", file=path, field=field, expected=expected)
    return path


def check_memory(
    shape: tuple[int, ...], bytes_each: int, file: Path | str, field: str | None = None, free: int | None = None
) -> None:
    """InputError when an array would not fit the free memory.

    Parameters
    ----------
    shape : tuple of int
        What the file says about the array.
    bytes_each : int
        Memory that one element takes in all.
    file, field : Path or str, optional
        For the error text.
    free : int, optional
        Free memory [bytes]; by default that of this machine.
    """
    import psutil

    free = psutil.virtual_memory().available if free is None else free
    need = math.prod(int(n) for n in shape) * bytes_each
    if need > 0.8 * free:
        raise InputError(
            f"too large for the memory: needs {need / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free",
            file=file,
            field=field,
            found=" x ".join(str(n) for n in shape),
        )


def read_bytes(path: Path | str, expected: str, largest: int) -> bytes:
    """Content of a file.

    Parameters
    ----------
    path : Path or str
        The file.
    expected : str
        What it should be, for the error text.
    largest : int
        Refuse more bytes than this.

    Raises
    ------
    InputError
        When it is missing, no plain file, unreadable or too large.
    """
    path = plain_file(path, expected)
    try:
        with path.open("rb") as stream:  # not by size: files of the system have none
            data = stream.read(largest + 1)
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror or error}", file=path) from None
    if len(data) > largest:
        raise InputError("file too large", file=path, found=f"more than {largest} bytes", expected=expected)
    return data


def sha256(path: Path | str) -> str:
    """SHA-256 (hex) of a file's content; raises InputError when it cannot be read."""
    try:
        with plain_file(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror or error}", file=path) from None


def scan_sha256(path: Path | str) -> str:
    """SHA-256 (hex) of a file; of a folder, or of the beginning of file names, that of all names and contents in it.

    Raises
    ------
    InputError
        When there is nothing of that name, or it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")]
    else:
        beside = path.parent.iterdir() if path.parent.is_dir() and not path.exists() else ()
        found = [p for p in beside if p.is_file() and p.name.startswith(f"{path.name}_")]
    if not found:
        return sha256(path)
    lines = sorted(f"{p.relative_to(path.parent).as_posix()} {sha256(p)}" for p in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def first_line(error: Exception) -> str:
    """What an error says, in one line of at most 120 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
