"""Monte Carlo propagation. Oracles: the linear uncertainty of Helmholtz EPT, and the scatter about a known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.ept import Helmholtz, relative_noise
from emdose.ept.judging.monte_carlo import Draws, monte_carlo, noisy
from emdose.ept.maps.b1map import B1Map
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.solvers.running import Iteration
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

CYLINDER = LayeredCylinder([0.05], [60.0], [0.6], 128e6)


@pytest.fixture(scope="module")
def homogeneous() -> B1Map:
    n = 24
    x = (np.arange(n) + 0.5 - n / 2) * 3e-3
    x, y = np.meshgrid(x, x, indexing="ij")
    plus, minus = CYLINDER.transmit_and_receive(x, y)

    def deep(a: np.ndarray) -> np.ndarray:
        return np.repeat(np.where(np.hypot(x, y) < 0.034, a, 0)[..., None], 9, axis=2)

    clean = B1Map(
        Grid((n, n, 9), 3e-3),
        128e6,
        deep(np.abs(plus) / np.abs(plus).max()),
        deep(np.angle(plus * minus)),
        mask=deep(np.ones_like(x)) > 0,
    )
    return noisy(relative_noise(clean, (0.01, 0.02)), np.random.default_rng(7))


def test_agrees_with_the_linear_propagation(homogeneous: B1Map) -> None:
    """Filter algebra against realisations: uncertainties, covariance, and the mean over a region."""
    method = Helmholtz(radius=3)
    linear = method.reconstruct(homogeneous)
    drawn = monte_carlo(homogeneous, method.reconstruct, draws=60, seed=3)
    both = linear.valid & drawn.valid
    for name in ("u_conductivity", "u_permittivity"):
        ratio = getattr(drawn, name)[both] / getattr(linear, name)[both]
        assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    one, two = ((m.covariance / (m.u_conductivity * m.u_permittivity))[both] for m in (linear, drawn))
    assert np.mean(two - one) == pytest.approx(0, abs=0.05)
    region = np.zeros(both.shape, bool)
    region[8:16, 8:16, 2:7] = True
    one, two = linear.region_mean(region), drawn.region_mean(region)
    assert two.u_conductivity == pytest.approx(one.u_conductivity, rel=0.35)  # 60 draws: 9 %, 4 standard uncertainties
    assert two.u_permittivity == pytest.approx(one.u_permittivity, rel=0.35)


def test_same_seed_same_numbers_and_progress(homogeneous: B1Map) -> None:
    """Determinism."""
    events: list[Iteration] = []
    method = Helmholtz(radius=2, uncertainty=False)
    one, two = (monte_carlo(homogeneous, method.reconstruct, draws=3, seed=1, progress=events.append) for _ in "ab")
    other = monte_carlo(homogeneous, method.reconstruct, draws=3, seed=2)
    assert np.array_equal(one.u_conductivity, two.u_conductivity, equal_nan=True)
    assert not np.array_equal(one.u_conductivity, other.u_conductivity, equal_nan=True)
    assert [e.step for e in events] == [1, 2, 3, 1, 2, 3]


def test_iterative_method_scatters_as_stated(homogeneous: B1Map) -> None:
    """Truth of the closed form: the scatter of convection-reaction about it is that of the draws."""
    method = ConvectionReaction(slices=[4], radius=3, smoothing=1.0)
    found = monte_carlo(homogeneous, method.reconstruct, draws=12)
    z = ((found.conductivity - 0.6) / found.u_conductivity)[found.valid]
    assert 0.6 < np.sqrt(np.mean(z**2)) < 1.7  # one slice holds a few independent values only
    assert np.isfinite(found.region_mean(found.valid).u_conductivity)


def test_wrapped_phases_stay_wrapped(homogeneous: B1Map) -> None:
    """Unwrapped noise must not appear as jumps: the result does not depend on where the phase wraps."""
    turn = np.pi - np.median(homogeneous.phase[homogeneous.mask])
    wrapped = np.angle(np.exp(1j * (homogeneous.phase + turn)))
    shifted = replace(homogeneous, phase=np.where(homogeneous.mask, wrapped, 0))
    assert shifted.wrapped
    draw = noisy(shifted, np.random.default_rng(0))
    inside = draw.phase[draw.mask]
    assert np.ptp(inside) <= 2 * np.pi
    plain = noisy(homogeneous, np.random.default_rng(0))
    one, two = (Helmholtz(radius=2, uncertainty=False).reconstruct(b) for b in (draw, plain))
    assert np.abs(one.conductivity - two.conductivity)[one.valid].max() < 1e-9


def test_bad_input(homogeneous: B1Map) -> None:
    """One clear line each."""
    with pytest.raises(InputError, match="noise of the map"):
        monte_carlo(replace(homogeneous, u_phase=None), Helmholtz().reconstruct)
    with pytest.raises(InputError, match="too few draws"):
        monte_carlo(homogeneous, Helmholtz().reconstruct, draws=2)


def test_covariance_of_a_sum_over_draws() -> None:
    """Oracle: NumPy's covariance of the sums; a property that is not there has none."""
    rng = np.random.default_rng(5)
    sigma, eps = rng.normal(size=(2, 40, 2, 3, 4)).astype(np.float32)
    w = rng.normal(size=(2, 3, 4)) * (rng.random((2, 3, 4)) < 0.5)
    sums = np.array([[(d * w).sum() for d in stack] for stack in (sigma, eps)])
    np.testing.assert_allclose(Draws(sigma, eps).sum_covariance(w), np.cov(sums), rtol=1e-5)
    for one, kept in ((Draws(sigma, None), 0), (Draws(None, eps), 1)):
        expected = np.zeros((2, 2))
        expected[kept, kept] = sums[kept].var(ddof=1)
        np.testing.assert_allclose(one.sum_covariance(w), expected, rtol=1e-5)
