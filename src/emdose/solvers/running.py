"""The words that every long job speaks: events, plans, and where it keeps what it has done.

A job says what it does by calling a :data:`ProgressCallback` with events. A room above adds its own by deriving from
:class:`Event`; whoever listens needs to know :class:`Event` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from emdose.values import read_only


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens in a long job.

    Parameters
    ----------
    stage : str
        Part of the job that it happens in.
    name : str
        What that part is busy with: a port, an exposure, a method; empty where there is one thing only.
    index, count : int
        Which one of how many, from 0.
    """

    stage: str
    name: str = ""
    index: int = 0
    count: int = 1

    @property
    def fraction(self) -> float | None:
        """How much of this one thing is done, 0 to 1; None where that is not known."""
        return None

    @property
    def note(self) -> str:
        """What else there is to say of it."""
        return ""

    @property
    def titles(self) -> Mapping[str, str]:
        """What stages are called from now on."""
        return {}

    def within(self, name: str, index: int = 0, count: int = 1) -> Self:
        """The same event as part of a larger job, which does the named thing as one of several."""
        return replace(self, name=name, index=index, count=count)


@dataclass(frozen=True, kw_only=True)
class Setup(Event):
    """A solver lays out its equations."""

    stage: str = "setup"


@dataclass(frozen=True, kw_only=True)
class Begin(Event):
    """A part of the job begins, which does not say how far it is."""


@dataclass(frozen=True, kw_only=True)
class Iteration(Event):
    """One step of an iteration, of time stepping, or of a row of equal tasks.

    Parameters
    ----------
    step, steps : int
        Number of the step, and how many are expected, or allowed; 0 where that is not known.
    residual, tolerance : float, optional
        What is left, and what it has to come below.
    """

    step: int
    steps: int = 0
    residual: float | None = None
    tolerance: float | None = None

    @property
    def fraction(self) -> float | None:
        """By the residual where there is one to reach, else by the number of steps."""
        if self.residual is not None and self.tolerance is not None:
            return solved_share(self.residual, self.tolerance)
        return min(1.0, self.step / self.steps) if self.steps else None


@dataclass(frozen=True, kw_only=True)
class TimeStep(Iteration):
    """One step of fields in time; the number of steps is estimated anew from time to time.

    Parameters
    ----------
    energy_dB : float
        Energy in the fields over its peak [dB].
    cells_per_s : float
        Speed.
    eta_s : float, optional
        Seconds that all runs together still take.
    """

    energy_dB: float
    cells_per_s: float
    eta_s: float | None = None

    @property
    def fraction(self) -> float | None:
        """By the number of steps."""
        return min(1.0, self.step / self.steps) if self.steps else None


@dataclass(frozen=True, kw_only=True)
class March(Event):
    """A moment of a process in time whose duration is given.

    Parameters
    ----------
    time_s, duration_s : float
        Where it is, and where it ends [s].
    level : int
        How often the time steps have been halved.
    final : bool
        False while the time steps are being chosen.
    """

    time_s: float
    duration_s: float
    level: int = 0
    final: bool = True

    @property
    def fraction(self) -> float | None:
        """By the time."""
        return min(1.0, self.time_s / self.duration_s)


@dataclass(frozen=True, kw_only=True)
class Done(Event):
    """The job is done.

    Parameters
    ----------
    residual, tolerance : float, optional
        The largest one that is left, and what it had to come below.
    """

    stage: str = "done"
    residual: float | None = None
    tolerance: float | None = None

    @property
    def fraction(self) -> float | None:
        """All of it."""
        return 1.0


ProgressCallback = Callable[[Event], None]
"""What a job calls with its events; an exception from it stops the job."""
Progress = ProgressCallback | bool | None
"""What a user says about it: a function that gets the events, True for a bar where somebody watches, or quiet."""


def silent(event: Event) -> None:
    """The callback that says nothing."""


def callback(progress: Progress) -> ProgressCallback:
    """The function that was given; the silent one where none was."""
    return progress if callable(progress) else silent


def solved_share(residual: float, tolerance: float) -> float:
    """How much of a solution is done, 0 to 1: Krylov methods lower the logarithm of the residual about evenly."""
    if not residual > 0:
        return 1.0
    return min(1.0, max(0.0, math.log(residual) / math.log(tolerance)))


# ---- before it starts ------------------------------------------------------------------------------------------------
@read_only
@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a solution will take; ``str`` makes a sentence of it.

    Parameters
    ----------
    bytes : int
        Memory.
    seconds : float
        Time, a rough estimate.
    size : int
        Unknowns.
    device : str
        "cpu" or "cuda".
    """

    bytes: int
    seconds: float
    size: int
    device: str

    @property
    def what(self) -> str:
        """What is solved, in words."""
        return f"{self.size} unknowns"

    def __str__(self) -> str:
        return f"{self.what} on {self.device}; about {size(self.bytes)} and {duration(self.seconds)} to solve"


def duration(seconds: float) -> str:
    """A time in words: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def size(bytes_: float) -> str:
    """An amount of memory in words: "340 MiB", "2.1 GiB"."""
    return f"{bytes_ / 2**30:.2g} GiB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.0f} MiB"


def plural(count: int, noun: str) -> str:
    """A number of things: "1 port", "8 ports"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


# ---- while it is away ------------------------------------------------------------------------------------------------
class Checkpoint(Protocol):
    """Where a job keeps what it has done, so that an interrupted one does not do it again."""

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """Arrays as saved under a name, or None."""

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays under a name, all of them or none."""


@dataclass(frozen=True)
class PartsFrom:
    """A checkpoint whose parts are counted from another number: that of one of several solutions of a job.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where all of them are kept.
    first : int
        Number of the first part.
    """

    checkpoint: Checkpoint
    first: int

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """Arrays as saved under a name, or None."""
        return self.checkpoint.load(self._moved(name))

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays under a name, all of them or none."""
        self.checkpoint.save(self._moved(name), arrays)

    def _moved(self, name: str) -> str:
        return part_name(self.first + int(name.removeprefix(PART_PREFIX)))


PART_PREFIX = "port-"
"""What names of finished parts begin with in a checkpoint."""


def part_name(number: int) -> str:
    """Name under which a checkpoint keeps the finished part of that number: a port, a run, a step."""
    return f"{PART_PREFIX}{number:04d}"


def joined(**groups: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Several groups of arrays as one, for a checkpoint; see :func:`group`."""
    return {f"{name}.{key}": value for name, arrays in groups.items() for key, value in arrays.items()}


def group(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """One group of what :func:`joined` made."""
    return {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}
