"""First-order memories of piecewise linear inputs, exact whatever the steps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from emdose.dosimetry.stimulation import memory

RATES = np.array([0.0, 1e-3, 7.0, 300.0, 2e5])


def made(pieces: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    t = np.concatenate([[0.0], np.cumsum(10.0 ** rng.uniform(-6, -1, pieces))])
    return t, rng.normal(size=(pieces, 2)), rng.normal(size=(pieces, 2))


def test_one_piece_equals_quadrature() -> None:
    """Oracle: the integral of exp(-s (h - u)) x(u)."""
    h, a, b = 3e-3, 1.3, -0.4
    found = memory.last_state(np.array([0, h]), np.array([[a]]), np.array([[b]]), RATES)[:, 0]
    for s, value in zip(RATES, found, strict=True):
        wanted = quad(lambda u, s=s: np.exp(-s * (h - u)) * (a + (b - a) * u / h), 0, h, epsabs=0, epsrel=1e-12,
                      points=[h - 40 / max(s, 1e4)])[0]  # fmt: skip
        assert value == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("pieces", [1, 7, 4200])
def test_scan_equals_the_recursion_step_by_step(pieces: int) -> None:
    t, a, b = made(pieces)
    decay, one, two = memory._functions(np.diff(t)[:, None] * RATES)
    y, wanted = np.ones((len(RATES), 2)), []
    for k, h in enumerate(np.diff(t)):
        y = decay[k][:, None] * y + h * ((one - two)[k][:, None] * a[k] + two[k][:, None] * b[k])
        wanted.append(y)
    found = np.concatenate([m for _, m in memory.states(t, a, b, RATES, np.ones((len(RATES), 2)))])
    assert found == pytest.approx(np.array(wanted), rel=1e-11, abs=1e-13)


def test_functions_do_not_jump_where_the_series_begins() -> None:
    z = np.array([0.0, 1e-9, memory._SMALL * (1 - 1e-14), memory._SMALL * (1 + 1e-14)])
    _, one, two = memory._functions(z)
    assert (one[0], two[0]) == (1.0, 0.5)
    assert one[2] == pytest.approx(one[3], rel=1e-13)
    assert two[2] == pytest.approx(two[3], rel=1e-13)


def test_repeated_input_returns_to_its_state() -> None:
    t, a, b = made(50)
    first = memory.repeated_state(t, a, b, RATES[1:])
    last = [m for _, m in memory.states(t, a, b, RATES[1:], first)][-1][-1]
    assert last == pytest.approx(first, rel=1e-9)


def test_parts_are_the_same_input() -> None:
    t, a, b = made(20)
    fine = memory.subdivided(t, a, b, 1e-3)
    assert np.diff(fine[0]).max() <= max(1e-3, np.diff(t).max() / 64) * (1 + 1e-9)
    assert memory.last_state(*fine, RATES) == pytest.approx(memory.last_state(t, a, b, RATES), rel=1e-10)
