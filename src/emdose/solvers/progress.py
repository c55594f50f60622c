"""Shows how far a long job is to whoever watches: a bar in a terminal or a notebook, nothing where nobody does.

Every public solver takes ``progress``: True (the default) shows a bar where somebody watches, False or None is quiet,
and a function gets the events. What runs inside of something that is shown, or was asked to be quiet, shows nothing by
itself. The environment variable ``EMDOSE_PROGRESS`` (0 or 1) decides in place of the question who watches.
"""

from __future__ import annotations

import functools
import inspect
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from emdose.errors import InputError
from emdose.solvers.running import Done, Event, Iteration, March, Progress, ProgressCallback, TimeStep, duration, silent

if TYPE_CHECKING:
    from rich.console import Console

P = ParamSpec("P")
R = TypeVar("R")
VARIABLE = "EMDOSE_PROGRESS"
QUIET_S = 0.4
"""A job that is done sooner shows no bar."""
WORDS = {
    "setup": "setting up the equations",
    "port": "solving port",
    "fields": "computing the fields",
    "write": "writing the results",
}
"""What the stages of solvers and of every run are called; one that has no words goes by its own name."""
_INSIDE: ContextVar[bool] = ContextVar("inside of something that is shown or quiet", default=False)


def watched(solve: Callable[P, R]) -> Callable[P, R]:
    """Decorator of whatever takes ``progress``: inside it is a function in any case."""
    place = list(inspect.signature(solve).parameters).index("progress")

    @functools.wraps(solve)
    def shown(*args: P.args, **kwargs: P.kwargs) -> R:
        given: Any = args[place] if len(args) > place else kwargs.get("progress", True)
        with listening(given) as tell:
            if len(args) > place:
                return solve(*(*args[:place], tell, *args[place + 1 :]), **kwargs)  # type: ignore[arg-type]
            return solve(*args, **{**kwargs, "progress": tell})  # type: ignore[arg-type]

    return shown


@contextmanager
def listening(progress: Progress) -> Iterator[ProgressCallback]:
    """What a job tells its events to, while it runs.

    Parameters
    ----------
    progress : callable, bool or None
        As of a solver.

    Raises
    ------
    InputError
        For anything else.
    """
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InputError(
            "not a way to show progress",
            field="progress",
            found=progress,
            expected="True (where somebody watches), False, or a function that gets the events",
        )
    shows = progress is True and not _INSIDE.get() and is_watched()
    token = _INSIDE.set(True)
    try:
        if shows:
            from rich.console import Console

            with ProgressBar(Console(stderr=True)) as bar:
                yield bar
        else:
            yield progress if callable(progress) else silent
    finally:
        _INSIDE.reset(token)


def is_watched() -> bool:
    """Whether a bar would be seen: in a terminal or a notebook, in the main thread of the user's own process."""
    if multiprocessing.parent_process() is not None or threading.current_thread() is not threading.main_thread():
        return False
    told = os.environ.get(VARIABLE, "").strip().lower()
    if told:
        return told not in ("0", "off", "no", "false")
    kernel = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(kernel, "kernel", None) is not None or bool(getattr(sys.stderr, "isatty", lambda: False)())


class ProgressBar:
    """Callable that takes the events of a job; a context manager, so that the bar goes away on any end.

    Parameters
    ----------
    console : rich.console.Console
        Where to write; stderr, so that results can be piped.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._words = dict(WORDS)
        self._bar: Any = None
        self._task: Any = None
        self._made = time.monotonic()
        self._clock_of: tuple[Any, ...] = ()
        self._since, self._first_fraction = 0.0, 0.0

    def __enter__(self) -> Self:
        self._made = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self) -> None:
        """Show a bar, where the console can."""
        if self._bar is None and (self.console.is_terminal or self.console.is_jupyter):
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(30),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._task = self._bar.add_task("preparing", total=1.0, note="")
            self._bar.start()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self._words |= event.titles
        if isinstance(event, Done):
            return
        if isinstance(event, Iteration):
            self._step(event)
        elif isinstance(event, March):
            self._march(event)
        else:
            note = event.note or (f"{event.name}, {event.index + 1} of {event.count}" if event.name else "")
            text = self._words.get(event.stage, event.stage)
            self._show(text, event.fraction, note, (event.stage, "" if event.note else note))

    def _step(self, event: Iteration) -> None:
        part = (event.index + (event.fraction or 0.0)) / event.count
        eta = self._left((event.stage,), part)
        notes = [f"step {event.step}"]
        if event.residual is not None and event.tolerance is not None:
            notes.append(f"residual {event.residual:.1e} (goal {event.tolerance:.0e})")
        if isinstance(event, TimeStep):
            eta = event.eta_s or eta
            notes[:1] = [f"step {event.step} of {event.steps}", f"energy {event.energy_dB:.0f} dB"]
            notes.append(f"{event.cells_per_s / 1e6:.0f} Mcells/s")
        note = ", ".join(notes)
        text = self._words.get(event.stage, event.stage)
        text += f" {event.index + 1} of {event.count}" if event.name else ""
        self._show(text, part, note + about(eta), (event.stage, event.index))

    def _march(self, event: March) -> None:
        part = event.fraction or 0.0
        eta = self._left((event.stage, event.index, event.level, event.final), part)
        note = f"{event.time_s:.0f} of {event.duration_s:.0f} s{about(eta)}"
        text = event.stage if event.final else "choosing time steps"
        self._show(f"{text}: {event.name}", part, note, (event.stage,))

    def _left(self, clock: tuple[Any, ...], part: float) -> float | None:
        """Seconds left of what has the clock, of which a part is done."""
        now = time.monotonic()
        if clock != self._clock_of:
            # What comes from a checkpoint took no time: it must not make the estimate too good.
            self._clock_of, self._since, self._first_fraction = clock, now, part
        return remaining(now - self._since, part - self._first_fraction, 1 - part)

    def _show(self, text: str, fraction: float | None, note: str, stage: tuple[Any, ...]) -> None:
        if self._bar is None and time.monotonic() - self._made >= QUIET_S:
            self.start()
        if self._bar is not None:
            self._bar.update(
                self._task, description=text, note=note, **({} if fraction is None else {"completed": fraction})
            )
            return
        self._line(text, note, stage)

    def _line(self, text: str, note: str, stage: tuple[Any, ...]) -> None:
        """A plain line in place of a bar; none, unless a class says otherwise."""


def remaining(elapsed_s: float, done: float, left: float) -> float | None:
    """Seconds left when ``done`` of the work took ``elapsed_s``; None while that says nothing yet."""
    return elapsed_s * left / done if done > 0.02 and elapsed_s > 0.5 else None


def about(seconds: float | None) -> str:
    """Time that is left, in words after a comma; empty where nobody knows."""
    return "" if seconds is None else f", about {duration(seconds)} left"
