"""The budget of a Tier 3 number against Monte Carlo over the same errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lead_fields import fields_of, wave

import emdose as em
from emdose.uncertainty.lead_budget import FIELD, MAGNITUDE, PHASE, PLACE, SCALE

S = np.linspace(0, 0.16, 81)
TF = em.TransferFunction(
    S, (1 - 2 * S) * np.exp(-(1 + 12j) * S), 64e6, 80.0, 0.47, "exp(+jwt)", scale=2.5, scale_unit="K/V^2"
)
PATH = np.array([[-0.08, 0.01, 0.0], [0.08, 0.01, 0.0]])
FIELDS = fields_of(wave(9.0 - 2j))


def rows(budget: em.Budget) -> dict[str, em.Contribution]:
    return {row.source: row for row in budget.contributions}


@pytest.mark.parametrize(("magnitude", "phase"), [(0.04, 0.0), (0.0, 0.05)])
def test_transfer_function_against_monte_carlo(magnitude: float, phase: float) -> None:
    budget = em.tier3_budget(TF, FIELDS, PATH, magnitude=magnitude, phase_rad=phase, field=0.0, correlation_m=0.05)
    random = np.random.default_rng(4)
    R = np.exp(-np.abs(S[:, None] - S) / 0.05)
    L = np.linalg.cholesky(R + 1e-12 * np.eye(len(S)))
    values = []
    for _ in range(400):
        z = L @ random.normal(size=len(S))
        one = replace(TF, values=TF.values * (1 + magnitude * z) * np.exp(1j * phase * z))
        values.append(em.tier3(one, FIELDS, [PATH]).quantity[0, 0])
    assert budget.combined == pytest.approx(np.std(values), rel=0.12)
    assert budget.unit == "K"
    assert budget.value == pytest.approx(em.tier3(TF, FIELDS, [PATH]).quantity[0, 0])


def test_field_scale_and_place() -> None:
    budget = em.tier3_budget(
        TF, FIELDS, PATH, magnitude=0.05, phase_rad=0.1, field=0.07, scale=0.1, place_m=3e-3, correlation_m=0.05
    )
    found = rows(budget)
    assert set(found) == {MAGNITUDE, PHASE, PLACE, FIELD, SCALE}
    assert found[FIELD].contribution == pytest.approx(0.14 * budget.value)
    assert found[SCALE].contribution == pytest.approx(0.1 * budget.value)
    assert 0 < found[PLACE].contribution < 0.1 * budget.value  # a uniform field across: only the direction changes
    assert budget.expanded > budget.combined > 0.17 * budget.value
    # Perfectly correlated magnitudes are a scale: twice their relative uncertainty; such phases do nothing.
    one = em.tier3_budget(TF, FIELDS, PATH, magnitude=0.05, phase_rad=0.1, field=0.0, correlation_m=1e4)
    assert rows(one)[MAGNITUDE].contribution == pytest.approx(0.1 * one.value, rel=1e-3)
    assert rows(one)[PHASE].contribution < 1e-2 * one.value


def test_repeatability_finds_the_spread() -> None:
    random = np.random.default_rng(1)
    repeats = [
        replace(
            TF, values=7j * TF.values * (1 + 0.02 * random.normal(size=81)) * np.exp(0.03j * random.normal(size=81))
        )
        for _ in range(12)
    ]
    mean, size, turn = em.repeatability(repeats)
    assert mean.nrmse(TF)[0] < 0.05
    assert size == pytest.approx(0.02, rel=0.4)
    assert turn == pytest.approx(0.03, rel=0.1)
    with pytest.raises(em.InputError, match="no repeats"):
        em.repeatability(repeats[:1])
    with pytest.raises(em.InputError, match="repeats at other distances"):
        em.repeatability([repeats[0], replace(TF, distance_m=S + 1e-3)])


def test_bad_input() -> None:
    with pytest.raises(em.InputError, match="must not be negative"):
        em.tier3_budget(TF, FIELDS, PATH, magnitude=-0.1, phase_rad=0.1, field=0.1)
    with pytest.raises(em.InputError, match="nothing is induced"):
        em.tier3_budget(TF, fields_of(wave(1.0, along=2)), PATH, magnitude=0.1, phase_rad=0.1, field=0.1)
