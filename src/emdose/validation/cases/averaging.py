"""Spatial averages whose result is known exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.dosimetry.averaging.average import mass_average
from emdose.validation.rows import Row, at_most, compare

VALID = 3
"""Flag of a voxel whose own cube counts."""


def uniform_cube(device: Any) -> list[Row]:
    """Uniform and linear SAR in a cube of 60 mm: the average is the value itself; the side is that of the mass."""
    n, h, density = 30, 2e-3, 1000.0
    rho = np.full((n, n, n), density)
    field, conductivity = 10.0, 0.5
    sar = np.full((n, n, n), conductivity * field**2 / (2 * density))
    x = (np.arange(n) + 0.5) * h
    slope = 1.0 + 5.0 * np.broadcast_to(x[:, None, None], (n, n, n))
    rows = []
    for mass in (1e-3, 10e-3):
        name = f"uniform cube, {1e3 * mass:g} g"
        flat, tilted = (mass_average(v, rho, h, mass, device=device) for v in (sar, slope))
        valid = np.asarray(flat.flag) == VALID
        side = np.asarray(flat.side_m)[valid]
        rows += [
            compare(
                name,
                "sigma E^2 / (2 rho)",
                "average SAR [W/kg]",
                float(sar[0, 0, 0]),
                float(np.asarray(flat.value)[valid].max()),
                1e-6,
            ),
            compare(
                name, "(m / rho)^(1/3)", "side of the cube [m]", (mass / density) ** (1 / 3), float(side.max()), 1e-6
            ),
            at_most(
                name,
                "symmetry of the cube",
                "largest error of the average of linear SAR [W/kg]",
                float(np.abs(np.asarray(tilted.value) - slope)[valid].max()),
                1e-6,
            ),
        ]
    return rows


CASES = {"averaging": uniform_cube}
