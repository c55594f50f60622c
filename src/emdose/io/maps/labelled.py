"""What a value holds, by name: arrays with the names of their axes, coordinates and unit, for plots and for xarray.

Coordinates of voxels are their centres ``x``, ``y``, ``z`` [m]; what lies on voxel corners along an axis has there
``x_node``, ``y_node`` or ``z_node``. So a component of E on the Yee edges along x has the axes (port, x, y_node,
z_node), and one of B on the faces across x (port, x_node, y, z).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, singledispatch
from typing import Any

import numpy as np

from emdose.checks import unknown
from emdose.circuits.network import Network
from emdose.dosimetry.averaging.cubes import MassAverage
from emdose.dosimetry.sar import SarMap
from emdose.dosimetry.temperature import TemperatureMap
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import PropertyMap
from emdose.errors import InputError
from emdose.models.bodies import Phantom
from emdose.models.grids.grid import Grid
from emdose.solvers.heat.directions import PAIRS, HeatResult
from emdose.solvers.heat.solver import HeatCourse
from emdose.solvers.results.fields import Fields
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.values import read_only, unit_of

AXES = ("x", "y", "z")


@read_only
@dataclass(frozen=True, eq=False)
class LabelledArray:
    """One array of a value, made when it is asked for.

    Parameters
    ----------
    make : callable
        Gives the array.
    dims : tuple of str
        Names of its axes.
    unit : str
        Its unit; "" when it has none or nobody knows it.
    title : str
        What it is, in words.
    kind : {"size", "spread", "phase", "label"}
        Numbers on a scale, numbers whose extremes are noise, angles [rad], or numbers of classes.
    inside : callable, optional
        Gives the voxels (nx, ny, nz) where it means something.
    stored : bool
        Whether the value holds it as it is, rather than that it follows from what the value holds.
    names : tuple of str
        Names of the classes.
    """

    make: Callable[[], np.ndarray]
    dims: tuple[str, ...]
    unit: str
    title: str
    kind: str = "size"
    inside: Callable[[], np.ndarray] | None = None
    stored: bool = True
    names: tuple[str, ...] = ()


@read_only
@dataclass(frozen=True, eq=False)
class Contents:
    """What a value holds: quantities by name, coordinates of their axes, and plain facts.

    Parameters
    ----------
    quantities : mapping of str to LabelledArray
        The first one is what the value is about.
    coordinates : mapping of str to (n,) array
        Of every axis that has some.
    units : mapping of str to str
        Units of the coordinates.
    facts : mapping
        Numbers and words, such as the frequency.
    grid : Grid or None
        Voxels of the quantities over x, y, z.
    """

    quantities: Mapping[str, LabelledArray]
    coordinates: Mapping[str, Any]
    units: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid | None = None

    def pick(self, name: str) -> LabelledArray:
        """The quantity of a name; raises InputError for another name."""
        if name not in self.quantities:
            raise unknown("unknown quantity", name, self.quantities, field="quantity")
        return self.quantities[name]


@singledispatch
def contents(value: Any) -> Contents:
    """Quantities of a value by name.

    Parameters
    ----------
    value : object
        A value of one of the classes of :func:`known`.

    Raises
    ------
    InputError
        For another object.
    """
    raise InputError("no labelled arrays in this", found=type(value).__name__, expected=f"one of {', '.join(known())}")


def known() -> list[str]:
    """Names of the classes whose contents are known."""
    return sorted(cls.__name__ for cls in contents.registry if cls is not object)


@contents.register
def _(value: Fields) -> Contents:
    grid = value.grid
    quantities = {}
    for name, title, centred in (
        ("E", "electric field", value.E_centre),
        ("B", "magnetic flux density", value.B_centre),
    ):
        quantities[name] = LabelledArray(
            centred, ("port", "component", *AXES), unit_of(value, name), title, inside=lambda: value.body, stored=False
        )
    for name, title, made in (("b1plus", "B1+", value.b1plus), ("b1minus", "B1-", value.b1minus)):
        quantities[name] = LabelledArray(
            made, ("port", *AXES), unit_of(value, "B"), title, inside=lambda: value.body, stored=False
        )
    for name, title in (("E", "on the Yee edges"), ("B", "on the Yee faces")):
        for c, axis in enumerate(AXES):
            at_node = [(a != c) == (name == "E") for a in range(3)]
            dims = ("port", *(f"{x}_node" if node else x for x, node in zip(AXES, at_node, strict=True)))
            quantities[f"{name}_{axis}"] = LabelledArray(
                partial(_on_yee, getattr(value, name), c, at_node), dims, unit_of(value, name), f"{name} {title}"
            )
    quantities["body"] = LabelledArray(lambda: value.body, AXES, "", "voxels that are tissue", "label")
    points = _points(grid, nodes=True) | {"port": list(value.ports), "component": list(AXES)}
    facts = {"frequency_Hz": value.frequency_Hz, "drive_unit": value.drive_unit, "phasors": "peak, exp(+j w t)"}
    ordered = {k: quantities[k] for k in ("b1plus", *(k for k in quantities if k != "b1plus"))}
    return _contents(ordered, points, facts, grid)


@contents.register
def _(value: SarMap) -> Contents:
    inside: dict[str, Any] = {"inside": lambda: value.body}
    quantities = {
        "value": LabelledArray(lambda: value.value, AXES, unit_of(value, "value"), "SAR", **inside),
        "density": LabelledArray(lambda: value.density, AXES, unit_of(value, "density"), "mass density", **inside),
    }
    return _contents(quantities, _points(value.grid), {"rule": value.rule}, value.grid)


@contents.register
def _(value: MassAverage) -> Contents:
    inside: dict[str, Any] = {"inside": lambda: value.flag > 0}
    title = f"average over {1e3 * value.mass_kg:g} g"
    quantities = {
        "value": LabelledArray(lambda: value.value, AXES, "", title, **inside),
        "side_m": LabelledArray(lambda: value.side_m, AXES, "m", "side of the cube", **inside),
        "flag": LabelledArray(lambda: value.flag, AXES, "", "kind of voxel", "label", names=FLAGS),
    }
    return _contents(quantities, {}, {"mass_kg": value.mass_kg}, None)


@contents.register
def _(value: TemperatureMap) -> Contents:
    # The background, whose rise is 0 by definition, has no mask of its own here.
    inside: dict[str, Any] = {"inside": lambda: (value.rise != 0) | (not value.rise.any())}
    quantities = {
        "rise": LabelledArray(lambda: value.rise, AXES, "K", "temperature rise", **inside),
        "baseline_degC": LabelledArray(lambda: value.baseline_degC, AXES, "degC", "temperature before", **inside),
        "absolute_degC": LabelledArray(
            lambda: value.absolute_degC, AXES, "degC", "temperature", **inside, stored=False
        ),
    }
    return _contents(quantities, _points(value.grid), {"time_s": value.time_s}, value.grid)


@contents.register
def _(value: HeatCourse) -> Contents:
    inside: dict[str, Any] = {"inside": lambda: value.phantom.body}
    quantities = {
        "rise": LabelledArray(lambda: value.rise, ("time", *AXES), "K", "temperature rise", **inside),
        "peaks_K": LabelledArray(lambda: value.peaks_K, ("time",), "K", "largest rise"),
        "baseline_degC": LabelledArray(lambda: value.baseline_degC, AXES, "degC", "temperature before", **inside),
    }
    points = _points(value.phantom.grid) | {"time": value.times_s}
    return _contents(quantities, points, {"power_W": value.power_W}, value.phantom.grid)


@contents.register
def _(value: HeatResult) -> Contents:
    inside: dict[str, Any] = {"inside": lambda: value.phantom.body | (value.metal > 0)}
    quantities = {
        "basis": LabelledArray(
            lambda: value.basis, ("pair", *AXES), unit_of(value, "basis"), "rises by direction", **inside
        ),
        "worst": LabelledArray(
            lambda: _largest_eigenvalue(value.basis),
            AXES,
            unit_of(value, "basis"),
            "rise, worst direction of each voxel",
            **inside,
            stored=False,
        ),
        "metal": LabelledArray(lambda: value.metal, AXES, "", "share of metal"),
        "baseline_degC": LabelledArray(lambda: value.baseline_degC, AXES, "degC", "temperature before", **inside),
    }
    names = {
        f"extra {n}": LabelledArray(partial(np.asarray, m), AXES, "K", f"rise by {n}", **inside)
        for n, m in value.extra.items()
    }
    pairs = [AXES[i] + AXES[j] for i, j in PAIRS]
    points = _points(value.phantom.grid) | {"pair": pairs}
    ordered = {k: quantities[k] for k in ("worst", "basis", "metal", "baseline_degC")} | names
    return _contents(ordered, points, {}, value.phantom.grid)


@contents.register
def _(value: PowerTensor) -> Contents:
    pair = ("frequency", "source", "source_other")
    same = value.source_units[0] if len(set(value.source_units)) == 1 else "unit of source"
    per = {name: unit_of(value, name).replace("unit of source", same) for name in ("matrix", "loss")}
    quantities = {
        "matrix": LabelledArray(lambda: value.matrix, pair, per["matrix"], "power in the metal"),
        "loss": LabelledArray(lambda: value.loss, (*pair, "cell"), per["loss"], "power density"),
        "cells": LabelledArray(
            lambda: value.cells, ("cell", "component"), "", "indices of the metal's voxels", "label"
        ),
        "loss_map": LabelledArray(
            lambda: value.on_grid(np.einsum("fiim->fm", value.loss).real / len(value.sources)),
            ("frequency", *AXES),
            per["loss"],
            "power density, mean of the sources",
            inside=lambda: value.on_grid(np.ones(len(value.cells))) > 0,
            stored=False,
        ),
    }
    sources = list(value.sources)
    points = _points(value.grid) | {
        "frequency": value.frequencies_Hz,
        "source": sources,
        "source_other": sources,
        "component": list(AXES),
    }
    return _contents(quantities, points, {}, value.grid)


@contents.register
def _(value: PropertyMap) -> Contents:
    titles = {
        "conductivity": "conductivity",
        "permittivity": "relative permittivity",
        "u_conductivity": "standard uncertainty of conductivity",
        "u_permittivity": "standard uncertainty of permittivity",
        "bias_conductivity": "estimated bias of conductivity",
        "bias_permittivity": "estimated bias of permittivity",
    }
    quantities = {
        name: LabelledArray(partial(getattr, value, name), AXES, unit_of(value, name), title, "spread")
        for name, title in titles.items()
        if getattr(value, name) is not None
    }
    quantities["flags"] = LabelledArray(lambda: value.flags, AXES, "", "flags", "label")
    facts = {"frequency_Hz": value.frequency_Hz, "method": value.method}
    return _contents(quantities, _points(value.grid), facts, value.grid)


@contents.register
def _(value: B1Map) -> Contents:
    inside: dict[str, Any] = {"inside": lambda: value.mask}
    quantities = {}
    for name, title, kind in (("magnitude", "abs(B1+)", "size"), ("phase", f"{value.phase_kind} phase", "phase")):
        array = getattr(value, name)
        if array is not None:
            dims = AXES if array.ndim == 3 else ("channel", *AXES)
            quantities[name] = LabelledArray(
                partial(getattr, value, name), dims, unit_of(value, name), title, kind, **inside
            )
    if value.labels is not None:
        quantities["labels"] = LabelledArray(
            partial(getattr, value, "labels"), AXES, "", "segmentation", "label", **inside
        )
    quantities["mask"] = LabelledArray(partial(getattr, value, "mask"), AXES, "", "where there is an object", "label")
    return _contents(quantities, _points(value.grid), {"frequency_Hz": value.frequency_Hz}, value.grid)


@contents.register
def _(value: Phantom) -> Contents:
    names = tuple(t.name for t in value.tissues)
    quantities = {
        "labels": LabelledArray(lambda: value.labels, AXES, "", "tissue", "label", lambda: value.body, names=names),
        "density": LabelledArray(
            lambda: value.density, AXES, "kg/m^3", "mass density", inside=lambda: value.body, stored=False
        ),
    }
    quantities |= {
        f"region {name}": LabelledArray(partial(np.asarray, mask), AXES, "", name, "label")
        for name, mask in value.regions.items()
    }
    return _contents(quantities, _points(value.grid), {"name": value.name, "tissues": list(names)}, value.grid)


@contents.register
def _(value: QMatrices) -> Contents:
    dims = ("matrix", "port", "port_other")
    quantities = {
        "matrices": LabelledArray(lambda: value.matrices, dims, unit_of(value, "matrices"), "Q-matrices"),
        "voxel": LabelledArray(lambda: value.voxel, ("matrix",), "", "flat index of the voxel", "label"),
    }
    points = {"port": list(value.ports), "port_other": list(value.ports)}
    return _contents(quantities, points, {"rule": value.rule}, value.grid)


@contents.register
def _(value: Network) -> Contents:
    quantities = {"s": LabelledArray(lambda: value.s, ("frequency", "port", "port_in"), "", "scattering parameters")}
    points = {"frequency": value.frequencies_Hz, "port": list(value.names), "port_in": list(value.names)}
    return _contents(quantities, points, {"reference_ohm": value.reference_ohm}, None)


def on_grid(value: Any, grid: Grid | None) -> Contents:
    """:func:`contents` of a value, with voxels for one that does not know its own (a :class:`MassAverage`).

    Raises
    ------
    InputError
        When the grid does not fit, or the value knows its voxels.
    """
    held = contents(value)
    if grid is None:
        return held
    shape = next((q.make().shape for q in held.quantities.values() if q.dims == AXES), None)
    if held.grid is not None or shape != grid.shape:
        raise InputError(
            "grid does not fit the value",
            field="grid",
            found=grid.shape,
            expected="none: the value knows its voxels" if held.grid is not None else f"{shape} voxels",
        )
    return _contents(held.quantities, _points(grid), held.facts, grid)


FLAGS = ("background", "unused", "used", "valid")
_UNITS = {"time": "s", "frequency": "Hz"} | {f"{a}{end}": "m" for a in AXES for end in ("", "_node")}


def _contents(
    quantities: Mapping[str, LabelledArray], points: Mapping[str, Any], facts: Mapping[str, Any], grid: Grid | None
) -> Contents:
    return Contents(quantities, points, {k: u for k, u in _UNITS.items() if k in points}, facts, grid)


def _points(grid: Grid, nodes: bool = False) -> dict[str, Any]:
    out: dict[str, Any] = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
    return out | ({f"{axis}_node": grid.nodes(n) for n, axis in enumerate(AXES)} if nodes else {})


def _on_yee(values: np.ndarray, component: int, at_node: Sequence[bool]) -> np.ndarray:
    """A component without the last layers, which lie outside of the grid where it is not on the corners."""
    return values[(slice(None), component, *(slice(None) if node else slice(0, -1) for node in at_node))]


def _largest_eigenvalue(basis: np.ndarray) -> np.ndarray:
    matrix = np.empty((*basis.shape[1:], 3, 3), basis.dtype)
    for (i, j), values in zip(PAIRS, basis, strict=True):
        matrix[..., i, j] = matrix[..., j, i] = values
    return np.linalg.eigvalsh(matrix)[..., -1]


# ---- xarray ----------------------------------------------------------------------------------------------------------
def to_xarray(value: Any, quantities: Sequence[str] | None = None, *, grid: Grid | None = None) -> Any:
    """A value as an ``xarray.Dataset``: arrays with named axes, coordinates in metres and units.

    Parameters
    ----------
    value : Fields, SarMap, MassAverage, TemperatureMap, HeatCourse, HeatResult, PowerTensor, PropertyMap, B1Map, ...
        What to label; also a Phantom, QMatrices or a Network.
    quantities : sequence of str, optional
        Which of its quantities; by default all that it holds as they are. Of :class:`Fields` these are the components
        where they live, ``E_x`` on the edges along x to ``B_z`` on the faces across z; ``E`` and ``B`` (with an axis
        ``component``), ``b1plus`` and ``b1minus`` are means at the voxel centres.
    grid : Grid, optional
        Voxels of a :class:`MassAverage`, which does not know them; without it x, y and z have no coordinates.

    Returns
    -------
    xarray.Dataset
        ``attrs["units"]`` of arrays and coordinates; frequency and the like among ``attrs`` of the whole. What
        the value holds is not copied and stays read-only.

    Raises
    ------
    InputError
        For an object of another kind, or a quantity that it has not.
    """
    try:
        import xarray
    except ImportError:
        raise InputError("xarray is not installed", expected="pip install 'emdose[xarray]'") from None
    held = on_grid(value, grid)
    names = [k for k, q in held.quantities.items() if q.stored] if quantities is None else list(quantities)
    picked = {name: held.pick(name) for name in names}
    arrays = {
        name: (q.dims, q.make(), {"long_name": q.title} | ({"units": q.unit} if q.unit else {}))
        for name, q in picked.items()
    }
    used = {d for q in picked.values() for d in q.dims}
    points = {
        d: (d, np.array(p), {"units": held.units[d]} if d in held.units else {})
        for d, p in held.coordinates.items()
        if d in used
    }
    return xarray.Dataset(arrays, points, {"emdose": type(value).__name__, **dict(held.facts)})
