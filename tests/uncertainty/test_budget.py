"""Budgets beside the examples of the GUM, closed forms, and their own reading back."""

from __future__ import annotations

import csv
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import emdose as em
from emdose.errors import InputError
from emdose.uncertainty import Contribution, coverage_factor, first_order, first_order_samples, type_a

END_GAUGE = (
    Contribution("standard l_s", 25.0, width=25.0, dof=18),
    Contribution("difference d", 9.7, width=9.7, dof=25.6, kind="type A"),
    Contribution("difference of expansion", 2.9, dof=50),
    Contribution("difference of temperature", 16.6, dof=2),
)


def test_end_gauge_of_the_gum() -> None:
    """Oracle: JCGM 100:2008, H.1: u = 32 nm, 16 degrees of freedom, t_99 = 2.92, U = 93 nm, of rounded u and dof."""
    budget = em.Budget("length", "nm", 838.0, END_GAUGE, coverage=0.99)
    assert round(budget.combined) == 32
    assert math.floor(budget.dof) == 16
    assert round(coverage_factor(0.99, 16), 2) == 2.92
    assert budget.expanded == pytest.approx(93, abs=1.5)
    assert sum(budget.shares) == pytest.approx(100)
    assert budget.by_kind["type A"] == pytest.approx(9.7)
    assert budget.largest is not None
    assert budget.largest.source == "standard l_s"


def test_resistance_and_reactance_of_the_gum() -> None:
    """Oracle: JCGM 100:2008, H.2, correlated inputs: 0.071, 0.295 and 0.236 ohm, to their last digit."""
    readings = np.array(
        [
            (5.007, 4.994, 5.005, 4.990, 4.999),
            (19.663e-3, 19.639e-3, 19.640e-3, 19.685e-3, 19.678e-3),
            (1.0456, 1.0438, 1.0468, 1.0428, 1.0433),
        ]
    )
    laws = [em.Normal(a.mean, a.standard) for a in map(type_a, readings)]
    r = np.corrcoef(readings)
    assert np.round(r[[0, 0, 1], [1, 2, 2]], 2).tolist() == [-0.36, 0.86, -0.65]
    inputs = em.Inputs(tuple(em.Input(n, law) for n, law in zip("VIp", laws, strict=True)), r)
    samples = first_order_samples(inputs, both=True)
    assert samples.shape == (7, 3)
    v, i, phi = samples.T
    for values, value, expected in (
        (v / i * np.cos(phi), 127.732, 0.071),
        (v / i * np.sin(phi), 219.847, 0.295),
        (v / i, 254.260, 0.236),
    ):
        budget = first_order(inputs, values, both=True)
        assert budget.value == pytest.approx(value, abs=1e-3)
        assert budget.combined == pytest.approx(expected, abs=1e-3)
        assert sum(budget.shares) == pytest.approx(100)


def test_type_a() -> None:
    """Oracle: JCGM 100:2008, table 1: twenty temperatures, mean 100.145, s / sqrt n = 0.333 (there 0.33), 19."""
    t = [96.90, 98.18, 98.25, 98.61, 99.03, 99.49, 99.56, 99.74, 99.89, 100.07]
    t += [100.33, 100.42, 100.68, 100.95, 101.11, 101.20, 101.57, 101.84, 102.36, 102.72]
    mean, u, dof = type_a(t)
    assert round(mean, 3) == 100.145
    assert round(u, 3) == 0.333
    assert dof == 19


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(-0.9, 0.9), st.floats(0.5, 0.99))
def test_linear_models_have_their_variance(slopes: list[float], r: float, coverage: float) -> None:
    """Oracle: a^T C a; shares sum to 100 %; the normal quantile."""
    d = len(slopes)
    matrix = np.array([[r ** abs(i - j) if r else float(i == j) for j in range(d)] for i in range(d)])
    sd = 0.1 * np.arange(1, d + 1)
    inputs = em.Inputs(tuple(em.Input(f"x{i}", em.Normal(float(i), float(s))) for i, s in enumerate(sd)), matrix)
    budget = first_order(inputs, first_order_samples(inputs) @ slopes, coverage=coverage)
    variance = float(np.array(slopes) @ (matrix * np.outer(sd, sd)) @ slopes)
    assert budget.combined**2 == pytest.approx(variance, rel=1e-6, abs=1e-12)
    assert budget.k == pytest.approx(stats.norm.ppf(0.5 + coverage / 2))
    if budget.combined > 1e-6:
        assert sum(budget.shares) == pytest.approx(100)
    low, high = budget.interval
    assert low + high == pytest.approx(2 * budget.value)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(1, 100)), min_size=1, max_size=5))
