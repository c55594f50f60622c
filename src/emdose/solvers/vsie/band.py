r"""The network of a coil over a band from a few frequencies.

The impedance of metal whose gaps are open, and of the body around it, is smooth: Z / (j w) is interpolated as a
polynomial in w^2. The same is done with j w Y; where the two disagree there are too few frequencies, and more are
solved for.

Source: numerical; the error that is stated is that of the two interpolations against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

COUNTS = (3, 5, 9)
"""Frequencies of a band that are solved for, until the two interpolations agree."""
AGREE = 2e-3


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
        Admittances [S]; the frequencies that were solved for [Hz]; the largest relative difference between the two
        interpolations.
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
    """Admittances at frequencies from those at nodes, by way of Z, and how far another way is from it."""
    x, scale = (nodes / nodes.mean()) ** 2, (at / nodes.mean()) ** 2
    weights = np.stack(
        [np.prod([(scale - x[j]) / (x[i] - x[j]) for j in range(len(x)) if j != i], 0) for i in range(len(x))]
    )
    Z = np.linalg.inv(Y) / nodes[:, None, None]
    of_z = np.linalg.inv(np.einsum("nf,nij->fij", weights, Z) * at[:, None, None])
    of_y = np.einsum("nf,nij->fij", weights, Y * nodes[:, None, None]) / at[:, None, None]
    size = np.linalg.norm(of_z, axis=(1, 2))
    return of_z, float((np.linalg.norm(of_z - of_y, axis=(1, 2)) / size).max())
