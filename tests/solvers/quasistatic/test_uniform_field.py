"""Fields that uniform dB/dt, translation and rotation induce in a sphere.

Oracle: E = r x dB/dt / 2 in a sphere; a body that moves straight through a uniform field has none; one that turns in it
sees dB/dt = B x Omega.
"""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.models import UniformField

RADIUS = 0.1


@pytest.fixture(scope="module")
def induced() -> em.InducedField:
    ball = em.phantoms.sphere(radius_m=RADIUS, spacing_m=5e-3)
    along_z = UniformField((0, 0, 1))
    return em.Quasistatic(tolerance=1e-9).solve(
        ball,
        [
            em.Switched(along_z, "T/s"),
            em.RigidMotion(along_z, velocity_m_s=(1, 0, 0)),
            em.RigidMotion(along_z, turn_rad_s=(0, 1, 0)),
        ],
    )


def deep(induced: em.InducedField) -> np.ndarray:
    return np.linalg.norm(induced.points_m, axis=1) < 0.75 * RADIUS


def test_field_in_a_sphere_is_half_of_r_times_the_rate(induced: em.InducedField) -> None:
    wanted = 0.5 * np.cross(induced.points_m, (0, 0, 1)).T
    error = np.linalg.norm(induced.E[0] - wanted, axis=0)[deep(induced)]
    assert error.max() < 0.02 * RADIUS / 2


def test_straight_motion_through_a_uniform_field_induces_nothing(induced: em.InducedField) -> None:
    assert np.abs(induced.E[1]).max() < 1e-7 * RADIUS / 2


def test_turning_in_a_uniform_field_is_a_rate_of_change(induced: em.InducedField) -> None:
    wanted = 0.5 * np.cross(induced.points_m, np.cross((0, 0, 1), (0, 1, 0))).T
    error = np.linalg.norm(induced.E[2] - wanted, axis=0)[deep(induced)]
    assert error.max() < 0.02 * RADIUS / 2


def test_power_in_the_body_is_the_work_of_the_source(induced: em.InducedField) -> None:
    assert induced.balance[[0, 2]].max() < 1e-5
