"""Staff in switched gradients: weighted peaks of sinusoids and trains, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_check_gradient_fields import SIZES, body

import emdose as em
from emdose.compliance.exposures import BRAIN

F = 1000.0
PEAK = 200.0
"""Slew rate [T/m/s]."""


def sine() -> em.waveforms.Waveform:
    """A gradient along x whose slew rate is a sinusoid of 1 kHz, straight between 400 samples a period."""
    t = np.arange(401) / (400 * F)
    g = PEAK / (2 * np.pi * F) * np.sin(2 * np.pi * F * t)
    return em.waveforms.from_samples(t, np.stack([g, 0 * g, 0 * g], axis=1), name="sine")


def value(checks, quantity: str, region: str, mode: str = "") -> float:
    (found,) = [
        c for c in checks.rows if c.limit.quantity.startswith(quantity) and c.region == region and mode in c.limit.mode
    ]
    return found.value


def test_field_of_a_tone_by_hand() -> None:
    """Oracle: E over 1.1 V/m and over 0.8 sqrt(2) V/m at 1 kHz, in muscle, the worst tissue of the body."""
    E = PEAK * SIZES[0]
    got = em.check_exposure(sine(), induced=body(), form="harmonics")
    assert value(got, "E health ELV", "muscle, cube p99") == pytest.approx(E / 1.1, rel=2e-3)
    icnirp = em.check_exposure(sine(), standard="ICNIRP 2010", induced=body(), form="harmonics")
    assert value(icnirp, "E,", "muscle, cube p99", "public") == pytest.approx(E / (0.4 * math.sqrt(2)), rel=2e-3)
    assert [c.counted for c in got.rows if c.region.startswith("muscle")] == [True, False, False, False, False]
    assert any("Article 10" in note for note in got.notes)


def test_filters_depart_as_their_corners_say() -> None:
    """Oracle: 1 / sqrt(1 + (1 / 3)^2) of the filter with one corner at 3 kHz."""
    exact, filtered = (
        value(em.check_exposure(sine(), induced=body(), form=form), "E health ELV", "muscle, cube p99")
        for form in ("harmonics", "filters")
    )
    assert filtered / exact == pytest.approx(1 / math.hypot(1, 1 / 3), rel=2e-3)


def test_flux_density_by_hand() -> None:
    """Oracle: B of an ideal x gradient at a place, over the action levels at 1 kHz, sqrt(2) 0.3/f and 0.9/f."""
    place = np.array([[0.1, 0.0, 0.5], [0.0, 0.0, 0.8]])
    B = PEAK / (2 * np.pi * F) * np.array([math.hypot(0.5, 0.1), 0.8])
    got = em.check_exposure(sine(), points_m=place, limbs=np.array([False, True]), form="harmonics")
    high = math.sqrt(2) * 0.3 / F
    assert value(got, "B high action level", "head and trunk") == pytest.approx(B[0] / high, rel=2e-3)
    assert value(got, "B limb action level", "limbs") == pytest.approx(B[1] / (3 * high), rel=2e-3)
    assert value(got, "E health", "all tissues") is None
    assert all(c.counted for c in got.rows)


def test_head_by_mask() -> None:
    """Oracle: the sensory limit at 1 kHz is that for health, in the part that was named."""
    mask = np.zeros((8, 8, 8), bool)
    mask[:, :, 7] = True  # in the heart of the made-up body, where the field is half as large
    got = em.check_exposure(sine(), induced=body(), head=mask, form="harmonics")
    assert value(got, "E sensory ELV", "head, cube p99") == pytest.approx(0.5 * PEAK * SIZES[0] / 1.1, rel=2e-3)
    none = em.check_exposure(sine(), induced=body())
    assert [c.value for c in none.rows if c.limit.quantity.startswith("E sensory")] == [None]
    table = em.TissueTable.default()
    assert all(name in table for name in BRAIN)


def test_bad_input_is_named() -> None:
    w = sine()
    assert {c.verdict for c in em.check_exposure(w).rows} == {"not evaluated"}
    for arguments, match in (
        ({"standard": "ICNIRP 2014"}, "no checks of switched fields"),
        ({"form": "FFT"}, "unknown form"),
        ({"axes": "xy"}, "axes do not fit"),
        ({"induced": body("T/s")}, "do not fit the waveform"),
        ({"points_m": np.zeros((2, 3)), "limbs": np.zeros(3, bool)}, "mask does not fit"),
    ):
        with pytest.raises(em.InputError, match=match):
            em.check_exposure(w, **arguments)
