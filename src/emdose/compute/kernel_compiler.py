"""The C compiler of the CPU's kernels, and the cache of what it made."""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emdose.compute.machine import system_text


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
            run = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return Compiler(path, (run.stdout.splitlines() or ["unknown version"])[0])
    return None


def cache_folder() -> Path:
    """Folder of compiled libraries; not created here."""
    wanted = os.environ.get("EMDOSE_CACHE_DIR", "").strip()
    if wanted:
        return Path(wanted).expanduser() / "kernels"
    from platformdirs import user_cache_path

    return user_cache_path("emdose") / "kernels"


@cache
def _processor_key() -> str:
    lines = system_text("/proc/cpuinfo").splitlines()
    kinds = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(kinds)})) + platform.machine() + sys.platform


def library(text: str, flags: tuple[str, ...], found: Compiler, folder: Path) -> ctypes.CDLL:
    """Load the library of a text from a folder, compiling it if it is not there."""
    key = "\0".join((text, *flags, found.path, found.version, _processor_key()))
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    if path.exists():
        try:
            return _opened(path)
        except OSError:
            pass  # damaged: make it again
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Compiled beside its final place and moved there in one step: two processes may do so at once, the last one wins.
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as build:
        made = Path(build) / "kernel.so"
        command = [found.path, *flags, "-o", str(made), "-", "-lm"]
        subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        os.replace(made, path)
    return _opened(path)


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
