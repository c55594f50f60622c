"""Forces of magnetisation: limits of the formulas, ranges, maps of scanners, mass properties."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose import mechanics
from emdose.constants import MU_0
from emdose.mechanics import Magnetism


def test_a_strong_ferromagnet_follows_1_over_N_until_it_saturates() -> None:
    """chi -> infinity: M = B/(mu_0 N); the cap is continuous with it."""
    iron = Magnetism("iron", 1e9, saturation_T=2.14)
    assert iron.magnetisation(0.3, 0.2) == pytest.approx(0.3 / (MU_0 * 0.2), rel=1e-6)
    cap = iron.saturation_field_T(1 / 3)
    below, above = (mechanics.static_force(iron, 1e-6, cap * s, 1.0, 1 / 3) for s in (1 - 1e-9, 1 + 1e-9))
    assert below == pytest.approx(above, rel=1e-6)


def test_superparamagnetic_limits() -> None:
    """Small fields: chi = mu_0 M_s m/(3 k T) in mu_0 H; large ones: M_s."""
    m = 3e-19
    beads = Magnetism("beads", 1.0, 0.9, 1.1, saturation_T=0.5, particle_moment_A_m2=m)
    small = 0.5 / MU_0 * m * 1e-4 / (3 * 1.380649e-23 * 310)
    assert beads.magnetisation(1e-4, 0.0) == pytest.approx(small, rel=1e-3)
    assert beads.magnetisation(10.0, 0.0) == pytest.approx(0.5 / MU_0, rel=2e-3)


def test_torque_vanishes_for_a_ball_and_grows_with_the_square_of_chi() -> None:
    ti = Magnetism("Ti", 1.8e-4)
    assert mechanics.static_torque(ti, 1e-6, 3.0, np.full(3, 1 / 3)) == 0.0
    N = mechanics.demagnetising_factors((1, 1, 5))
    twice = Magnetism("x", 3.6e-4)
    ratio = mechanics.static_torque(twice, 1e-6, 3.0, N) / mechanics.static_torque(ti, 1e-6, 3.0, N)
    assert ratio == pytest.approx(4.0, rel=1e-3)
    drawn = Magnetism("Ti drawn", 1.8e-4, anisotropy=2e-6)
    grown = 1e-6 * 2e-6 * 9 / (2 * MU_0)
    assert mechanics.static_torque(drawn, 1e-6, 3.0, N) == pytest.approx(
        mechanics.static_torque(ti, 1e-6, 3.0, N) + grown, rel=1e-9
    )


def test_factors_of_ball_rod_and_plate() -> None:
    assert mechanics.demagnetising_factors((2, 2, 2)) == pytest.approx(np.full(3, 1 / 3), rel=1e-12)
    assert mechanics.demagnetising_factors((1, 1, 1e4)) == pytest.approx([0.5, 0.5, 0.0], abs=1e-6)
    assert mechanics.demagnetising_factors((1e4, 1e4, 1)) == pytest.approx([0.0, 0.0, 1.0], abs=2e-4)
    assert mechanics.demagnetising_factors((1, 3, 7)).sum() == pytest.approx(1.0, rel=1e-12)


def test_45_degrees_are_force_equal_to_weight() -> None:
    assert mechanics.deflection_deg(1.0) == pytest.approx(45.0)


def test_mass_properties_of_a_box_and_an_ellipsoid() -> None:
    """Inertia by textbook, about a centre away from the origin; the ellipsoid of an ellipsoid is itself."""
    box = em.implants.box((0.02, 0.03, 0.05), "Ti6Al4V").moved((0.1, -0.2, 0.3))
    body = mechanics.rigid_body(box)
    m = body.mass_kg
    wanted = m / 12 * np.array([0.03**2 + 0.05**2, 0.02**2 + 0.05**2, 0.02**2 + 0.03**2])
    assert np.diag(body.inertia) == pytest.approx(wanted, rel=1e-9)
    assert np.abs(body.inertia - np.diag(np.diag(body.inertia))).max() < 1e-12
    assert body.longest_m == pytest.approx(0.05)
    semi, _ = mechanics.rigid_body(em.implants.ellipsoid((0.01, 0.02, 0.03))).ellipsoid
    assert semi == pytest.approx([0.01, 0.02, 0.03], rel=5e-3)


def test_the_uncertainty_of_steel_is_its_susceptibility() -> None:
    """A factor 4 to 10 in chi: the expanded uncertainty is of the order of the value; that of titanium a tenth."""
    at = mechanics.StaticFieldPoint(3.0, 6.0)
    steel = mechanics.force_table(em.implants.sphere(0.01, "316L"), 3.0, force_at=at)["force_over_weight"]
    assert steel.value == pytest.approx(0.639, rel=0.01)
    assert steel.expanded > 0.5 * steel.value
    titanium = mechanics.force_table(em.implants.sphere(0.01, "Ti6Al4V"), 3.0, force_at=at)["force_over_weight"]
    assert titanium.expanded < 0.2 * titanium.value


def test_every_metal_of_the_table_with_chi_has_its_range_and_source() -> None:
    for name in ("CoCrMo", "Ti6Al4V", "316L", "nitinol", "tantalum"):
        found = mechanics.magnetism(name)
        low, high = found.span
        assert low < found.chi < high
        assert found.source


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Magnetism("316L", 3.5e-3), "chi of steel without its range"),
        (lambda: Magnetism("stainless steel", 5e-4), "chi of steel without its range"),
        (lambda: Magnetism("x", 2e-3, chi_low=1e-3), "half a range"),
        (lambda: Magnetism("x", 2e-3, 3e-3, 4e-3), "does not hold"),
        (lambda: Magnetism("beads", 1.0, 0.9, 1.1, particle_moment_A_m2=1e-19), "needs its saturation"),
        (lambda: mechanics.magnetism("MP35N"), "no susceptibility known"),
        (lambda: mechanics.demagnetising_factors((1, 1, 0)), "bad ellipsoid"),
    ],
)
def test_bad_input(call, words) -> None:
    with pytest.raises(em.InputError, match=words):
        call()


def test_a_torque_of_a_disc_in_its_weight() -> None:
    """A disc of titanium at 45 degrees in 3 T: its shape torque by hand."""
    disc = em.implants.cylinder(0.04, 2e-3, "Ti6Al4V")
    body = mechanics.rigid_body(disc)
    N, _, _ = mechanics.body_factors(body)
    wanted = body.volume_m3 * 1.8e-4**2 * (N.max() - N.min()) * 9 / (2 * MU_0)
    assert mechanics.force_table(disc, 3.0)["static_torque"].value == pytest.approx(wanted, rel=1e-3)
    assert math.isclose(N.sum(), 1.0)
