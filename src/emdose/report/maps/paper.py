"""Figures for papers: slices of one map with unit, colour bar, scale bar and the mark of its peak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import one_of
from emdose.errors import InputError
from emdose.io.maps.labelled import AXES, on_grid
from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer, MapPeak, body_box, find_peak
from emdose.report.plotting import COLOURS, chosen, symbol
from emdose.report.wording import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from emdose.models.grids.grid import Grid

PLANES = {"axial": (2, 0, 1), "coronal": (1, 0, 2), "sagittal": (0, 1, 2)}
"""Normal, horizontal and vertical axis of every plane."""
ENDS = (("R", "L"), ("A", "P"), ("S", "I"))
"""What stands left and right of a plane, or above and below: the radiological view, sagittal planes from the left."""
COLUMN_MM = 85.0
"""Width of a column of a journal; figures of several planes take twice as much."""
FONT_PT, MM_PER_INCH, DPI = 8.0, 25.4, 300
BAR_BELOW_MM = 6.0
"""How far the scale bar lies below its panel [mm]."""
PEAK, OUTLINE = "#19c3ff", "#8d99a6"


def figure(
    maps: Any,
    plane: str | Sequence[str] = "axial",
    quantity: str | None = None,
    *,
    at_m: float | None = None,
    top: float | None = None,
    colours: str | None = None,
    outlines: bool = True,
    width_mm: float | None = None,
    which: int | str | None = None,
    grid: Grid | None = None,
) -> Figure:
    """A figure for a paper: one map in one plane or several, through its peak.

    The view is radiological. Letters tell directions, a bar its scale, the colour bar quantity and unit, a ring the
    voxel of the largest value where the plane cuts it.

    Parameters
    ----------
    maps : MapSet, or a value that :func:`emdose.plot` draws as a map
        What to draw.
    plane : str or sequence of str
        "axial", "coronal", "sagittal", or several of them.
    quantity : str, optional
        Key or title of a map, such as "sar10g" or "B1+ magnitude"; by default the one that a page begins with.
    at_m : float, optional
        Where one plane cuts its axis [m]; by default at the peak.
    top : float, optional
        Upper end of the colours [unit shown]; by default the largest value.
    colours : str, optional
        A colour map of matplotlib.
    outlines : bool
        Whether tissues are outlined.
    width_mm : float, optional
        Width of the figure [mm]: 85 for one plane, 170 for several, where it is not given.
    which, grid
        As of :func:`emdose.plot`, for values that need them.

    Returns
    -------
    matplotlib Figure
        300 pixels per inch when saved with ``savefig``; PDF and SVG keep text as text.

    Raises
    ------
    InputError
        For an unknown plane or quantity, a place outside of the grid, or a map without a finite value.
    """
    held = maps if isinstance(maps, MapSet) else of_value(maps, quantity, which, grid)
    layer = _layer(held, quantity if isinstance(maps, MapSet) else None)
    names = [plane] if isinstance(plane, str) else list(plane)
    for name in names:
        one_of("plane", name, list(PLANES), problem="unknown plane")
    if not names:
        raise InputError("no plane to draw", field="plane", expected=f"one or more of {', '.join(PLANES)}")
    if at_m is not None and len(names) > 1:
        raise InputError("one place for several planes", field="at_m", expected="one plane beside it")
    body = held.labels != 0
    peak = find_peak(layer.value, body, held.grid, layer.factor)
    if peak is None:
        raise InputError("nothing to draw: no finite value in the body", field="quantity", found=layer.title)
    low, high = body_box(body)
    spans = [1e3 * (b - a) * s for a, b, s in zip(low, high, held.grid.spacing_m, strict=True)]
    wide, tall = [spans[PLANES[n][1]] for n in names], max(spans[PLANES[n][2]] for n in names)
    drawn, axes, bar_axes = _frame(width_mm or COLUMN_MM * min(len(names), 2), wide, tall)
    images: list[Any] = []
    for panel, name in zip(axes, names, strict=True):
        n = _index(held.grid, PLANES[name][0], at_m, peak)
        images.append(_panel(panel, held, layer, name, n, (low, high), (peak, top, colours, outlines)))
    shown = drawn.colorbar(images[0], cax=bar_axes)
    shown.set_label(f"{layer.title} [{layer.unit}]" if layer.unit not in ("", "1") else layer.title, fontsize=FONT_PT)
    shown.ax.tick_params(labelsize=FONT_PT - 1, width=0.5, length=2)
    shown.outline.set_linewidth(0.5)
    _scale_bar(axes[0], spans[PLANES[names[0]][1]])
    return drawn


def of_value(
    value: Any, quantity: str | None = None, which: int | str | None = None, grid: Grid | None = None
) -> MapSet:
    """One quantity of a value as a set of maps, with what is finite in it as the body.

    Raises
    ------
    InputError
        When the value holds no such map, or does not know its voxels.
    """
    held = on_grid(value, grid)
    drawable = [n for n, q in held.quantities.items() if len([d for d in q.dims if d in AXES]) == 3]
    if held.grid is None or not drawable:
        what = "a value of maps; a mass average with grid=phantom.grid"
        raise InputError("no maps on a grid", found=type(value).__name__, expected=what)
    name = drawable[0] if quantity is None else one_of("quantity", quantity, drawable, problem="unknown quantity")
    item = held.pick(name)
    found, said = chosen(held, item, which)
    inside = np.isfinite(found) & (item.inside() if item.inside is not None else True)
    unit, factor = symbol(item.unit)
    title = item.title[:1].upper() + item.title[1:] + (f", {said}" if said else "")
    layer = Layer(name, title, unit, np.asarray(found, float), factor, COLOURS.get(name, "viridis"))
    return MapSet(held.grid, inside.astype(np.uint8), {1: "inside"}, [layer])


def _layer(held: MapSet, quantity: str | None) -> Layer:
    if not held.layers:
        raise InputError("there are no maps to draw", field="quantity")
    asked = quantity or held.first or held.layers[0].key
    for one in held.layers:
        if asked.lower() in (one.key.lower(), one.title.lower()):
            return one
    one_of("quantity", asked, [one.key for one in held.layers], problem="unknown quantity")
    raise InputError("unknown quantity", field="quantity", found=asked)


def _frame(width_mm: float, wide: Sequence[float], tall: float) -> tuple[Figure, list[Any], Any]:
    """A figure with panels of one scale and a colour bar, all placed by hand: what is measured fits."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side, gap, bar, text, foot, head = 6.0, 12.0, 3.0, 14.0, 9.0, 9.0  # mm around and between the panels
    per_mm = (width_mm - 2 * side - gap * (len(wide) - 1) - bar - text) / sum(wide)
    height_mm = foot + head + tall * per_mm
    made = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    axes, left = [], side
    for one in wide:
        box = (left / width_mm, foot / height_mm, one * per_mm / width_mm, tall * per_mm / height_mm)
        axes.append(made.add_axes(box))
        left += one * per_mm + gap
    box = ((left - gap + side) / width_mm, foot / height_mm, bar / width_mm, tall * per_mm / height_mm)
    return made, axes, made.add_axes(box)


