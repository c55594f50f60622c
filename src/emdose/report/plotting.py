"""Pictures of values for notebooks: slices of maps with their scale and unit, curves over frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import one_of
from emdose.circuits.network import Network
from emdose.dosimetry.sequences.played import SequenceExposure
from emdose.errors import InputError
from emdose.io.maps.labelled import AXES, Contents, LabelledArray, known, on_grid
from emdose.models.grids.grid import Grid
from emdose.report.exposure_course import course_figure
from emdose.solvers.results.power_tensor import PowerTensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "value": "inferno",
    "rise": "inferno",
    "worst": "inferno",
    "peaks_K": "inferno",
    "loss_map": "inferno",
    "absolute_degC": "magma",
    "baseline_degC": "magma",
    "bias_conductivity": "RdBu_r",
    "bias_permittivity": "RdBu_r",
}
"""Colour maps of quantities; others take viridis, angles a cyclic one, classes a qualitative one."""
OUTSIDE = "#e9e9ec"
PERCENT = 99.5
"""Of the values inside that a scale without zero at its low end shows; outliers at edges of EPT maps hide the rest."""


def plot(
    value: Any,
    quantity: str | None = None,
    *,
    axis: str | None = None,
    index: int | None = None,
    at_m: float | None = None,
    which: int | str | None = None,
    grid: Grid | None = None,
    unit: str | None = None,
) -> Figure:
    """A picture of a value: slices through its peak, or curves over frequency.

    Parameters
    ----------
    value : Fields, SarMap, MassAverage, TemperatureMap, HeatCourse, HeatResult, PowerTensor, PropertyMap, B1Map, ...
        What to draw; also a Phantom, a Network, or a SequenceExposure.
    quantity : str, optional
        Which of its quantities, such as "E" or "b1plus" of fields, "conductivity" or "u_conductivity" of a property
        map; by default what the value is about. Of complex and vector fields the magnitude is drawn.
    axis : "x", "y" or "z", optional
        The axis across the slice; by default three slices are drawn, one across each.
    index, at_m : int or float, optional
        Where the slice cuts ``axis``: a voxel or a place [m]; by default at the peak.
    which : int or str, optional
        Port of fields that are not driven, channel of B1 maps, moment of a course (the last one by default), frequency
        of a power tensor, pair of a heat result: a number or a name.
    grid : Grid, optional
        Voxels of a MassAverage, which does not know them; without it the axes count voxels.
    unit : str, optional
        Unit on the scale, where the value does not know it, as for an average.

    Returns
    -------
    matplotlib Figure
        Not among the open figures of pyplot: a notebook shows it once, a script saves it with ``savefig``.

    Raises
    ------
    InputError
        For an object that cannot be drawn, an unknown quantity or axis, a slice outside the grid, or fields of several
        ports without a choice.
    """
    if isinstance(value, SequenceExposure):
        return course_figure(value)
    held = on_grid(value, grid) if {c.__name__ for c in type(value).__mro__} & {*known()} else None
    drawable = [n for n, q in held.quantities.items() if _drawable(value, n, q)] if held else []
    if held is None or not drawable:
        what = [name for name in known() if name != "QMatrices"]
        raise InputError("cannot be drawn", found=type(value).__name__, expected=f"one of {', '.join(what)}")
    name = drawable[0] if quantity is None else one_of("quantity", quantity, drawable, problem="unknown quantity")
    item = held.pick(name)
    if "x" not in item.dims:
        return _curves(value, held, item)
    return _slices(held, name, item, axis, index, at_m, which, unit)


def _drawable(value: Any, name: str, item: LabelledArray) -> bool:
    spatial = [d for d in item.dims if d in AXES]
    extra = [d for d in item.dims if d not in AXES]
    if isinstance(value, PowerTensor) and name == "matrix":
        return value.matrix.shape[-1] >= 1
    if isinstance(value, Network) or item.dims == ("time",):
        return True
    return len(spatial) == 3 and len([d for d in extra if d != "component"]) <= 1


# ---- slices ----------------------------------------------------------------------------------------------------------
def _slices(
    held: Contents,
    name: str,
    item: LabelledArray,
    axis: str | None,
    index: int | None,
    at_m: float | None,
    which: int | str | None,
    unit: str | None,
) -> Figure:
    map_, said = chosen(held, item, which)
    inside = np.isfinite(map_)
    if item.inside is not None:
        inside &= item.inside()
    if not inside.any():
        raise InputError("nothing to draw: no finite value inside", field="quantity", found=name)
    peak = _peak(map_, inside, item)
    if axis is not None:
        one_of("axis", axis, AXES, problem="unknown axis")
    elif index is not None or at_m is not None:
        raise InputError("a slice needs its axis", field="axis", expected="x, y or z beside index or at_m")
    across = [AXES.index(axis)] if axis else [2, 1, 0]
    where = list(peak)
    if axis:
        where[across[0]] = _place(held.grid, map_.shape, across[0], index, at_m, peak[across[0]])

    shown_unit, factor = symbol(item.unit if unit is None else unit)
    map_ = map_ if item.kind == "label" else factor * map_
    sides = [_sides(held.grid, map_.shape, a) for a in across]
    wide, high = sum(w for w, _ in sides), max(h for _, h in sides)
    tall = min(4.6, 13.0 * high / wide)
    figure = _figure(max(tall * wide / high + 1.0 * len(across) + 1.6, 5.0), max(tall, 1.4) + 1.0)
    panels = np.atleast_1d(figure.subplots(1, len(across), width_ratios=[w for w, _ in sides]))
    scale = _scale(map_[inside], name, item)
    shown = np.ma.masked_where(~inside, map_)
    for panel, a in zip(panels, across, strict=True):
        image = _panel(panel, shown, a, where, held.grid, scale)
        if item.kind == "size" and where[a] == peak[a]:
            first, second = (b for b in range(3) if b != a)
            panel.plot(*(_middle(held.grid, b, peak[b]) for b in (first, second)), "+", color="#00d5ff", ms=9, mew=1.4)
    bar = figure.colorbar(image, ax=list(panels), shrink=0.85, pad=0.02, extend=scale.pop("extend", "neither"))
    _label(bar, item, shown_unit)
    title = _title(held, item, said, map_, peak, shown_unit)
    figure.suptitle(title.replace(", peak", "\npeak") if axis else title, fontsize=11)
    return figure


def chosen(held: Contents, item: LabelledArray, which: int | str | None) -> tuple[np.ndarray, str]:
    """The map over x, y, z, and what was picked of the other axis, in words."""
    values, dims, said = item.make(), list(item.dims), ""
    extra = [d for d in dims if d not in (*AXES, "component")]
    if extra:
        dim = extra[0]
        names = held.coordinates.get(dim)
        n = _number(dim, values.shape[dims.index(dim)], names, which)
        values = np.take(values, n, axis=dims.index(dim))
        dims.remove(dim)
        said = f"{dim} {n}" if names is None else _named(dim, names[n], held.units.get(dim, ""))
        if dim == "port" and names is not None and len(names) == 1:
            said = str(names[n])
    elif which is not None:
        raise InputError("there is nothing to choose from", field="which", found=which)
    if "component" in dims:
        values = np.sqrt((np.abs(values) ** 2).sum(axis=dims.index("component")))
    elif values.dtype.kind == "c":
        values = np.abs(values)
    return np.asarray(values), said


def _number(dim: str, count: int, names: Any, which: int | str | None) -> int:
    if which is None:
        if count > 1 and dim in ("port", "channel"):
            choice = f"which=0 to {count - 1}" + (" or a name" if dim == "port" else "")
            drive = "; or .drive(...) first" if dim == "port" else ""
            raise InputError(f"{count} {dim}s", field="which", expected=choice + drive)
        return count - 1 if dim == "time" else 0
    if isinstance(which, str):
        return list(names or []).index(one_of("which", which, [str(n) for n in names or []], problem=f"unknown {dim}"))
    if not -count <= which < count:
        raise InputError(f"no such {dim}", field="which", found=which, expected=f"0 to {count - 1}")
    return which % count


def _named(dim: str, name: Any, unit: str) -> str:
    return f"{dim} {name}" if isinstance(name, str) else f"{dim} {float(name):.4g} {unit}".strip()


def _peak(map_: np.ndarray, inside: np.ndarray, item: LabelledArray) -> list[int]:
    """Voxel of the largest magnitude; where that says nothing, the middle of what is inside."""
    if item.kind == "size":
        found = np.unravel_index(int(np.argmax(np.where(inside, np.abs(map_), -1))), map_.shape)
        return [int(i) for i in found]
    return [int(np.median(np.flatnonzero(inside.any(axis=tuple(b for b in range(3) if b != a))))) for a in range(3)]


def _sides(grid: Grid | None, shape: tuple[int, ...], a: int) -> tuple[float, float]:
    """Width and height of a slice across an axis."""
    steps = (1.0, 1.0, 1.0) if grid is None else grid.spacing_m
    first, second = (b for b in range(3) if b != a)
    return shape[first] * steps[first], shape[second] * steps[second]


def symbol(unit: str) -> tuple[str, float]:
    """The unit as the field writes it, and the factor to it: microtesla rather than tesla."""
    return (f"\u00b5{unit}", 1e6) if unit.split(" ")[0] == "T" else (unit, 1.0)


def _place(
    grid: Grid | None, shape: tuple[int, ...], a: int, index: int | None, at_m: float | None, default: int
) -> int:
    if index is not None and at_m is not None:
        raise InputError("two places for one slice", field="index, at_m", expected="one of them")
    if at_m is not None:
        if grid is None:
            raise InputError("places need a grid", field="at_m", found=at_m, expected="grid=phantom.grid beside it")
        low, high = grid.bounds_m[0][a], grid.bounds_m[1][a]
        if not low <= at_m <= high:
            raise InputError("slice outside the grid", field="at_m", found=at_m, expected=f"{low:g} to {high:g} m")
        return min(int((at_m - low) / grid.spacing_m[a]), shape[a] - 1)
    if index is None:
        return default
    if not -shape[a] <= index < shape[a]:
        raise InputError("slice outside the grid", field="index", found=index, expected=f"0 to {shape[a] - 1}")
    return index % shape[a]


def _scale(values: np.ndarray, name: str, item: LabelledArray) -> dict[str, Any]:
    """Colour map and its ends; 0 is the low end where nothing is negative."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    if item.kind == "phase":
        high = max(float(np.abs(values).max()), np.pi if np.abs(values).max() <= 1.01 * np.pi else 0.0)
        return {"cmap": _colours("twilight"), "vmin": -high, "vmax": high}
    if item.kind == "label":
        count = max(len(item.names), int(values.max()) + 1, 2)
        colours = [_colours("tab20")(n % 20) for n in range(count)]
        return {"cmap": _over(ListedColormap(colours)), "norm": BoundaryNorm(np.arange(count + 1) - 0.5, count)}
    cmap = _colours(COLOURS.get(name, "viridis"))
    low, high = float(values.min()), float(values.max())
    if name.startswith("bias"):
        high = float(np.percentile(np.abs(values), PERCENT)) or 1.0
        return {"cmap": cmap, "vmin": -high, "vmax": high, "extend": "both"}
    if item.kind == "spread":
        ends = np.percentile(values, [100 - PERCENT, PERCENT])
        low, top = min(float(ends[0]), 0.0), float(ends[1])
        return {"cmap": cmap, "vmin": low, "vmax": top, "extend": "max" if high > top else "neither"}
    if not name.endswith("degC"):
        low = min(low, 0.0)
    return {"cmap": cmap, "vmin": low, "vmax": high if high > low else low + 1}


