"""Progress of a run on the terminal: a bar with residual and remaining time, or plain lines where there is none."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.console import Console

WORDS = {
    "setup": "setting up the equations",
    "fields": "computing the fields",
    "averages": "averaging SAR",
    "checks": "checking limits",
    "write": "writing the results",
    "method": "reconstructing",
    "judge": "comparing with the truth",
    "frequency": "power",
    "power": "power of the exposures",
}
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
        self.ports_done, self.ports = 0, 0
        self._where = ""
        self._bar: Any = None
        self._task: Any = None
        self._solving_since: float | None = None
        self._first_fraction = 0.0
        self._last_line = -math.inf
        self._last_stage: tuple[Any, ...] = ()
        self._timed_stage: tuple[Any, ...] = ()
        self._timed_since = 0.0

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

    def __call__(self, event: dict[str, Any]) -> None:
        """Show an event; see :func:`emdose.scenarios.run`."""
        stage = event["stage"]
        if stage == "claimed":
            self._where = where_line(event)
        elif stage == "plan":
            # Not before: what is wrong with the input shall be the only line on the screen.
            for line in (self._where, plan_line(event)):
                self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        elif stage == "port":
            self._port(event)
        elif stage in ("modes", "heat"):
            self._timed(event)
        elif stage in WORDS and not self.quiet:
            what = event.get("name") or (f"{event['frequency_Hz']:g} Hz" if "frequency_Hz" in event else "")
            note = f"{what}, {event['index'] + 1} of {event['count']}" if "index" in event else ""
            self._show(WORDS[stage], None, note, (stage, note))

    def _port(self, event: dict[str, Any]) -> None:
        port, self.ports, residual, tolerance = event["port"], event["ports"], event["residual"], event["tolerance"]
        self.ports_done = port
        fraction = (port + _share(event)) / self.ports
        now = time.monotonic()
        if self._solving_since is None:
            # Ports from a checkpoint took no time: they must not make the estimate too good.
            self._solving_since, self._first_fraction = now, fraction
        eta = event.get("eta_s") or remaining(now - self._solving_since, fraction - self._first_fraction, 1 - fraction)
        note = f"residual {residual:.1e} (goal {tolerance:.0e})"
        if "step" in event:
            note = (
                f"step {event['step']} of {event['steps']}, energy {event['energy_dB']:.0f} dB, {note}, "
                f"{event['mcells_per_s']:.0f} Mcells/s"
            )
        note += "" if eta is None else f", about {duration(eta)} left"
        if not self.quiet:
            self._show(f"solving port {port + 1} of {self.ports}", fraction, note, (event["stage"], port))

    def _timed(self, event: dict[str, Any]) -> None:
        """A stage that knows how far it is: steps of the eddy currents, or seconds of heat."""
        now, heat = time.monotonic(), event["stage"] == "heat"
        if heat:
            part = event["time_s"] / event["duration_s"]
            text = f"heat: {event['name']}" if event["final"] else f"choosing time steps: {event['name']}"
            key: tuple[Any, ...] = ("heat", event["index"], event["level"], event["final"])
            note = f"{event['time_s']:.0f} of {event['duration_s']:.0f} s"
        else:
            part, text, key = solved_share(event["residual"], event["tolerance"]), "eddy currents", ("modes",)
            note = f"step {event['step']}, residual {event['residual']:.1e} (goal {event['tolerance']:.0e})"
        if key != self._timed_stage:
            self._timed_stage, self._timed_since, self._first_fraction = key, now, part
        eta = remaining(now - self._timed_since, part - self._first_fraction, 1 - part)
        note += "" if eta is None else f", about {duration(eta)} left"
        if not self.quiet:
            self._show(text, part, note, key[:1])

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


def _share(event: dict[str, Any]) -> float:
    """How much of a port is done: by steps in time, or by the residual."""
    if event.get("steps"):
        return min(1.0, float(event["step"] / event["steps"]))
    return solved_share(event["residual"], event["tolerance"])


def solved_share(residual: float, tolerance: float) -> float:
    """How much of a port is done, 0 to 1: Krylov methods lower the logarithm of the residual about evenly."""
    if not residual > 0:
        return 1.0
    return min(1.0, max(0.0, math.log(residual) / math.log(tolerance)))


def remaining(elapsed_s: float, done: float, left: float) -> float | None:
    """Seconds left when ``done`` of the work took ``elapsed_s``; None while that says nothing yet."""
    return elapsed_s * left / done if done > 0.02 and elapsed_s > 0.5 else None


def duration(seconds: float) -> str:
    """A time in words: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def size(bytes_: float) -> str:
    """An amount of memory: "340 MiB", "2.1 GiB"."""
    return f"{bytes_ / 2**30:.2g} GiB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.0f} MiB"


def where_line(event: dict[str, Any]) -> str:
    """Where the results go, and what is there already."""
    text = f"{event['name']}: results go to {event['folder']}"
    if event["ports"]:
        noun = event.get("noun", "solved port")
        text += f"; going on with {len(event['ports'])} {noun}{'s' if len(event['ports']) > 1 else ''}"
    return text


def plan_line(plan: dict[str, Any]) -> str:
    """What a run will take, before it starts."""
    shape = " x ".join(str(n) for n in plan["shape"])
    count = plan.get("methods", 0)
    methods = f"{count} method{'s' if count != 1 else ''} of reconstruction"
    if "heat_shape" in plan:
        heat = " x ".join(str(n) for n in plan["heat_shape"])
        exposures = f"{plan['exposures']} exposure{'s' if plan['exposures'] != 1 else ''}"
        return (
            f"plan: {shape} voxels around the metal, {plan['branches']} currents, {plan['frequencies']} "
            f"frequencies on {plan['device']}; about {size(plan['bytes'])} and {duration(plan['seconds'])}; "
            f"then heat on {heat} voxels, {exposures}"
        )
    if "unknowns" not in plan:
        return f"plan: {shape} voxels, {methods} on {plan['device']}"
    if "cells_shape" in plan:
        cells = " x ".join(str(n) for n in plan["cells_shape"])
        return (
            f"plan: {cells} cells, {plan['runs']} run{'s' if plan['runs'] != 1 else ''} of about {plan['steps']} "
            f"steps on {plan['device']}; about {size(plan['bytes'])} and "
            f"{duration(plan['seconds'])} to solve"
        )
    ports = f"{plan['ports']} port{'s' if plan['ports'] != 1 else ''}"
    return (
        f"plan: {shape} voxels, {plan['unknowns']} unknowns, {ports} on {plan['device']}; "
        f"about {size(plan['bytes'])} and {duration(plan['seconds'])} to solve"
        f"{f', then {methods}' if count else ''}"
    )
