"""A folder that one process at a time may use."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import uuid
from pathlib import Path
from typing import Any

from emdose.errors import OutputError
from emdose.io.disk import atomic

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

TRIES = 100


class InUseError(OutputError):
    """Another process uses the folder."""


class FolderClaim:
    """A file in a folder that says who uses it, locked for as long as that process lives.

    The lock is the system's (flock): it ends with its process, whatever kills it, so that a number of a process that
    has been given out again, or the name of another host in a file left behind, deceives nobody. Network file systems
    hand the lock to other hosts; where a file system has none, the file itself is the claim, and one whose process is
    gone is taken over.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the folder.

        Raises
        ------
        FileNotFoundError
            When the folder is gone.
        InUseError
            When another process has it.
        OutputError
            When the file cannot be written.
        """
        for _ in range(TRIES):
            try:
                if self._taken():
                    return
            except FileNotFoundError:
                raise
            except OSError as error:
                self.release()
                raise atomic.output_error(error, self.path) from error
        raise OutputError(f"{self.path}: cannot be locked; remove it when no emdose is running in this folder")

    def release(self) -> None:
        """Give the folder back; does nothing when it is not held."""
        if self._handle is None:
            return
        with contextlib.suppress(OSError):
            if self._current():  # still under the lock, so that nobody else's file goes
                self.path.unlink()
        with contextlib.suppress(OSError):
            os.close(self._handle)
        self._handle = None

    def _taken(self) -> bool:
        """Whether it could be had at once; False when somebody let go of it a moment ago."""
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _lock(self._handle)
        if locked is None:
            os.close(self._handle)
            self._handle = None
            return self._taken_without_locks()
        if not locked:
            owner = _owner(self._handle)
            os.close(self._handle)
            self._handle = None
            raise self._busy(owner)
        if not self._current():  # unlinked by the one who had it before
            os.close(self._handle)
            self._handle = None
            return False
        self._sign()
        return True

    def _taken_without_locks(self) -> bool:
        owner = _read(self.path)
        if owner:
            if _lives(owner):
                raise self._busy(owner, asked=owner.get("host") == socket.gethostname())
            # Renamed first: of several who find it dead one gets it, and a new one taken by mistake goes back.
            aside = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}{atomic.PART}")
            os.rename(self.path, aside)
            if _read(aside) != owner:
                with contextlib.suppress(OSError):
                    os.link(aside, self.path)
                aside.unlink()
                return False
            aside.unlink()
        else:
            with contextlib.suppress(FileNotFoundError):
                if self.path.stat().st_size == 0:
                    self.path.unlink()
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        self._sign()
        return True

    def _sign(self) -> None:
        import psutil

        assert self._handle is not None
        me = {"pid": os.getpid(), "host": socket.gethostname(), "started": psutil.Process().create_time()}
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps(me).encode(), 0)

    def _current(self) -> bool:
        """Whether the open file is the one that has the name."""
        assert self._handle is not None
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _busy(self, owner: dict[str, Any], asked: bool = True) -> InUseError:
        who = ""
        if isinstance(owner.get("pid"), int):
            where = "" if owner.get("host") == socket.gethostname() else f" on {owner.get('host')}"
            who = f" (process {owner['pid']}{where})"
        hint = "" if asked else f", as far as can be told from here; remove {self.path} if it has ended"
        return InUseError(f"{self.path.parent}: another emdose{who} is running in this folder{hint}")


def _lock(handle: int) -> bool | None:
    """Lock an open file: True when it is had now, False when another process has it, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            return None
        raise
    return True


def _owner(handle: int) -> dict[str, Any]:
    return _parsed(os.pread(handle, 1000, 0))


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            return _parsed(stream.read(1000))
    except FileNotFoundError:
        return {}


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _lives(owner: dict[str, Any]) -> bool:
    """Whether the process of a claim runs; one of another host is believed to."""
    import psutil

    if owner.get("host") != socket.gethostname():
        return True
    try:
        # A process that began at another time has only inherited the number.
        return abs(psutil.Process(int(owner["pid"])).create_time() - float(owner["started"])) < 1
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False
