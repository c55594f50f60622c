"""Weighted peaks: identities away from corners, exact filters, phases, and the public package where it is there."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

import emdose as em
from emdose.compliance.frequency_weights import QUANTITIES, Weighting
from emdose.compliance.limits import limits
from emdose.models import Spectrum

ICNIRP, DIRECTIVE, MOTION = "ICNIRP 2010", "Directive 2013/35/EU", "ICNIRP 2014"
ALL = [
    (ICNIRP, "E", "occupational", "CNS head"),
    (ICNIRP, "E", "occupational", "all tissues"),
    (ICNIRP, "E", "public", "CNS head"),
    (ICNIRP, "E", "public", "all tissues"),
    (ICNIRP, "B reference", "occupational"),
    (ICNIRP, "B reference", "public"),
    *((DIRECTIVE, q) for q in QUANTITIES[DIRECTIVE]),
    *((MOTION, q) for q in QUANTITIES[MOTION]),
]
every = pytest.mark.parametrize("names", ALL, ids=lambda n: ", ".join(n))


def tone(f: float, size: float, periods: int = 2, per_period: int = 200) -> tuple[np.ndarray, np.ndarray]:
    t = np.arange(periods * per_period + 1) / (per_period * f)
    return t, size * np.cos(2 * np.pi * f * t)[:, None]


def centres(w: Weighting) -> list[float]:
    """Frequencies far from every corner: below the first, above the last, and in the middle of wide pieces."""
    c = w.corners_Hz
    if not c:
        return [0.3]
    wide = [math.sqrt(a * b) for a, b in pairwise(c) if b / a > 50]
    return [c[0] / 100, *wide, 100 * c[-1]]


@every
def test_a_tone_at_its_limit_has_the_index_one(names: tuple[str, ...]) -> None:
    """Oracle: the limit itself, exact in the spectrum; in the filter away from corners, within the printed steps."""
    w = em.weighting(*names)
    for f in [*centres(w), *(1.3 * c for c in w.corners_Hz)]:
        exact = Spectrum(np.array([f]), np.array([[w.limit(f)]], complex), "V/m")
        assert w.spectral_index(exact) == pytest.approx(1.0, rel=1e-9)
    for f in centres(w):
        # Corners between straight pieces are jolts for limits that fall as 1/f^2: steps far below their 6 ms.
        per_period = math.ceil(1 / (f * 3e-4)) if w.pieces[0][1] == -2 and f < 1 else 200
        t, v = tone(f, float(w.limit(f)), per_period=per_period)
        assert 0.98 < w.index(t, v, "repeated") < 1.06


@every
def test_filter_departs_from_the_pieces_by_its_corners_alone(names: tuple[str, ...]) -> None:
    """Oracle: the product of sqrt(1 + (f / fc)^2) over the piece; steps of the printed pieces."""
    w = em.weighting(*names)
    powers = [-n for _, n in w.pieces]
    f = np.geomspace(0.01, 1e6, 400)
    wanted = 1 / w.limit(f)
    for corner, before, after in zip(w.corners_Hz, powers, powers[1:], strict=False):
        beside = np.where(f < corner, np.hypot(1, f / corner), np.hypot(1, corner / f))
        wanted = wanted * beside ** (after - before)
    ratio = np.abs(w.filter(f)) / wanted
    assert ratio.min() > 1 - 1e-9
    assert ratio.max() < 1.065


@every
def test_fractions_are_the_filter(names: tuple[str, ...]) -> None:
    w = em.weighting(*names)
    direct, residues, poles = w._fractions
    f = np.geomspace(0.01, 1e6, 50)
    s = 2j * np.pi * f[:, None]
    assert direct + (residues / (s + poles)).sum(1) == pytest.approx(w.filter(f), rel=1e-7)


def test_corners_and_gain_by_hand() -> None:
    """Oracle: k s (s + 400) / ((s + 10) (s + 25) (s + 3000)) in 2 pi Hz and k s / (s + 3000), as open code has them."""
    w = em.weighting(DIRECTIVE, "E sensory ELV")
    _, m, zeros, poles = w._sections
    assert m == 1
    assert np.array(zeros) / (2 * np.pi) == pytest.approx([400])
    assert np.array(poles) / (2 * np.pi) == pytest.approx([10, 25, 3000])
    high = em.weighting(DIRECTIVE, "B high action level")
    s = 2j * np.pi * 123.0
    assert high.filter(123.0) == pytest.approx(s / (s + 2 * np.pi * 3000) / (1e-4 * math.sqrt(2)))
    assert em.weighting(ICNIRP, "E", "public", "CNS head").corners_Hz[2] == 1000.0


def test_phases_are_those_of_icnirp() -> None:
    """Oracle: +90 degrees where the limit falls as 1/f, 0 where it is constant, -90 where it grows, 180 for 1/f^2."""
    w = em.weighting(ICNIRP, "E", "occupational", "CNS head")
    assert np.degrees(np.angle(w.weights(np.array([3.0, 15.0, 100.0, 1e3, 1e5])))) == pytest.approx(
        [90, 0, -90, 0, -90]
    )
    B = em.weighting(ICNIRP, "B reference", "occupational")
    assert np.abs(np.degrees(np.angle(B.weights(3.0)))) == pytest.approx(180)


def test_two_tones_add_up_with_their_phases() -> None:
    """Oracle: the sum of ICNIRP's appendix, sampled densely."""
    w = em.weighting(ICNIRP, "E", "occupational", "CNS head")
    f = np.array([50.0, 150.0])
    A = np.array([[0.06 * np.exp(0.3j)], [0.2 * np.exp(-1.1j)]])
    t = np.linspace(0, 0.02, 200001)
    weighted = A[:, 0] / w.limit(f) * np.exp(-0.5j * np.pi)
    wanted = np.abs((np.exp(2j * np.pi * np.outer(t, f)) @ weighted).real).max()
    found = w.spectral_index(Spectrum(f, A, "V/m"))
    assert found == pytest.approx(wanted, rel=1e-5)
    assert found <= w.sum_index(Spectrum(f, A, "V/m"))
    with pytest.raises(em.InputError, match="not periodic"):
        w.spectral_index(Spectrum(np.array([1.0, math.pi]), A, "V/m"))


