"""Pictures in space that were drawn before, in the user's cache folder, by a key of what they show and of who drew."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emdose.compute.kernel_compiler import cache_folder
from emdose.compute.private_files import keep, private_file, private_folder
from emdose.errors import EmdoseError

MOST_FILES = 100


def key_of(scene: Any, archive: bytes, command: Sequence[str]) -> str:
    """Key of a picture: the scene, the program that draws it, and its source."""
    source = getattr(sys.modules.get(type(scene).__module__), "__file__", None)
    text = Path(source).read_bytes() if source else b""
    return hashlib.sha256(b"\0".join([archive, "\n".join(command).encode(), text])).hexdigest()


def load(key: str) -> bytes:
    """The picture of a key as PNG; empty where there is none that can be trusted."""
    with contextlib.suppress(OSError, EmdoseError):
        folder = private_folder(cache_folder().parent / "pictures")
        return private_file(folder / f"{key}.png").read_bytes()
    return b""


def save(key: str, png: bytes) -> None:
    """Keep a picture; the oldest beyond a hundred are removed. Nothing happens where nothing can be written."""
    with contextlib.suppress(OSError, EmdoseError):
        folder = private_folder(cache_folder().parent / "pictures")
        with tempfile.TemporaryDirectory(dir=folder, prefix="write-") as made:
            part = Path(made) / "picture.png"
            part.write_bytes(png)
            keep(part, folder / f"{key}.png")
        files = sorted(folder.glob("*.png"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in files[MOST_FILES:]:
            old.unlink(missing_ok=True)
