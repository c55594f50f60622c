"""Default smoothing of convection-reaction. Oracle: Mie series of a sphere of two layers in a rotating field."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from emdose.constants import EPS_0
from emdose.ept.judging.monte_carlo import noisy
from emdose.ept.maps.b1map import B1Map, relative_noise
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.waves.mie import Sphere

FREQUENCY, DRAWS = 128e6, 8
RADII, EPSILON, SIGMA = (0.035, 0.065), np.array([52.0, 70.0]), np.array([0.35, 0.9])


@cache
def sphere() -> tuple[B1Map, np.ndarray]:
    """Two circular waves against each other, B in phase at the centre, and the layer of every voxel."""
    losses = SIGMA / (2 * np.pi * FREQUENCY * EPS_0)
    body = Sphere(RADII, list(EPSILON - 1j * losses), FREQUENCY)
    grid = Grid((46, 46, 7), 3e-3)
    points = np.stack([np.broadcast_to(c, grid.shape).ravel() for c in grid.centre_points()], axis=1)
    quarter, back = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.diag([1.0, -1, -1])
    field = np.zeros((3, len(points)), complex)
    for turn, sign in ((np.eye(3), 1), (back, -1)):
        for extra, phase in ((np.eye(3), 1), (quarter, -1j)):
            rotation = extra @ turn
            field += sign * phase * (rotation @ body.fields(points @ rotation)[1].T)
    halves = [(field[0] + 1j * field[1]) / 2, (field[0] - 1j * field[1]) / 2]
    plus = max(halves, key=lambda h: np.abs(h).mean()).reshape(grid.shape)
    layer = np.searchsorted(RADII, np.linalg.norm(points, axis=1)).reshape(grid.shape)
    mask = layer < 2
    magnitude = np.where(mask, np.abs(plus), 0) / np.abs(plus[mask]).max()
    phase = np.where(mask, 2 * np.angle(plus), 0)
    return B1Map(grid, FREQUENCY, magnitude, phase, mask=mask), layer


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("snr", [500, 50])
def test_the_core_is_not_pulled_to_the_shell(snr: int, labels: bool) -> None:
    """Mean error of the core, three voxels from its boundary, within 5 %, and its stated scatter (2 u) covers 90 %."""
    b1, layer = sphere()
    if labels:
        b1 = B1Map(b1.grid, FREQUENCY, b1.magnitude, b1.phase, mask=b1.mask, labels=layer + 1)
    core = np.zeros(layer.shape, bool)
    core[:, :, 3] = binary_erosion(layer[:, :, 3] == 0, iterations=3)
    known = relative_noise(b1, 1 / snr)
    drawn = [
        ConvectionReaction(slices=[3]).reconstruct(noisy(known, np.random.default_rng(d))).conductivity[core]
        for d in range(DRAWS)
    ]
    error, u = np.array(drawn) - SIGMA[0], np.std(drawn, axis=0, ddof=1)
    assert abs(error.mean()) < 0.05 * SIGMA[0]
    assert np.mean(np.abs(error) <= 2 * u) > 0.9
