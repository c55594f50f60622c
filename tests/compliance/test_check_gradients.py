"""Stimulation by gradients beside the limits: every number by hand."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

import emdose as em
from emdose.compliance.gradients import CARDIAC, PNS, RESPONSE, _places, fastest_slew
from emdose.compliance.instants import Instants, different, extreme, worst_signs
from emdose.models import Waveform, whole_body_gradients

RISE, TOP = 0.2e-3, 20e-3


def train(*direction: float) -> Waveform:
    """Trapezoids of 0.2 ms ramps with pauses, 100 T/m/s on an axis of factor 1."""
    return em.waveforms.trapezoid_train(
        TOP, rise_s=RISE, flat_s=0.3e-3, gap_s=1e-3, direction=direction, unit="T/m", name="train"
    )


def row(checks, quantity, mode, region):
    (found,) = [
        c for c in checks.rows if c.limit.quantity == quantity and c.limit.mode == mode and c.region.startswith(region)
    ]
    return found


def largest(axis: str, radius: float = 0.2, half: float = 0.25) -> float:
    """Of an ideal gradient with its concomitant field on a cylinder, by hand: per T/m [m]."""
    # x: B = (z, 0, x); z: B = (-x/2, -y/2, z).
    return math.hypot(radius, half) if axis in "xy" else math.hypot(0.5 * radius, half)


def test_one_axis_by_hand() -> None:
    """Oracle: 100 T/m/s times the field per gradient; limits of ts = 0.2 ms, 44.8, 56.0 and 310.1 T/s."""
    got = em.check_gradients(train(0, 0, 1), coil_type="whole-body")
    value = 100 * largest("z")
    for quantity, mode, limit in ((PNS, "normal", 44.8), (PNS, "first level", 56.0), (CARDIAC, "normal", 310.1)):
        found = row(got, quantity, mode, "z alone")
        assert found.value == pytest.approx(value, rel=1e-9)
        assert found.limit_value == pytest.approx(limit, abs=0.05)
        assert found.limit.state == "unverified"
        assert "ts = 0.2 ms" in found.note
    nerve = row(got, RESPONSE, "normal", "z alone")
    from_rest = 0.7 * 100 / (20 / 0.333) * 0.2 / 0.56
    assert from_rest < nerve.value < 1.05 * from_rest  # a pulse 1 ms before adds to it
    assert (nerve.limit_value, nerve.limit.state) == (0.8, "unverified")


def test_all_axes_as_played_by_hand() -> None:
    """Oracle: the three fields of ideal gradients add up as vectors; the grid of the cylinder holds the worst place."""
    got = em.check_gradients(train(1, 1, 1), coil_type="whole-body")
    phi, z = np.meshgrid(2 * np.pi * np.arange(3600) / 3600, [-0.25, 0.25])
    x, y = 0.2 * np.cos(phi), 0.2 * np.sin(phi)
    sums = [z - x / 2, z - y / 2, x + y + z]
    wanted = 100 * np.sqrt(sum(s**2 for s in sums)).max()
    found = row(got, PNS, "normal", "as played")
    assert found.value == pytest.approx(wanted, rel=1e-3)
    assert found.value <= wanted * (1 + 1e-12)
    worst = row(got, PNS, "normal", "worst combination")
    assert worst.value >= found.value * (1 - 1e-12)
    assert not worst.counted


def test_the_longest_pulse_that_runs_sets_the_limit() -> None:
    """Oracle: a short pulse on x beside a long one on y is held to the limit of the long one, 0.8 ms."""
    corners = [
        [(0, 0), (0.2e-3, 5e-3), (0.4e-3, 0), (5e-3, 0)],
        [(0, 0), (0.8e-3, 20e-3), (1.6e-3, 0), (5e-3, 0)],
    ]
    w = em.waveforms.from_corners(corners, 5e-3)
    got = em.check_gradients(w, coil_type="whole-body", axes="xy")
    assert row(got, PNS, "first level", "x alone").limit_value == pytest.approx(20 * (1 + 0.36 / 0.2))
    assert row(got, PNS, "first level", "as played").limit_value == pytest.approx(20 * (1 + 0.36 / 0.8))


def test_scaled_by_what_passes_it_just_passes() -> None:
    w = em.waveforms.epi(echoes=8)
    got = em.check_gradients(w, coil_type="whole-body")
    for mode in ("normal", "first level"):
        told = got.inputs["passes"][mode]["as played"]
        again = em.check_gradients(w.scaled(told["factor"]), coil_type="whole-body")
        played = [c.ratio for c in again.rows if c.limit.mode == mode and c.region.startswith("as played")]
        assert max(played) == pytest.approx(1.0, rel=1e-9)
        assert told["slew_T_m_s"]["x"] == pytest.approx(150 * told["factor"])
        assert told["gradient_T_m"]["x"] == pytest.approx(30e-3 * told["factor"])
    assert got.binding("normal").ratio == pytest.approx(1 / got.inputs["passes"]["normal"]["as played"]["factor"])


def test_fastest_slew_of_one_ramp() -> None:
    """Oracle: b S = L rb (1 + c S / swing) solved for S."""
    b, swing = 0.333, 30e-3
    wanted = 0.8 * 20 / (b - 0.8 * 20 * 0.36e-3 / swing)
    assert fastest_slew(swing, b) == pytest.approx(wanted, rel=1e-9)
    assert math.isinf(fastest_slew(10e-3, b))
    assert math.isinf(fastest_slew(60e-3, b, organ="heart"))  # 20 mT, below 20 T/s x 3 ms
    heart = fastest_slew(0.3, b, organ="heart")
    assert b * heart == pytest.approx(20 / (1 - math.exp(-0.3 / heart / 3e-3)), rel=1e-9)


def test_criterion_and_uncertainty() -> None:
    got = em.check_gradients(
        train(1, 0, 0), coil_type="whole-body", criterion="nerve response", relative_uncertainty=0.5
    )
    counted = {c.limit.quantity for c in got.rows if c.counted}
    assert counted == {RESPONSE, CARDIAC}
    assert all(c.expanded_uncertainty == pytest.approx(0.5 * c.value) for c in got.rows)
    assert "reaches the limit within U" in {c.verdict for c in got.rows}


def test_older_edition_has_no_nerve_response() -> None:
    got = em.check_gradients(train(1, 0, 0), edition="2010+A2:2015", coil_type="whole-body")
    assert RESPONSE not in {c.limit.quantity for c in got.rows}


def test_coils_tell_their_type_and_head_coils_are_refused() -> None:
    coils = whole_body_gradients(turns=6)
    rim = np.array([[0.2, 0, 0.25], [0, 0.2, -0.25], [0.2, 0, 0]])
    got = em.check_gradients(train(1, 0, 0), coils, points_m=rim)
    assert got.inputs["coil_type"] == "whole-body"
    assert 20 < row(got, PNS, "normal", "x alone").value < 45
    with pytest.raises(em.InputError, match="type of the gradient coil is not known"):
        em.check_gradients(train(1, 0, 0))
    with pytest.raises(em.InputError, match="hold for whole-body gradient coils only"):
        em.check_gradients(train(1, 0, 0), coil_type="head")
    own = em.NerveModel(rheobase_T_s=40.0, length_m=0.2, weights=(1, 1, 1))
    got = em.check_gradients(train(1, 0, 0), coil_type="head", nerve=own)
    assert {c.limit.quantity for c in got.rows} == {RESPONSE, CARDIAC}
    assert "given parameters" in got.rows[0].limit.region


def test_hardware_model_is_shown() -> None:
    axis = em.dosimetry.SafeAxis((0.2e-3, 0.03e-3, 3e-3), (0.4, 0.1, 0.5), 30.0, 24.0, 0.35)
    model = em.SafeModel("mine", axis, axis, axis, "mine.asc")
    got = em.check_gradients(train(1, 0, 0), coil_type="head", hardware=model)
    found = row(got, "hardware model of stimulation", "normal", "as played")
    assert found.limit_value == pytest.approx(0.8)
    assert found.value == pytest.approx(np.linalg.norm(model.response(train(1, 0, 0))[1], axis=1).max())
    assert "mine.asc" in found.limit.origin


def test_bad_input_is_named() -> None:
    field = em.waveforms.trapezoid_train(20e-3, rise_s=RISE)
    for arguments, match in (
        ({"waveform": field}, "not a waveform of gradients"),
        ({"waveform": train(1, 0, 0), "axes": "xyy"}, "axes do not fit"),
        ({"waveform": train(1, 0, 0), "criterion": "SAR"}, "unknown criterion"),
        ({"waveform": train(1, 0, 0), "coil_type": "knee"}, "unknown type of gradient coil"),
        ({"waveform": train(1, 0, 0), "radius_m": 0.0}, "radius_m"),
        ({"waveform": train(1, 0, 0), "points_m": np.zeros((2, 2))}, "points_m"),
    ):
        with pytest.raises(em.InputError, match=match):
            em.check_gradients(**({"coil_type": "whole-body"} | arguments))
    with pytest.raises(em.InputError, match="unknown organ"):
        fastest_slew(1e-2, organ="liver")


def test_table_prints_states_and_sources() -> None:
    text = str(em.check_gradients(em.waveforms.epi(echoes=8), coil_type="whole-body"))
    assert "unverified" in text
    assert "PulCeq" in text
    assert "GE operator manual" in text


def test_corners_of_a_hull_hold_the_largest_norm() -> None:
    """Oracle: the norm of all vectors under random maps."""
    rng = np.random.default_rng(4)
    for d, flat in ((1, 1), (2, 2), (3, 3), (3, 2), (3, 1)):
        v = rng.normal(size=(300, flat)) @ rng.normal(size=(flat, d))
        kept = extreme(v)
        assert len(kept) < 120
        for _ in range(20):
            linear = rng.normal(size=(3, d))
            every = np.linalg.norm(v @ linear.T, axis=1)
            assert every[kept].max() == pytest.approx(every.max(), rel=1e-12)
    assert len(worst_signs([1.0, 2.0, 3.0])) == 4


def test_moments_that_repeat_are_kept_once() -> None:
    assert len(Instants.of(em.waveforms.epi(echoes=64)).rates) < 20


def lobes_of_ten_minutes() -> Waveform:
    """20 000 lobes: ramps and amplitudes of their own, x and y at one time, z alone."""
    rng = np.random.default_rng(8)
    n, tr = 20_000, 0.03
    rise = rng.integers(15, 60, n) * 1e-5
    steps = np.cumsum(np.column_stack([np.zeros(n), np.full(n, 1e-3), rise, np.full(n, 1e-3), rise]), axis=1)
    t = np.append((tr * np.arange(n)[:, None] + steps).ravel(), n * tr)
    slew = rng.uniform(-150, 150, (n, 3)) * np.where(np.arange(n)[:, None] % 2, [1, 1, 0], [0, 0, 1])
    rate = (slew[:, None] * np.array([0.0, 1, 0, -1, 0])[:, None]).reshape(-1, 3)
    return Waveform("lobes", np.round(t, 9), rate, rate, "T/m", about={"slew": slew, "rise": rise})


def test_rows_of_ten_minutes_hold_every_piece_and_are_fast() -> None:
    """Oracle: every lobe by itself, its limits in closed form, the field of all points of the cylinder."""
    w = lobes_of_ten_minutes()
    slew, ts = np.asarray(w.about["slew"]), np.asarray(w.about["rise"])
    begin = time.process_time()
    table = em.check_gradients(w, coil_type="whole-body")
    assert time.process_time() - begin < 8.0  # 2 s on a quiet machine
    fields = em.GradientSet().fields(_places(None, 0.2, 0.25)[0])
    for quantity, limit in ((PNS, 20 * (1 + 0.36e-3 / ts)), (CARDIAC, 20 / -np.expm1(-ts / 3e-3))):
        near = np.argsort(-np.abs(slew).sum(1) / limit)[:3000]  # the rest stays far below by its sum of slew rates
        norms = np.zeros(len(near))
        for low in range(0, len(near), 100):
            norms[low : low + 100] = np.linalg.norm(fields @ slew[near[low : low + 100]].T, axis=1).max(0)
        for mode, factor in (("normal", 0.8), ("first level", 1.0)):
            below = (factor if quantity == PNS else 1.0) * limit
            for k, axis in enumerate("xyz"):
                found = row(table, quantity, mode, f"{axis} alone")
                assert found.ratio == pytest.approx((largest(axis) * np.abs(slew[:, k]) / below).max(), rel=1e-6)
            found = row(table, quantity, mode, "as played")
            assert found.ratio == pytest.approx((norms / below[near]).max(), rel=1e-6)


def test_rows_that_differ_are_found_once(monkeypatch) -> None:
    """Oracle: unique rows, in their order; also where all rows share one number."""
    rng = np.random.default_rng(3)
    rows = rng.integers(-2, 3, (400, 4)) * 0.25
    rows[7] = -0.0
    rows[9] = 0.0
    wanted = sorted({tuple(r): n for n, r in reversed(list(enumerate(rows.tolist())))}.values())
    assert different(rows).tolist() == wanted
    monkeypatch.setattr("emdose.compliance.instants._FACTORS", np.zeros(2, np.uint64))
    assert different(rows).tolist() == wanted
