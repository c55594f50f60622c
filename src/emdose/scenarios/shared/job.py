"""What the jobs of all kinds of scenario have in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emdose.compute import backend
from emdose.solvers.running import Checkpoint, Event, Plan, ProgressCallback

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.scenarios.shared.scenario import LoadedScenario


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
    words : mapping
        What the stages of this kind of scenario are called.
    """

    stage: str = "claimed"
    folder: Path
    kept: tuple[int, ...] = ()
    noun: str = "solved part"
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Planned(Event):
    """A run is ready to start, and says what it will take."""

    stage: str = "plan"
    plan: JobPlan


class Outcome(Protocol):
    """What a job has computed, before it is written."""

    @property
    def summary(self) -> dict[str, Any]:
        """What the kind puts into summary.json: "quantities" and "provenance" at least, and entries of its own.

        Limits go into "checks" and "check_inputs", the course of a solver into "convergence" and "power_balance".
        """
        ...

    @property
    def warnings(self) -> list[str]:
        """What makes the numbers less trustworthy."""
        ...


class BaseJob(ABC):
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

    @abstractmethod
    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""

    @abstractmethod
    def describe(self) -> list[str]:
        """What was read, in a few lines."""

    @abstractmethod
    def solve(self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None) -> Any:
        """The long part: whatever :meth:`evaluate` takes.

        Raises
        ------
        ConvergenceError
            Its ``partial``, where there is one, can still be given to :meth:`evaluate`.
        ResourceError, DeviceError
            As the solvers.
        """

    @abstractmethod
    def evaluate(self, solution: Any, progress: ProgressCallback | None = None) -> Outcome:
        """Everything that follows from a solution, and the summary."""

    @abstractmethod
    def write(self, stage: Stage, outcome: Any, summary: dict[str, Any]) -> None:
        """Put result.h5, and what else this kind of scenario leaves, into a stage.

        Parameters
        ----------
        stage : Stage
            Its ``path(name)`` is where a file of that name is to be written.
        outcome : Outcome
            From :meth:`evaluate`.
        summary : dict
            The whole summary, which is written after the files.
        """

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Put the seconds of what is done inside into ``timing``."""
        start = time.perf_counter()
        yield
        self.timing[stage] = time.perf_counter() - start
