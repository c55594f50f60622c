"""Heat on the device. Oracle: the same on the CPU, to the rounding of its precision."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.errors import ResourceError
from emdose.solvers.heat.problem import HeatMaps
from emdose.solvers.heat.rise import heat, steady
from emdose.solvers.heat.stepping import Envelope, Perfusion


@pytest.fixture(scope="module")
def case() -> tuple[HeatMaps, np.ndarray]:
    """A ragged body with a bar of metal that exchanges heat, held in a corner; three sources, one with signs."""
    rng = np.random.default_rng(1)
    shape = (6, 7, 40)
    active = rng.random(shape) < 0.95
    k, C, W = rng.uniform(0.2, 0.6, shape), rng.uniform(2e6, 4e6, shape), rng.uniform(0, 3e4, shape)
    bar = (slice(2, 4), slice(3, 5), slice(5, 30))
    active[bar], k[bar], C[bar], W[bar] = True, 15.0, 3.7e6, 0.0
    pinned = np.zeros(shape, bool)
    pinned[:2, :2, :2] = True
    maps = HeatMaps((2e-3,) * 3, C, k, W, active, surface_W_m2_K=20.0, pinned=pinned)
    return maps, np.stack([rng.random(shape), rng.normal(size=shape), np.zeros(shape)]) * 1e5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rises(case: tuple, cuda: backend.Backend, dtype: str) -> None:
    maps, q = case
    envelopes = [Envelope.constant(), Envelope.until(30.0), Envelope.constant()]
    found, expected = (
        heat(maps, q, 120.0, times_s=[30.0], envelope=envelopes, dtype=dtype, device=d) for d in (cuda, "cpu")
    )
    assert type(found.final) is type(found.rise) is np.ndarray
    assert found.final.dtype == np.dtype(dtype)
    accuracy = 2e-5 if dtype == "float32" else 1e-11
    for name in ("final", "rise", "peaks"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=0, atol=accuracy * np.abs(b).max())
    assert found.steps == expected.steps
    assert found.provenance["device"] == "cuda"
    np.testing.assert_allclose(found.energy["lost"], expected.energy["lost"], rtol=1e-4)


def test_perfusion_that_follows(case: tuple, cuda: backend.Backend) -> None:
    maps, q = case
    options = {"perfusion": Perfusion("linear"), "excess_K": np.full(maps.shape, 0.2), "dtype": "float64"}
    found, expected = (heat(maps, q[:1], 60.0, device=d, **options) for d in (cuda, "cpu"))
    np.testing.assert_allclose(found.final, expected.final, atol=1e-11 * expected.final.max())


def test_steady_state(case: tuple, cuda: backend.Backend) -> None:
    maps, q = case
    found, expected = (steady(maps, q[:2], d) for d in (cuda, "cpu"))
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_memory(case: tuple, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "memory_free_bytes", lambda: 1000, raising=False)
    with pytest.raises(ResourceError, match="GiB"):
        heat(*case, 10.0, device=cuda)
