"""Incident fields of loops and shields against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.ideal import Birdcage, Coil, Loop
from emdose.models.grids.grid import Grid
from emdose.solvers.yee_grid.incident import field_at, incident_E
from emdose.validation.closed_forms.coils import loops
from emdose.validation.rows import Row, at_most

FREQUENCY_HZ = 127.74e6


def loop(device: Any) -> list[Row]:
    """A loop on and off its axis, with and without retardation."""
    coil, radius = Loop(0.1, segments=360), 0.1
    z = np.array([0.0, 0.05, 0.2])
    axis = field_at(coil, np.stack([0 * z, 0 * z, z], axis=1), FREQUENCY_HZ)[1][0, :, 2]
    rho, height = np.array([0.03, 0.08, 0.2]), np.array([0.02, 0.01, 0.05])
    static_B = field_at(coil, np.stack([rho, 0 * rho, height], axis=1), 1e3)[1][0, :, 2]
    # A grid of one voxel row whose y edges cross the plane y = 0 at the wanted points, on the device.
    grid = Grid((6, 1, 1), (0.01, 0.01, 0.01), (0.03, -0.005, 0.02))
    be = backend.get(device)
    E = be.to_numpy(incident_E(coil, grid, FREQUENCY_HZ, be, np.complex128))[0, 1, :, 0, 0]
    retarded = [loops.retarded_potential(radius, x, 0.02, FREQUENCY_HZ) for x in grid.nodes(0)]
    retarded_E = -2j * math.pi * FREQUENCY_HZ * np.array(retarded)

    def error(value: np.ndarray, reference: np.ndarray) -> float:
        return float(np.abs(value / reference - 1).max())

    return [
        at_most(
            "loop on its axis",
            "closed form with retardation",
            "largest relative error of B",
            error(axis, loops.axis_B(radius, z, FREQUENCY_HZ)),
            1e-5,
        ),
        at_most(
            "loop off its axis, static",
            "elliptic integrals",
            "largest relative error of B",
            error(static_B, loops.static_B(radius, rho, height)[1]),
            1e-3,
        ),
        at_most(
            "loop off its axis, retarded",
            "adaptive quadrature",
            "largest relative error of E",
            error(E, retarded_E),
            1e-3,
        ),
    ]


def shield(_device: Any) -> list[Row]:
    """A long birdcage in a long shield against image currents in two dimensions."""
    bare = Birdcage(length_m=2.0)
    parts = (bare.name, bare.segments, bare.currents, bare.ports, bare.drives)
    coil = Coil(*parts, shield=Shield(0.2, 2.2, 32, 60))
    B = field_at(coil, np.array([[0.06, 0.03, 0.0]]), 1e5)[1][0, 0, :2]
    expected = loops.tube_lines_B(0.15, 0.2, np.cos(2 * np.pi * np.arange(16) / 16), 0.06, 0.03)
    error = float(np.abs(B - expected).max() / np.abs(expected).max())
    return [at_most("shielded birdcage, long", "image currents", "relative error of B", error, 0.012)]


CASES = {"loop": loop, "shield": shield}
