"""The machine as a process may use it: threads, and what its system files say."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from emdose.errors import InputError, ResourceError

MOST_THREADS = 1024
"""Beyond this a number of threads is a slip: OpenMP would die while it starts them."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread while many small products are made: its threads would wait for longer than they save.

    This holds for the whole process, that is for the BLAS of numpy and for that of scipy.
    """
    with _pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _pools() -> Any:
    import scipy.linalg  # noqa: F401 - its BLAS is found only once it is there
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def thread_count() -> int:
    """Threads to use: EMDOSE_THREADS, else OMP_NUM_THREADS, else the cores that this process may use.

    Raises
    ------
    InputError
        When one of these variables is not a number from 1 to 1024.
    """
    if _forked:
        return 1
    most: int = getattr(_here, "most", MOST_THREADS)
    return min(most, _asked_for())


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Let what this thread computes inside use a share of the cores: others beside it compute too.

    Parameters
    ----------
    threads : int
        The most that :func:`thread_count` gives.
    """
    before = getattr(_here, "most", MOST_THREADS)
    _here.most = max(1, threads)
    try:
        yield
    finally:
        _here.most = before


_here = threading.local()


def _asked_for() -> int:
    for variable in ("EMDOSE_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "").partition(",")[0].strip()
        if value:
            count = int(value) if re.fullmatch("[0-9]{1,9}", value) else 0
            if not 1 <= count <= MOST_THREADS:
                raise InputError(
                    "bad number of threads",
                    field=variable,
                    found=value,
                    expected=f"an integer from 1 to {MOST_THREADS}",
                )
            return count
    return _cores()


def memory_limit() -> tuple[int, int]:
    """Limit of this process's control group and what is used of it [bytes]; a huge number where there is none."""
    folder = "/sys/fs/cgroup/memory."
    limit, used, stat = (system_text(folder + name).strip() for name in ("max", "current", "stat"))
    if not (limit.isdigit() and used.isdigit()):
        return 2**62, 0
    # Cached files count as used, but the system drops them when memory is asked for.
    cached = sum(int(line.split()[1]) for line in stat.splitlines() if line.startswith("inactive_file "))
    return int(limit), max(0, int(used) - cached)


def free_memory_bytes() -> int:
    """Memory that a new job may use now [bytes]."""
    import psutil

    limit, used = memory_limit()
    return max(0, min(int(psutil.virtual_memory().available), limit - used))


def require_memory(need_bytes: float, what: str, spacing_m: float | None = None) -> None:
    """Refuse, before anything is allocated, what does not fit the free memory of the machine.

    Parameters
    ----------
    need_bytes : float
        What it will take [bytes].
    what : str
        What needs it, in words.
    spacing_m : float, optional
        Voxel size on whose third power the need depends; the text then names one that would fit [m].

    Raises
    ------
    ResourceError
        When it does not fit.
    """
    free = free_memory_bytes()
    if need_bytes <= free:
        return
    remedy = "close other programs, or make it smaller"
    if spacing_m is not None:
        remedy = f"a spacing of {1e3 * spacing_m * (need_bytes / max(free, 1)) ** (1 / 3):.2g} mm would fit"
    raise ResourceError(f"{what} needs {need_bytes / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; {remedy}")


def system_text(path: str) -> str:
    """Content of a system file such as /proc/cpuinfo; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@cache
def _cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = system_text("/sys/fs/cgroup/cpu.max").split()  # a container may own less time than it sees cores
    if len(quota) == 2 and quota[0].isdigit():
        allowed = min(allowed, max(1, round(int(quota[0]) / int(quota[1]))))
    return allowed


# A child made by fork() inherits OpenMP's bookkeeping but not its threads and would wait for them for ever.
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
