"""Coils that a map of |B| is fitted by: the magnet that the map was taken of, beyond the places of the map too."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.mechanics import StaticFieldMap
from emdose.models import fit_magnet


def published(magnet, noise=0.0, scale=1.0):
    """|B| and its gradient at places in the bore, before it, and around the magnet."""
    wall = magnet.cryostat
    end, around = 0.5 * wall.length_m, wall.outer_radius_m
    places = [(r, z) for r in (0, 0.15, 0.28) for z in np.arange(0, end, 0.15)]
    places += [(r, end + d) for r in np.arange(0, 1.3, 0.2) for d in (0.05, 0.2, 0.4, 0.7, 1.1, 1.6)]
    places += [(around + d, z) for d in (0.1, 0.4, 0.9) for z in (0, 0.3, 0.6)]
    r, z = np.array(places).T
    points = np.stack([r, 0 * r, z], axis=1)
    B = magnet.field(points)
    size = np.linalg.norm(B, axis=1)
    slope = np.linalg.norm(np.einsum("ni,nij->nj", B, magnet.gradient(points)) / size[:, None], axis=1)
    shaken = size * (1 + noise * np.random.default_rng(0).normal(size=len(size)))
    return StaticFieldMap("published", r, z, scale * shaken, slope)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_map_of_magnitudes_gives_the_field_with_its_direction(noise):
    """Oracle: the magnet itself at other places before the bore: 3 % of each vector, 2 % rms."""
    magnet = em.scanner_magnet(3.0)
    fitted, error, slope_error = fit_magnet(published(magnet, noise), magnet.cryostat)
    assert error < 0.01 + noise
    assert slope_error < 0.15
    places = np.random.default_rng(1).uniform([-0.5, -0.5, 0.98], [0.5, 0.5, 2.2], (300, 3))
    exact, got = magnet.field(places), fitted.field(places)
    size = np.linalg.norm(exact, axis=1)
    assert (np.linalg.norm(got - exact, axis=1) / size).max() < 0.03
    assert np.sqrt(((got - exact) ** 2).sum() / (exact**2).sum()) < 0.02


def test_maps_that_no_magnet_has_are_refused():
    magnet = em.scanner_magnet(3.0)
    good = published(magnet)
    with pytest.raises(InputError, match="fields are in T, not mT"):
        fit_magnet(published(magnet, scale=1e3), magnet.cryostat)
    with pytest.raises(InputError, match="too few places"):
        fit_magnet(StaticFieldMap("few", *np.ones((4, 5))), magnet.cryostat)
    with pytest.raises(InputError, match="a place of the field map goes through the magnet's wall"):
        fit_magnet(StaticFieldMap("wall", 0.6 + 0 * good.r_m, 0 * good.z_m, good.B_T, good.B_T), magnet.cryostat)
    rng = np.random.default_rng(0)
    nonsense = StaticFieldMap("nonsense", good.r_m, good.z_m, rng.uniform(0.1, 3, len(good.B_T)), good.gradient_T_m)
    with pytest.raises(InputError, match="no coils within the wall"):
        fit_magnet(nonsense, magnet.cryostat)
