"""Phase: brought to radians and to exp(+j w t); wraps found, and unwrapped along the most reliable paths."""

from __future__ import annotations

import numpy as np

from emdose.checks import is_number, one_of, positive
from emdose.errors import InputError

UNITS = {"rad": 1.0, "deg": np.pi / 180, "pi": np.pi, "turns": 2 * np.pi}
"""Radians per unit of a phase."""


def in_radians(phase: np.ndarray, unit: str | float = "rad", sign: float = 1, file: str | None = None) -> np.ndarray:
    """A phase [rad] in the convention exp(+j w t).

    Parameters
    ----------
    phase : ndarray
        Phase as it was given.
    unit : {"rad", "deg", "pi", "turns"} or float
        Its unit, or radians per unit (2 pi / 4096 where 4096 steps are a turn).
    sign : {1, -1}
        -1: it is in the convention exp(-j w t).
    file : str, optional
        Where it came from, for errors.

    Raises
    ------
    InputError
        For another unit or sign.
    """
    if isinstance(unit, str):
        factor = UNITS[one_of("phase_unit", unit, UNITS, problem="unknown unit", also="radians per unit")]
    else:
        factor = positive("phase_unit", unit, problem="bad unit of the phase", expected="radians per unit, > 0")
    if not is_number(sign) or sign not in (1, -1):
        raise InputError("bad sign of the phase", file=file, field="phase_sign", found=sign, expected="1 or -1")
    return phase if factor * sign == 1 else factor * sign * phase


def wraps_of(phase: np.ndarray, mask: np.ndarray) -> str | None:
    """The unit, other than radians, whose wraps a smooth phase shows: its name in :data:`UNITS`, or None.

    A phase that is wrapped spans one turn and jumps by nearly as much between some neighbours, while most neighbours
    differ by little.
    """
    inside = phase[..., mask]
    span = float(np.ptp(inside)) if inside.size else 0.0
    for unit in ("deg", "pi", "turns"):
        turn = 2 * np.pi / UNITS[unit]
        if not 0.9 * turn < span <= 1.001 * turn:
            continue
        steps = []
        for axis in range(3):
            low, high = _pairs(axis)
            both = mask[low] & mask[high]
            steps.append(
                np.abs(phase[..., high[0], high[1], high[2]] - phase[..., low[0], low[1], low[2]])[..., both].ravel()
            )
        every = np.concatenate(steps)
        if every.size and np.median(every) < 0.1 * turn and np.count_nonzero(every > 0.75 * turn) >= 10:
            return unit
    return None


def is_wrapped(phase: np.ndarray, mask: np.ndarray) -> bool:
    """Whether two neighbours of the mask differ by more than pi.

    Parameters
    ----------
    phase : (..., nx, ny, nz) ndarray
        Phase [rad].
    mask : (nx, ny, nz) bool ndarray
        Voxels to look at.
    """
    inside = phase[..., mask]
    if inside.size == 0 or inside.max() - inside.min() <= np.pi:
        return False
    for axis in range(3):
        low, high = _pairs(axis)
        both = mask[low] & mask[high]
        step = phase[..., high[0], high[1], high[2]] - phase[..., low[0], low[1], low[2]]
        if np.any(np.abs(step[..., both]) > np.pi):
            return True
    return False


def unwrap(phase: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Unwrap a phase inside a mask.

    Neighbours are joined in the order of their wrapped difference, the smallest first (a minimum spanning tree of every
    connected part), and differences are summed along the tree: multiples of 2 pi are added and nothing else. Exact
    where neighbours differ by less than pi; where noise breaks that, the damage stays behind the unreliable steps.

    Parameters
    ----------
    phase : (nx, ny, nz) or (channel, nx, ny, nz) ndarray
        Phase [rad].
    mask : (nx, ny, nz) bool ndarray
        Voxels to unwrap.

    Returns
    -------
    ndarray
        Unwrapped phase [rad]; as given outside the mask.
    """
    if phase.ndim == 4:
        return np.stack([unwrap(one, mask) for one in phase])
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

    number = np.full(mask.shape, -1, np.int64)
    number[mask] = np.arange(np.count_nonzero(mask))
    values = phase[mask]
    ends = [
        (number[low][both], number[high][both])
        for low, high in map(_pairs, range(3))
        for both in [mask[low] & mask[high]]
    ]
    start, stop = (np.concatenate([pair[i] for pair in ends]) for i in range(2))
    if start.size == 0:
        return phase.copy()
    step = values[stop] - values[start]
    jump = np.round(step / (2 * np.pi))
    cost = np.abs(step - 2 * np.pi * jump) + 1e-6  # a stored zero would not count as an edge
    n = values.size
    tree = minimum_spanning_tree(coo_matrix((cost, (start, stop)), shape=(n, n)).tocsr()).tocoo()
    # One more node, joined to one voxel of every connected part, so that a single walk reaches them all.
    roots = np.unique(connected_components(tree, directed=False)[1], return_index=True)[1]
    rows, columns = np.append(tree.row, np.full(roots.size, n)), np.append(tree.col, roots)
    joined = coo_matrix((np.ones(rows.size), (rows, columns)), shape=(n + 1, n + 1)).tocsr()
    parent = breadth_first_order(joined, n, directed=False, return_predecessors=True)[1][:n].astype(np.int64)
    parent[roots] = roots
    turns = -np.round((values - values[parent]) / (2 * np.pi))
    # Sum along the path to the root by doubling its length: as many rounds as the logarithm of the depth.
    while np.any(parent != parent[parent]):
        turns, parent = turns + turns[parent], parent[parent]
    out = np.array(phase, float)
    out[mask] = values + 2 * np.pi * turns
    return out


def _pairs(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)
