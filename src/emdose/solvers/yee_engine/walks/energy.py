"""Energy of the fields on the lattice, by which a run is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdose.solvers.yee_engine.tables.tables import Tables

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
    return float(out.sum())