def _index(grid: Grid, axis: int, at_m: float | None, peak: MapPeak) -> int:
    if at_m is None:
        return peak.index[axis]
    low, high = grid.bounds_m[0][axis], grid.bounds_m[1][axis]
    if not low <= at_m <= high:
        raise InputError("plane outside the grid", field="at_m", found=at_m, expected=f"{low:g} to {high:g} m")
    return min(int((at_m - low) / grid.spacing_m[axis]), grid.shape[axis] - 1)


def _panel(panel: Any, held: MapSet, layer: Layer, name: str, n: int, box: Any, look: Any) -> Any:
    normal, across, up = PLANES[name]
    (low, high), (peak, top, colours, outlines) = box, look
    grid = held.grid
    cut: list[Any] = [slice(a, b) for a, b in zip(low, high, strict=True)]
    cut[normal] = n
    labels = held.labels[tuple(cut)].T
    values = layer.factor * layer.value[tuple(cut)].T
    edges = [[1e3 * grid.nodes(a)[i] for i in (low[a], high[a])] for a in (across, up)]
    inside = held.labels != 0
    least = min(0.0, layer.factor * float(np.nanmin(layer.value[inside & np.isfinite(layer.value)])))
    image = panel.imshow(
        np.ma.masked_where((labels == 0) | ~np.isfinite(values), values),
        origin="lower",
        extent=(*edges[0], *edges[1]),
        cmap=colours or layer.colours,
        vmin=least,
        vmax=top or (layer.top * layer.factor if layer.top is not None else None) or peak.value,
        interpolation="nearest",
    )
    if outlines:
        _outline(panel, labels, [1e3 * grid.nodes(a)[low[a] : high[a] + 1] for a in (across, up)])
    panel.invert_xaxis()
    panel.set_anchor("C")
    for side in panel.spines.values():
        side.set_visible(False)
    panel.set(xticks=[], yticks=[])
    panel.set_title(
        f"{name}, {AXES[normal]} = {1e3 * grid.centres(normal)[n]:.1f} mm".replace("-", "\u2212"), size=FONT_PT, pad=12
    )
    (left, right), (above, below) = ENDS[across], ENDS[up]
    for text, x, y in ((left, 0.0, 0.5), (right, 1.0, 0.5), (above, 0.5, 1.0), (below, 0.5, 0.0)):  # beside the panel
        style: dict[str, Any] = {"ha": "center", "va": "center", "size": FONT_PT, "color": "#444444"}
        away = (9 * (2 * x - 1), 6 * (2 * y - 1))
        panel.annotate(text, (x, y), away, xycoords="axes fraction", textcoords="offset points", **style)
    if n == peak.index[normal]:
        where = [1e3 * peak.position_m[a] for a in (across, up)]
        panel.plot(*where, "o", mfc="none", mec="black", ms=7, mew=1.8)
        panel.plot(*where, "o", mfc="none", mec=PEAK, ms=7, mew=1.0, label=f"peak {number(peak.value)} {layer.unit}")
    return image


