"""Fields on a grid from a function of points, for tests of what leads make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import emdose as em
from emdose.solvers.results.fields import PowerBalance

F = 64e6
GRID = em.Grid((40, 24, 20), (5e-3, 5e-3, 6e-3))


def fields_of(
    *functions: Callable[[np.ndarray, np.ndarray, np.ndarray], Sequence[np.ndarray]],
    grid: em.Grid = GRID,
    body: np.ndarray | None = None,
    frequency_Hz: float = F,
) -> em.Fields:
    """Fields with a port for every function of (x, y, z) that gives the three components."""
    ports = tuple(f"port {n}" for n in range(len(functions)))
    E = np.zeros((len(functions), 3, *grid.node_shape), complex)
    for n, function in enumerate(functions):
        for c in range(3):
            E[n, c] = function(*grid.edge_points(c))[c]
    one = np.eye(len(functions), dtype=complex)
    return em.Fields(
        grid, frequency_Hz, E, np.zeros_like(E), np.ones(grid.shape, bool) if body is None else body, 1.0,
        PowerBalance(one, one, one), ports, {"all": np.ones(len(functions), complex)}, "A", np.zeros(len(functions)),
    )  # fmt: skip


def wave(k: complex, direction: int = 0, along: int = 0, size: complex = 1.0):
    """exp(-j k x_direction) in one component."""

    def function(*points: np.ndarray) -> list[np.ndarray]:
        value = size * np.exp(-1j * k * points[direction]) + 0 * sum(points)
        return [value if c == along else 0 * value for c in range(3)]

    return function
