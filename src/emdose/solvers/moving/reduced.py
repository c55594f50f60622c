r"""A few voxels that stand for all of a tissue: those with the largest peaks, and a sample of the others with weights.

Percentiles over time of millions of voxels are read from some thousands: the voxels with the largest peaks each count
once; of the upper three per cent and of the rest some are drawn at random and count for those that are not. In
tissues of up to :data:`ALL` voxels nothing is left out.

Source: W. G. Cochran, Sampling Techniques, 3rd ed. (1977), ch. 5 (stratified sampling).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.values import owned, read_only

ALL, TOP, UPPER, REST = 2400, 700, 900, 600
"""Voxels of a tissue that are all kept; and those of the largest peaks, of the upper ones, and of the rest."""
SHARE = 0.03
"""Which part of a tissue the upper ones are."""
_BLOCK = 2**17


@read_only
@dataclass(frozen=True, eq=False)
class VoxelSample:
    """Voxels that stand for a body.

    Parameters
    ----------
    index : (n,) int64 ndarray
        Into the voxels that conduct, by tissue and by peak.
    weights : (n,) float64 ndarray
        How many voxels each stands for.
    labels : (n,) ndarray
        Their tissues.
    """

    index: np.ndarray
    weights: np.ndarray
    labels: np.ndarray


def peaks(E: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Largest \\|E\\| of every voxel over some times, (m,) [V/m].

    Parameters
    ----------
    E : (rows, 3, m) ndarray
        Unit fields [V/m].
    weights : (t, rows) ndarray
        What they are summed with.
    """
    out = np.zeros(E.shape[2], np.float32)
    w = weights.astype(np.float32)
    for low in range(0, len(out), _BLOCK):
        part = E[:, :, low : low + _BLOCK]
        field = w @ part.reshape(len(part), -1)
        size2 = (field.reshape(len(w), 3, -1) ** 2).sum(axis=1)
        out[low : low + _BLOCK] = np.sqrt(size2.max(axis=0, initial=0.0))
    return out


def sampled(peak: np.ndarray, labels: np.ndarray) -> VoxelSample:
    """Voxels that stand for those with these peaks (m,) and labels (m,)."""
    rng = np.random.default_rng(11)
    kept, counts = [], []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        n = len(own)
        if n <= ALL:
            kept.append(own)
            counts.append(np.ones(n))
            continue
        own = own[np.argsort(-peak[own], kind="stable")]
        upper = max(int(SHARE * n), TOP)
        for low, high, most in ((0, TOP, TOP), (TOP, upper, UPPER), (upper, n, REST)):
            some = own[low:high]
            if len(some) > most:
                some = some[rng.permutation(len(some))[:most]]
            kept.append(some)
            counts.append(np.full(len(some), (high - low) / max(len(some), 1)))
    index = np.concatenate(kept).astype(np.int64)
    return VoxelSample(owned(index), owned(np.concatenate(counts)), owned(labels[index].copy()))


def percentiles(values: np.ndarray, weights: np.ndarray, percent: tuple[float, ...]) -> np.ndarray:
    """Percentiles of weighted values along the last axis, (len(percent), t).

    Parameters
    ----------
    values : (t, n) ndarray
        Values.
    weights : (n,) ndarray
        How many each stands for.
    percent : tuple of float
        Which; 100 is the largest.
    """
    order = np.argsort(values, axis=1)
    grown = np.cumsum(weights[order], axis=1)
    grown /= grown[:, -1:]
    out = np.empty((len(percent), len(values)))
    for i, p in enumerate(percent):
        at = np.minimum((grown < 0.01 * p - 1e-12).sum(axis=1), values.shape[1] - 1)
        out[i] = np.take_along_axis(values, np.take_along_axis(order, at[:, None], axis=1), axis=1)[:, 0]
    return out