def test_effective_degrees_of_freedom_lie_between(rows: list[tuple[float, float]]) -> None:
    """Oracle: the least of all is at most the effective, their sum at least (GUM, G.4.1, note)."""
    budget = em.Budget("x", "", 1.0, tuple(Contribution(f"{i}", c, dof=v) for i, (c, v) in enumerate(rows)))
    dofs = [v for _, v in rows]
    assert min(dofs) * (1 - 1e-9) <= budget.dof <= sum(dofs) * (1 + 1e-9)
    assert budget.k >= stats.norm.ppf(0.975)


@pytest.mark.parametrize("readings", [4, 10])
def test_intervals_of_small_studies_hold_the_truth(readings: int) -> None:
    """Oracle: the truth, held by 93 to 97 % of the 95 % intervals of 1000 small studies.

    The result is x + 2 y: x the mean of a few readings, y an input with a known law that the truth is drawn from.
    """
    rng = np.random.default_rng(readings)
    held = 0
    for _ in range(1000):
        mean, u, dof = type_a(rng.normal(3.0, 0.5, readings))
        y = rng.normal(1.0, 0.1)  # what y truly is; known as 1.0 +- 0.1
        rows = (Contribution("x", u, dof=dof, kind="type A"), Contribution("y", 2 * 0.1))
        low, high = em.Budget("x + 2 y", "", mean + 2.0, rows).interval
        held += low <= 3.0 + 2 * y <= high
    assert 930 <= held <= 970


def test_curved_dependence_is_told() -> None:
    """Oracle: x^2 at 0 and 3 of sd 1: variance 2 and 36 + 2 (fourth moments of the normal law)."""
    inputs = em.Inputs((em.Input("curved", em.Normal(0.0, 1.0)), em.Input("straight", em.Normal(3.0, 1.0))))
    x = first_order_samples(inputs, both=True)
    budget = first_order(inputs, x[:, 0] ** 2 + x[:, 1] ** 2, both=True)
    assert budget.combined**2 == pytest.approx(2 + 38)
    assert budget.nonlinear == ("curved",)
    up = first_order_samples(inputs)
    assert first_order(inputs, up[:, 0] ** 2).nonlinear == ()  # one step cannot tell


def test_what_two_inputs_do_together_has_a_row_of_its_own() -> None:
    """Oracle: the variance of a product of independent inputs, a^2 u_b^2 + b^2 u_a^2 + u_a^2 u_b^2, exactly."""
    given = (em.Input("a", em.Normal(0.0, 0.3)), em.Input("b", em.Normal(2.0, 0.5)), em.Input("c", em.Normal(1.0, 0.2)))
    inputs = em.Inputs(given)
    for both in (False, True):
        x = first_order_samples(inputs, both, pairs=True)
        assert len(x) == 1 + 3 * (1 + both) + 3
        y = x[:, 0] * x[:, 1] + x[:, 2]
        budget = first_order(inputs, y, both=both, pairs=True)
        assert budget.combined**2 == pytest.approx(4 * 0.3**2 + (0.3 * 0.5) ** 2 + 0.2**2)
        assert budget.combined**2 > first_order(inputs, y[: 1 + 3 * (1 + both)], both=both).combined ** 2
        rows = {row.source: row.second_order for row in budget.contributions}
        assert rows["a and b together"] == pytest.approx(0.15)
        assert rows["a and c together"] == pytest.approx(0.0, abs=1e-12)
        assert sum(budget.shares) == pytest.approx(100)
    with pytest.raises(em.InputError, match="correlated inputs"):
        first_order_samples(em.Inputs(given[:2], np.array([[1, 0.5], [0.5, 1]])), pairs=True)


