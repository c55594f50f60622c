"""Coil fields that are interpolated for grids that lie elsewhere. Oracle: the sum over the filaments itself."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.shared import Shared
from emdose.models.coils.ideal import Birdcage, Loop
from emdose.models.grids.grid import Grid
from emdose.solvers.yee_grid import coil_lattice
from emdose.solvers.yee_grid.incident import incident_B, incident_E

BE = backend.get("cpu")
COIL = Birdcage(rungs=4, radius_m=0.15, length_m=0.2)
SHIELDED = Birdcage(rungs=4, radius_m=0.15, length_m=0.2, shield_radius_m=0.18)


def grid_at(*origin_m: float, h: float = 0.01) -> Grid:
    return Grid((12, 10, 14), (h, h, h), origin_m)


@pytest.mark.parametrize(
    ("incident", "coil"),
    [(incident_E, SHIELDED), (incident_B, COIL), (incident_B, Loop(0.15, normal=(0.3, 0.2, 1.0)))],
    ids=["E of a shielded birdcage", "B of a birdcage", "B of a loop"],
)
def test_grids_that_lie_elsewhere_have_the_field_of_the_filaments(incident, coil):
    shared = Shared(2**30)
    for origin in ((-0.06, -0.05, -0.07), (-0.058, -0.05, -0.0733), (-0.0641, -0.0487, -0.0616), (-0.06, -0.05, -0.09)):
        grid = grid_at(*origin)
        found = incident(coil, grid, 128e6, BE, np.complex128, shared)
        exact = incident(coil, grid, 128e6, BE, np.complex128)
        largest = np.abs(exact).max(axis=(1, 2, 3, 4), keepdims=True)
        assert (np.abs(found - exact) / largest).max() < 2e-5
        assert found.shape == exact.shape


def test_what_must_be_the_same_to_the_last_bit_is_not_interpolated():
    shared = Shared(2**30, reduced=False)
    for origin in ((-0.06, -0.05, -0.07), (-0.058, -0.05, -0.0733)):
        found = incident_E(COIL, grid_at(*origin), 128e6, BE, np.complex64, shared)
        np.testing.assert_array_equal(found, incident_E(COIL, grid_at(*origin), 128e6, BE, np.complex64))


def test_points_next_to_a_conductor_are_evaluated_as_they_are():
    """A grid that reaches beyond the rungs: no polynomial goes through a filament."""
    shared = Shared(2**30)
    for origin in ((-0.24, -0.2, -0.28), (-0.233, -0.191, -0.2733)):
        grid = grid_at(*origin, h=0.04)
        found = incident_B(COIL, grid, 128e6, BE, np.complex128, shared)
        np.testing.assert_allclose(found, incident_B(COIL, grid, 128e6, BE, np.complex128), rtol=1e-9, atol=1e-20)


def test_the_second_grid_costs_little_more_than_its_own_points_and_the_third_next_to_none(monkeypatch):
    asked = []
    from emdose.solvers.yee_grid.filaments import Pieces

    field = Pieces.field
    monkeypatch.setattr(Pieces, "field", lambda self, p, *a: (asked.append(p.shape[1]), field(self, p, *a))[1])
    shared, counts = Shared(2**30), []
    for z in (-0.07, -0.0733, -0.0741, -0.0765):
        asked.clear()
        incident_E(COIL, grid_at(-0.035, -0.03, z, h=0.005), 128e6, BE, np.complex64, shared)
        counts.append(sum(asked))
    assert counts[1] < 2 * counts[0]
    assert counts[2] < 0.1 * counts[0]
    assert counts[3] < 0.1 * counts[0]


def test_a_lattice_that_would_take_too_much_is_left_alone(monkeypatch):
    monkeypatch.setattr(coil_lattice, "MOST_BYTES", 1000)
    shared = Shared(2**30)
    for origin in ((-0.06, -0.05, -0.07), (-0.058, -0.05, -0.0733)):
        found = incident_E(COIL, grid_at(*origin), 128e6, BE, np.complex64, shared)
        np.testing.assert_array_equal(found, incident_E(COIL, grid_at(*origin), 128e6, BE, np.complex64))
