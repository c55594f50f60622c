"""From the name of an executor to the executor."""

from __future__ import annotations

import re

from emdose.checks import unknown
from emdose.compute import machine
from emdose.errors import InputError
from emdose.scenarios.study.executors import calls
from emdose.scenarios.study.executors.local import Executor, Serial, Threads

NAMES = ("serial", "threads", "processes", "dask://host:port")
MOST = 256
"""Beyond this a number of threads or processes of one machine is a slip."""


def executor(name: str | Executor = "serial") -> Executor:
    """Who computes the samples of a study.

    Parameters
    ----------
    name : str or Executor
        "serial"; "threads" or "processes", with their number as in "processes:4" (by default one for each core);
        "dask://host:port" for a Dask cluster by its scheduler. An executor is passed through.

    Raises
    ------
    InputError
        For another name. A cluster is asked for when the executor is entered, see
        :class:`~emdose.scenarios.study.executors.cluster.Cluster`.
    """
    calls.refuse_while_importing()
    if isinstance(name, Executor):
        return name
    if not isinstance(name, str):
        raise InputError("bad executor", field="executor", found=name, expected=_listed())
    kind, colon, rest = name.strip().partition(":")
    if kind == "dask":
        from emdose.scenarios.study.executors.cluster import Cluster

        host, _, port = rest.removeprefix("//").rstrip("/").rpartition(":")
        if not rest.startswith("//") or not host or not re.fullmatch("[0-9]{1,5}", port):
            raise InputError("bad address", field="executor", found=name, expected="dask://host:port")
        return Cluster(f"{host}:{port}")
    if kind not in ("serial", "threads", "processes"):
        raise unknown("no such executor", name, NAMES, field="executor")
    if kind == "serial":
        if colon:
            raise InputError("serial has no number", field="executor", found=name, expected='"serial"')
        return Serial()
    count = int(rest) if re.fullmatch("[0-9]{1,6}", rest) else 0 if colon else machine.thread_count()
    if not 1 <= count <= MOST:
        raise InputError(f"bad number of {kind}", field="executor", found=name, expected=f'such as "{kind}:4"')
    if kind == "threads":
        return Threads(count)
    from emdose.scenarios.study.executors.processes import Processes

    return Processes(count)


def _listed() -> str:
    return ", ".join(f'"{n}"' for n in NAMES)
