"""The field that gradients induce beside the limits, in a made-up body with fields known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from test_check_gradients import train

import emdose as em
from emdose.compliance.gradients import E_CARDIAC, E_PNS
from emdose.models import IdealGradient, UniformField
from emdose.models.bodies import gel_box
from emdose.solvers.results.induced import InducedField

SHAPE, H = (8, 8, 8), 2e-3
SIZES = np.array([0.02, 0.03, 0.01])
"""Of the field in muscle per slew rate of x, y, z [V/m per T/m/s]; in the heart it is half of it."""


def body(unit: str = "T/m/s", axes: int = 3) -> InducedField:
    """Constant fields along x of every source, parallel, so that they add up."""
    table = em.TissueTable.default()
    labels = np.ones(SHAPE, np.uint8)
    labels[:, :, 6:] = 2
    air = gel_box(5e-3, (0.02, 0.02, 0.02)).tissues[0]
    heart = next(table[name] for name in table if name.startswith("heart"))
    phantom = em.Phantom(grid=em.Grid(SHAPE, H), labels=labels, tissues=(air, table["muscle"], heart), name="made up")
    m = labels.size
    E = np.zeros((axes, 3, m), np.float32)
    E[:, 0] = SIZES[:axes, None] * np.where(labels.reshape(-1) == 2, 0.5, 1.0)
    fields = [IdealGradient(a) for a in "xyz"] if unit == "T/m/s" else [UniformField()] * 3
    sources = tuple(em.Switched(f, unit) for f in fields[:axes])
    ones, zeros = np.ones(m, np.float32), np.zeros(axes)
    return InducedField(phantom, sources, 1e3, np.arange(m), E, ones, np.zeros(m, np.int32), zeros, 1, zeros, {})


def rows(checks, quantity, mode, region):
    return [
        c for c in checks.rows if c.limit.quantity == quantity and c.limit.mode == mode and c.region.startswith(region)
    ]


def test_every_axis_and_all_of_them_by_hand() -> None:
    """Oracle: 100 T/m/s times the field per slew rate; limits of 0.2 ms by hand."""
    got = em.check_gradients(train(1, 1, 1), coil_type="whole-body", induced=body())
    nerve, heart = 0.8 * 2.2 * (1 + 0.36 / 0.2), 2 / (1 - np.exp(-0.2 / 3))
    for name, size in zip("xyz", SIZES, strict=True):
        found = rows(got, E_PNS, "normal", f"{name} alone, muscle")
        assert len(found) == 5
        assert [c.counted for c in found] == [True, False, False, False, False]
        assert found[0].region.endswith("cube p99.9")
        for c in found:
            assert c.value == pytest.approx(100 * size, rel=1e-5)
            assert c.limit_value == pytest.approx(nerve, rel=1e-9)
    (played, *_) = rows(got, E_PNS, "normal", "as played, muscle")
    assert played.value == pytest.approx(100 * SIZES.sum(), rel=1e-5)
    (found, *_) = rows(got, E_CARDIAC, "normal", "as played, heart")
    assert found.value == pytest.approx(50 * SIZES.sum(), rel=1e-5)
    assert found.limit_value == pytest.approx(heart, rel=1e-9)
    assert "99.9th percentile: 1.00" in played.note


def test_every_moment_has_its_own_limit() -> None:
    """Oracle: of a strong short pulse and a weak long one the larger share of its limit, by hand."""
    corners = [
        [(0, 0), (0.1e-3, 8e-3), (0.2e-3, 0), (5e-3, 0), (5.8e-3, 44e-3), (6.6e-3, 0), (9e-3, 0)],
        [(0, 0), (0.1e-3, 8e-3), (0.2e-3, 0), (5e-3, 0), (5.8e-3, 44e-3), (6.6e-3, 0), (9e-3, 0)],
    ]
    w = em.waveforms.from_corners(corners, 9e-3)
    got = em.check_gradients(w, coil_type="whole-body", axes="xy", induced=body(axes=2))
    (played, *_) = rows(got, E_PNS, "first level", "as played")
    short, long = (s * SIZES[:2].sum() / (2.2 * (1 + 0.36 / t)) for s, t in ((80, 0.1), (55, 0.8)))
    assert long > short
    assert played.ratio == pytest.approx(long, rel=1e-5)
    assert played.value == pytest.approx(55 * SIZES[:2].sum(), rel=1e-5)
    assert "ts = 0.8 ms" in played.note


def test_statistic_counts_by_choice() -> None:
    got = em.check_gradients(train(0, 1, 0), coil_type="whole-body", induced=body(), statistic="line p99")
    counted = [c.region for c in got.rows if c.counted and c.limit.quantity == E_PNS]
    assert counted == ["y alone, muscle, line p99"] * 2
    assert got.inputs["statistic"] == "line p99"


def test_no_heart_no_row_and_a_mask_is_a_heart() -> None:
    field = body()
    mask = np.zeros(SHAPE, bool)
    mask[:2, :2, :2] = True
    got = em.check_gradients(train(1, 0, 0), coil_type="whole-body", induced=field, heart=mask)
    assert rows(got, E_CARDIAC, "normal", "x alone, heart")[0].value == pytest.approx(100 * SIZES[0], rel=1e-5)


def test_fields_that_do_not_fit_are_named() -> None:
    for induced in (body("T/s"), body(axes=2)):
        with pytest.raises(em.InputError, match="do not fit the waveform"):
            em.check_gradients(train(1, 1, 1), coil_type="whole-body", induced=induced)
    with pytest.raises(em.InputError, match="unknown statistic"):
        em.check_gradients(train(1, 1, 1), coil_type="whole-body", induced=body(), statistic="mean")
