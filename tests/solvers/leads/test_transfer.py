"""Transfer functions by the moment method: reciprocity against pieces, the line, and a measured lead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.validation.closed_forms.leads import tips

GEL = (80.0, 0.47)
DATA = Path(__file__).parents[2] / "data"


def lead(L: float = 0.4, **options) -> em.Lead:
    given = {"bare_tip_m": 0.01, **options}
    return em.Lead(np.array([[0.0, 0, 0], [L, 0, 0]]), 5e-4, 7.5e-4, **given)


def agree(one: em.TransferFunction, other: em.TransferFunction) -> float:
    return float(np.linalg.norm(one.values - other.at(one.distance_m)) / np.linalg.norm(one.values))


@pytest.mark.parametrize("frequency_Hz", [63.87e6, 127.74e6])
@pytest.mark.parametrize("options", [{}, {"end_ball_m": 0.02}, {"loads_ohm": {0.2: 200.0}}])
def test_reciprocity_is_a_field_on_one_piece_after_another(frequency_Hz: float, options: dict) -> None:
    """Pieces of 2 mm: 1 % (rms) of the values at their middles, and the means over them to rounding."""
    by_gap = em.transfer_function(lead(), frequency_Hz, *GEL, **options)
    by_piece = em.transfer_function(lead(), frequency_Hz, *GEL, method="piecewise", piece_m=2e-3, **options)
    assert agree(by_piece, by_gap) < 0.01
    for middle, value in zip(by_piece.distance_m[::11], by_piece.values[::11], strict=True):
        at = np.unique(np.concatenate([middle + np.array([-1e-3, 1e-3]), by_gap.distance_m]))
        at = at[np.abs(at - middle) < 1e-3 + 1e-12]
        assert np.trapezoid(by_gap.at(at), at) / np.ptp(at) == pytest.approx(value, rel=1e-6)


def test_reciprocity_with_a_ball_at_the_tip() -> None:
    own = {"tip_ball_m": 2e-3, "end_ball_m": 0.02}
    bare = lead(bare_tip_m=0.0)
    by_gap = em.transfer_function(bare, 63.87e6, *GEL, **own)
    by_piece = em.transfer_function(bare, 63.87e6, *GEL, method="piecewise", piece_m=4e-3, **own)
    assert agree(by_piece, by_gap) < 0.01


def test_it_predicts_the_tip_current_in_any_field() -> None:
    """int S E dl against a solution in that field: waves along the lead either way, and a uniform field."""
    one = lead(0.6, bare_end_m=0.03)
    tf = em.transfer_function(one, 63.87e6, *GEL)
    solved = em.lead_in_medium(one, 63.87e6, *GEL)
    s = np.linspace(0, 0.6, 2401)
    for beta in (-14.0, 0.0, 7.0 - 3.0j):
        E = np.exp(-1j * beta * s)
        direct = solved.along(s, E).at(0.01)[0]
        assert np.trapezoid(tf.at(s) * E, s) == pytest.approx(direct, rel=2e-3)


def test_standard_lead_measured_by_others() -> None:
    """SAIMD-U, 62 cm, modelled as a = 0.75, b = 1.25 mm, permittivity 2.1, contacts of 10 and 30 mm, flush with the
    insulation: accepted below 0.2."""
    path = np.array([[0.0, 0, 0], [0.62, 0, 0]])
    model = em.Lead(path, 0.75e-3, 1.25e-3, 2.1, 0.01, 0.03, bare_radius_m=1.25e-3)
    for f in (64e6, 128e6):
        measured = em.read_transfer_function(
            DATA / "saimd_u_transfer_function.csv",
            f,
            permittivity=80.0,
            conductivity_S_m=0.47,
            time_convention="exp(+jwt)",
        )
        found = em.transfer_function(model, f, *GEL).nrmse(measured)
        assert found[0] < 0.2
        assert found[1] < 0.2


def test_tip_power_is_that_of_a_small_ball() -> None:
    """A abs(I)^2 of a ball is the closed form outside of it."""
    tf = em.transfer_function(lead(bare_tip_m=0.0), 63.87e6, *GEL, quantity="tip power", tip_ball_m=1e-3)
    assert tf.scale == pytest.approx(tips.tip_power(1.0, 63.87e6, *GEL, 1e-3), rel=1e-9)
    assert tf.scale_unit == "W/V^2"


def test_bad_input() -> None:
    with pytest.raises(em.InputError, match="lead without a tip"):
        em.transfer_function(lead(bare_tip_m=0.0), 64e6, *GEL)
    with pytest.raises(em.InputError, match="power of a tip"):
        em.transfer_function(lead(), 64e6, *GEL, quantity="tip power")
    with pytest.raises(em.InputError, match="unknown method"):
        em.transfer_function(lead(), 64e6, *GEL, method="direct")
    at = np.array([0.0, 0.1, 0.2])
    assert em.transfer_function(lead(), 64e6, *GEL, distance_m=at).distance_m == pytest.approx(at)
