"""The command ``emdose sweep``: all cases of a matrix, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def run(
    console: Console, errors: Console, target: str, out: Path | None, executor: str | None, device: str, force: bool
) -> int:
    """Run a sweep, and say how many cases lie in which class.

    Parameters
    ----------
    console, errors : Console
        For results, and for progress.
    target : str
        A TOML file, or the name of a bundled sweep.
    out : Path or None
        Its folder.
    executor, device, force
        As of :func:`emdose.scenarios.sweep.run_sweep`.
    """
    from emdose.report import terminal
    from emdose.scenarios.sweep import run_sweep
    from emdose.scenarios.sweep.bundled import sweep_file

    found = run_sweep(
        sweep_file(target),
        out,
        executor_name=executor,
        device=device,
        force=force,
        tell=lambda text: terminal.say(errors, text),
    )
    rows = [("switched gradients", name, str(n)) for name, n in sorted(found.classes.items())]
    rows += [("RF", name, str(n)) for name, n in sorted(found.rf_classes.items())]
    terminal.table(console, ("", "peak rise", "cases"), rows, right=(2,))
    counted = f"{sum(found.classes.values())} cases of switched gradients, which a scanner's field does not change"
    if found.rf_classes:
        terminal.say(console, f"{counted}, and {sum(found.rf_classes.values())} of RF")
    else:
        terminal.say(console, f"{counted}; RF heating is not in these numbers")
    for one in found.failed:
        terminal.say(errors, f"emdose: warning: {one['name']}: {one['reason']}")
    terminal.say(console, f"  {found.folder / 'sweep.csv'}")
    terminal.say(console, f"Open {(found.folder / 'group.html').resolve().as_uri()}")
    return 0
