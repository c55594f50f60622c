"""Stimulation coils: curl A = B, a small ring is a dipole, and the figure of eight is strongest below its middle."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError

PLACES = np.array([[0.01, 0.02, -0.04], [0.05, -0.03, -0.06]])


@pytest.mark.parametrize(
    "coil", [em.MagneticDipole((0, 0, 0.02), (1, 2, 3)), em.figure_of_eight(turns=3)], ids=["m", "8"]
)
def test_curl_of_the_potential_is_the_field(coil):
    """Oracle: B = curl A and div A = 0 by central differences."""
    h = 1e-5
    for place in PLACES:
        J = np.stack([coil.vector_potential(np.stack([place + h * e, place - h * e])) for e in np.eye(3)])
        J = (J[:, 0] - J[:, 1]).T / (2 * h)
        curl = np.array([J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]])
        field = coil.field(place[None])[0]
        np.testing.assert_allclose(curl, field, atol=1e-5 * np.linalg.norm(field))
        assert abs(np.trace(J)) < 1e-5 * np.abs(J).max()


def test_a_small_ring_is_a_dipole():
    """Oracle: the dipole of its area, 100 radii away: 1e-3 and better."""
    angle = 2 * np.pi * np.arange(90) / 90
    ring = em.StimulationCoil("ring", [1e-3 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)])
    area = 0.5 * 90 * np.sin(2 * np.pi / 90) * 1e-6
    np.testing.assert_allclose(
        ring.vector_potential(PLACES),
        em.MagneticDipole(moment_m2=(0, 0, area)).vector_potential(PLACES),
        rtol=2e-3,
        atol=1e-18,
    )


def test_a_figure_of_eight_drives_along_its_handle_below_its_middle():
    """Oracles: symmetry (A along the handle on the axis), opposite windings (no dipole moment), area by turns."""
    coil = em.figure_of_eight(centre_m=(0, 0, 0.05), handle=(0, 1, 0.3))
    depth = np.array([[0, 0, 0.03], [0, 0, -0.02], [0.03, 0, 0.03]])
    A = coil.vector_potential(depth)
    assert A[0, 1] > 3 * A[1, 1] > 0
    assert np.abs(A[:2, [0, 2]]).max() < 1e-12
    assert A[0, 1] > abs(A[2, 1])
    one, two = (np.linalg.norm(coil.field(np.array([[0, 0, z]]))) for z in (-2.0, -4.0))
    assert one / two > 12  # a quadrupole falls as the fourth power, a dipole as the third


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"outer_radius_m": 0.01}, "out of order"),
        ({"handle": (0, 0, 1)}, "along the normal"),
        ({"turns": 0}, "number of turns"),
        ({"thickness_m": -1.0}, "must not be negative"),
    ],
)
def test_bad_coils_are_refused(changes, match):
    with pytest.raises(InputError, match=match):
        em.figure_of_eight(**changes)
