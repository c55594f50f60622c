"""Receive channels combined. Oracle: cylinder functions of a homogeneous rod, of known modes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import jv

from emdose.constants import EPS_0, MU_0
from emdose.ept import B1Map, Helmholtz, combine_receivers
from emdose.errors import InputError
from emdose.models.grids.grid import Grid

FREQUENCY_HZ, SIGMA, PERMITTIVITY = 128e6, 0.6, 60.0
CHANNELS = 8


@pytest.fixture(scope="module")
def rod() -> tuple[Grid, np.ndarray, np.ndarray, np.ndarray]:
    """Grid, mask, B1+ (the mode 0) and what eight receivers around the rod see of it, each with a phase of its own.

    A receiver at the angle a sees sum_m c_m J_m(k r) exp(-j m (phi - a)), for its field obeys the equation of the rod.
    """
    grid = Grid((51, 51, 9), 2e-3)
    x, y, _ = np.broadcast_arrays(*grid.centre_points())
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    omega = 2 * np.pi * FREQUENCY_HZ
    k = np.sqrt(omega**2 * MU_0 * EPS_0 * PERMITTIVITY - 1j * omega * MU_0 * SIGMA)
    transmit = jv(0, k * r)
    rng = np.random.default_rng(3)
    seen = []
    for n in range(CHANNELS):
        about = phi - 2 * np.pi * n / CHANNELS
        field = sum(0.6 ** abs(m) * jv(abs(m), k * r) * np.exp(-1j * m * about) for m in range(-3, 4))
        seen.append(np.exp(2j * np.pi * rng.random()) * transmit * field)
    return grid, r < 0.045, transmit, np.stack(seen)


@pytest.mark.parametrize("method", ["svd", "aligned"])
def test_the_virtual_receiver_is_the_mode_of_the_array(rod, method: str) -> None:
    """With phases aligned the modes of eight channels cancel but for m = 0: the phase is twice that of B1+."""
    _, mask, transmit, seen = rod
    found = combine_receivers(seen, method, mask)
    turn = np.exp(1j * (np.angle(found.images) - 2 * np.angle(transmit)))[mask]
    np.testing.assert_allclose(np.angle(turn / turn[0]), 0, atol=1e-3)
    assert np.linalg.norm(found.weights) == pytest.approx(1)
    np.testing.assert_allclose(np.abs(found.weights), CHANNELS**-0.5, rtol=0.02)
    np.testing.assert_allclose(found.magnitude, np.sqrt((np.abs(seen) ** 2).sum(axis=0)))
    assert "8 receive channels" in found.method


def test_conductivity_of_the_combined_phase(rod) -> None:
    """Oracle: the conductivity of the rod. A single channel, whose receive phase is not that of B1+, is far off."""
    grid, mask, transmit, seen = rod
    combined = np.angle(combine_receivers(seen, "svd", mask).images)
    errors = []
    for phase in (combined, np.angle(seen[0])):
        b1 = B1Map(grid, FREQUENCY_HZ, np.abs(transmit), phase, mask=mask)
        found = Helmholtz(radius=2, uncertainty=False).reconstruct(b1, "cpu")
        errors.append(float(np.median(np.abs(found.conductivity[found.valid] / SIGMA - 1))))
    assert errors[0] < 0.01
    assert errors[1] > 0.1


def test_echoes_share_the_weights_of_the_first(rod) -> None:
    """Oracle: linearity."""
    _, mask, _, seen = rod
    both = combine_receivers(np.stack([seen, 0.5j * seen]), "svd", mask)
    np.testing.assert_allclose(both.images[1], 0.5j * both.images[0])
    np.testing.assert_allclose(both.images[0], combine_receivers(seen, "svd", mask).images)


def test_noise_keeps_its_level() -> None:
    """Oracle: weights of unit norm."""
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((8, 30, 30, 10)) + 1j * rng.standard_normal((8, 30, 30, 10))
    found = combine_receivers(10 + noise)
    assert (found.images - found.weights.sum() * 10).std() == pytest.approx(np.sqrt(2), rel=0.03)


def test_what_cannot_be_combined() -> None:
    for images, words in (
        (np.ones((8, 4, 4, 4)), "not images of several receive channels"),
        (np.ones((1, 4, 4, 4), complex), "not images of several receive channels"),
    ):
        with pytest.raises(InputError, match=words):
            combine_receivers(images)
    with pytest.raises(InputError, match="unknown combination"):
        combine_receivers(np.ones((2, 4, 4, 4), complex), "adaptive")
    with pytest.raises(InputError, match="no signal"):
        combine_receivers(np.ones((2, 4, 4, 4), complex), mask=np.zeros((4, 4, 4)))
