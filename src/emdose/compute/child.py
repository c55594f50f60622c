"""A Python process of its own for code that may crash, hang or take all memory, such as readers and renderers in C++.

It imports what this process would import, but nothing from the current folder: a file called numpy.py beside a scenario
is data, not a program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(sys.executable or os.sep).anchor or os.sep
"""Where children run: the root of the disk, which nobody but its owner writes to."""

_CODE = """
import sys
if {limited}:
    try:
        import resource
    except ImportError:
        resource = None
    if resource is not None:
        for kind, most in ((resource.RLIMIT_AS, {memory}), (resource.RLIMIT_CPU, {cpu}), (resource.RLIMIT_CORE, 0)):
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
sys.path += [p for p in {path} if p not in sys.path]
sys.path.insert(0, {own})
import emdose
del sys.path[0]
import runpy
runpy.run_module({module}, run_name="__main__")
"""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VTK_SMP_MAX_THREADS")


@dataclass(frozen=True)
class Limits:
    """What a child may use.

    Parameters
    ----------
    memory_bytes : int
        Address space, where the system can limit it.
    seconds : float
        Time on the clock, and on the processor.
    """

    memory_bytes: int
    seconds: float


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Parameters
    ----------
    code : int
        Exit code; a negative one is a signal.
    out, errors : bytes
        What it wrote.
    late : bool
        Whether it was ended for taking too long.
    """

    code: int
    out: bytes
    errors: bytes
    late: bool = False


def command(module: str, *arguments: str, limits: Limits | None = None) -> list[str]:
    """Command that runs a module of emdose in an isolated Python; to be started in :data:`FOLDER`.

    ``-I`` leaves out the current folder, PYTHONPATH and the user's packages. What this process imports from is added
    again behind the installed packages, other than relative places and the current folder.

    Parameters
    ----------
    module : str
        The module, run as ``__main__``.
    arguments : str
        Its arguments.
    limits : Limits, optional
        Limits that it sets itself before it imports anything.
    """
    here = os.path.realpath(os.curdir)
    path = [p for p in sys.path if os.path.isabs(p) and os.path.realpath(p) != here]
    code = _CODE.format(
        limited=limits is not None,
        memory=limits.memory_bytes if limits else 0,
        cpu=int(limits.seconds) + 1 if limits else 0,
        path=path,
        own=repr(str(Path(__file__).resolve().parents[2])),
        module=repr(module),
    )
    return [sys.executable, "-I", "-c", code, *arguments]


def run(module: str, *arguments: str, data: bytes = b"", limits: Limits) -> Ended:
    """Run a module of emdose in an isolated Python within limits; it and what it starts are gone afterwards.

    Parameters
    ----------
    module, arguments : str
        As for :func:`command`.
    data : bytes
        Its standard input.
    limits : Limits
        What it may use.

    Raises
    ------
    OSError
        When no process can be started.
    """
    pipe, own_group = subprocess.PIPE, os.name == "posix"
    with subprocess.Popen(
        command(module, *arguments, limits=limits),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        cwd=FOLDER,
        env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
        start_new_session=own_group,
    ) as process:
        try:
            out, errors = process.communicate(data, timeout=limits.seconds)
        except BaseException as stop:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if own_group else process.kill()
            if not isinstance(stop, subprocess.TimeoutExpired):
                raise
            return Ended(process.wait(), b"", b"", late=True)
    return Ended(process.returncode, out, errors)
