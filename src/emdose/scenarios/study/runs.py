"""One sample of a study through the job of its kind: numbers and maps, and no page."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import is_number, unknown
from emdose.compute.shared import Shared
from emdose.errors import ConvergenceError, EmdoseWarning, InputError, NotValidError
from emdose.scenarios import kinds
from emdose.scenarios.gate import validity
from emdose.scenarios.loading import from_tables
from emdose.scenarios.study.samples import CALL
from emdose.values import read_only

RESULT = "result"
"""What the number of a function is called that gives one number without a name."""


@read_only
@dataclass(frozen=True, eq=False)
class SampleOutcome:
    """What came of one sample.

    Parameters
    ----------
    index : int
        Its place in the design; -1 for the nominal values.
    key : str
        Key of the sample.
    inputs : mapping
        Values of the inputs by name.
    outputs, units : mapping
        Numbers by name, and their units.
    maps : mapping of str to array
        Maps that were asked for.
    about : mapping
        Discretisation, residual and closure of this sample, and what the solver did.
    error : str
        Why there are no numbers; empty where there are.
    tries : int
        How often it was tried.
    seconds : float
        Time that it took [s].
    cached : bool
        Whether it was computed before.
    """

    index: int
    key: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    tries: int = 1
    seconds: float = 0.0
    cached: bool = False

    @property
    def failed(self) -> bool:
        """Whether it has no numbers."""
        return bool(self.error)


def compute(
    task: Mapping[str, Any], memo: MutableMapping[str, Any], function: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """The numbers and maps of the task of a sample.

    Parameters
    ----------
    task : mapping
        Plain data of a sample.
    memo : mapping
        What this worker keeps from one sample to the next; samples share through it what they have in common.
    function : callable, optional
        The function, for samples of one.

    Returns
    -------
    dict
        "outputs", "units", "maps", "about" and "seconds", as of :class:`SampleOutcome`.

    Raises
    ------
    EmdoseError
        When it cannot be computed, or its result is not valid.
    """
    start = time.perf_counter()
    with _quiet():
        found = called(task, function) if task["what"] == CALL else solved(task, memo)
    return {**found, "seconds": time.perf_counter() - start}


def solve_sample(task: Mapping[str, Any], memo: MutableMapping[str, Any]) -> dict[str, Any]:
    """:func:`compute` for the sample of a scenario: the function that other processes are given the name of."""
    return compute(task, memo)


def called(task: Mapping[str, Any], function: Callable[..., Any] | None) -> dict[str, Any]:
    """The numbers of a function."""
    if function is None:
        from emdose.scenarios.study.executors import resolve

        function = resolve(task["function"])
    found = function(**task["arguments"])
    numbers = dict(found) if isinstance(found, Mapping) else {RESULT: found}
    outputs, maps = {}, {}
    for name, value in numbers.items():
        if np.ndim(value):
            maps[str(name)] = np.asarray(value)
        elif not is_number(value):
            raise InputError("a result that is no finite number", field=str(name), found=value)
        else:
            outputs[str(name)] = float(value)
    return {"outputs": outputs, "units": {}, "maps": maps, "about": {}}


def solved(task: Mapping[str, Any], memo: MutableMapping[str, Any]) -> dict[str, Any]:
    """The numbers of a scenario: its job solved and evaluated, and nothing written."""
    scenario = from_tables(task["tables"], Path(task["file"]))
    kind = kinds.get(scenario.kind)
    job = kind.sharing_job(scenario, task["device"], _shared(memo, task))
    job.prepare()
    try:
        solution = job.solve()
    except ConvergenceError as error:
        raise ConvergenceError(str(error)) from None  # what it has is no result, and large
    outcome = job.evaluate(solution)
    summary = {"warnings": [], **outcome.summary, "scenario": scenario.values()}
    judged = validity(summary, scenario.file)
    if not judged.is_valid:
        raise NotValidError(judged.reasons)
    entries = {k: v for k, v in summary["quantities"].items() if is_number(v.get("value"))}
    maps = {}
    if task["maps"]:
        known = job.study_maps(outcome)
        for name in task["maps"]:
            if name not in known:
                raise unknown("no such map of this scenario", name, list(known), field="maps")
            maps[name] = np.asarray(known[name])
    return {
        "outputs": {k: float(v["value"]) for k, v in entries.items()},
        "units": {k: str(v.get("unit", "")) for k, v in entries.items()},
        "maps": maps,
        "about": about(summary),
    }


def about(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says about its own numerical uncertainty."""
    own = {k: v["uncertainty"] for k, v in summary["quantities"].items() if isinstance(v.get("uncertainty"), Mapping)}
    convergence, balance = summary.get("convergence") or {}, summary.get("power_balance") or {}
    ports = [p for p in convergence.get("ports") or () if isinstance(p, Mapping)]
    residuals = [float(p["residual"]) for p in ports if is_number(p.get("residual"))]
    # Of solvers that begin with what others have solved: time steps are no products that could be spared.
    shares = [p for p in ports if p.get("from_basis") is not None or p.get("start_residual") is not None]
    iterations = [float(p["iterations"]) for p in shares if is_number(p.get("iterations"))]
    closure: Any = balance.get("closure")
    return {
        "uncertainty": own,
        "residual": max(residuals, default=None),
        "iterations": sum(iterations) if iterations else None,
        "closure": float(closure) if is_number(closure) else None,
    }


def _shared(memo: MutableMapping[str, Any], task: Mapping[str, Any]) -> Shared:
    """The memo of this worker as jobs share it, with the folder of all workers where this one reaches it."""
    if memo.get("shared") is None:
        folder = task.get("shared")
        there = folder if folder and Path(folder).is_dir() else None
        memo["shared"] = Shared(folder=there, reduced=task.get("reduced", True))
    found: Shared = memo["shared"]
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of every sample; filters belong to all threads, so only the main one touches them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)
        yield
