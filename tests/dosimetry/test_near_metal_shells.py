"""SAR by distance from metal. Oracles: the definition, the whole body as one shell, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry import sar_near_metal

BODY = em.phantoms.sphere(0.05, 10e-3)


@pytest.fixture(scope="module")
def exposure():
    block = em.implants.box((0.0198, 0.0198, 0.0198), centre_m=(0.0, 0.0, 0.0))
    return em.Exposure(BODY, em.PlaneWave(), 128e6, implants=[block])


@pytest.fixture(scope="module")
def fields(exposure):
    return em.Vie().solve(exposure, device="cpu", progress=False)


def test_shells_hold_the_voxels_of_their_distance(exposure, fields):
    shells = sar_near_metal(fields, exposure.tissue, [0.02, 0.2])
    sar = em.point_sar(fields, exposure.tissue).value
    x, y, z = BODY.grid.centre_points()
    outside = [np.maximum(np.abs(a) - 0.005, 0) for a in (x, y, z)]  # from the outermost centres of metal
    distance = np.sqrt(sum(a**2 for a in outside)) - 0.005
    near = exposure.tissue.body & (distance <= 0.02)
    far = exposure.tissue.body & (distance > 0.02)
    assert shells.voxels.tolist() == [near.sum(), far.sum()]
    np.testing.assert_allclose(shells.sar_W_kg, [sar[near].mean(), sar[far].mean()], rtol=1e-5)
    assert shells.spacing_m == pytest.approx(10e-3)
    # Oracle: together they absorb what the body absorbs, all tissue being of one density.
    mass = exposure.tissue.mass_kg / exposure.tissue.body.sum()
    total = mass * float(shells.voxels @ shells.sar_W_kg)
    assert total == pytest.approx(fields.power.power()["absorbed_W"], rel=1e-3)


def test_what_is_thin_or_without_metal_is_said(exposure, fields):
    with pytest.warns(em.EmdoseWarning, match="two spacings"):
        sar_near_metal(fields, exposure.tissue, [0.005, 0.03])
    with pytest.raises(em.InputError, match="do not grow"):
        sar_near_metal(fields, exposure.tissue, [0.03, 0.02])
    bare = em.Vie().solve(em.Exposure(BODY, em.PlaneWave(), 128e6), device="cpu", progress=False)
    with pytest.raises(em.InputError, match="without metal"):
        sar_near_metal(bare, BODY, [0.02])
