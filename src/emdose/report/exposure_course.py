"""Running averages of a sequence over time, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdose.dosimetry.sequences.played import B1, SequenceExposure, SequenceQuantity, how_played
from emdose.report.wording import duration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 700
STYLES = ("-", "--", ":")
SHOWN = 1e-3
"""Part of the largest SAR that the axis begins at."""


def course_figure(exposure: SequenceExposure) -> Figure:
    """B1+rms and SAR of a sequence over time: averages over the windows that end at each moment.

    Parameters
    ----------
    exposure : SequenceExposure
        What was played.
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(7.2, 5.4), layout="constrained")
    plt.close(figure)  # otherwise a notebook shows it twice, and scripts collect open figures
    top, bottom = figure.subplots(2, 1, sharex=True)
    t = np.linspace(0.0, exposure.duration_s, POINTS)
    unit, factor = ("min", 1 / 60) if exposure.duration_s > 300 else ("s", 1.0)
    windows = sorted(exposure.windows_s, reverse=True)
    for window, style in zip(windows, STYLES, strict=False):
        top.plot(factor * t, 1e6 * exposure.running(B1, window, t), style, color="#1b6ca8", label=duration(window))
    shown: dict[str, SequenceQuantity] = {}  # of several definitions of a part the one with the largest SAR
    for q in exposure.quantities:
        if q.kind in ("SAR", "local SAR"):
            name = q.name.split(" (")[0] if q.kind == "SAR" else f"local, {q.name}"
            shown[name] = max(shown.get(name, q), q, key=lambda one: one.average)
    for n, (name, q) in enumerate(shown.items()):
        for window, style in zip(windows, STYLES, strict=False):
            label = name if window == windows[0] else None
            bottom.plot(factor * t, exposure.running(q.name, window, t), style, color=f"C{n}", label=label)
    largest = max(w.value for q in shown.values() for w in q.windows)
    bottom.set(yscale="log", ylim=(SHOWN * largest, 2 * largest))
    top.set(ylabel="B1+rms [\u00b5T]")
    bottom.set(ylabel="SAR [W/kg]", xlabel=f"time [{unit}]")
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, ncols=2)
    played = how_played(exposure.repeated)
    figure.suptitle(f"{exposure.name}, {played}: average over the window before each moment", fontsize=11)
    return figure