@pytest.mark.parametrize("start", ["rest", "settled"])
def test_filter_in_time_is_exact(start: str) -> None:
    """Oracle: scipy's lsim of the transfer function on the same straight pieces, from zero or settled."""
    w = em.weighting(ICNIRP, "B reference", "occupational")
    rng = np.random.default_rng(8)
    t = np.arange(300) * 2e-4
    x = 1e-3 * np.cumsum(rng.normal(size=300))
    K, m, zeros, poles = w._sections
    gain = K * math.prod(poles) / math.prod(zeros)
    system = signal.ZerosPolesGain([0.0] * m + [-z for z in zeros], [-p for p in poles], gain)
    offset = x[0] if start == "settled" else 0.0
    _, wanted, _ = signal.lsim(system, x - offset, t)
    _, first, last = w.filtered(t, x[:-1, None], x[1:, None], start, fine=False)  # type: ignore[arg-type]
    assert last[:, 0] == pytest.approx(wanted[1:], abs=1e-7 * np.abs(wanted).max())
    assert first[0, 0] == pytest.approx(wanted[0], abs=1e-7 * np.abs(wanted).max())


def test_repeated_course_is_settled() -> None:
    """Oracle: filter gain and phase of a tone, from the first value on."""
    w = em.weighting(DIRECTIVE, "E sensory ELV")
    t, v = tone(40.0, 0.1, per_period=2000)
    _, first, _ = w.filtered(t, v[:-1], v[1:], "repeated", fine=False)
    wanted = (0.1 * w.filter(40.0) * np.exp(2j * np.pi * 40.0 * t[:-1])).real
    assert first[:, 0] == pytest.approx(wanted, abs=2e-6 * 0.1 * abs(w.filter(40.0)))


def test_field_that_was_there_before_is_no_pulse() -> None:
    """Oracle: a constant flux density weighs nothing; from rest it would be a step."""
    w = em.weighting(DIRECTIVE, "B low action level")
    t, v = np.array([0.0, 0.1, 1.0]), np.full((3, 1), 1.5)
    assert w.index(t, v, "settled") < 1e-9
    assert w.index(t, v, "rest") > 100
    with pytest.raises(em.InputError, match="unknown start"):
        w.index(t, v, "warm")  # type: ignore[arg-type]


