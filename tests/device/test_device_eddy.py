"""Eddy currents on the device. Oracle: the same computation on the CPU, to the rounding of its precision."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.models.implants import shapes
from emdose.solvers.eddy.solver import EddyCurrent


@pytest.mark.parametrize(("dtype", "tolerance", "rounding"), [("float32", 1e-4, 2e-5), ("float64", 1e-8, 1e-8)])
def test_solution(cuda: backend.Backend, dtype: str, tolerance: float, rounding: float) -> None:
    body, f = shapes.sphere(0.01, subdivisions=2), [300.0, 3e3]
    solver = EddyCurrent(spacing_m=2.5e-3, engine="voxel", dtype=dtype, tolerance=tolerance)
    found, expected = (solver.solve(body, f, device=d) for d in (cuda, "cpu"))
    for name in ("matrix", "loss", "left_out"):
        a, b = getattr(found, name), getattr(expected, name)
        assert type(a) is np.ndarray
        assert np.abs(a - b).max() < rounding * np.abs(b).max() + (1e-6 * np.abs(b).max() if name != "matrix" else 0)
    assert found.provenance["device"]["device"] == "cuda"
    at = np.array([[0.02, 0.0, 0.01]])
    field = [solver.currents(body, 3e3, device=d).magnetic_field(at, 3e3) for d in (cuda, "cpu")]
    assert np.abs(field[0] - field[1]).max() < max(rounding, 1e-6) * np.abs(field[1]).max()
