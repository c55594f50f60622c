"""Progress of a run on the terminal: a bar with residual and remaining time, or plain lines where there is none."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Self

from emdose.scenarios.shared.job import Claimed, Planned
from emdose.scenarios.study.runner import SampleDone
from emdose.solvers.running import Done, Event, Iteration, March, TimeStep, duration, plural

if TYPE_CHECKING:
    from rich.console import Console

WORDS = {
    "setup": "setting up the equations",
    "port": "solving port",
    "fields": "computing the fields",
    "write": "writing the results",
}
"""What the stages of every run and of solvers are called; a kind of scenario brings words for its own, and one that has
none goes by its own name."""
LINE_EVERY_S = 5.0


class RunProgress:
    """Callable that takes the events of a run; a context manager, so that the bar goes away on any end.

    Parameters
    ----------
    console : rich.console.Console
        Where to write; stderr, so that results can be piped.
    quiet : bool
        Say nothing but the plan.
    """

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console, self.quiet = console, quiet
        self._where, self._planned = "", False
        self._words = dict(WORDS)
        self._bar: Any = None
        self._task: Any = None
        self._last_line = -math.inf
        self._last_stage: tuple[Any, ...] = ()
        self._clock_of: tuple[Any, ...] = ()
        self._since, self._first_fraction = 0.0, 0.0

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.quiet:
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
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Show an event; see :func:`emdose.scenarios.run`."""
        if isinstance(event, Claimed):
            self._where = where_line(event)
            self._words |= event.words
        elif isinstance(event, Planned):
            # Not before: what is wrong with the input shall be the only line on the screen.
            self.planned(self._where, f"plan: {event.plan}")
        elif isinstance(event, Done) or self.quiet or not self._planned:
            return
        elif isinstance(event, SampleDone):
            self._samples(event)
        elif isinstance(event, Iteration):
            self._step(event)
        elif isinstance(event, March):
            self._march(event)
        else:
            note = f"{event.name}, {event.index + 1} of {event.count}" if event.name else ""
            self._show(self._words.get(event.stage, event.stage), None, note, (event.stage, note))

    def planned(self, *lines: str) -> None:
        """Say what is to be done, and show from now on how far it is."""
        self._planned = True
        for line in lines:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _samples(self, event: SampleDone) -> None:
        notes = [f"{event.done} of {event.total}"]
        notes += [f"{event.failed} failed"] if event.failed else []
        notes += [f"{event.cached} kept from before"] if event.cached else []
        notes += [f"leave-one-out error {event.loo:.2g}"] if event.loo is not None else []
        note = ", ".join(notes) + _about(event.seconds or None)
        self._show("samples of the study", event.fraction, note, (event.stage, event.failed))

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
        self._show(text, part, note + _about(eta), (event.stage, event.index))

    def _march(self, event: March) -> None:
        part = event.fraction or 0.0
        eta = self._left((event.stage, event.index, event.level, event.final), part)
        note = f"{event.time_s:.0f} of {event.duration_s:.0f} s{_about(eta)}"
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
        if self._bar is not None:
            self._bar.update(
                self._task, description=text, note=note, **({} if fraction is None else {"completed": fraction})
            )
            return
        now = time.monotonic()
        if stage != self._last_stage or now - self._last_line >= LINE_EVERY_S:
            self.console.print(f"{text}{': ' if note else ''}{note}", highlight=False, soft_wrap=True)
            self._last_line, self._last_stage = now, stage


def remaining(elapsed_s: float, done: float, left: float) -> float | None:
    """Seconds left when ``done`` of the work took ``elapsed_s``; None while that says nothing yet."""
    return elapsed_s * left / done if done > 0.02 and elapsed_s > 0.5 else None


def _about(seconds: float | None) -> str:
    return "" if seconds is None else f", about {duration(seconds)} left"


def where_line(event: Claimed) -> str:
    """Where the results go, and what is there already."""
    text = f"{event.name}: results go to {event.folder}"
    if event.solved:
        return f"{text}; solved before, only what is made of the solution is computed"
    return f"{text}; going on with {plural(len(event.kept), event.noun)}" if event.kept else text
