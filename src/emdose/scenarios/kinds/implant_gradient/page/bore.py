"""The map of power over the places of the implant in the bore, as a picture."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.scenarios.kinds.implant_gradient.worst.bore import BoreMap

PLANES = ((2, 0, 1, "transverse"), (1, 2, 0, "coronal"), (0, 2, 1, "sagittal"))
"""Normal, horizontal and vertical axis of every plane."""


def bore_figure(bore: BoreMap) -> dict[str, str]:
    """Power in the worst orientation in three planes through the worst place (cross), as a PNG with its caption.

    Parameters
    ----------
    bore : BoreMap
        The map.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values, low = _on_lattice(bore)
    at = bore.places_m[bore.worst_place]
    index = np.rint((at - low) / bore.step_m).astype(int)
    top = float(np.nanmax(values))
    factor, unit = (1.0, "W") if top >= 1 else (1e3, "mW")
    spans = [values.shape[a] for _, a, _, _ in PLANES]
    figure = Figure(figsize=(9.6, 3.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    row = figure.subplots(1, 3, width_ratios=spans)
    image: Any = None
    for axes, (normal, across, up, name) in zip(row, PLANES, strict=True):
        plane = np.take(values, index[normal], axis=normal)
        plane = plane.T if across < up else plane
        ends = [
            (1e3 * (low[a] - 0.5 * bore.step_m), 1e3 * (low[a] + (n - 0.5) * bore.step_m))
            for a, n in ((across, values.shape[across]), (up, values.shape[up]))
        ]
        image = axes.imshow(
            factor * plane,
            origin="lower",
            extent=(*ends[0], *ends[1]),
            cmap="magma",
            vmin=0,
            vmax=factor * top,
            interpolation="nearest",
        )
        axes.plot(1e3 * at[across], 1e3 * at[up], "+", color="#20c0ff", ms=9)
        axes.set_title(f"{name}, {'xyz'[normal]} = {1e3 * at[normal]:.0f} mm", fontsize=9)
        axes.set_xlabel(f"{'xyz'[across]} [mm]", fontsize=8)
        axes.set_ylabel(f"{'xyz'[up]} [mm]", fontsize=8)
        axes.tick_params(labelsize=7)
    bar = figure.colorbar(image, ax=list(row), fraction=0.03, pad=0.01, shrink=0.9)
    bar.set_label(f"power in the worst orientation [{unit}]", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", bbox_inches="tight", pad_inches=0.06, facecolor="white")
    return {
        "source": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"),
        "caption": f"Power in the metal in the worst orientation over {len(bore.worst)} places of the implant's middle "
        f"in the scanner, {1e3 * bore.step_m:g} mm apart; three planes through the worst place (cross).",
    }


def _on_lattice(bore: BoreMap) -> tuple[np.ndarray, np.ndarray]:
    """The map on the lattice of its places, NaN where there is none, and the low corner [m]."""
    low = bore.places_m.min(axis=0)
    index = np.rint((bore.places_m - low) / bore.step_m).astype(int)
    out = np.full(tuple(index.max(axis=0) + 1), np.nan)
    out[tuple(index.T)] = bore.worst
    return out, low
