"""Eddy currents in metal against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.models.implants import shapes
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.validation.cases.rows import Row, at_least, at_most, compare
from emdose.validation.closed_forms.low_frequency import eddy_low_frequency, eddy_sphere

SIGMA = 1.16e6
"""CoCrMo [S/m]."""


def _powers(tensor: Any) -> np.ndarray:
    return np.einsum("fii->fi", tensor.matrix).real


def sphere(device: Any) -> list[Row]:
    """A 15 mm sphere of CoCrMo, 20 cells across: three frequencies, order, conservation of energy."""
    f, a = (100.0, 1e3, 1e4), 0.015
    body = shapes.sphere(a)
    coarse = EddyCurrent(spacing_m=a / 5, engine="voxel").solve(body, f[:2], device=device)
    fine = EddyCurrent(spacing_m=a / 10, engine="voxel").solve(body, f, device=device)
    exact = [eddy_sphere.sphere_power(a, SIGMA, x) for x in f]
    name, oracle = "metal sphere, 15 mm, 1.5 mm voxels", "closed form"
    rows = [
        compare(name, oracle, f"power at {x:g} Hz [W per (T/s)^2]", e, float(P[2]), 0.01)
        for x, e, P in zip(f, exact, _powers(fine), strict=True)
    ]
    order = math.log2(abs(_powers(coarse)[1, 2] / exact[1] - 1) / abs(_powers(fine)[1, 2] / exact[1] - 1))
    return [
        *rows,
        at_least("metal sphere, 3 to 1.5 mm", oracle, "order of convergence of the power", 2.0, order, 1.8),
        at_most(
            name,
            "conservation of energy",
            "power in the metal against work of the source",
            float(fine.identity.max()),
            1e-4,
        ),
    ]


def ellipsoid(device: Any) -> list[Row]:
    """An ellipsoid of 70, 10 and 15 mm at low frequency, field along its axes."""
    semi = (0.07, 0.01, 0.015)
    tensor = EddyCurrent(spacing_m=2e-3).solve(shapes.ellipsoid(semi), 10.0, device=device)
    exact = eddy_low_frequency.ellipsoid_power(semi, SIGMA)
    name = "metal ellipsoid, 2 mm voxels"
    return [
        compare(name, "closed form", f"power, field along {axis} [W per (T/s)^2]", float(e), float(P), 0.015)
        for axis, e, P in zip("xyz", exact, _powers(tensor)[0], strict=True)
    ]


def tube(device: Any) -> list[Row]:
    """A tube along the field, and a hollow sphere with skin effect."""
    solver = EddyCurrent(spacing_m=1.5e-3, engine="voxel")
    through = solver.solve(shapes.tube(0.015, 0.011, 0.02), 10.0, device=device)
    shell = solver.solve(shapes.hollow_sphere(0.015, 0.011), 1e4, device=device)
    return [
        compare(
            "metal tube, 1.5 mm voxels",
            "closed form",
            "power, field along the axis [W per (T/s)^2]",
            eddy_low_frequency.disc_power(0.015, 0.02, SIGMA, 0.011),
            float(_powers(through)[0, 2]),
            0.02,
        ),
        compare(
            "metal shell, 1.5 mm voxels",
            "closed form",
            "power at 10 kHz [W per (T/s)^2]",
            eddy_sphere.hollow_sphere(0.011, 0.015, SIGMA, 1e4)[0],
            float(_powers(shell)[0, 0]),
            0.02,
        ),
    ]


CASES = {"eddy sphere": sphere, "eddy ellipsoid": ellipsoid, "eddy tube and shell": tube}
