"""Metal, gaps, feeds and lumped elements of a circuit coil for the time-stepping engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.solvers import yee_engine

if TYPE_CHECKING:
    from emdose.solvers.fdtd.problem import Excitation, Problem
    from emdose.solvers.yee_grid.coil_raster import EdgePath

GAP_OHM = 50.0
"""Resistance that closes every gap while the network of a coil is found: it lets the coil ring down fast."""


def circuit_of(problem: Problem, excitation: Excitation) -> tuple[list[Any], list[Any], Any, Any]:
    """Ports, lumped elements, materials with thin wires, and face factors of one run.

    Parameters
    ----------
    problem : Problem
        With a circuit coil.
    excitation : Excitation
        Which port has the source.

    Raises
    ------
    InputError
        When a feed shares its gap with an element, in the grid.
    """
    raster, coil = problem.coil_on_grid, problem.exposure.coil
    assert raster is not None
    materials, factors = thin_wires(problem)
    if problem.network:
        return (
            [_port(path, GAP_OHM, problem, n == excitation.feed) for n, path in enumerate(raster.gaps)],
            [],
            materials,
            factors,
        )
    both = [g.name for g in coil.gaps if g.feed is not None and g.element is not None]  # type: ignore[union-attr]
    if both:
        raise InputError(
            "a feed in parallel with an element cannot stand in the grid", field=both[0], expected='circuit="network"'
        )
    ports = [
        _port(path, feed.impedance_ohm, problem, n == excitation.feed)
        for n, (path, feed) in enumerate(zip(raster.ports, coil.feeds, strict=True))  # type: ignore[union-attr]
    ]
    lumped = [
        yee_engine.Lumped(
            path.name, path.edges, e.resistance_ohm, e.inductance_H, e.capacitance_F, e.topology, -path.sign
        )
        for path, e in zip(raster.elements, coil.elements, strict=True)  # type: ignore[union-attr]
    ]
    return ports, lumped, materials, factors


def _port(path: EdgePath, resistance_ohm: float, problem: Problem, active: bool) -> Any:
    # A gap counts its voltage as the rise from its first end to its last, the engine as the fall.
    return yee_engine.VoltagePort(path.name, path.edges, resistance_ohm, problem.pulse if active else None, -path.sign)


def thin_wires(problem: Problem) -> tuple[Any, Any]:
    """Materials with what thin wires change, and their face factors or None."""
    raster = problem.coil_on_grid
    assert raster is not None
    if not raster.wires:
        return problem.materials, None
    if problem.wires is None:
        edges = [w.edges for w in raster.wires]
        radius = [np.full(len(w.edges), w.radius_m) for w in raster.wires]
        # The wire goes on across its gaps.
        for gap in raster.gaps:
            for wire in raster.wires:
                if _touch(gap.edges, wire.edges):
                    edges.append(gap.edges)
                    radius.append(np.full(len(gap.edges), wire.radius_m))
                    break
        thin = yee_engine.thin_wire(problem.grid, np.concatenate(edges), np.concatenate(radius))
        problem.wires = (problem.materials.scaled(thin.edges, thin.permittivity), thin.faces)
    return problem.wires


def _touch(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two sets of edges share a node."""
    ends = [{tuple(n) for n in (*e[:, 1:], *(e[:, 1:] + np.eye(3, dtype=int)[e[:, 0]]))} for e in (a, b)]
    return bool(ends[0] & ends[1])
