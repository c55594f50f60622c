"""What the jobs of all kinds of scenario have in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from emdose.compute import backend
from emdose.compute.shared import Shared
from emdose.errors import InputError
from emdose.solvers.running import Checkpoint, Event, Plan, ProgressCallback, duration, size

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.scenarios.shared.transmitting.transmit import Transmit


T = TypeVar("T")


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
    evaluation : Plan, optional
        What the evaluation of the solution will take, where that is known.
    """

    device: str
    solution: Plan | None = None
    then: str = ""
    evaluation: Plan | None = None

    @property
    def bytes(self) -> int:
        """Memory at the peak: that of the larger stage; 0 where none is planned [bytes]."""
        return max((p.bytes for p in (self.solution, self.evaluation) if p is not None), default=0)

    def __str__(self) -> str:
        if self.evaluation is not None:
            stages = [p for p in (self.solution, self.evaluation) if p is not None]
            what = ", then ".join(p.what for p in stages)
            if self.solution is None and self.then:
                what = f"{self.then}: {what}"
            seconds = sum(p.seconds for p in stages)
            return f"{what} on {self.device}; about {size(self.bytes)} at the most and {duration(seconds)}"
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
    solved : bool
        Whether an earlier run has solved all of it, so that this one only evaluates.
    noun : str
        What one of them is called.
    words : mapping
        What the stages of this kind of scenario are called.
    """

    stage: str = "claimed"
    folder: Path
    kept: tuple[int, ...] = ()
    solved: bool = False
    noun: str = "solved part"
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def titles(self) -> Mapping[str, str]:
        """What the stages of this kind of scenario are called."""
        return self.words


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
    shared : Shared, optional
        What the jobs of a study hand on to each other, each value under a key of all that it depends on; without it
        nothing is shared. It may be set later as well, as long as nothing has been asked of the job.

    Raises
    ------
    InputError
        From the kinds of scenario, when their tables make no sense together; nothing has been computed then.
    DeviceError
        When the device is not there.
    """

    def __init__(self, scenario: LoadedScenario, device: str = "auto", shared: Shared | None = None) -> None:
        self.scenario, self.tables, self.shared = scenario, scenario.tables, shared
        self.device = backend.get(device).name
        self.timing: dict[str, float] = {}
        self.store: Checkpoint | None = None
        """Where :meth:`kept` keeps parts of the evaluation beside the solution; set by whoever runs the job."""
        self.used: set[str] = set()

    def solution_key(self) -> str | None:
        """Hash of all that :meth:`solve` depends on, and of nothing else; None when its solution is not to be kept.

        A run whose scenario has another hash but the same key is evaluated without solving; a kind that gives a key
        has :meth:`solution_arrays` and :meth:`solution_of`.
        """
        return None

    def solution_arrays(self, solution: Any) -> dict[str, np.ndarray]:  # noqa: ARG002 - for kinds with a key
        """A solution as arrays from which :meth:`solution_of` makes the same again, bit for bit."""
        raise TypeError(f"{type(self).__name__} has a solution_key, but no solution_arrays and solution_of")

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> Any:  # noqa: ARG002
        """Inverse of :meth:`solution_arrays`."""
        raise TypeError(f"{type(self).__name__} has a solution_key, but no solution_arrays and solution_of")

    def kept(
        self,
        name: str,
        make: Callable[[], T],
        arrays_of: Callable[[T], Mapping[str, np.ndarray] | None],
        of_arrays: Callable[[Mapping[str, np.ndarray]], T],
    ) -> T:
        """A long part of the evaluation, from the folder of the run when it has been made there before.

        Parameters
        ----------
        name : str
            File name that holds a hash of all that the part depends on beside the solution.
        make : callable
            Makes it.
        arrays_of, of_arrays : callable
            Turn it into arrays and back; None for a part that is not to be kept.
        """
        self.used.add(name)
        found = None if self.store is None else self.store.load(name)
        if found is not None:
            return of_arrays(found)
        made = make()
        arrays = None if self.store is None else arrays_of(made)
        if self.store is not None and arrays is not None:
            self.store.save(name, arrays)
        return made

    @abstractmethod
    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""

    def evaluation_plan(self) -> JobPlan:
        """What is left to do with a solution that is there."""
        return JobPlan(device=self.device, then="nothing to solve; the solution that is here is evaluated")

    @abstractmethod
    def describe(self) -> list[str]:
        """What was read, in a few lines."""

    def prepare(self) -> None:  # noqa: B027 - a kind need not have any of it
        """What the evaluation needs and can be made without a solution, after the plan and before anything is solved.

        Whatever can be refused is refused here, or earlier.

        Raises
        ------
        InputError
            When the evaluation would refuse what the scenario says.
        ResourceError
            When the evaluation would not fit the memory.
        """

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

    def study_maps(self, outcome: Any) -> Mapping[str, np.ndarray]:  # noqa: ARG002 - for kinds with maps
        """Maps of an outcome that a study can have statistics of, by name, each (nx, ny, nz), NaN outside.

        A name ends in its unit, such as ``SAR_10g_W_kg``. None by default.
        """
        return {}

    def transmit(self, solution: Any) -> Transmit:  # noqa: ARG002 - of kinds that transmit
        """The solved transmit coil, for sequences to be played on; raises InputError for a kind without one."""
        raise InputError("a kind of scenario without a transmit coil", found=self.scenario.kind)

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
        """Add the seconds of what is done inside to ``timing``."""
        start = time.perf_counter()
        yield
        self.timing[stage] = self.timing.get(stage, 0.0) + time.perf_counter() - start
