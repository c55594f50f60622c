"""Current elements and fields that users give: closed forms, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.constants import C_0, EPS_0, MU_0
from emdose.errors import EmdoseWarning, InputError
from emdose.models.grids.sampled_field import SampledField
from emdose.solvers.yee_grid.incident import field_at
from emdose.validity import THRESHOLDS

F = 128e6
BALL = em.phantoms.sphere(0.05, 1e-2, "muscle")
LOOP = em.Loop(0.05, centre_m=(0, 0, 0.1))
ELEMENT = em.CurrentElement(0.02, centre_m=(0.02, 0, 0.1), direction=(1, 0, 0.3))
WAVE = em.PlaneWave((0, 1, 2), (1, 0, 0))


def electric(source):
    return lambda p: field_at(source, p, F)[0]


def magnetic(source):
    return lambda p: field_at(source, p, F)[1] / MU_0


def given(source, **more):
    return em.IncidentField(electric(source), magnetic(source), frequency_Hz=F, **more)


def hertz(moment, r):
    """E and H of a Hertzian dipole of current moment (3,) [A m] at the origin, in vector form; Jackson, eq. 9.18."""
    k = 2 * math.pi * F / C_0
    R = np.linalg.norm(r, axis=1, keepdims=True)
    n, p = r / R, moment / (2j * math.pi * F)
    wave = np.exp(-1j * k * R)
    far = np.cross(np.cross(n, p), n) * k**2 / R
    near = (3 * n * (n @ p)[:, None] - p) * (1 / R**3 + 1j * k / R**2)
    E = (far + near) * wave / (4 * math.pi * EPS_0)
    H = C_0 * k**2 / (4 * math.pi) * np.cross(n, p) * wave / R * (1 + 1 / (1j * k * R))
    return E, H


def test_a_short_element_is_a_hertzian_dipole():
    # Oracle: its closed form, near and far; a length l at the distance r differs by (l / r)^2.
    d = np.array([1.0, -2.0, 0.5]) / math.sqrt(5.25)
    element = em.CurrentElement(2e-4, centre_m=(0.1, 0, 0), direction=d, current_A=2 - 1j)
    r = np.random.default_rng(1).normal(size=(40, 3)) * np.geomspace(0.02, 3, 40)[:, None]
    E, B = (v[0] for v in field_at(element, r + np.array([0.1, 0, 0]), F))
    expected = hertz(2e-4 * (2 - 1j) * d, r)
    for value, reference in ((E, expected[0]), (B / MU_0, expected[1])):
        error = np.linalg.norm(value - reference, axis=1) / np.linalg.norm(reference, axis=1)
        assert error.max() < 1e-3


def test_elements_that_close_are_a_coil_without_charge():
    # Oracle: four elements around a square, whose charges cancel, beside the coil of closed currents.
    corner = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.03
    ends = np.stack([corner, np.roll(corner, -1, axis=0)], axis=1)
    coil = em.Coil("square", ends, np.ones((1, 4), complex), ["loop"], {"unit": [1]})
    points = np.array([[0.01, 0.02, 0.05], [0.2, -0.1, 0.3]])
    parts = [
        em.CurrentElement(0.06, centre_m=0.5 * (a + b), direction=b - a, current_A=1.0)
        for a, b in zip(*ends.swapaxes(0, 1), strict=True)
    ]
    for n in (0, 1):
        whole = field_at(coil, points, F)[n]
        np.testing.assert_allclose(
            sum(field_at(e, points, F)[n] for e in parts), whole, rtol=1e-9, atol=1e-12 * abs(whole).max()
        )


@pytest.mark.parametrize("current", [0, np.nan, "1", [1.0]])
def test_an_element_needs_a_current(current):
    with pytest.raises(InputError, match="current_A"):
        em.CurrentElement(0.02, current_A=current)


def test_an_element_in_the_body_or_a_shield_is_refused():
    with pytest.raises(InputError, match="runs through the body"):
        em.Exposure(BALL, em.CurrentElement(0.02), F)
    with pytest.raises(InputError, match="no shield"):
        ELEMENT.with_shield(em.models.Shield(0.2, 0.3))


@pytest.mark.parametrize("source", [LOOP, ELEMENT, WAVE], ids=lambda s: s.name)
def test_true_fields_meet_maxwells_equations(source):
    # Oracle: the fields are solutions; what is left is rounding and finite differences.
    for field in (given(source), em.IncidentField(electric(source), frequency_Hz=F)):
        assert max(field.residuals(BALL).values()) < 1e-3
        em.Exposure(BALL, field, F)


@pytest.mark.parametrize("source", [LOOP, ELEMENT, WAVE], ids=lambda s: s.name)
@pytest.mark.parametrize(
    ("E", "H"),
    [
        (lambda e: lambda p: e(p).conj(), lambda h: lambda p: h(p).conj()),
        (lambda e: e, lambda h: lambda p: MU_0 * h(p)),
        (lambda e: lambda p: e(1e-3 * p + 0.01), lambda h: lambda p: h(1e-3 * p + 0.01)),
        (lambda e: e, lambda h: lambda p: -h(p)),
        (lambda e: e, lambda h: lambda p: h(p).imag + 1j * h(p).real),
    ],
    ids=["conjugate", "B for H", "metres read as millimetres", "sign of H", "real and imaginary part swapped"],
)
def test_what_is_no_field_in_air_is_refused_before_the_solution(source, E, H):
    wrong = em.IncidentField(E(electric(source)), H(magnetic(source)), frequency_Hz=F)
    with pytest.raises(InputError, match=r"misses Maxwell's equations of air in the body \(") as error:
        em.Exposure(BALL, wrong, F)
    assert "\n" not in str(error.value)


def test_a_field_with_sources_in_the_body_is_refused_without_h_too():
    # Oracle: the field of charges spread over the body, and that of a current in it, are none of sources outside.
    spread = em.IncidentField(lambda p: p.astype(complex), frequency_Hz=F)
    with pytest.raises(InputError, match="divergence of E"):
        em.Exposure(BALL, spread, F)
    turning = em.IncidentField(
        lambda p: np.cross([0, 0, 1.0], p) * np.exp(-((p / 0.03) ** 2).sum(1))[:, None], frequency_Hz=F
    )
    with pytest.raises(InputError, match="wave equation of E"):
        em.Exposure(BALL, turning, F)
    with pytest.warns(EmdoseWarning, match="100 %.*accepted by name"):
        em.Exposure(BALL, em.IncidentField(spread.E, frequency_Hz=F, accept=["incident_field"]), F)


def test_the_threshold_from_both_sides():
    # Oracle: H too large by a fraction q misses the law of induction of a wave by q / sqrt(2 (1 + (1 + q)^2)).
    row = THRESHOLDS["incident_field"]

    def wrong_by(share):
        q = next(q for q in np.linspace(0, 0.4, 40001) if q / math.hypot(1, 1 + q) >= math.sqrt(2) * share)
        return em.IncidentField(electric(WAVE), lambda p: (1 + q) * magnetic(WAVE)(p), frequency_Hz=F)

    assert max(wrong_by(0.05).residuals(BALL).values()) == pytest.approx(0.05, abs=2e-4)
    em.Exposure(BALL, wrong_by(0.95 * row.questionable), F)
    with pytest.warns(EmdoseWarning, match="misses Maxwell's equations"):
        em.Exposure(BALL, wrong_by(1.05 * row.questionable), F)
    with pytest.warns(EmdoseWarning, match="misses Maxwell's equations"):
        em.Exposure(BALL, wrong_by(0.98 * row.not_valid), F)
    with pytest.raises(InputError, match="misses Maxwell's equations"):
        em.Exposure(BALL, wrong_by(1.02 * row.not_valid), F)


def test_splines_hold_cubics_on_uneven_axes():
    # Oracle: a cubic in every coordinate is reproduced between the points.
    axes = (np.array([0, 0.1, 0.25, 0.3, 0.5]), np.linspace(-1, 1, 4), np.array([0, 1, 1.5, 4.0, 4.5, 6]))
    x, y, z = np.meshgrid(*axes, indexing="ij")

    def cubic(x, y, z):
        return np.stack([x**3 - y * z**2, 1j * y**3 + x * z, (1 + 2j) * z**3 * x])

    field = SampledField(axes, np.stack([cubic(x, y, z), 2 * cubic(x, y, z)]))
    p = np.random.default_rng(0).random((50, 3)) * [0.5, 2, 6] - [0, 1, 0]
    expected = cubic(*p.T).T
    np.testing.assert_allclose(field(p), np.stack([expected, 2 * expected]), rtol=1e-10, atol=1e-10)


def on_points(source, step, half=0.08, noise=0.0):
    n = round(2 * half / step) + 1
    axes = [np.linspace(-half, half, n)] * 3
    p = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    random = np.random.default_rng(0)
    arrays = [np.moveaxis(f(p)[0].reshape(n, n, n, 3), -1, 0) for f in (electric(source), magnetic(source))]
    arrays = [a * (1 + noise * random.standard_normal(a.shape)) for a in arrays]
    return em.IncidentField.on_points(axes, *arrays, frequency_Hz=F)


@pytest.mark.parametrize("source", [LOOP, ELEMENT, WAVE], ids=lambda s: s.name)
def test_arrays_with_a_little_noise_pass_and_interpolate(source):
    # Oracle: the field itself, at points between; 0.1 % of noise is not mistaken for sources.
    field = on_points(source, 1e-2)
    p = np.random.default_rng(2).uniform(-0.05, 0.05, (100, 3))
    exact = field_at(source, p, F)
    for magnetic_ in (False, True):
        value = field.field_at(p, magnetic_, 1e-3)
        assert np.linalg.norm(value - exact[magnetic_]) < 5e-3 * np.linalg.norm(exact[magnetic_])
    noisy = on_points(source, 1e-2, noise=1e-3)
    assert max(noisy.residuals(BALL).values()) < THRESHOLDS["incident_field"].questionable
    assert field.parameters["sha256"] != noisy.parameters["sha256"]


def test_arrays_and_functions_that_do_not_fit_are_refused():
    axes = [np.linspace(-0.1, 0.1, 5)] * 3
    E = np.zeros((3, 5, 5, 5))
    make = em.IncidentField.on_points
    bad = np.where(np.arange(375).reshape(E.shape) == 7, np.nan, E)
    for arguments, words in (
        ((axes, E[:, 1:]), "does not fit the points"),
        ((axes, E, E[:, 1:]), "does not fit the points"),
        (([a[::-1] for a in axes], E), "do not grow"),
        (([a[:3] for a in axes], E[:, :3, :3, :3]), "too few points"),
        ((axes, bad), "not a finite number"),
    ):
        with pytest.raises(InputError, match=words):
            make(*arguments, frequency_Hz=F)
    small = make([0.3 * a for a in axes], E, frequency_Hz=F)
    with pytest.raises(InputError, match="does not reach over"):
        em.Vie().solve(em.Exposure(BALL, small, F), device="cpu")
    with pytest.raises(InputError, match="'field' is zero in the body"):
        em.Exposure(BALL, em.IncidentField(np.zeros_like, frequency_Hz=F), F)
    with pytest.raises(InputError, match="of another frequency"):
        em.Exposure(BALL, given(LOOP), 64e6)
    with pytest.raises(InputError, match="not a function"):
        em.IncidentField(E, frequency_Hz=F)
    with pytest.raises(InputError, match="one vector per point"):
        em.Exposure(BALL, em.IncidentField(lambda p: p[:, :2], frequency_Hz=F), F)
    with pytest.raises(InputError, match=r"not finite at \("):
        em.Exposure(BALL, em.IncidentField(lambda p: p + np.inf, frequency_Hz=F), F)
    with pytest.raises(InputError, match="drive does not fit"):
        given(LOOP, drives={"both": [1, 1]})
    with pytest.raises(InputError, match="names that differ"):
        given(LOOP, ports=("a", "a"))
    with pytest.raises(InputError, match="did you mean 'incident_field'"):
        given(LOOP, accept=["incident_fields"])
