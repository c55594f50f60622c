r"""The network of a coil over a band from a few frequencies.

The impedance of metal whose gaps are open, and of the body around it, is that of inductances and of capacitances of the
gaps: w Z is interpolated as a polynomial in w^2, of which the first two terms are those. Where it misses one of the
frequencies when that one is left out there are too few, and more are solved for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

COUNTS = (3, 5, 9)
"""Frequencies of a band that are solved for, until the estimate is met."""
AGREE = 2e-3
"""Relative error of Z between them."""


def over_band(
    listed: Sequence[float], centre: float, y_at: Callable[[float], np.ndarray]
) -> tuple[np.ndarray, list[float], float]:
    """Admittances at frequencies from those at a few of them.

    Parameters
    ----------
    listed : sequence of float
        Growing frequencies [Hz], ``centre`` among them.
    centre : float
        The one whose admittance is kept as it is [Hz].
    y_at : callable
        Admittance (gap, gap) at a frequency [S].

    Returns
    -------
    (f, gap, gap) complex ndarray, list of float, float
        Admittances [S]; the frequencies that were solved for [Hz]; an estimate of the relative error of Z.
    """
    at = np.asarray(listed, float)
    if len(at) == 1:
        return y_at(centre)[None], [centre], 0.0
    known: dict[float, np.ndarray] = {}
    if len(at) <= COUNTS[0]:
        return np.stack([y_at(f) for f in at]), at.tolist(), 0.0
    admittance, nodes, apart = np.zeros(0), at, np.inf
    for count in COUNTS:
        if count >= len(at):
            return np.stack([known[f] if f in known else y_at(f) for f in at]), at.tolist(), 0.0
        nodes = _nodes(at[0], at[-1], centre, count)
        for f in nodes:
            if f not in known:
                known[f] = y_at(f)
        admittance, apart = _between(nodes, np.stack([known[f] for f in nodes]), at)
        if apart < AGREE:
            break
    admittance[np.abs(at / centre - 1).argmin()] = known[centre]
    return admittance, [float(f) for f in nodes], float(apart)


def _nodes(low: float, high: float, centre: float, count: int) -> np.ndarray:
    """Nested nodes from end to end, the centre in place of the nearest of them."""
    nodes = low + 0.5 * (high - low) * (1 - np.cos(np.pi * np.arange(count) / (count - 1)))
    nodes[1 + np.abs(nodes[1:-1] - centre).argmin()] = centre
    return np.sort(nodes)


def _between(nodes: np.ndarray, Y: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, float]:
    """Admittances at frequencies from those at nodes, and an estimate of the relative error of Z.

    The estimate is what the polynomial of one order less misses in the middle, times the half width of the band in w^2.
    """
    x = (nodes / nodes.mean()) ** 2
    Z = np.linalg.inv(Y) * nodes[:, None, None]
    found = np.einsum("nf,nij->fij", _lagrange(x, (at / nodes.mean()) ** 2), Z) / at[:, None, None]
    middle, others = len(nodes) // 2, np.arange(len(nodes)) != len(nodes) // 2
    less = np.einsum("nf,nij->fij", _lagrange(x[others], x[[middle]]), Z[others])[0]
    missed = np.linalg.norm(less - Z[middle]) / np.linalg.norm(Z[middle])
    return np.linalg.inv(found), float(missed * 0.5 * np.ptp(x))


def _lagrange(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights (node, point) of values at nodes x in the polynomial through them."""
    rows = [np.prod([(at - o) / (own - o) for o in np.delete(x, n)], axis=0) for n, own in enumerate(x)]
    return np.stack(rows)