def _colours(name: str) -> Any:
    from matplotlib import colormaps

    return _over(colormaps[name])


def _over(cmap: Any) -> Any:
    return cmap.with_extremes(bad=OUTSIDE)


def _panel(panel: Any, shown: Any, a: int, where: Sequence[int], grid: Grid | None, scale: dict[str, Any]) -> Any:
    first, second = (b for b in range(3) if b != a)
    ends = [
        (-0.5, shown.shape[b] - 0.5) if grid is None else (1e3 * grid.nodes(b)[0], 1e3 * grid.nodes(b)[-1])
        for b in (first, second)
    ]
    image = panel.imshow(
        np.take(shown, where[a], axis=a).T,
        origin="lower",
        extent=(*ends[0], *ends[1]),
        interpolation="nearest",
        **{k: v for k, v in scale.items() if k != "extend"},
    )
    length = "voxel" if grid is None else "mm"
    panel.set_xlabel(f"{AXES[first]} [{length}]")
    panel.set_ylabel(f"{AXES[second]} [{length}]")
    panel.set_title(f"{AXES[a]} = {_middle(grid, a, where[a]):.4g} {'' if grid is None else 'mm'}".strip(), fontsize=10)
    return image


def _middle(grid: Grid | None, a: int, n: int) -> float:
    return float(n) if grid is None else 1e3 * float(grid.centres(a)[n])


