"""Files that are either whole or absent: written to a temporary name, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from emdose.errors import OutputError

PART = ".part"
"""Ending of temporary names; whatever carries it can be deleted when no run is alive."""


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path to write to; on success it takes the place of ``path`` in one step.

    Parameters
    ----------
    path : Path or str
        The final name. Its folder must exist.

    Raises
    ------
    OutputError
        When the disk is full, the folder read-only, or writing fails for another reason of the system.
        The temporary file is gone then and ``path`` is what it was before.
    """
    with staging(Path(path).parent) as stage:
        yield stage.path(Path(path).name)


@contextlib.contextmanager
def staging(folder: Path | str) -> Iterator[Stage]:
    """Like :func:`replacing` for several files of one folder: all of them appear at the end, or none.

    Raises
    ------
    OutputError
        As for :func:`replacing`.
    """
    stage = Stage(Path(folder))
    try:
        yield stage
        stage.commit()
    except OSError as error:
        raise output_error(error, stage.folder) from error
    finally:
        stage.discard()


class Stage:
    """Temporary names in a folder, waiting to be renamed together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """Temporary path for the file that shall be called ``name``; raises OutputError for the name of a path."""
        if name != Path(name).name or name in ("", ".", ".."):
            raise OutputError(f"{self.folder}: cannot write: '{name}' is no file name")
        if name not in self._parts:
            handle, part = tempfile.mkstemp(prefix=f".{name}.", suffix=PART, dir=self.folder)
            os.close(handle)
            self._parts[name] = Path(part)
        return self._parts[name]

    @property
    def names(self) -> list[str]:
        """Names of the files asked for so far."""
        return list(self._parts)

    @property
    def paths(self) -> dict[str, Path]:
        """Temporary paths of these files, by name."""
        return dict(self._parts)

    def flush(self) -> None:
        """Flush every temporary file to the disk: what can fail for want of room has failed after it."""
        mask = os.umask(0)
        os.umask(mask)
        for part in self._parts.values():
            os.chmod(part, 0o666 & ~mask)  # mkstemp makes private files; results follow the user's umask
            _flush(part, os.O_RDWR)

    def commit(self) -> None:
        """Flush every temporary file to the disk and rename it, in the order in which they were asked for."""
        self.flush()
        for name, part in self._parts.items():
            os.replace(part, self.folder / name)
        self._parts = {}
        with contextlib.suppress(OSError):  # some network file systems cannot flush a folder
            _flush(self.folder, os.O_RDONLY)

    def discard(self) -> None:
        """Remove what has not been committed."""
        for part in self._parts.values():
            with contextlib.suppress(OSError):
                part.unlink()
        self._parts = {}


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write a whole file, or leave the old one; raises OutputError."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write a whole UTF-8 file, or leave the old one; raises OutputError."""
    write_bytes(path, text.encode())


def output_error(error: OSError, path: Path | str) -> OutputError:
    """The OutputError that says in one line why nothing could be written at ``path``."""
    place = error.filename if isinstance(error.filename, str) else str(path)
    code = _errno_of(error)
    reason = os.strerror(code) if code else " ".join(str(error).split())
    hint = {
        errno.ENOSPC: "; free some space or choose another folder",
        errno.EDQUOT: "; your quota is used up",
        errno.EROFS: "; choose a folder that can be written",
        errno.EACCES: "; choose a folder that you may write to",
        errno.EPERM: "; choose a folder that you may write to",
        errno.ENOTDIR: "; a part of this path is a file, not a folder",
        errno.EISDIR: "; this is a folder, not a file",
    }.get(code or 0, "")
    return OutputError(f"{_plain(place, path)}: cannot write: {reason}{hint}")


def _plain(place: str, path: Path | str) -> str:
    """Where it failed, without the temporary name that the user never asked for."""
    return str(path) if place.endswith(PART) else place


def _errno_of(error: OSError) -> int | None:
    # HDF5 reports a full disk inside its message only, depending on the version.
    if error.errno is None and "errno = " in str(error):
        digits = str(error).split("errno = ", 1)[1].split(",", 1)[0]
        return int(digits) if digits.strip().isdigit() else None
    return error.errno


def _flush(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
