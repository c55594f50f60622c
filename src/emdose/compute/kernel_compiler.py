"""The C compiler of the CPU's kernels, and the cache of what it made."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emdose.compute.machine import system_text
from emdose.compute.private_files import digest, keep, private_file, private_folder
from emdose.errors import InputError

COMPILE_TIMEOUT_S = 600.0
"""After this long a compiler hangs: the largest text takes it 5 to 10 s on an idle core."""
VERSION_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Compiler:
    """Path and version line of the C compiler."""

    path: str
    version: str


@cache
def compiler() -> Compiler | None:
    """The C compiler and its version, or None."""
    wanted = os.environ.get("EMDOSE_COMPILER", "").strip()
    if wanted.lower() == "none":
        return None
    for name in [wanted] if wanted else ["gcc", "clang", "cc"]:
        path = shutil.which(name)
        if path is None:
            continue
        try:
            told = _answer([path, "--version"], "", VERSION_TIMEOUT_S)
        except (OSError, subprocess.SubprocessError):
            continue
        return Compiler(path, (told.splitlines() or ["unknown version"])[0])
    return None


def cache_folder() -> Path:
    """Folder of compiled libraries; not created here. Raises InputError for a home folder that does not exist."""
    wanted = os.environ.get("EMDOSE_CACHE_DIR", "").strip()
    if wanted:
        try:
            return Path(wanted).expanduser() / "kernels"
        except RuntimeError:
            raise InputError("no such user", field="EMDOSE_CACHE_DIR", found=wanted, expected="a folder") from None
    from platformdirs import user_cache_path

    return user_cache_path("emdose") / "kernels"


@cache
def _processor_key() -> str:
    lines = system_text("/proc/cpuinfo").splitlines()
    kinds = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(kinds)})) + platform.machine() + sys.platform


def library(text: str, flags: tuple[str, ...], found: Compiler, folder: Path) -> ctypes.CDLL:
    """Load the library of a text from a folder, compiling it if it is not there.

    The name of a library says what it was made from and what is in it, so that one that was cut short, damaged or
    exchanged is not loaded but made again.

    Raises
    ------
    UntrustedError
        When the folder, or the library in it, can be written by other users.
    OSError
        When the folder cannot be made or written, or libraries in it may not be loaded.
    subprocess.SubprocessError
        When the compiler refuses the text or the flags, or does not end.
    """
    folder = private_folder(folder)
    key = digest("\0".join((text, *flags, found.path, found.version, _processor_key())).encode())[:32]
    kept = sorted(folder.glob(f"{key}-*.so"))
    for path in kept:
        if path.stem == f"{key}-{digest(private_file(path).read_bytes())}":
            # May be made for another system that shares the folder.
            with contextlib.suppress(OSError):
                return _opened(path)
    # Compiled beside its final place and moved there in one step: two processes may do so at once, the last one wins.
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as build:
        made = Path(build) / "kernel.so"
        _answer([found.path, *flags, "-o", str(made), "-", "-lm"], text, COMPILE_TIMEOUT_S)
        path = folder / f"{key}-{digest(made.read_bytes())}.so"
        keep(made, path)
    for damaged in kept:
        if damaged != path:
            damaged.unlink(missing_ok=True)
    return _opened(path)


def _answer(command: list[str], text: str, timeout_s: float) -> str:
    """What a program says to a text; with it end the programs that it starts."""
    pipe = subprocess.PIPE
    own_group = os.name == "posix"
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=own_group
    ) as process:
        try:
            out, err = process.communicate(text, timeout=timeout_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if own_group else process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, out, err)
    return out


def _opened(path: Path) -> ctypes.CDLL:
    """Load a library, and with the first one OpenMP, which reads its settings then.

    By default its threads spin while they wait for each other, which on a busy machine takes the core from the thread
    they wait for: measured with 10 jobs on 2 cores, averaging took 1.1 to 1.5 s so and 0.2 to 0.8 s asleep.
    """
    settings = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    if any(name in os.environ for name in settings):
        return ctypes.CDLL(str(path))
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        return ctypes.CDLL(str(path))
    finally:
        del os.environ["OMP_WAIT_POLICY"]


@cache
def temporary_folder() -> Path:
    """Folder for libraries of this process alone, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="emdose-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