def test_steps_end_at_the_bounds_and_strata_are_all_visited() -> None:
    """Oracle: the bounds; the standard deviation over the values of a discrete law, by hand."""
    inputs = em.Inputs(
        (
            em.Input("edge", em.Uniform(0.0, 1.0), 1.0),
            em.Input("landmark", em.Discrete((0.0, 1.0, 2.0), (1, 2, 1)), 1.0),
            em.Input("t", em.StudentT(2.0, 0.1, dof=4)),
        )
    )
    x = first_order_samples(inputs, both=True, step=2.0)
    assert x.shape == (1 + 1 + 2 + 2, 3)
    assert x[:, 0].max() == 1.0
    assert x[1, 0] == pytest.approx(1 - 2 / math.sqrt(12))
    budget = first_order(inputs, 3 * x[:, 0] + x[:, 1] ** 2 + 5 * x[:, 2], both=True, step=2.0)
    edge, landmark, t = budget.contributions
    assert edge.contribution == pytest.approx(3 / math.sqrt(12))
    assert edge.standard == pytest.approx(1 / math.sqrt(12))
    assert landmark.contribution == pytest.approx(math.sqrt(0.25 * 0 + 0.5 * 1 + 0.25 * 16 - 1.5**2))
    assert (t.contribution, t.dof) == (pytest.approx(0.5), 4)


def test_budget_is_read_back_and_written_as_a_table() -> None:
    """Oracle: the budget itself; the rows of the table by Python's reader."""
    grid = Contribution("voxels of 5 mm", 1.5, kind="discretisation", law="grid convergence index")
    budget = em.Budget("peak SAR", "W/kg", 3.0, END_GAUGE, np.eye(4), 0.95, "by hand").extended(grid)
    again = em.Budget.of_dict(json.loads(json.dumps(budget.to_dict())))
    assert again.to_dict() == budget.to_dict()
    rows = list(csv.DictReader(budget.to_csv().splitlines()))
    assert [row["source"] for row in rows] == [r.source for r in budget.contributions] + ["combined", "expanded"]
    assert float(rows[-1]["contribution"]) == pytest.approx(budget.expanded)
    assert sum(float(row["share_percent"]) for row in rows[:-2]) == pytest.approx(100, abs=0.01)
    entry = budget.uncertainty()
    assert (entry["kind"], entry["expanded"]) == ("combined", budget.expanded)
    assert em.Budget("x", "", 1.0, (grid,)).uncertainty()["kind"] == "discretisation"
    assert em.Budget("x", "", 1.0, ()).expanded == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Contribution("", 1.0), "source"),
        (lambda: Contribution("a", math.nan), "contribution of a"),
        (lambda: Contribution("a", 1.0, dof=0), "degrees of freedom"),
        (lambda: em.Budget("x", "", math.inf, ()), "value of x"),
        (lambda: em.Budget("x", "", 1.0, (1.0,)), "not a row"),  # type: ignore[arg-type]
        (lambda: em.Budget("x", "", 1.0, END_GAUGE, coverage=95), "coverage"),
        (lambda: em.Budget("x", "", 1.0, END_GAUGE[:2], [[1, 2], [2, 1]]), "-1 to 1"),
        (lambda: em.Budget.of_dict({"rows": [1]}), "not the table of a budget"),
        (lambda: type_a([1.0]), "two or more"),
        (lambda: first_order(em.Inputs((em.Input("a", em.Normal(0.0, 1.0)),)), [1.0, 2.0, 3.0]), "2 values"),
        (lambda: first_order_samples(em.Inputs((em.Input("a", em.Uniform(0.0, 1.0), 7.0),))), "outside of its law"),
    ],
)
def test_bad_rows_are_refused_in_one_line(make: Any, words: str) -> None:
    """Oracle: the words of the error."""
    with pytest.raises(InputError) as error:
        make()
    assert words in str(error.value)
