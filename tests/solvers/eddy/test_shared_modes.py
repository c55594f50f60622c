"""Modes of a metal for other conductivities. Oracle: the same metal solved on its own."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute.shared import Shared
from emdose.models.grids.grid import Grid
from emdose.models.implants.metals import Metal
from emdose.models.implants.voxels import VoxelImplant
from emdose.solvers.eddy.solver import EddyCurrent

# The voxels are coarse for what is tested here, on both sides alike.
pytestmark = pytest.mark.filterwarnings("ignore::emdose.errors.EmdoseWarning")


def plate(*conductivities):
    """Boxes of 8 x 6 x 3 voxels side by side, one for every metal."""
    shape = (8 * len(conductivities) + 2, 8, 5)
    part = np.zeros(shape, np.uint8)
    for i in range(len(conductivities)):
        part[1 + 8 * i : 9 + 8 * i, 1:-1, 1:-1] = i + 1
    metal = part > 0
    faces = np.zeros((3, *(n + 1 for n in shape)), np.float32)
    for c in range(3):
        low = tuple(slice(1, n) if a == c else slice(0, n) for a, n in enumerate(shape))
        one = tuple(slice(1, None) if a == c else slice(None) for a in range(3))
        other = tuple(slice(None, -1) if a == c else slice(None) for a in range(3))
        faces[(c, *low)] = metal[one] & metal[other]
    metals = tuple(Metal(f"metal {i}", sigma, 8000.0, 500.0, 15.0) for i, sigma in enumerate(conductivities))
    return VoxelImplant(Grid(shape, 1e-3), part, metal.astype(np.float32), faces, metals)


@pytest.mark.parametrize("metals", [(5e6,), (5e6, 1e6)])
def test_a_better_or_worse_conductor_needs_no_product(metals):
    shared, f = Shared(10**8), [1e3, 1e4]
    EddyCurrent().solve(plate(*metals), f, device="cpu", shared=shared)
    for factor in (0.8, 1.2):
        other = plate(*(factor * s for s in metals))
        found = EddyCurrent().solve(other, f, device="cpu", shared=shared)
        alone = EddyCurrent().solve(other, f, device="cpu")
        # The last product measures the residual at the highest frequency.
        assert found.provenance["engines"]["voxel"]["products"] == 0
        assert alone.provenance["engines"]["voxel"]["products"] > 2
        np.testing.assert_allclose(found.matrix, alone.matrix, atol=2e-4 * np.abs(alone.matrix).max())
        assert found.residual.max() <= EddyCurrent().tolerance
        assert found.identity.max() < 1e-4
    assert shared.told.made == 1


def test_the_scale_of_conductivity_and_frequency():
    """P(f, a sigma) = a P(a f, sigma) per unit of dB/dt: the product of both decides where currents flow."""
    a = EddyCurrent().solve(plate(1e7), [5e3], device="cpu", shared=Shared(10**8))
    b = EddyCurrent().solve(plate(5e6), [1e4], device="cpu")
    np.testing.assert_allclose(a.matrix, 2 * b.matrix, atol=2e-4 * np.abs(a.matrix).max())


def test_what_the_modes_do_not_reach_is_solved_again():
    shared, f = Shared(10**8), [1e4]
    EddyCurrent().solve(plate(1e5), f, device="cpu", shared=shared)
    found = EddyCurrent().solve(plate(2e7), f, device="cpu", shared=shared)
    alone = EddyCurrent().solve(plate(2e7), f, device="cpu")
    assert found.provenance["engines"]["voxel"]["products"] > 0
    np.testing.assert_allclose(found.matrix, alone.matrix, atol=2e-4 * np.abs(alone.matrix).max())
    assert found.residual.max() <= EddyCurrent().tolerance


def test_other_shapes_sources_and_precisions_share_nothing():
    shared, f = Shared(10**8), [1e4]
    EddyCurrent().solve(plate(1e6), f, device="cpu", shared=shared)
    EddyCurrent().solve(plate(1e6, 2e6), f, device="cpu", shared=shared)
    EddyCurrent().solve(plate(1e6), f, "uniform+linear", device="cpu", shared=shared)
    EddyCurrent(dtype="float64").solve(plate(1e6), f, device="cpu", shared=shared)
    assert (shared.told.made, shared.told.hits) == (4, 0)
