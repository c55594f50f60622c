"""Limits of running sums: geometric series that are cancelled, and what that does to the end of a run."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.solvers.fdtd.convergence import Monitor, extrapolated
from emdose.solvers.fdtd.setup.options import EXTRAPOLATION

ROWS, SIZE = 3, 40


def ringing(ratios: list[complex], windows: int, sizes: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Sums (window, row, m) that approach a limit (row, m) by geometric series, turned otherwise in every row."""
    rng = np.random.default_rng(1)
    shapes = rng.normal(size=(len(ratios) + 1, ROWS, SIZE, 2)) @ [1, 1j]
    turns = np.exp(1j * rng.uniform(0, 0.3, ROWS))
    out = np.repeat(shapes[:1], windows, axis=0)
    for shape, ratio, size in zip(shapes[1:], ratios, sizes, strict=True):
        out += size * ((ratio * turns) ** np.arange(windows)[:, None])[..., None] * shape
    return out, shapes[0]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_geometric_series_are_cancelled():
    # Oracle: the limit that the series were made with; as many terms as orders are exact, whatever their decay.
    ratios = [0.999 * np.exp(2j), 0.98 * np.exp(-1.1j), 0.6, 0.9 * np.exp(0.4j)]
    for order in range(1, EXTRAPOLATION + 1):
        sums, limit = ringing(ratios[:order], order + 2, [0.3] * order)
        value, shares = extrapolated(list(sums), order)
        assert distance(value, limit) < 1e-9
        assert np.allclose(shares.sum(axis=1), 1)
        assert np.allclose(np.einsum("rk,krm->rm", shares, sums[1:]), value)
        one, share = extrapolated(list(sums[:, 0]), order)
        assert np.allclose(one, value[0])
        assert np.allclose(share[0], shares[0])


def test_sums_at_rest_and_rounding_are_left_alone():
    # Oracle: a constant is its own limit; noise far below the changes is not blown up.
    sums, limit = ringing([0.5], 6, [0.0])
    assert distance(extrapolated(list(sums), 4)[0], limit) < 1e-12
    sums, limit = ringing([0.95 * np.exp(2j)], 6, [0.1])
    noise = 1e-8 * np.random.default_rng(2).normal(size=sums.shape)
    assert distance(extrapolated(list(sums + noise), 4)[0], limit) < 1e-6


def end(monitor: Monitor, sums: np.ndarray) -> int:
    """Windows until a run with these sums has converged, or -1; its energy falls as fast as the slowest need."""
    for n, value in enumerate(sums):
        if monitor.update(n + 1, 0.3**n, {"ports": value}):
            return n
    return -1


@pytest.mark.parametrize("tolerance", [3e-3, 1e-4])
def test_a_mode_that_no_gap_damps_does_not_hold_the_run(tolerance):
    # Oracle: the limit; without extrapolation the same tolerance takes hundreds of windows.
    ratios = [0.99 * np.exp(2j), 0.99 * np.exp(-1.3j), 0.5, 0.4]
    sums, limit = ringing(ratios, 2000, [0.02, 0.02, 0.3, 0.3])
    plain, monitor = Monitor(tolerance, 4), Monitor(tolerance, 4, order=EXTRAPOLATION)
    slow, fast = end(plain, sums), end(monitor, sums)
    assert slow > 150
    assert 4 + 4 <= fast < 30
    assert distance(monitor.value("ports"), limit) < tolerance
    shares = monitor.shares["ports"]
    mixed = np.einsum("rk,krm->rm", shares, sums[fast + 1 - shares.shape[1] : fast + 1])
    assert np.allclose(mixed, monitor.value("ports"))


@pytest.mark.parametrize("slow", [0.97, 0.995, 0.97 * np.exp(0.02j)])
def test_more_modes_than_are_cancelled_are_not_called_early(slow):
    # Oracle: the true remainder at the end, for more series than orders, one of them slow and at the frequency itself.
    ratios = [0.95 * np.exp(1j * a) for a in (2.0, -1.3, 0.7, -2.5, 2.9)] + [slow]
    sums, limit = ringing(ratios, 3000, [0.03, 0.02, 0.02, 0.03, 0.01, 0.1])
    for tolerance in (3e-3, 1e-3, 1e-4):
        monitor = Monitor(tolerance, 4, order=EXTRAPOLATION)
        assert end(monitor, sums) > 0
        assert distance(monitor.value("ports"), limit) < 1.5 * tolerance


def test_windows_under_the_source_are_not_used():
    # Oracle: the windows themselves: wild ones before the end of the source change nothing.
    sums, _ = ringing([0.98 * np.exp(2j), 0.5], 60, [0.05, 0.3])
    wild = sums.copy()
    wild[:10] = np.random.default_rng(3).normal(size=wild[:10].shape)
    first, second = (Monitor(1e-3, 10, order=EXTRAPOLATION) for _ in range(2))
    assert end(first, sums) == end(second, wild) > 10
    assert np.array_equal(first.value("ports"), second.value("ports"))


def test_a_restored_monitor_goes_on_alike():
    # Oracle: the monitor that was not interrupted.
    sums, _ = ringing([0.98 * np.exp(2j), 0.5], 60, [0.05, 0.3])
    a = Monitor(1e-4, 4, order=EXTRAPOLATION)
    for n in range(9):
        a.update(n + 1, 0.3**n, {"ports": sums[n]})
    b = Monitor(1e-4, 4, order=EXTRAPOLATION)
    b.restore(a.state())
    for n in range(9, 14):
        assert a.update(n + 1, 0.3**n, {"ports": sums[n]}) == b.update(n + 1, 0.3**n, {"ports": sums[n]})
    assert a.history == b.history
    assert np.array_equal(a.value("ports"), b.value("ports"))
