"""Metal by the method of moments on the device. Oracle: the same computation on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.solvers.mom.metal import ThinMetal
from emdose.validation.cases import mom


@pytest.mark.parametrize("rotations", [1, 6])
def test_a_ring_of_strip(cuda: backend.Backend, rotations: int) -> None:
    mesh = mom.ring_strip(0.05, 4e-3, 24, mom.crowded(3), rotations, gaps=3)
    found, expected = (ThinMetal(mesh, 128e6, mom.COPPER, None, be) for be in (cuda, backend.get("cpu")))
    np.testing.assert_allclose(found.driven, expected.driven, rtol=0, atol=1e-10 * abs(expected.driven).max())
    rhs = np.random.default_rng(1).normal(size=(found.n, 2))
    np.testing.assert_allclose(
        found.solve(rhs), expected.solve(rhs), rtol=0, atol=1e-8 * abs(expected.solve(rhs)).max()
    )


@pytest.mark.parametrize("case", sorted(mom.CASES))
def test_rows_of_the_validation(cuda: backend.Backend, case: str) -> None:
    """Oracles: closed forms, Hallén's equation, conservation of energy."""
    if cuda.xp.__version__ == "imitated":
        pytest.skip("takes long where the device is imitated")
    assert all(row.passed for row in mom.CASES[case](cuda))
