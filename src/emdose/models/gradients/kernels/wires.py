"""NumPy reference of wires.cuh."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 2**20


def wire_potentials(
    shape: tuple[int], wires: int, ends: np.ndarray, pull: np.ndarray, points: np.ndarray, out: np.ndarray
) -> None:
    """2 t artanh(L / (R1 + R2)) of every wire, summed over wires."""
    pairs = ends.reshape(wires, 2, 3)
    along = pairs[:, 1] - pairs[:, 0]
    length = np.linalg.norm(along, axis=-1)
    for some in _blocks(shape[0], wires):
        _, _, R1, R2 = _distances(pairs, points.reshape(-1, 3)[some])
        weight = 2 * np.arctanh(np.minimum(length / (R1 + R2), 1 - 1e-15)) * pull / length
        out.reshape(-1, 3)[some] = weight @ along


def wire_fields(
    shape: tuple[int], wires: int, ends: np.ndarray, pull: np.ndarray, points: np.ndarray, out: np.ndarray
) -> None:
    """(R1 + R2) r1 x r2 / (R1 R2 (R1 R2 + r1 . r2)) of every wire, summed over wires; zero on the line of a wire."""
    pairs = ends.reshape(wires, 2, 3)
    for some in _blocks(shape[0], wires):
        r1, r2, R1, R2 = _distances(pairs, points.reshape(-1, 3)[some])
        below = R1 * R2 * (R1 * R2 + np.einsum("psc,psc->ps", r1, r2))
        weight = np.divide((R1 + R2) * pull, below, out=np.zeros_like(below), where=below > 0)
        out.reshape(-1, 3)[some] = np.einsum("ps,psc->pc", weight, np.cross(r1, r2))


def _blocks(points: int, wires: int) -> Iterator[slice]:
    step = max(1, _BLOCK // wires)
    for low in range(0, points, step):
        yield slice(low, min(low + step, points))


def _distances(pairs: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, ...]:
    r1, r2 = points[:, None] - pairs[:, 0], points[:, None] - pairs[:, 1]
    return r1, r2, np.linalg.norm(r1, axis=-1), np.linalg.norm(r2, axis=-1)
