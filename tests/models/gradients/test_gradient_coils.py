"""Gradient coils: Biot-Savart closed forms, curl A = B, Maxwell's equations of the expansion, and linearity."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.gradients.coils import GradientCoil, GradientSet, IdealGradient, UniformField
from emdose.models.gradients.expansion import linear_terms, slope_of, turned
from emdose.models.gradients.field_over import FieldOver
from emdose.models.gradients.windings import whole_body_gradients
from emdose.models.implants.implant import rotation_matrix

PLACES = np.array([[0.05, 0.02, 0.1], [-0.1, 0.07, -0.03], [0.0, 0.0, 0.0]])


def circle(radius, z, n=720):
    phi = 2 * np.pi * np.arange(n) / n
    r = radius * np.sqrt(2 * np.pi / n / np.sin(2 * np.pi / n))
    return np.stack([r * np.cos(phi), r * np.sin(phi), np.full(n, z)], axis=1)


@pytest.fixture(scope="module")
def pair():
    """A Maxwell pair of 0.3 m radius."""
    return GradientCoil("pair", "z", [circle(0.3, s * 0.15 * np.sqrt(3)) for s in (1, -1)], [1, -1])


@pytest.fixture(scope="module")
def scanner():
    return whole_body_gradients()


def test_field_on_the_axis_of_a_ring(pair):
    """Oracle: mu0 a^2 / 2 (a^2 + z^2)^1.5 of two rings, and Gz = 0.641 mu0 / a^2 of a Maxwell pair."""
    z = np.linspace(-0.2, 0.2, 9)
    d = 0.15 * np.sqrt(3)
    exact = sum(s * MU_0 * 0.09 / 2 / (0.09 + (z - s * d) ** 2) ** 1.5 for s in (1, -1))
    np.testing.assert_allclose(pair.field(np.stack([0 * z, 0 * z, z], axis=1))[:, 2], exact, rtol=1e-5, atol=1e-14)
    assert pair.efficiency_T_m_A == pytest.approx(48 / 49 * np.sqrt(3 / 7) * MU_0 / 0.09, rel=1e-5)


def test_field_of_a_square_in_its_centre():
    """Oracle: B = 2 sqrt(2) mu0 I / (pi side) in the centre of a square loop."""
    square = 0.5 * np.array([[1, -1, 0], [1, 1, 0], [-1, 1, 0], [-1, -1, 0]])
    coil = GradientCoil("squares", "z", [square + np.array([0, 0, z]) for z in (0.3, 50.0)], [1, -1])
    got = coil.field(np.array([[0, 0, 0.3]]))[0, 2]  # the far square adds 1e-6 of it
    assert got == pytest.approx(2 * np.sqrt(2) * MU_0 / np.pi, rel=1e-5)


@pytest.mark.parametrize("which", ["pair", "x", "ideal x", "ideal y", "ideal z", "uniform"])
def test_curl_of_the_potential_is_the_field(which, pair, scanner):
    """Oracle: B = curl A by central differences; div A = 0 for closed wires."""
    source = {"pair": pair, "x": scanner.sources[0], "uniform": UniformField((1, 2, 2))}.get(which)
    source = source or IdealGradient(which[-1])
    h = 1e-4
    for place in PLACES:
        J = np.stack([source.vector_potential(np.stack([place + h * e, place - h * e])) for e in np.eye(3)])
        J = (J[:, 0] - J[:, 1]).T / (2 * h)  # J[i, j] = dA_i / dx_j
        curl = np.array([J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]])
        np.testing.assert_allclose(curl, source.expansion(place)[0], atol=2e-7)
        assert abs(np.trace(J)) < 1e-7


def test_expansion_obeys_maxwell_and_predicts_the_field_nearby(scanner):
    """Oracles: div B = 0 and curl B = 0 off the wires; the field itself 2 cm away."""
    for source in scanner.sources:
        value, slope = source.expansion(PLACES[0])
        assert abs(np.trace(slope)) < 1e-6
        np.testing.assert_allclose(slope, slope.T, atol=1e-6)
        step = np.array([0.01, -0.01, 0.01])
        field = source.field(PLACES[0] + step) / source.efficiency_T_m_A
        np.testing.assert_allclose(value + slope @ step, field, atol=3e-4)
        xx, yy, xy, xz, yz = linear_terms(slope)
        np.testing.assert_allclose([[xx, xy, xz], [xy, yy, yz], [xz, yz, -xx - yy]], slope, atol=1e-6)


def test_whole_body_set_is_linear(scanner):
    """Oracle: the ideal gradient; the stated 3.1 % in a sphere of 40 cm diameter, and the stated efficiencies."""
    assert max(c.linearity(0.2) for c in scanner.sources) < 0.031
    assert max(c.linearity(0.1) for c in scanner.sources) < 0.01
    got = [1e3 * c.efficiency_T_m_A for c in scanner.sources]
    assert got == pytest.approx([0.098, 0.094, 0.087], abs=6e-4)


def test_whole_body_set_near_the_isocentre_is_the_ideal_one(scanner):
    """Oracle: the ideal set with its concomitant components."""
    place = (0.03, -0.02, 0.04)
    terms, ideal = scanner.matrix(place), GradientSet().matrix(place)
    assert terms.shape == (8, 3)
    np.testing.assert_allclose(terms[:3], ideal[:3], atol=1.5e-3)
    np.testing.assert_allclose(terms[3:], ideal[3:], atol=0.03)
    np.testing.assert_array_equal(scanner.uniform_matrix(place), terms[:3])
    assert scanner.sources[0].dbdt(place, 200.0) == pytest.approx(200 * terms[:3, 0])


def test_terms_of_a_turned_body():
    """Oracle: the field itself, seen from axes that are turned with the body."""
    R = rotation_matrix(50.0, (1.0, -2.0, 0.4)) @ rotation_matrix(130.0, "x")
    terms = np.random.default_rng(2).normal(size=8)
    seen = turned(R) @ terms
    points = np.random.default_rng(3).normal(size=(20, 3))  # in the axes of the body
    outside = terms[:3] + (points @ R.T) @ slope_of(terms[3:])
    np.testing.assert_allclose(seen[:3] + points @ slope_of(seen[3:]), outside @ R, atol=1e-12)
    np.testing.assert_allclose(turned(R) @ turned(R.T), np.eye(8), atol=1e-12)


def test_terms_over_a_body(scanner):
    """Oracle: ideal gradients are linear: any turn by the map of terms, nothing left out; the field of wires itself."""
    points = np.random.default_rng(5).uniform(-0.04, 0.06, (150, 3))
    place = np.array([0.1, 0.0, 0.2])
    R = np.stack([np.eye(3), rotation_matrix(70.0, (1.0, 0.5, -2.0))])
    ideal = FieldOver(GradientSet(), place, points, 8)
    np.testing.assert_allclose(ideal.matrices(R), turned(R) @ GradientSet().matrix(place), atol=1e-9)
    assert ideal.left_out(R[1], (1, 1, 1)) < 1e-9
    # x gradient about the isocentre: B = (z, 0, x); the best uniform field is its mean over the points.
    flat = FieldOver(GradientSet(), np.zeros(3), points, 3)
    np.testing.assert_allclose(
        flat.matrices(R[:1])[0][:, 0], GradientSet().fields(points).mean(axis=0)[:, 0], atol=1e-9
    )
    spread, whole = points[:, [0, 2]].var(axis=0).sum(), (points[:, [0, 2]] ** 2).mean(axis=0).sum()
    assert flat.left_out(R[0], (2, 0, 0)) == pytest.approx(np.sqrt(spread / whole))
    wires = FieldOver(scanner, place, points, 8)
    terms = wires.matrices(R)[1]
    seen = np.einsum("ij,nia->nja", R[1], scanner.fields(points @ R[1].T + place))
    left = seen - (terms[:3] + np.stack([points @ slope_of(terms[3:, a]) for a in range(3)], axis=2))
    exact = np.sqrt((left**2).sum() / (seen**2).sum())
    assert wires.left_out(R[1], (1, 1, 1)) == pytest.approx(exact, rel=0.02)
    assert exact < 0.03


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GradientCoil("c", "w", [circle(0.3, 0.1)]), "unknown axis"),
        (lambda: GradientCoil("c", "z", []), "bad wire paths"),
        (lambda: GradientCoil("c", "z", [np.zeros((2, 3))]), "fewer than three"),
        (lambda: GradientCoil("c", "z", [np.full((9, 3), np.nan)]), "bad wire path"),
        (lambda: GradientCoil("c", "z", [circle(0.3, 0.1), circle(0.3, -0.1)]), "no gradient of Bz along z"),
        (lambda: IdealGradient("r"), "unknown axis"),
        (lambda: UniformField((0, 0, 0)), "direction"),
        (lambda: whole_body_gradients(0.2), "too small for the sphere"),
        (lambda: whole_body_gradients(turns=2), "turns"),
    ],
)
def test_bad_coils(make, words):
    """Oracle: the documented errors, one line each."""
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_potential_on_the_wire_itself_is_finite(pair):
    """Oracle: the guard: at corners and middles of the filaments the logarithm is cut off, not infinite."""
    corners = np.concatenate([p[:3] for p in pair.paths])
    places = np.concatenate([corners, 0.5 * (corners[:-1] + corners[1:])])
    A = pair.vector_potential(places)
    assert np.isfinite(A).all()
    beside = np.linalg.norm(pair.vector_potential(places + np.array([0, 0, 5e-3])), axis=1)
    assert np.linalg.norm(A, axis=1).max() < 10 * beside.max()