def _outline(panel: Any, labels: np.ndarray, nodes: Sequence[np.ndarray]) -> None:
    """Edges between voxels of different labels, as one collection of lines."""
    from matplotlib.collections import LineCollection

    padded = np.pad(labels, 1)
    beside = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])  # row, and number of the node across
    above = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    x, y = nodes
    lines = [[(x[c], y[r]), (x[c], y[r + 1])] for r, c in beside] + [[(x[c], y[r]), (x[c + 1], y[r])] for r, c in above]
    panel.add_collection(LineCollection(lines, colors=OUTLINE, linewidths=0.35), autolim=False)


def _scale_bar(panel: Any, span_mm: float) -> None:
    """A line of a round length below a panel, with its length."""
    from matplotlib.transforms import ScaledTranslation

    raw = 0.35 * span_mm
    power = 10.0 ** np.floor(np.log10(raw))
    length = float(power * max(m for m in (1, 2, 5) if m * power <= raw))
    start, at = panel.get_xlim()[0], panel.get_xaxis_transform()  # its left end: the axis runs from right to left
    at = at + ScaledTranslation(0, -BAR_BELOW_MM / MM_PER_INCH, panel.figure.dpi_scale_trans)
    panel.plot([start, start - length], [0, 0], transform=at, color="black", lw=1.6, clip_on=False, label="scale bar")
    text = f"{length:g} mm"
    panel.text(start - length - 0.03 * span_mm, 0, text, transform=at, va="center", ha="left", size=FONT_PT - 1)
