"""Files of a cache that may be executed or believed: nobody but this user, or root, can have written them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path


class UntrustedError(OSError):
    """A folder or file that somebody else could have written; its text names it and says why."""


def private_folder(folder: Path) -> Path:
    """Make a folder, readable by this user only, and see that nobody else can change what lies in it.

    Parameters
    ----------
    folder : Path
        The folder; missing ones on the way are made.

    Returns
    -------
    Path
        The folder without links in it: what has been checked is what will be opened.

    Raises
    ------
    UntrustedError
        When it, or a folder above it, belongs to another user than root, or others can write to it. A folder above may
        be open to all where its sticky bit keeps them from renaming what is not theirs, as in /tmp.
    OSError
        When it cannot be made.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True, mode=0o700)
    folder = folder.resolve(strict=True)
    for path in (folder, *folder.parents):
        _require_ours(path, sticky_will_do=path != folder)
    return folder


def private_file(path: Path) -> Path:
    """The path of a file in a private folder, as it was given.

    Raises
    ------
    UntrustedError
        When it is a link or no plain file, belongs to another user than root, or others can write to it.
    OSError
        When it is not there.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise UntrustedError(f"{path} is not a plain file")
    _require_ours(path)
    return path


def digest(data: bytes) -> str:
    """SHA-256 of bytes as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def keep(made: Path, path: Path) -> None:
    """Move a file that has been written to its final name, in one step and on the disk before it has that name."""
    made.chmod(0o600 if not os.access(made, os.X_OK) else 0o700)
    _flush(made)
    os.replace(made, path)
    if os.name == "posix":  # only there a folder can be opened and flushed
        _flush(path.parent)


def _require_ours(path: Path, sticky_will_do: bool = False) -> None:
    if not hasattr(os, "geteuid"):  # Windows keeps a user's folders apart by access lists
        return
    found = path.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise UntrustedError(f"{path} belongs to another user (number {found.st_uid})")
    if sticky_will_do and found.st_mode & stat.S_ISVTX:
        return
    if found.st_mode & stat.S_IWOTH:
        raise UntrustedError(f"everybody can write to {path}")
    if found.st_mode & stat.S_IWGRP and not _own_group(found.st_gid):
        raise UntrustedError(f"other members of its group can write to {path}")


def _own_group(gid: int) -> bool:
    """Whether a group is the user's own one, which many systems make for every user, or that of root."""
    import grp
    import pwd

    if gid == 0:
        return True
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == user and set(group.gr_mem) <= {user}


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
