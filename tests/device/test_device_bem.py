"""Boundary elements on the device. Oracle: the same computation on the CPU, to rounding."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from emdose.compute import backend
from emdose.solvers.eddy.thin_skin.power import thin_skin_power
from emdose.solvers.surface.charges import ChargeOperator
from emdose.solvers.surface.mesh import Surface


def _ring(around: int = 10, across: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """A coarse ring of two triangles per quadrilateral."""
    p, t = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in (around, across)), indexing="ij")
    rho = 0.03 + 0.01 * np.cos(t)
    v = np.stack([rho * np.cos(p), rho * np.sin(p), 0.01 * np.sin(t)], axis=2).reshape(-1, 3)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(around), np.arange(across), indexing="ij"))
    k, m = (i + 1) % around, (j + 1) % across
    a, b, c, d = i * across + j, k * across + j, k * across + m, i * across + m
    return v, np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


@pytest.mark.parametrize("real", ["float", "double"])
def test_thin_skin_of_a_ring(cuda: backend.Backend, real: str) -> None:
    metal = SimpleNamespace(conductivity_S_m=1e6, relative_permeability=1.0)
    implant = SimpleNamespace(
        parts=[SimpleNamespace(name="ring", vertices=_ring()[0], triangles=_ring()[1], metal=metal)]
    )
    found, expected = (
        thin_skin_power(implant, [1e5, 1e6], be, tolerance=1e-6, real=real) for be in (cuda, backend.get("cpu"))
    )
    for name in ("matrix", "surface_loss", "tangential_field", "error_estimate"):
        a, b = getattr(found, name), getattr(expected, name)
        assert type(a) is np.ndarray
        # In single precision the change with depth is a difference of fields that are equal to 4 digits.
        np.testing.assert_allclose(a, b, rtol=0, atol=(1e-3 if real == "float" else 1e-7) * np.abs(b).max())


@pytest.mark.parametrize("contrast", [0.9, 0.5 + 0.3j])
def test_charges_and_their_field(cuda: backend.Backend, contrast: complex) -> None:
    surface = Surface(*_ring())
    points = np.array([[0.0, 0, 0], [0.03, 0, 0.0102], [0.1, 0.2, 0.3]])
    fields = []
    for be in (cuda, backend.get("cpu")):
        charges = ChargeOperator(surface, contrast, be).solve(be.asarray(surface.normals.T.copy()), tolerance=1e-5)
        fields.append(be.to_numpy(charges.field(points, be)))
    np.testing.assert_allclose(fields[0], fields[1], atol=1e-4)