def _label(bar: Any, item: LabelledArray, unit: str) -> None:
    if item.kind == "label":
        ticks = np.arange(len(item.names)) if item.names else None
        if ticks is not None:
            bar.set_ticks(ticks, labels=[n.replace("_", " ") for n in item.names])
            bar.ax.tick_params(labelsize=8 if len(ticks) > 12 else 10)
        return
    bar.set_label(f"{item.title} [{unit}]" if unit not in ("", "1") else item.title)


def _title(held: Contents, item: LabelledArray, said: str, map_: np.ndarray, peak: Sequence[int], unit: str) -> str:
    words = [item.title[:1].upper() + item.title[1:]]
    if said:
        words.append(said)
    if item.kind == "size":
        place = ", ".join(f"{_middle(held.grid, a, n):.4g}" for a, n in enumerate(peak))
        number = f"{map_[tuple(peak)]:.4g} {'' if unit == '1' else unit}".strip()
        words.append(f"peak {number} at ({place}){' mm' if held.grid is not None else ''}")
    return ", ".join(words)


# ---- curves ----------------------------------------------------------------------------------------------------------
def _curves(value: Any, held: Contents, item: LabelledArray) -> Figure:
    figure = _figure(6.6, 4.2)
    axes = figure.subplots()
    if isinstance(value, Network):
        for i, out in enumerate(value.names):
            for j, into in enumerate(value.names):
                if i == j or value.size <= 4:
                    size = 20 * np.log10(np.maximum(np.abs(value.s[:, i, j]), 1e-12))
                    mark: dict[str, Any] = {"marker": "o"} if len(size) < 3 else {}
                    axes.plot(
                        value.frequencies_Hz / 1e6, size, label=f"S({out}, {into})", ls="-" if i == j else "--", **mark
                    )
        axes.set(xlabel="frequency [MHz]", ylabel="magnitude [dB]")
    elif isinstance(value, PowerTensor):
        levels = np.linalg.eigvalsh(value.matrix)
        names = ("worst direction", "best direction") if levels.shape[1] > 1 else ("power",)
        for level, name in zip((levels[:, -1], levels[:, 0]), names, strict=False):
            axes.plot(value.frequencies_Hz, level, "o-", label=name)
        axes.set(
            xscale="log", yscale="log", xlabel="frequency [Hz]", ylabel=f"power [W per ({value.source_units[0]})^2]"
        )
    else:
        (dim,) = item.dims
        axes.plot(held.coordinates[dim], item.make(), "o-")
        axes.set(xlabel=f"{dim} [{held.units[dim]}]", ylabel=f"{item.title} [{item.unit}]")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, ncols=2 if len(axes.lines) > 6 else 1)
    axes.set_title(item.title[:1].upper() + item.title[1:], fontsize=11)
    return figure


def _figure(width: float, height: float) -> Figure:
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width, height), layout="constrained")
    plt.close(figure)  # otherwise a notebook shows it twice, and scripts collect open figures
    return figure
