"""Movements in the field of a magnet beside the limits: every number by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import emdose as em
from emdose.compliance import largest_change
from emdose.compliance.workers import STANDARDS

T = np.linspace(0.0, 8.0, 81)
UP = 1.2 * (1 - np.cos(2 * np.pi * T / 16.0))
RATE = 2.4 * np.pi / 16.0
"""Largest one of UP [T/s]."""
B = np.zeros((81, 2, 3))
B[:, 0, 2], B[:, 1, 2] = UP, 1.5 * UP
E = np.zeros((81, 2, 3))
E[:, 0, 1] = E[:, 1, 1] = 0.3 * np.sin(2 * np.pi * 0.5 * T)
LIMBS = np.array([False, True])


def values(checks) -> dict[tuple[str, str], float | None]:
    return {(c.limit.quantity, c.region): c.value for c in checks.rows}


def test_directive_by_hand() -> None:
    """Oracle: largest |B| of trunk and limbs; peak E over 1.1 V/m, far below the filters' corner of 3 kHz."""
    got = em.check_motion(T, B, E, limbs=LIMBS)
    found = values(got)
    assert found["static B sensory ELV", "head and trunk"] == pytest.approx(2.4)
    assert found["static B sensory ELV", "limbs"] == pytest.approx(3.6)
    assert [c.limit_value for c in got.rows[:3]] == [2.0, 8.0, 8.0]
    peak = np.abs(E).max()
    assert found["E health ELV, weighted peak", "body"] == pytest.approx(peak / 1.1, rel=2e-3)
    # At 0.5 Hz the sensory limit 0.7/f is 1.4 V/m.
    assert found["E sensory ELV, weighted peak", "head"] == pytest.approx(0.3 / 1.4, rel=0.1)
    assert got.binding("workers").limit.quantity == "static B sensory ELV"
    assert any("Article 10" in note for note in got.notes)
    assert not any(c.counted for c in got.rows if "action level" in c.limit.quantity)


def test_action_levels_count_where_no_field_is_known() -> None:
    """Oracle: k s/(s + w) of a slow slope a is k a / w."""
    got = em.check_motion(T, B, limbs=LIMBS)
    rows = {(c.limit.quantity, c.region): c for c in got.rows}
    high = rows["B high action level, weighted peak", "head and trunk"]
    assert high.counted
    assert high.value == pytest.approx(RATE / (1e-4 * np.sqrt(2) * 2 * np.pi * 3000), rel=1e-4)
    limb = rows["B limb action level, weighted peak", "limbs"]
    assert limb.value == pytest.approx(1.5 * RATE / (3e-4 * np.sqrt(2) * 2 * np.pi * 3000), rel=1e-4)
    assert rows["E health ELV, weighted peak", "body"].verdict == "not evaluated"


def test_icnirp_2014_by_hand() -> None:
    """Oracle: 3.6 T sin(3 pi / 16) around the steepest place; dB/dt over 2.7 T/s."""
    got = em.check_motion(T, B, E, "ICNIRP 2014")
    found = values(got)
    assert found["change of B", "body"] == pytest.approx(3.6 * np.sin(3 * np.pi / 16))
    rate = found["dB/dt reference controlled, weighted peak", "head and trunk"]
    assert rate == pytest.approx(1.5 * RATE / 2.7, rel=1e-3)
    assert found["E controlled, weighted peak", "body"] == pytest.approx(0.3 / 1.1, rel=2e-3)
    assert {c.limit.state for c in got.rows} == {"unverified"}
    assert got.inputs["largest_dBdt_T_s"] == pytest.approx(1.5 * RATE, rel=1e-3)


def test_other_documents() -> None:
    for standard in STANDARDS:
        got = em.check_motion(T, B[:, 0], E[:, 0], standard)
        assert got.standard == standard
        assert all(c.value is not None for c in got.rows)
        assert str(got)
    rows = em.check_motion(T, B[:, 0], standard="ICNIRP 2009").rows
    assert [(c.limit.mode, c.limit_value) for c in rows] == [("occupational", 2.0), ("public", 0.4)]
    rows = em.check_motion(T, B[:, 1], standard="IEC 60601-2-33").rows
    assert [(c.limit.mode, c.limit_value, c.verdict) for c in rows] == [
        ("normal", 3.0, "above limit"),
        ("first level", 8.0, "below limit"),
    ]


def test_largest_change_equals_a_search_over_all_pairs() -> None:
    """Oracle: all pairs of a dense resampling; the change over 3 s of a curve that turns."""
    rng = np.random.default_rng(5)
    t = np.cumsum(rng.uniform(0.05, 1.2, 25))
    course = rng.normal(size=(25, 2, 3))
    dense = np.linspace(t[0], t[-1], 1500)
    fine = np.stack([[np.interp(dense, t, course[:, p, c]) for c in range(3)] for p in range(2)], axis=0).transpose(
        2, 0, 1
    )
    best = 0.0
    for k in range(len(dense)):
        last = np.searchsorted(dense, dense[k] + 3.0, side="right")
        best = max(best, np.linalg.norm(fine[k:last] - fine[k], axis=2).max())
    found = largest_change(t, course)
    assert found == pytest.approx(best, rel=0.02)
    assert found >= best * (1 - 1e-9)


def test_uncertainty_and_bad_input() -> None:
    got = em.check_motion(T, B, relative_uncertainty=0.25)
    assert got.rows[0].expanded_uncertainty == pytest.approx(0.9)
    bad = B.copy()
    bad[3] = np.nan
    for arguments, match in (
        ((T, 1e3 * B), "no magnet for people"),
        ((T[::-1], B), "do not grow"),
        ((T, B[:-1]), "course does not fit"),
        ((T, bad), "not finite"),
        ((T, B, E[..., None]), "course does not fit"),
        ((T, B, E, "RoHS"), "no checks of movements"),
        ((T[:1], B[:1]), "two times"),
    ):
        with pytest.raises(em.InputError, match=match):
            em.check_motion(*arguments)
    for name, mask in itertools.product(("limbs", "head"), (np.zeros(3, bool), np.zeros(2))):
        with pytest.raises(em.InputError, match=f"{name}.*mask does not fit|mask does not fit"):
            em.check_motion(T, B, E, **{name: mask})
