"""The two-layer sphere in a rotating field. Oracles: the Helmholtz equation, the empty field, continuity, symmetry."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.constants import C_0, EPS_0, MU_0
from emdose.validation.cases.ept import sphere
from emdose.validation.closed_forms.ept.layered_sphere import sphere_in_rotating_field

FREQUENCY = 128e6
RADII, EPSILON, SIGMA = (0.035, 0.065), (52.0, 70.0), (0.35, 0.9)


def fields(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return sphere_in_rotating_field(RADII, EPSILON, SIGMA, FREQUENCY, points)


def test_without_a_sphere_the_field_is_a_cosine() -> None:
    points = np.random.default_rng(0).uniform(-0.3, 0.3, (20, 3))
    expected = np.cos(2 * np.pi * FREQUENCY / C_0 * points[:, 2])
    for found in sphere_in_rotating_field([1e-4], [1.0], [0.0], FREQUENCY, points):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("at", "layer"), [((0.011, -0.007, 0.013), 0), ((0.03, 0.025, -0.02), 1)])
def test_both_obey_the_helmholtz_equation_of_their_layer(at: tuple[float, ...], layer: int) -> None:
    """Differences of sixth order over 1 mm."""
    weights = np.array([2, -27, 270, -490, 270, -27, 2]) / 180
    steps = np.concatenate([np.eye(3)[a] * n * 1e-3 for a in range(3) for n in range(-3, 4)]).reshape(3, 7, 3)
    w = 2 * np.pi * FREQUENCY
    k2 = w**2 * MU_0 * (EPSILON[layer] * EPS_0 - 1j * SIGMA[layer] / w)
    for field in fields((np.array(at) + steps).reshape(-1, 3)):
        laplacian = (field.reshape(3, 7) @ weights).sum() / 1e-6
        assert -laplacian / field.reshape(3, 7)[0, 3] == pytest.approx(k2, rel=1e-5)


def test_the_field_is_continuous_and_the_transceive_phase_is_twice_the_transmit_phase() -> None:
    """Nothing is magnetic, so that B has no jump; the mirror of the body is the body."""
    way = np.random.default_rng(1).normal(size=(10, 3))
    way /= np.linalg.norm(way, axis=1)[:, None]
    for radius in RADII:
        inside, outside = (fields(way * radius * (1 + s * 1e-9)) for s in (-1, 1))
        for a, b in zip(inside, outside, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    plus, minus = fields(way * 0.05)
    np.testing.assert_allclose(np.angle(plus / minus), 0, atol=1e-9)


def test_rows_of_validation() -> None:
    rows = sphere("cpu")
    assert len(rows) == 4
    assert all(row.passed for row in rows)
