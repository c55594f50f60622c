"""Values beside limits: probability to exceed, guard bands, three states.

Oracle: JCGM 106:2012 and the normal law; samples beside the law that they are drawn from.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import emdose as em
from emdose.compliance import Check, Checks, Limit
from emdose.conformity import ABOVE, BELOW, REACHES, of_row, row_words
from emdose.errors import InputError
from emdose.report import terminal
from emdose.report.limit_words import with_uncertainty


def test_guarded_acceptance_of_jcgm_106() -> None:
    """Oracle: JCGM 106:2012, 8.3.2.3: at the acceptance limit with w = U = 2 u, at most 2.3 % exceed."""
    limit, u = 10.0, 0.5
    at = em.beside_limit(limit - 2 * u, limit, 2 * u)
    assert at.acceptance_limit == pytest.approx(9.0)
    assert at.p_exceed == pytest.approx(0.0228, abs=5e-5)
    assert at.state == BELOW
    assert em.beside_limit(9.01, limit, 1.0).state == REACHES
    assert em.beside_limit(10.99, limit, 1.0).state == REACHES
    assert em.beside_limit(11.01, limit, 1.0).state == ABOVE
    assert em.beside_limit(limit, limit, 1.0).p_exceed == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.01, 5), st.one_of(st.none(), st.floats(2, 50)))
def test_states_and_probability_agree(value: float, limit: float, u: float, dof: float | None) -> None:
    """Oracle: the laws of SciPy; a state follows from the interval, and 2.3 % are the edge of it for k = 2."""
    found = em.beside_limit(value, limit, 2 * u, dof=math.inf if dof is None else dof)
    law = stats.norm(value, u) if dof is None else stats.t(dof, value, u)
    assert found.p_exceed == pytest.approx(law.sf(limit), abs=1e-12)
    assert found.margin == limit - value
    if dof is None and found.p_exceed is not None:
        expected = BELOW if found.p_exceed < 0.02275 else ABOVE if found.p_exceed > 0.97725 else REACHES
        if abs(abs(limit - value) / u - 2) > 1e-3:
            assert found.state == expected


def test_degrees_of_freedom_make_the_probability_uncertain() -> None:
    """Oracle: the spread of P over 4000 estimates of u with 50 degrees of freedom, to a tenth."""
    rng = np.random.default_rng(0)
    u = np.sqrt(rng.chisquare(50, 4000) / 50)
    spread = np.std(stats.norm.sf(1.5 / u))
    assert em.beside_limit(0.0, 1.5, 2.0, dof=50).p_uncertainty == pytest.approx(spread, rel=0.1)


def test_samples_beside_a_limit() -> None:
    """Oracle: the exponential law; over 400 repetitions the stated uncertainty of P is its spread, to a fifth."""
    rng = np.random.default_rng(1)
    found = [em.samples_beside_limit(rng.exponential(size=200), 2.0) for _ in range(400)]
    p = np.array([f.p_exceed for f in found], float)
    stated = float(np.mean([f.p_uncertainty or 0 for f in found]))
    assert p.mean() == pytest.approx(math.exp(-2), abs=0.005)
    assert stated == pytest.approx(p.std(), rel=0.2)
    one = em.samples_beside_limit(rng.exponential(size=100_000), 2.0)
    assert (one.low, one.high) == pytest.approx((-math.log(0.975), -math.log(0.025)), rel=0.05)
    assert one.guard_band == pytest.approx(-math.log(0.025) - 1, rel=0.05)
    assert one.state == REACHES
    none = em.samples_beside_limit(rng.exponential(size=50), 100.0)
    assert none.p_exceed == 0
    assert 0 < (none.p_uncertainty or 0) < 0.02
    blurred = em.samples_beside_limit(rng.exponential(size=100_000), 2.0, error=0.2)
    assert blurred.p_uncertainty == pytest.approx(math.exp(-2) * math.sinh(0.2), rel=0.05)


def test_budgets_and_trials_stand_beside_limits() -> None:
    """Oracle: a sum of two normal laws."""
    inputs = em.Inputs((em.Input("a", em.Normal(1.0, 0.3)), em.Input("b", em.Normal(2.0, 0.4))))
    budget = em.first_order(inputs, [3.0, 3.3, 3.4], "a + b")
    assert budget.beside_limit(4.0).p_exceed == pytest.approx(stats.norm.sf(2.0))
    trials = em.monte_carlo(lambda x: x.sum(axis=1), inputs)
    assert trials.beside_limit(4.0).p_exceed == pytest.approx(stats.norm.sf(2.0), abs=0.002)


def test_terminal_tells_the_third_state() -> None:
    """Oracle: the words; a row of a check with U = 1 of 9.5 W/kg beside 10 W/kg exceeds with 16 %."""
    from rich.console import Console

    limit = Limit(
        "IEC", "2022", "local SAR", "normal", "trunk", "local", 360.0, 10.0, None, None, "10", "W/kg", "peak",
        "verified", "", "x",
    )  # fmt: skip
    row = Check(limit, "trunk", 9.5, 10.0, 1.0)
    assert row.verdict == REACHES
    table = Checks("IEC", "2022", (row,), None, "")
    console = Console(record=True, width=250)
    terminal.checks(console, table.to_dict()["rows"], table.to_dict())
    text = console.export_text()
    assert REACHES in text
    assert "16 %" in text
    assert "16 %" in table.table()


def test_unknown_uncertainty_makes_nothing_up() -> None:
    """Oracle: the rule."""
    found = em.beside_limit(1.0, 2.0)
    assert (found.p_exceed, found.guard_band, found.state) == (None, None, BELOW)
    assert em.beside_limit(1.0, 1.0, 0.0).state == BELOW
    assert of_row(None, 1.0, None) is None
    assert row_words(None) == {}


def test_rows_take_the_uncertainty_of_their_quantity() -> None:
    """Oracle: U over value is that of the quantity; a skewed law keeps its own ends and probabilities."""
    rows = [
        {"quantity": "head SAR", "region": "head to chin, 4 kg", "value": 1.5, "limit": 3.2, "uncertainty": None},
        {"quantity": "local SAR", "averaging_mass_g": 10.0, "value": 9.0, "limit": 10.0, "uncertainty": None},
        {"quantity": "whole-body SAR", "value": 1.9, "limit": 2.0, "uncertainty": 0.2, "uncertainty_k": 2},
        {"quantity": "whole-body SAR", "value": None, "limit": 2.0, "uncertainty": None, "verdict": "not evaluated"},
    ]
    law = stats.lognorm(0.2, scale=9.0)
    p = np.linspace(0.001, 0.999, 999)
    quantities: dict[str, Any] = {
        "head_sar: head to chin": {"value": 3.0, "uncertainty": {"expanded": 0.6, "k": 2, "kind": "discretisation"}},
        "psSAR10g": {
            "value": 9.0,
            "uncertainty": {
                "expanded": 4.0,
                "k": 1.96,
                "kind": "combined",
                "interval": [float(law.ppf(0.025)), float(law.ppf(0.975))],
                "quantiles": {"p": p.tolist(), "x": law.ppf(p).tolist()},
            },
        },
    }
    head, local, whole, missing = with_uncertainty(rows, quantities)
    assert head["uncertainty"] == pytest.approx(0.3)
    assert (head["uncertainty_kind"], head["verdict"]) == ("discretisation", "below limit")
    assert local["p_exceed"] == pytest.approx(law.sf(10.0), abs=1e-3)
    assert local["guard_band"] == pytest.approx(law.ppf(0.975) - 9)
    assert local["verdict"] == REACHES
    assert whole["p_exceed"] == pytest.approx(stats.norm.sf(1.0))
    assert missing["verdict"] == "not evaluated"
    quantities["head_sar: head to chin"]["uncertainty"]["expanded"] = 4.0  # a study found more
    assert with_uncertainty([head], quantities)[0]["verdict"] == REACHES


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: em.beside_limit(math.nan, 1.0), "value"),
        (lambda: em.beside_limit(1.0, 1.0, -1.0), "expanded"),
        (lambda: em.beside_limit(1.0, 1.0, 1.0, k=0), "k: must be positive"),
        (lambda: em.beside_limit(1.0, 1.0, 1.0, dof=0), "degrees of freedom"),
        (lambda: em.samples_beside_limit([1.0], 1.0), "two or more"),
        (lambda: em.samples_beside_limit([1.0, 2.0], 1.0, coverage=95), "not a probability"),
    ],
)
def test_nonsense_beside_limits_is_refused(make: Any, words: str) -> None:
    """Oracle: the words of the error."""
    with pytest.raises(InputError) as error:
        make()
    assert words in str(error.value)
