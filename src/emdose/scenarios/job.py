"""What the jobs of all kinds of scenario have in common."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emdose.compute import backend
from emdose.solvers.running import Event, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emdose.scenarios.loading import LoadedScenario


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """What a run will take; ``str`` makes a sentence of it.

    Parameters
    ----------
    device : str
        "cpu" or "cuda".
    solution : Plan, optional
        What its solver will take; None where nothing is solved.
    then : str
        What else is done, in words.
    """

    device: str
    solution: Plan | None = None
    then: str = ""

    def __str__(self) -> str:
        if self.solution is None:
            return f"{self.then} on {self.device}"
        return f"{self.solution}, then {self.then}" if self.then else str(self.solution)


@dataclass(frozen=True, kw_only=True)
class Claimed(Event):
    """A run has its folder.

    Parameters
    ----------
    folder : Path
        Where the results go.
    kept : tuple of int
        Parts that an earlier run has finished.
    noun : str
        What one of them is called.
    """

    stage: str = "claimed"
    folder: Path
    kept: tuple[int, ...] = ()
    noun: str = "solved port"


@dataclass(frozen=True, kw_only=True)
class Planned(Event):
    """A run is ready to start, and says what it will take."""

    stage: str = "plan"
    plan: JobPlan


class BaseJob:
    """A scenario and the device it runs on; ``timing`` holds the seconds of every stage that went through to its end.

    Parameters
    ----------
    scenario : LoadedScenario
        What to run.
    device : str
        "auto", "cpu" or "cuda".

    Raises
    ------
    InputError
        From the kinds of scenario, when their tables make no sense together; nothing has been computed then.
    DeviceError
        When the device is not there.
    """

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        self.scenario, self.tables = scenario, scenario.tables
        self.device = backend.get(device).name
        self.timing: dict[str, float] = {}

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timing[stage] = time.perf_counter() - start
