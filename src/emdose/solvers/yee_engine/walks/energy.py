"""Energy of the fields on the lattice, by which a run is watched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from emdose.solvers.yee_engine.tables.tables import Tables
from emdose.solvers.yee_engine.walks.kernels.yee_wires import wire_nodes, wire_segments

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


def field_energy(tables: Tables, be: Backend, permittivity: np.ndarray) -> float:
    """Energy of the electric and magnetic field [J]; exactly kept by the scheme where nothing is lost or driven.

    Parameters
    ----------
    tables : Tables
        The fields and what the kernels read.
    be : Backend
        Their device.
    permittivity : (material,) array
        Relative permittivity by material number.
    """
    nx, ny, _ = tables.lattice.nodes
    factors = tables.lattice.factors.astype(float)
    weight = np.where(factors > 0, 1 / np.where(factors > 0, factors, 1.0), 0.0)
    weight[0, :, 0] *= 0.5
    weight[1, :, 0] *= 0.5 * tables.lattice.dt
    eps = permittivity.copy()
    eps[0] = 0.0
    out = be.xp.zeros((nx * ny, 2))
    module = be.kernels.load(__package__, "yee_watch", tables.real)
    mesh, medium = tables.structs["mesh"], tables.structs["medium"]
    module.launch("row_energy", nx * ny, mesh, medium, be.asarray(eps), be.asarray(weight), tables.e, tables.h, out)
    return float(out.sum()) + (wire_energy(tables, be) if tables.wires.segments else 0.0)


def wire_energy(tables: Tables, be: Backend) -> float:
    """Energy of the subcell wires beyond the lattice's, at the time of E [J].

    Their currents are half a step behind E and their charges a whole one: both are taken on as the next step will, and
    a current squared is replaced by that before times that after, as for H.
    """
    wires = tables.wires
    before, _, charge = (np.array(be.to_numpy(part)) for part in tables.wire_parts)
    listed = SimpleNamespace(
        **{
            name: getattr(wires, name)
            for name in ("before", "after", "weight", "entry", "row", "keep", "gain", "first")
        },
        law=wires.law.ravel(),
        dt=wires.dt,
        wire=wires.wire,
        wires=1,
        frequencies=0,
        emf=np.zeros(wires.segments),
    )
    voltage, now = np.zeros(wires.nodes), before.copy()
    wire_nodes((wires.nodes,), listed, before, charge, voltage)
    seen = np.zeros(int(wires.entry.max()) + 1)
    seen[wires.entry] = be.to_numpy(tables.e.reshape(-1)[be.asarray(wires.entry)])
    none = np.zeros(1)
    wire_segments((wires.segments,), 0, listed, np.zeros(wires.segments), none, seen, voltage, now, none)
    stiff = wires.law[:, 3:]
    electric = np.where(stiff > 0, charge.reshape(-1, 3) ** 2 / np.where(stiff > 0, stiff, 1.0), 0.0)
    return 0.5 * float(electric.sum() + wires.inductance @ (before * now))
