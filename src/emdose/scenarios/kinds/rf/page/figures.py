"""Figures for documents: maps in three planes, drawn by matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.maps.volumes import Layer, body_box, find_peak
from emdose.report.wording import number
from emdose.scenarios.kinds.rf.page.content import layers

if TYPE_CHECKING:
    from emdose.scenarios.kinds.rf.result.result import RunResult

PLANES = ((0, 1, 2, "sagittal"), (1, 0, 2, "coronal"), (2, 0, 1, "axial"))
"""Normal, horizontal and vertical axis of every plane."""


def figure_maps(result: RunResult, dpi: int = 150) -> bytes:
    """B1+ through the isocentre and the SAR of the largest averaging mass through its peak, three planes each.

    The view is radiological: the patient's right is on the left of the coronal and axial planes, anterior on the left
    of the sagittal one. Axes in mm from the isocentre.

    Parameters
    ----------
    result : RunResult
        What a run left in its folder.
    dpi : int
        Pixels per inch; the figure is 10 inches wide.

    Returns
    -------
    bytes
        A PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    phantom = result.phantom
    grid, body = phantom.grid, phantom.body
    low, high = body_box(body)
    spans = [1e3 * (b - a) * s for a, b, s in zip(low, high, grid.spacing_m, strict=True)]
    maps = layers(result)
    shown = [maps[0], maps[-1]]
    wide = [spans[h] for _, h, _, _ in PLANES]
    row_height = 10 * 0.74 * max(spans[v] for *_, v, _ in PLANES) / sum(wide) + 0.45
    figure = Figure(figsize=(10, len(shown) * row_height + 0.1), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(shown), 3, width_ratios=wide, squeeze=False)
    for row, layer in zip(axes, shown, strict=True):
        _draw_row(figure, row, layer, result, (low, high), through_peak=layer is maps[-1])
    stream = io.BytesIO()
    figure.savefig(
        stream, format="png", bbox_inches="tight", pad_inches=0.08
    )  # the layout forgets the outermost labels
    return stream.getvalue()


def _draw_row(figure: Any, row: Any, layer: Layer, result: RunResult, box: Any, *, through_peak: bool) -> None:
    grid, body = result.phantom.grid, result.phantom.body
    (low, high), factor = box, layer.factor
    peak = find_peak(layer.value, body, grid, factor)
    values = np.where(body & np.isfinite(layer.value), layer.value * factor, np.nan)
    if through_peak and peak is not None:
        index = peak.index
    else:
        isocentre = (round(-o / s - 0.5) for o, s in zip(grid.origin_m, grid.spacing_m, strict=True))
        index = tuple(min(max(i, a), b - 1) for i, a, b in zip(isocentre, low, high, strict=True))
    image = None
    for axes, (normal, across, up, name) in zip(row, PLANES, strict=True):
        cut: list[Any] = [slice(a, b) for a, b in zip(low, high, strict=True)]
        cut[normal] = index[normal]
        edges = [[1e3 * grid.nodes(a)[i] for i in (low[a], high[a])] for a in (across, up)]
        image = axes.imshow(
            values[tuple(cut)].T,
            origin="lower",
            extent=(*edges[0], *edges[1]),
            cmap=layer.colours,
            vmin=0,
            vmax=peak.value if peak else None,
            interpolation="nearest",
        )
        axes.invert_xaxis()
        axes.set_title(f"{name}, {'xyz'[normal]} = {1e3 * grid.centres(normal)[index[normal]]:.1f} mm", fontsize=9)
        axes.set_xlabel(("R – x [mm] – L", "A – y [mm] – P")[across], fontsize=8)
        axes.set_ylabel(("", "P – y [mm] – A", "I – z [mm] – S")[up], fontsize=8)
        axes.tick_params(labelsize=7)
        if through_peak and peak is not None:
            axes.plot(
                1e3 * peak.position_m[across], 1e3 * peak.position_m[up], "o", mfc="none", mec="#20c0ff", ms=9, mew=1.5
            )
    bar = figure.colorbar(image, ax=list(row), fraction=0.03, pad=0.01, shrink=0.9)
    bar.set_label(f"{layer.title} [{layer.unit}], peak {number(peak.value) if peak else '–'}", fontsize=8)
    bar.ax.tick_params(labelsize=7)
