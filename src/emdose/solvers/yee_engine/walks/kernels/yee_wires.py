"""NumPy reference of yee_wires.cuh."""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.walks.kernels.yee_lattice import Struct


def wire_nodes(shape: tuple[int], wires: Struct, current: np.ndarray, charge: np.ndarray, voltage: np.ndarray) -> None:
    """Charges and voltages of all nodes from the currents of the step before."""
    law = wires.law.reshape(-1, 6)[: shape[0]].T
    x = charge.reshape(-1, 3)[: shape[0]]
    padded = np.append(current, 0.0)
    gained = wires.dt * (padded[wires.before[: shape[0]]] - padded[wires.after[: shape[0]]])
    insulated, bare = x[:, 0] + law[2] * x[:, 1], law[2] * x[:, 2]
    v = (gained + law[0] * insulated + law[1] * bare) / (law[0] + law[1])
    q, p = law[0] * (v - insulated), law[1] * (v - bare)
    x[:, 0] += law[3] * q
    x[:, 1] = law[2] * x[:, 1] + law[4] * q
    x[:, 2] = bare + law[5] * p
    voltage[: shape[0]] = v


def wire_segments(
    shape: tuple[int],
    step: int,
    wires: Struct,
    drive: np.ndarray,
    phase: np.ndarray,
    e: np.ndarray,
    voltage: np.ndarray,
    current: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Currents of all segments, and their Fourier sums."""
    n, flat = shape[0], e.reshape(-1)
    seen = wires.weight * flat[wires.entry].astype(float)
    u = wires.emf[:n] * drive[step * wires.wires + wires.wire[:n]] + np.add.reduceat(seen, wires.row[:n])
    now = wires.keep[:n] * current + wires.gain[:n] * (u - (voltage[wires.first[:n] + 1] - voltage[wires.first[:n]]))
    current[...] = now
    for f in range(wires.frequencies):
        for part in (0, 1):
            place = slice((2 * f + part) * n, (2 * f + part + 1) * n)
            sums[place] += (phase[(step * wires.frequencies + f) * 2 + part] * now).astype(sums.dtype)


def wire_spread(shape: tuple[int], wires: Struct, current: np.ndarray, e: np.ndarray) -> None:
    """What the currents add to E."""
    parts = wires.spread * current[wires.source]
    e.reshape(-1)[wires.target[: shape[0]]] += np.add.reduceat(parts, wires.part[: shape[0]]).astype(e.dtype)
