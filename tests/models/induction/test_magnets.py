"""Static magnets: closed forms on the axis, Maxwell's equations, gradients by differences, and who may be where."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.induction.axial import ring_field, sheet_field
from emdose.models.induction.magnets import Cryostat, SolenoidCoil
from emdose.models.induction.tabulated import TabulatedField

PLACES = np.array(
    [[0.05, 0.02, 0.1], [0.1, -0.2, 1.2], [1.5, 1.0, -2.0], [0.0, 0.0, 0.4], [1e-7, 0, 3.0], [0.3, 0, 0.8]]
)


def magnet(**changes):
    """A long coil and a shield."""
    coils = [SolenoidCoil(0.5, -0.7, 0.9, 3e6), SolenoidCoil(0.9, -0.6, 0.6, -1e6)]
    return em.StaticMagnet(**{"name": "pair", "coils": coils, "cryostat": Cryostat(0.35, 1.0, 2.0), **changes})


def curl_and_divergence(field, place, h=1e-4):
    J = np.stack(
        [(field((place + h * e)[None]) - field((place - h * e)[None]))[0] / (2 * h) for e in np.eye(3)], axis=1
    )
    return np.array([J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]]), np.trace(J), J


def test_field_on_the_axis_of_a_solenoid():
    """Oracle: mu0 K / 2 (cos a1 - cos a2) on the axis of a finite solenoid, inside, outside and at its ends."""
    z = np.linspace(-3, 3, 31)
    radial, axial = sheet_field(0 * z, z, 0.5, -0.7, 0.9)
    exact = MU_0 / 2 * ((z + 0.7) / np.hypot(z + 0.7, 0.5) - (z - 0.9) / np.hypot(z - 0.9, 0.5))
    np.testing.assert_allclose(axial, exact, rtol=1e-12)
    assert np.abs(radial).max() == 0


def test_sheet_is_a_sum_of_rings():
    """Oracle: rings along the sheet by Gauss's rule, off the axis, inside and outside."""
    rho, z = np.array([0.1, 0.3, 0.6, 1.5, 0.45]), np.array([0.2, 1.0, 0.3, 2.0, -0.3])
    x, w = np.polynomial.legendre.leggauss(600)
    rings = sum(0.8 * b * np.array(ring_field(rho, z - 0.1 - 0.8 * a, 0.5)) for a, b in zip(x, w, strict=True))
    np.testing.assert_allclose(sheet_field(rho, z, 0.5, -0.7, 0.9), rings, rtol=1e-9)


def test_far_away_it_is_a_dipole():
    """Oracle: mu0 m / (4 pi r^3) of its moment, 60 m away."""
    plain = magnet(coils=[SolenoidCoil(0.5, -0.8, 0.8, 3e6)]).field(np.array([[0, 0, 60.0], [60.0, 0, 0]]))[:, 2]
    np.testing.assert_allclose(plain, 3e6 * 0.25 * MU_0 / (4 * 60.0**3) * np.array([2, -1]), rtol=1e-3)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_curl_and_divergence_vanish_and_the_gradient_is_that_of_the_field(place):
    """Oracle: Maxwell's equations off currents, by central differences of the field."""
    some = magnet()
    curl, div, J = curl_and_divergence(some.field, place)
    size = max(np.abs(J).max(), 1e-6)
    assert np.abs(curl).max() < 1e-5 * size
    assert abs(div) < 1e-5 * size
    np.testing.assert_allclose(some.gradient(place[None])[0], J, atol=1e-5 * size)


def test_bad_magnets_are_refused_in_one_line():
    with pytest.raises(InputError, match="fields are in T, not mT"):
        magnet(coils=[SolenoidCoil(0.5, -0.7, 0.9, 6e9)])
    with pytest.raises(InputError, match="in the patient's bore"):
        magnet(cryostat=Cryostat(0.6, 1.0, 2.0))
    with pytest.raises(InputError, match="without coils"):
        magnet(coils=[])
    with pytest.raises(InputError, match="wrong order"):
        SolenoidCoil(0.5, 1.0, 0.9, 1.0)
    with pytest.raises(InputError, match="within its bore"):
        Cryostat(0.6, 0.5, 2.0)


def test_nobody_goes_through_the_wall():
    some = magnet()
    some.require_room(np.array([[0.0, 0, 0], [0.3, 0, 0.9], [0.6, 0, 1.1], [1.2, 0, 0]]))
    with pytest.raises(InputError, match=r"a nurse goes through the magnet's wall.*0\.60"):
        some.require_room(np.array([[0.0, 0, 0], [0.6, 0, 0.9]]), "a nurse")


def test_the_line_of_a_field_along_and_across():
    """Oracle: the field itself at the line, and weaker beyond."""
    some = magnet()
    for axis, along in (("z", [0, 0, 1.0]), ("r", [1.0, 0, 0])):
        at = some.line_m(5e-4, axis)
        values = np.linalg.norm(some.field(at * np.array([1.0, 1.05])[:, None] * np.array(along)), axis=1)
        assert values[0] == pytest.approx(5e-4, rel=1e-6)
        assert values[1] < 5e-4


@pytest.mark.parametrize(("B0", "along", "across"), [(1.5, 4.0, 2.5), (3.0, 4.6, 2.6), (7.0, 7.0, 5.0)])
def test_made_up_scanners(B0, along, across):
    """Oracles: B0, the 0.5 mT line that they were made for, and no second and fourth order along the axis."""
    scanner = em.scanner_magnet(B0)
    assert pytest.approx(B0, rel=1e-5) == scanner.B0_T
    assert scanner.line_m() == pytest.approx(along, rel=1e-3)
    assert scanner.line_m(axis="r") == pytest.approx(across, rel=1e-3)
    z = np.linspace(-0.1, 0.1, 9)
    ratio = scanner.field(np.stack([0 * z, 0 * z, z], axis=1))[:, 2] / B0 - 1
    assert np.abs(ratio).max() < 1e-4
    assert np.abs(scanner.field(np.array([[0.15, 0, 0.0]]))[0, 2] / B0 - 1) < 2e-3
    with pytest.raises(InputError, match=r"1\.5, 3 or 7 T"):
        em.scanner_magnet(3000.0)


def test_the_table_is_the_field():
    """Oracle: the sum over coils; places in the bore, beyond its ends, and around the magnet."""
    scanner = em.scanner_magnet(3.0)
    table = TabulatedField(scanner, 3.0)
    rng = np.random.default_rng(2)
    places = rng.uniform(-2, 2, (400, 3))
    places = places[~scanner.cryostat.inside(places)]
    exact, (B, slope) = scanner.field(places), table.both(places)
    np.testing.assert_allclose(B, exact, atol=3e-5)
    np.testing.assert_allclose(slope, scanner.gradient(places), atol=5e-4)
    assert table.error < 3e-4
    with pytest.raises(InputError, match="magnet's wall"):
        table.field(np.array([[0.6, 0, 0]]))
    with pytest.raises(InputError, match="beyond the table"):
        table.field(np.array([[0.6, 0, 9.0]]))
