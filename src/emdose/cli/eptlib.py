"""``emdose ept --eptlib``: what a configuration of EPTlib asks for, done by emdose."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.console import Console


def run(console: Console, file: Path, device: str, quiet: bool) -> int:
    """Run a configuration of EPTlib and say what came out; addresses in it are relative to the current folder.

    Parameters
    ----------
    console : rich.console.Console
        For the result.
    file : Path
        The configuration.
    device : str
        "auto", "cpu" or "cuda".
    quiet : bool
        Say nothing.
    """
    from emdose.eptlib_bridge import run_config
    from emdose.report import terminal

    start = time.perf_counter()
    found = run_config(file, device)
    if quiet:
        return 0
    inside = found.valid
    terminal.say(
        console,
        f"{file}: {found.method}, {int(np.count_nonzero(inside))} voxels with a value, "
        f"{time.perf_counter() - start:.1f} s",
    )
    for name, unit in (("conductivity", " S/m"), ("permittivity", "")):
        values = getattr(found, name)
        if values is not None and inside.any():
            low, middle, high = np.percentile(values[inside & np.isfinite(values)], [25, 50, 75])
            text = f"{name}: median {middle:.4g}{unit}, quartiles {low:.4g} and {high:.4g}{unit}"
            terminal.say(console, f"  {text.replace('permittivity', 'relative permittivity')}")
    return 0
