"""Boundary elements: charges in a layered sphere, and eddy-current power where the skin is thin."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.constants import MU_0
from emdose.models.implants import shapes
from emdose.solvers.eddy.thin_skin.power import thin_skin_power
from emdose.solvers.surface.charges import ChargeOperator
from emdose.solvers.surface.mesh import Surface
from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_power
from emdose.validation.rows import Row, at_most, compare


def charges(device: Any) -> list[Row]:
    """A skull between brain and scalp in a growing uniform magnetic field: E = r x dB/dt / 2 whatever the layers."""
    be = backend.get(device)
    part = shapes.sphere(1.0, subdivisions=3).parts[0]
    v, t = np.asarray(part.vertices), np.asarray(part.triangles)
    radii, conductivity = (0.085, 0.080, 0.075), (0.0, 0.33, 0.01, 0.33)
    surface = Surface(np.concatenate([r * v for r in radii]), np.concatenate([t + k * len(v) for k in range(3)]))
    contrast = [(inner - outer) / (inner + outer) for outer, inner in pairwise(conductivity)]
    # The vector potential B (0, x, 0) is not that of the rotating field: charges have to make the difference.
    source = np.zeros_like(surface.centroids)
    source[:, 1] = -surface.centroids[:, 0]
    found = ChargeOperator(surface, contrast, be).solve(be.asarray((source * surface.normals).sum(axis=1)[None]))
    points = np.array([[0.05, 0.01, 0.02], [-0.01, 0.03, -0.05], [0.0, -0.06, 0.02]])
    E = be.to_numpy(found.field(points, be))[0].T
    E[:, 1] -= points[:, 0]
    exact = 0.5 * np.stack([points[:, 1], -points[:, 0], 0 * points[:, 0]], axis=1)
    error = float(np.linalg.norm(E - exact, axis=1).max() / np.linalg.norm(exact, axis=1).max())
    return [
        at_most("charges on three shells, 3840 triangles", "closed form", "largest relative error of E", error, 0.01)
    ]


def thin_skin(device: Any) -> list[Row]:
    """A solid sphere at two skin depths."""
    radius, sigma = 0.015, 1.16e6
    implant = shapes.sphere(radius, subdivisions=3)
    frequencies = [1 / (math.pi * MU_0 * sigma * (depth * radius) ** 2) for depth in (0.3, 0.1)]
    found = thin_skin_power(implant, frequencies, backend.get(device))
    return [
        compare(
            f"thin skin, sphere, depth {depth:g} radii",
            "closed form",
            "power [W per (T/s)^2]",
            sphere_power(radius, sigma, f),
            float(matrix[0, 0].real),
            tolerance,
        )
        for depth, f, matrix, tolerance in zip((0.3, 0.1), frequencies, found.matrix, (0.012, 0.006), strict=True)
    ]


CASES = {"charges": charges, "thin-skin": thin_skin}
