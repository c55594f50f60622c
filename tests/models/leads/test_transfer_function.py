"""Transfer functions as values: conventions, scales, the trap of conjugation, and the two-wave line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.validation.closed_forms.leads import insulated_wire

SAIMD = np.genfromtxt(
    Path(__file__).parents[2] / "data" / "saimd_u_transfer_function.csv", delimiter=",", skip_header=2
)


def saimd(frequency_MHz: int, **more) -> em.TransferFunction:
    rows = SAIMD[SAIMD[:, 0] == frequency_MHz]
    values = rows[:, 2] * np.exp(1j * rows[:, 3])
    return em.TransferFunction(rows[:, 1] * 1e-3, values, frequency_MHz * 1e6, 80.0, 0.47, "exp(+jwt)", **more)


@pytest.mark.parametrize(
    ("frequency_MHz", "beta", "right", "wrong"),
    [
        (64, 3, 0.0091, 0.1070),
        (64, 7, 0.0530, 0.1526),
        (64, 14, 0.0036, 0.0046),
        (64, 0, 0.0250, 0.0250),
        (128, 7, 0.0043, 0.0995),
        (128, 14, 0.0150, 0.0991),
        (128, 0, 0.0089, 0.0089),
    ],
)
def test_conjugation_changes_the_power(frequency_MHz: int, beta: float, right: float, wrong: float) -> None:
    """The standard lead in a wave along it, trapezium over its 63 points [m^2]: up to 23 times; beta 0 hides it."""
    tf = saimd(frequency_MHz)
    E = np.exp(-1j * beta * tf.distance_m)
    power = [abs(np.trapezoid(t.values * E, t.distance_m)) ** 2 for t in (tf, tf.in_convention("exp(-jwt)"))]
    assert power == pytest.approx([right, wrong], abs=0.6e-4)


@pytest.mark.parametrize(
    ("frequency_MHz", "k", "far", "angle"), [(64, 5.559 - 0.864j, 0.85, 1.02), (128, 10.105 - 1.709j, 0.81, 0.77)]
)
def test_two_waves_of_the_standard_lead(frequency_MHz: int, k: complex, far: float, angle: float) -> None:
    """A fit made apart from this code: wavenumber to 1 %, reflection of the far end, misfit of 0.11 and 0.12."""
    found = em.fit_two_waves(saimd(frequency_MHz))
    assert abs(found.k_per_m - k) < 0.01 * abs(k)
    assert abs(found.reflection) == pytest.approx(far, abs=0.01)
    assert np.angle(found.reflection) == pytest.approx(angle, abs=0.01)
    assert found.misfit == pytest.approx(0.11 if frequency_MHz == 64 else 0.12, abs=0.005)
    conjugated = saimd(frequency_MHz).in_convention("exp(-jwt)")
    assert em.fit_two_waves(conjugated).k_per_m == pytest.approx(found.k_per_m)


def test_two_waves_of_a_line_are_exact() -> None:
    """Tokaya's line with any ends is two waves."""
    k, Z = insulated_wire.king_line(127.74e6, 5e-4, 7.5e-4, 3.0, 80.0, 0.47)
    z = np.linspace(0, 0.5, 60)
    values = insulated_wire.transfer_matrix(0.0, z, 0.5, k, Z, (0.2 + 0.1j, -0.6 + 0.3j))
    found = em.fit_two_waves(em.TransferFunction(z, values, 127.74e6, 80.0, 0.47, "exp(+jwt)"), skip_m=0.0)
    assert found.k_per_m == pytest.approx(k, rel=1e-6)
    assert found.reflection == pytest.approx(-0.6 + 0.3j, rel=1e-5)
    assert found.misfit < 1e-8
    np.testing.assert_allclose(found.at(z), values, rtol=1e-6)


def test_normalising_keeps_the_quantity() -> None:
    tf = saimd(64, scale=2.0, scale_unit="K/V^2")
    tf = replace(tf, values=tf.values * 3e-3 * np.exp(0.7j))
    E = np.exp(-4j * tf.distance_m)
    quantity = [
        t.scale * abs(np.trapezoid(t.values * E, t.distance_m)) ** 2
        for t in (tf, tf.normalised(), tf.normalised("tip"))
    ]
    assert quantity == pytest.approx([quantity[0]] * 3, rel=1e-12)
    assert np.abs(tf.normalised().values).max() == pytest.approx(1.0)
    assert tf.normalised("tip").values[0] == pytest.approx(1.0)
    assert tf.normalised().nrmse(tf) == pytest.approx((0.0, 0.0), abs=1e-12)


def test_bad_input() -> None:
    tf = saimd(64)
    with pytest.raises(em.InputError, match="unknown time convention"):
        replace(tf, time_convention="exp(-iwt)")
    with pytest.raises(em.InputError, match="millimetres taken for metres"):
        replace(tf, distance_m=tf.distance_m * 1e3)
    with pytest.raises(em.InputError, match="scale without a unit"):
        replace(tf, scale=1.0)
    with pytest.raises(em.InputError, match="another frequency"):
        tf.require(128e6)
    with pytest.raises(em.InputError, match="another medium"):
        tf.require(64e6, 55.0)
    tf.require(63.87e6, 78.0, 0.47)
    with pytest.raises(em.InputError, match="too few points"):
        em.fit_two_waves(tf, skip_m=0.6)
