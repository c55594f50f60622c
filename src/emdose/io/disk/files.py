"""Plain files: read whole, hashed, with errors in one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

from emdose.errors import InputError


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
        When it is missing, a folder, unreadable or too large.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError("this is a folder", file=path, expected=expected)
        with path.open("rb") as stream:  # not by size: a device or a pipe has none
            data = stream.read(largest + 1)
    except FileNotFoundError:
        raise InputError("no such file", file=path, expected=expected) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the name
        raise InputError(f"cannot read: {getattr(error, 'strerror', None) or error}", file=path) from None
    if len(data) > largest:
        raise InputError("file too large", file=path, found=f"more than {largest} bytes", expected=expected)
    return data


def sha256(path: Path | str) -> str:
    """SHA-256 (hex) of a file's content; raises InputError when it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read: {getattr(error, 'strerror', None) or error}", file=path) from None


def first_line(error: Exception) -> str:
    """What an error says, in one line of at most 120 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
