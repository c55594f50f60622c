"""Progress of a run on the terminal: a bar with residual and remaining time, or plain lines where there is none."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Self

from emdose.scenarios.shared.job import Claimed, Planned
from emdose.solvers.progress import ProgressBar
from emdose.solvers.running import Event, plural

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY_S = 5.0


class RunProgress(ProgressBar):
    """Takes the events of a run; says first what is planned, and where it goes.

    Parameters
    ----------
    console : rich.console.Console
        Where to write; stderr, so that results can be piped.
    quiet : bool
        Say nothing.
    """

    def __init__(self, console: Console, quiet: bool = False) -> None:
        super().__init__(console)
        self.quiet = quiet
        self._where, self._planned = "", False
        self._last_line = -math.inf
        self._last_stage: tuple[Any, ...] = ()

    def __enter__(self) -> Self:
        if not self.quiet:
            self.start()
        return self

    def __call__(self, event: Event) -> None:
        """Show an event; see :func:`emdose.scenarios.run`."""
        if self.quiet:
            return
        if isinstance(event, Claimed):
            self._where = where_line(event)
            self._words |= event.titles
        elif isinstance(event, Planned):
            # Not before: what is wrong with the input shall be the only line on the screen.
            self.planned(self._where, f"plan: {event.plan}")
        elif self._planned:
            super().__call__(event)

    def planned(self, *lines: str) -> None:
        """Say what is to be done, and show from now on how far it is."""
        self._planned = True
        for line in lines if not self.quiet else ():
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, text: str, note: str, stage: tuple[Any, ...]) -> None:
        now = time.monotonic()
        if stage != self._last_stage or now - self._last_line >= LINE_EVERY_S:
            self.console.print(f"{text}{': ' if note else ''}{note}", highlight=False, soft_wrap=True)
            self._last_line, self._last_stage = now, stage


def where_line(event: Claimed) -> str:
    """Where the results go, and what is there already."""
    text = f"{event.name}: results go to {event.folder}"
    if event.solved:
        return f"{text}; solved before, only what is made of the solution is computed"
    return f"{text}; going on with {plural(len(event.kept), event.noun)}" if event.kept else text
