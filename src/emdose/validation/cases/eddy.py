"""Eddy currents in metal against closed forms."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from emdose.errors import EmdoseWarning
from emdose.models.implants import shapes
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.validation.closed_forms.low_frequency import eddy_low_frequency, eddy_sphere
from emdose.validation.rows import Row, at_least, at_most, compare

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


def thin_plate(device: Any) -> list[Row]:
    """A plate of 1 mm, field along each of its edges: automatic voxels, and what coarse ones say of themselves."""
    size, f = (0.006, 0.004, 0.001), 10.0
    body, exact = shapes.box(size), eddy_low_frequency.box_power(size, SIGMA)
    found = _powers(EddyCurrent().solve(body, f, device=device))[0]
    name, oracle = "metal plate, 6 x 4 x 1 mm, automatic voxels", "closed form (torsion of a bar)"
    rows = [
        compare(name, oracle, f"power, field along {axis} [W per (T/s)^2]", float(e), float(p), 0.02)
        for axis, e, p in zip("xyz", exact, found, strict=True)
    ]
    limit = _powers(EddyCurrent(spacing_m=(5e-4, 5e-4, 1.25e-4), richardson=True).solve(body, f, device=device))[0]
    extrapolated = "metal plate, 8, 4 and 2 voxels across, extrapolated"
    rows += [
        compare(extrapolated, oracle, f"power, field along {axis} [W per (T/s)^2]", float(e), float(p), 0.03)
        for axis, e, p in zip("xyz", exact, limit, strict=True)
    ]
    return [*rows, *_estimated("metal plate, 3 voxels across", body, (5e-4, 5e-4, 1e-3 / 3), exact, f, device)]


def small_balls(device: Any) -> list[Row]:
    """Balls of 2 mm: automatic voxels, and what 4 and 10 voxels across say of themselves."""
    a, f = 1e-3, 10.0
    body, exact = shapes.sphere(a), eddy_sphere.sphere_power(a, SIGMA, f)
    found = _powers(EddyCurrent().solve(body, f, device=device))[0]
    name = "metal ball, 2 mm, automatic voxels"
    rows = [compare(name, "closed form", "power [W per (T/s)^2]", exact, float(found[2]), 0.015)]
    for cells in (4, 10):
        told = _estimated(f"metal ball, {cells} voxels across", body, 2 * a / cells, np.full(3, exact), f, device)
        rows += told[-1:]
    return rows


def _estimated(name: str, body: Any, spacing: Any, exact: np.ndarray, f: float, device: Any) -> list[Row]:
    """Rows that say how far the estimated error lies from the true one, as a factor."""
    with warnings.catch_warnings():
        # Said in the rows.
        warnings.simplefilter("ignore", EmdoseWarning)
        tensor = EddyCurrent(spacing_m=spacing, engine="voxel").solve(body, f, device=device)
    rows = []
    for axis, direction, power in zip("xyz", np.eye(3), exact, strict=True):
        error = abs(tensor.average_power([f], [direction]) / power - 1)
        quantity = f"estimated over true error of the power, field along {axis}, as a factor beyond 1"
        ratio = tensor.error([f], [direction])["total"] / error
        rows.append(at_most(name, "closed form", quantity, max(ratio, 1 / ratio) - 1, 1.0))
    return rows


CASES = {
    "eddy sphere": sphere,
    "eddy ellipsoid": ellipsoid,
    "eddy tube and shell": tube,
    "eddy thin plate": thin_plate,
    "eddy small balls": small_balls,
}