def test_what_moved_before_is_no_jolt() -> None:
    """Oracle: a steady slope has no second derivative; from standstill it is a jolt."""
    w = em.weighting(ICNIRP, "B reference", "occupational")
    t = np.array([0.0, 0.5, 2.0])
    v = 0.3 * t[:, None] + 1.0
    assert w.index(t, v, "moving") < 1e-9
    assert w.index(t, v, "settled") > 0.05


def test_between_corners_the_peak_is_found() -> None:
    """Oracle: the same course with a hundred times the corners."""
    w = em.weighting(ICNIRP, "E", "occupational", "CNS head")
    t = np.array([0, 2e-4, 5e-4, 9e-4, 3e-3])
    v = np.array([0, 1.0, -1.0, 0.2, 0])[:, None]
    fine = np.linspace(0, 3e-3, 30001)
    dense = np.interp(fine, t, v[:, 0])[:, None]
    assert w.index(t, v) == pytest.approx(w.index(fine, dense), rel=2e-3)


def test_rows_and_states_of_an_index() -> None:
    row = em.weighting(MOTION, "E uncontrolled").as_limit()
    assert (row.limit, row.unit, row.state) == ("1", "1", "unverified")
    assert "Health Phys" in row.origin
    assert em.weighting(DIRECTIVE, "E health ELV").as_limit().state == "verified"
    for arguments, match in (
        (("ISO", "E"), "no weighting of this document"),
        ((ICNIRP, "J"), "no weighting of this quantity"),
        ((ICNIRP, "E", "occupational"), "one group and region"),
    ):
        with pytest.raises(em.InputError, match=match):
            em.weighting(*arguments)
    rows = limits(DIRECTIVE, quantity="E sensory ELV")
    with pytest.raises(em.InputError, match="do not follow"):
        Weighting("gap", (rows[0], rows[2]))


PEER = {
    (ICNIRP, "E", "occupational", "CNS head"): ("icnirp", ("2010", "occupational", "Ecns")),
    (ICNIRP, "E", "public", "all tissues"): ("icnirp", ("2010", "public", "Epns")),
    (ICNIRP, "B reference", "occupational"): ("icnirp", ("2010", "occupational", "B")),
    (ICNIRP, "B reference", "public"): ("icnirp", ("2010", "public", "B")),
    (DIRECTIVE, "E sensory ELV"): ("eu", ("E", "sensory")),
    (DIRECTIVE, "E health ELV"): ("eu", ("E", "health")),
    (DIRECTIVE, "B high action level"): ("eu", ("B", "high")),
    (DIRECTIVE, "B limb action level"): ("eu", ("B", "loc")),
}


@pytest.mark.parametrize("names", list(PEER), ids=lambda n: ", ".join(n))
def test_weights_and_filters_of_the_public_package(names: tuple[str, ...]) -> None:
    """Oracle: the package ``exposure`` of L. Giaccone (MIT) where it is installed; PyPI has another of that name."""
    icnirp = pytest.importorskip("exposure.icnirp")
    eu = pytest.importorskip("exposure.eu_directive")
    kind, arguments = PEER[names]
    make = icnirp.icnirp_filter if kind == "icnirp" else eu.eu_filter
    w = em.weighting(*names)
    f = np.array([3.0, 15.0, 100.0, 350.0, 2e3, 1e5])
    size, phase = make(*arguments, "freq", f)
    assert np.abs(w.weights(f)) == pytest.approx(size, rel=1e-9)
    turned = np.exp(1j * (np.angle(w.weights(f)) - np.radians(phase)))
    assert np.abs(turned - 1).max() < 1e-9
    num, den = make(*arguments, "time")
    _, response = signal.freqs(num, den, 2 * np.pi * f)
    ratio = w.filter(f) / response
    # The package takes the gain from one frequency: at 1 Hz beside the corner at 8 Hz it is 0.9 % larger; where printed
    # pieces do not join, the largest is taken here.
    assert ratio == pytest.approx(np.full(len(f), ratio[0]), rel=1e-9)
    assert 0.99 < abs(ratio[0]) < 1.06
