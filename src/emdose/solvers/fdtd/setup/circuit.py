"""Metal, gaps, feeds and lumped elements of a circuit coil for the time-stepping engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.solvers import yee_engine
from emdose.solvers.fdtd.setup.options import GAP_OHM

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.grids.rectilinear import RectilinearGrid
    from emdose.solvers.fdtd.setup.pulse import Pulse
    from emdose.solvers.yee_grid.coil_raster import EdgePath, RasterisedCoil


def gap_ports(raster: RasterisedCoil, pulse: Pulse, feed: int | None) -> list[Any]:
    """A port with :data:`GAP_OHM` at every gap of a coil, one of them with the source.

    Parameters
    ----------
    raster : RasterisedCoil
        The coil on the grid.
    pulse : Pulse
        Voltage of the source [V].
    feed : int or None
        Index of the port that has it.
    """
    return [_port(path, GAP_OHM, pulse if n == feed else None) for n, path in enumerate(raster.gaps)]


def elements_in_grid(
    coil: CircuitCoil, raster: RasterisedCoil, pulse: Pulse, feed: int | None
) -> tuple[list[Any], list[Any]]:
    """Feeds as ports and lumped elements in the grid; parameters as in :func:`gap_ports`.

    Raises
    ------
    InputError
        When a feed shares its gap with an element.
    """
    both = [g.name for g in coil.gaps if g.feed is not None and g.element is not None]
    if both:
        raise InputError(
            "a feed in parallel with an element cannot stand in the grid", field=both[0], expected='circuit="network"'
        )
    ports = [
        _port(path, source.impedance_ohm, pulse if n == feed else None)
        for n, (path, source) in enumerate(zip(raster.ports, coil.feeds, strict=True))
    ]
    lumped = [
        yee_engine.Lumped(
            path.name, path.edges, e.resistance_ohm, e.inductance_H, e.capacitance_F, e.topology, -path.sign
        )
        for path, e in zip(raster.elements, coil.elements, strict=True)
    ]
    return ports, lumped


def _port(path: EdgePath, resistance_ohm: float, pulse: Pulse | None) -> Any:
    # A gap counts its voltage as the rise from its first end to its last, the engine as the fall.
    return yee_engine.VoltagePort(path.name, path.edges, resistance_ohm, pulse, -path.sign)


def with_thin_wires(raster: RasterisedCoil, grid: RectilinearGrid, materials: Any) -> tuple[Any, Any]:
    """Materials with what thin wires change, and their face factors or None.

    Parameters
    ----------
    raster : RasterisedCoil
        The coil on the grid.
    grid : RectilinearGrid
        The grid.
    materials : EdgeMaterials
        Materials without the wires.
    """
    if not raster.wires:
        return materials, None
    edges = [w.edges for w in raster.wires]
    radius = [np.full(len(w.edges), w.radius_m) for w in raster.wires]
    # The wire goes on across its gaps.
    for gap in raster.gaps:
        for wire in raster.wires:
            if _touch(gap.edges, wire.edges):
                edges.append(gap.edges)
                radius.append(np.full(len(gap.edges), wire.radius_m))
                break
    thin = yee_engine.thin_wire(grid, np.concatenate(edges), np.concatenate(radius))
    return materials.scaled(thin.edges, thin.permittivity), thin.faces


def _touch(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two sets of edges share a node."""
    ends = [{tuple(n) for n in (*e[:, 1:], *(e[:, 1:] + np.eye(3, dtype=int)[e[:, 0]]))} for e in (a, b)]
    return bool(ends[0] & ends[1])
