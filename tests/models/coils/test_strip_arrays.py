"""Arrays of strips and overlapping loops, and shields with slots: geometry that is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.models.coils.clearance import conductor_points

PUBLIC: dict[str, Any] = {
    "radius_m": 0.175,
    "length_m": 0.173,
    "strip_width_m": 0.012,
    "between_m": (0.006, 0.017, 0.006),
    "feed_from_end_m": 0.0325,
    "feeds_between": True,
}


def test_feeds_of_a_public_array() -> None:
    """Oracle: 32.5 mm from either end, on strips 18, 29 and 18 mm apart; seven feeds at either end of a channel."""
    coil = em.StripArray(8, **PUBLIC)
    assert len(coil.feeds) == 112
    own = [f for f in coil.feeds if f.name.startswith("channel 1 strip")]
    middle = np.array([0.5 * np.add(f.start_m, f.end_m) for f in own])
    assert np.abs(middle[:, 2]) == pytest.approx(0.173 / 2 - 0.0325)
    arc = np.unique(np.round(0.175 * np.arctan2(middle[:, 1], middle[:, 0]), 9))
    assert np.diff(arc) == pytest.approx([0.018, 0.029, 0.018])
    assert arc.mean() == pytest.approx(0, abs=1e-12)
    assert all(f.end_m[2] > f.start_m[2] for f in own)


def test_drives_of_strips_turn_with_them() -> None:
    """Oracle: exp(-j phi) of the channel; feeds between strips rest."""
    coil = em.StripArray(8, **PUBLIC)
    for feed, value in zip(coil.feeds, coil.drives["circular"], strict=True):
        channel = int(feed.name.split()[1]) - 1
        expected = 0 if "between" in feed.name else np.exp(-2j * math.pi * channel / 8)
        assert value == pytest.approx(expected, abs=1e-12)
    assert em.StripArray(6).drives["anti-circular"] == pytest.approx(np.exp(2j * math.pi * np.arange(6) / 6))


@pytest.mark.parametrize("ground", ["plates", "shield"])
def test_capacitors_of_microstrips_end_on_their_ground(ground: str) -> None:
    coil = em.MicrostripArray(8, ground=ground)
    assert len(coil.elements) == 16
    for part in coil.elements:
        a, b = np.array(part.start_m), np.array(part.end_m)
        assert math.hypot(*a[:2]) == pytest.approx(0.13)
        assert math.hypot(*b[:2]) == pytest.approx(0.15)
        assert np.linalg.norm(b - a) == pytest.approx(0.02)
        assert abs(a[2]) == pytest.approx(0.1)
    assert (coil.shield is None) == (ground == "plates")


def test_overlapping_loops_keep_their_distance() -> None:
    """Oracle: neighbours lie at radii that differ by the gap, the last of an odd number by twice that."""
    for count, levels in ((8, [0, 1] * 4), (9, [0, 1] * 4 + [2])):
        coil = em.CapacitorLoopArray(count, coverage=1.2, strip_width_m=6e-3, overlap_gap_m=3e-3)
        radius = [np.hypot(*c.points_m[:, :2].T).max() for c in coil.conductors]
        assert radius == pytest.approx(0.14 + 3e-3 * np.array(levels), rel=1e-9)
        assert all(a != b for a, b in zip(levels, np.roll(levels, 1), strict=True))


@pytest.mark.parametrize("strip", [None, 8e-3])
def test_decoupling_capacitors_sit_between_facing_legs(strip: float | None) -> None:
    """Oracle: pitch less the loop and its strip, a quarter of the length from the middle, two for each pair."""
    coil = em.CapacitorLoopArray(8, strip_width_m=strip, decoupling_F=1e-12)
    between = [e for e in coil.elements if e.name.startswith("loops")]
    assert len(between) == 16
    arc = 2 * math.pi * 0.14 / 8 * 0.2 - (strip or 0.0)
    for part in between:
        chord = np.linalg.norm(np.subtract(part.end_m, part.start_m))
        assert chord == pytest.approx(2 * 0.14 * math.sin(0.5 * arc / 0.14), rel=1e-9)
        assert abs(part.start_m[2]) == pytest.approx(0.04)
    assert between[-1].name == "loops 8 and 1 high"


def test_strips_of_loops_lie_on_the_cylinder() -> None:
    """Oracle: as far from the axis as the cylinder, up to the strip's own flatness."""
    coil = em.CapacitorLoopArray(6, strip_width_m=8e-3)
    points = np.concatenate(conductor_points(coil.conductors, 2e-3))
    assert np.hypot(*points[:, :2].T) == pytest.approx(0.14, rel=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: em.StripArray(8, radius_m=0.01),
        lambda: em.StripArray(8, feeds_between=True),
        lambda: em.StripArray(8, feed_from_end_m=0.2),
        lambda: em.StripArray(8, feed_from_end_m=1e-3),
        lambda: em.StripArray(8, between_m=(0.006,), feed_from_end_m=0.14, feeds_between=True),
        lambda: em.StripArray(0),
        lambda: em.StripArray(8, between_m=(-0.01,)),
        lambda: em.MicrostripArray(8, ground_width_m=0.2),
        lambda: em.MicrostripArray(8, ground_width_m=0.01),
        lambda: em.MicrostripArray(8, ground_length_m=0.1),
        lambda: em.MicrostripArray(8, ground="none"),
        lambda: em.MicrostripArray(8, ground="shield", shield_radius_m=0.2),
        lambda: em.MicrostripArray(8, shield_radius_m=0.14),
        lambda: em.MicrostripArray(8, shield_slots=8),
        lambda: em.CapacitorLoopArray(8, coverage=0.99, strip_width_m=8e-3),
        lambda: em.CapacitorLoopArray(8, coverage=1.99, strip_width_m=8e-3),
        lambda: em.CapacitorLoopArray(2, coverage=1.2),
        lambda: em.CapacitorLoopArray(8, coverage=1.2, decoupling_F=1e-12),
        lambda: em.CapacitorLoopArray(1, decoupling_F=1e-12),
        lambda: em.CapacitorLoopArray(8, coverage=1.2, wire_radius_m=3e-3),
        lambda: em.CapacitorLoopArray(8, wire_radius_m=1e-3, strip_width_m=8e-3),
        lambda: em.Shield(0.2, 0.3, slots=100, slot_width_m=0.01),
        lambda: em.Shield(0.2, 0.3, slots=-1),
    ],
)
def test_bad_arrays(make: Any) -> None:
    with pytest.raises(em.InputError) as found:
        make()
    assert "\n" not in str(found.value)


def test_slots_are_refused_where_they_are_not_modelled() -> None:
    slotted = em.Shield(0.2, 0.3, slots=8)
    with pytest.raises(em.InputError, match="slots"):
        em.Birdcage(16).with_shield(slotted)
    with pytest.raises(em.InputError, match="slots"):
        em.Coil("loop", em.Loop(0.05).segments, np.ones((1, 96)), ["p"], {}, shield=slotted)
    cage = em.CircuitBirdcage(8, shield_radius_m=0.2, shield_slots=8)
    body = em.phantoms.gel_box(0.02, (0.1, 0.1, 0.1))
    with pytest.raises(em.InputError, match="Fdtd does not model the slots"):
        em.Fdtd().solve(em.Exposure(body, coil=cage, frequency_Hz=128e6))
    assert cage.parameters["shield_slots"] == 8
    assert "shield_slots" not in em.CircuitBirdcage(8, shield_radius_m=0.2).parameters
