"""From the shares that tissues have in voxels to one label a voxel, so that every tissue keeps its volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from emdose.compute import machine

SOFTNESS = (0.1, 0.03, 0.01, 3e-3, 1e-3)
"""Ranges of shares over which the choice between tissues is softened, one after the other."""

STEPS = 15
"""Most steps of Newton's method for each of them."""

AROUND, SPREAD = 2e-2, 2e-2
"""Weights, beside a share, of what the neighbours have and of an even pattern; they decide between equal shares."""

FLAT = 0.03
"""Share of a body's volume that a flat face may take or leave as a whole layer of half-filled voxels."""

EQUAL = 1e-9
"""Difference of shares that is rounding."""

POINTS_AT_ONCE = 500_000
"""Sample points that are painted together, so that memory stays small beside the body's own."""

POINTS = 4_000_000
"""Sample points in all that a body gets, at least two per voxel and axis."""

MOST_SAMPLES = 8
"""Most points per voxel and axis."""

FINE_M = 2e-3
"""Voxels below this edge resolve the layers of a body: the tissue at their centre will do [m]."""


def samples_for(shape: tuple[int, ...]) -> int:
    """Points per voxel and axis for a grid (nx, ny, nz): many in few voxels, two in many."""
    return int(min(max((POINTS / math.prod(shape)) ** (1 / 3), 2), MOST_SAMPLES))


BYTES = 50
"""Memory that the labels of a voxel take while they are settled; measured on heads and adults of 2 to 6 mm."""


class Shares:
    """What each voxel holds: one tissue, or shares of several.

    Voxels of a single tissue are final. For the others every tissue that occurs in them is noted with its share, so a
    body of a hundred million voxels costs no more than its boundaries.

    Parameters
    ----------
    shape : (int, int, int)
        Number of voxels along x, y and z.
    spacing_m : three floats, optional
        Their edges [m], to tell which would fit the memory.

    Raises
    ------
    ResourceError
        When the shares of so many voxels do not fit the memory.
    """

    def __init__(self, shape: tuple[int, ...], spacing_m: Any = None) -> None:
        step = None if spacing_m is None else float(max(spacing_m))
        machine.require_memory(BYTES * math.prod(shape), f"a body on {' x '.join(map(str, shape))} voxels", step)
        self.labels = np.zeros(shape, np.uint16)
        self._voxel: list[np.ndarray] = []
        self._label: list[np.ndarray] = []
        self._share: list[np.ndarray] = []

    def note(self, voxels: np.ndarray, label: int, share: np.ndarray) -> None:
        """Shares (n,) of a label in voxels (n,), given by their flat index."""
        self._voxel.append(voxels.astype(np.int64))
        self._label.append(np.full(len(voxels), label, np.int32))
        self._share.append(share.astype(np.float64))

    def settle(self, volumes: Mapping[int, float] | None = None) -> np.ndarray:
        """One label per voxel (nx, ny, nz), each as often as its volume asks for.

        First tissue and background: voxels with the largest share of tissue become tissue, as many as its volume has.
        Then, among the tissues of these voxels, each gets a handicap, the same everywhere, and a voxel takes the
        tissue whose share with its handicap is largest; the handicaps are those by which every tissue has the number
        of voxels that its volume asks for. This is the assignment with the largest sum of shares at these numbers (the
        handicaps are its dual prices). Of equal shares the one with more of the tissue around it comes first, then
        they are spread evenly; a mirrored body stays mirrored.

        Parameters
        ----------
        volumes : mapping of int to float, optional
            Volume of labels [voxels] that are known better than by what their shares add up to.

        Source: assignment with prescribed numbers, D. P. Bertsekas, Ann. Oper. Res. 14 (1988) 105-123.
        """
        if not sum(map(len, self._voxel)):
            return self.labels
        voxel, label, share = (np.concatenate(x) for x in (self._voxel, self._label, self._share))
        k = int(max(label.max(), self.labels.max(), *(volumes or {0: 0.0}))) + 1
        pure = self.labels.reshape(-1).copy()
        pure[voxel] = 0  # what a mixed voxel was called so far means nothing
        sure = np.bincount(pure, minlength=k).astype(float)
        wanted = np.bincount(label, share, k)
        for t, volume in (volumes or {}).items():
            wanted[t] = max(volume - sure[t], 0.0)
        wanted = wanted[1:]
        order = np.lexsort((label, voxel))
        voxel, label, share = voxel[order], label[order], share[order]
        where, row = np.unique(voxel, return_inverse=True)
        matter, volume = self._matter(voxel, label, share, pure)[where], float(wanted.sum())
        slack = FLAT * (volume + np.count_nonzero(pure))
        body = largest(matter, round(volume), _pattern(self.labels.shape, where), slack)
        share = share + self._preference(voxel, label, share, pure)
        flat = self.labels.reshape(-1)
        flat[where[~body]] = 0
        if not body.any():
            return self.labels
        keep = body[row] & (label > 0)
        inside, row = np.unique(row[keep], return_inverse=True)
        label, share = label[keep], share[keep]
        flat[where[inside]] = assigned(row, label - 1, share, _whole_numbers(wanted, len(inside))) + 1
        return self.labels

    def _matter(self, voxel: np.ndarray, label: np.ndarray, share: np.ndarray, pure: np.ndarray) -> np.ndarray:
        """Share of all tissue (n,) per voxel of the grid, with a little of what its neighbours have."""
        matter = (pure > 0).astype(float)
        np.add.at(matter, voxel[label > 0], share[label > 0])
        return np.round(matter, 6) + AROUND * _around(matter.reshape(self.labels.shape)).reshape(-1)

    def _preference(self, voxel: np.ndarray, label: np.ndarray, share: np.ndarray, pure: np.ndarray) -> np.ndarray:
        """What decides between equal shares (m,): first how much of the tissue is around, then an even pattern."""
        out = SPREAD * ((label * _pattern(self.labels.shape, voxel)) % 1.0)
        for t in np.unique(label[label > 0]):
            own = label == t
            at = np.unravel_index(voxel[own], self.labels.shape)
            low = [max(int(i.min()) - 1, 0) for i in at]
            part = tuple(slice(a, int(i.max()) + 2) for a, i in zip(low, at, strict=True))
            here = tuple(i - a for a, i in zip(low, at, strict=True))
            dense = (pure.reshape(self.labels.shape)[part] == t).astype(float)
            dense[here] = share[own]
            out[own] += AROUND * _around(dense)[here]
        return out


def _around(share: np.ndarray) -> np.ndarray:
    """Mean share (nx, ny, nz) of a voxel and its 26 neighbours, without the noise of rounding."""
    from scipy import ndimage

    return np.round(ndimage.uniform_filter(share, 3, mode="nearest"), 6)


def _pattern(shape: tuple[int, ...], voxel: np.ndarray) -> np.ndarray:
    """Numbers whose multiples modulo 1 are spread evenly over the voxels, alike on both sides of each axis' middle.

    Source: additive recurrence by the powers of the root of x^4 = x + 1, M. Roberts (2018), public notes.
    """
    index = np.unravel_index(voxel, shape)
    total = np.zeros(len(voxel))
    for i, n, step in zip(index, shape, (0.8191725134, 0.6710436067, 0.5497004779), strict=True):
        total += step * np.minimum(i, n - 1 - i)
    return total


def largest(share: np.ndarray, count: int, pattern: np.ndarray, slack: float) -> np.ndarray:
    """Mask of the ``count`` largest entries (n,).

    Equal ones go together, whichever comes nearer to the count, so that flat faces stay flat; where that would miss
    the count by more than ``slack``, those with the smallest ``pattern`` (n,) come first.
    """
    order = np.lexsort((pattern % 1.0, -share))
    if 0 < count < len(share) and share[order[count - 1]] - share[order[count]] < EQUAL:
        level = share[order[count - 1]]
        above, equal = int(np.sum(share > level + EQUAL)), int(np.sum(np.abs(share - level) <= EQUAL))
        together = above if count - above < above + equal - count else above + equal
        count = together if abs(together - count) <= slack else count
    chosen = np.zeros(len(share), bool)
    chosen[order[:count]] = True
    return chosen


def assigned(row: np.ndarray, label: np.ndarray, share: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Label of every row such that label t is taken ``counts[t]`` times and the sum of shares is largest.

    The handicaps minimise a convex function, whose gradient is the difference of the counts: Newton's method on a
    smooth one in its place, which softens the choice over a range of shares that shrinks in steps.

    Parameters
    ----------
    row : (n,) int ndarray
        Rows 0 to m - 1 in order, each at least once.
    label, share : (n,) ndarray
        What the row may take, and how much of it there is.
    counts : (k,) int ndarray
        How often each label is to be taken; they add up to m.
    """
    start = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    handicap = np.zeros(len(counts))
    for softness in SOFTNESS:
        for _ in range(STEPS):
            soft, step = _newton(row, label, share, start, counts, handicap, softness)
            handicap = (handicap + step).clip(-2.0, 2.0)
            if np.abs(soft - counts).max() < 0.25:
                break
    best = share + handicap[label]
    first = np.flatnonzero(best == np.maximum.reduceat(best, start)[row])
    taken: np.ndarray = label[first[np.unique(row[first], return_index=True)[1]]]
    return taken


def _newton(
    row: np.ndarray,
    label: np.ndarray,
    share: np.ndarray,
    start: np.ndarray,
    counts: np.ndarray,
    handicap: np.ndarray,
    softness: float,
) -> tuple[np.ndarray, np.ndarray]:
    """How often each label is taken (k,), and the next change of the handicaps (k,)."""
    from scipy.sparse import csr_array

    best = (share + handicap[label]) / softness
    weight = np.exp(best - np.maximum.reduceat(best, start)[row])
    weight /= np.add.reduceat(weight, start)[row]
    soft = np.bincount(label, weight, len(counts))
    P = csr_array((weight, label, np.r_[start, len(row)]), shape=(len(start), len(counts)))
    curvature = (np.diag(soft) - (P.T @ P).toarray()) / softness
    # What all handicaps have in common does not matter, nor does a label that nothing competes with.
    curvature += 1e-3 * np.eye(len(counts))
    step = np.linalg.solve(curvature, counts - soft)
    longest = np.abs(step).max()
    return soft, step * min(1.0, 4 * softness / longest) if longest > 0 else step


def _whole_numbers(parts: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers nearest to the parts that add up to ``total``."""
    parts = parts * (total / parts.sum())
    whole = np.floor(parts).astype(int)
    missing = total - int(whole.sum())
    whole[np.argsort(whole - parts, kind="stable")[:missing]] += 1
    return whole


def sampled(
    paint: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], axes: Iterable[np.ndarray], spacing: Any, n: int
) -> Shares:
    """Shares from n^3 points per voxel.

    Parameters
    ----------
    paint : callable
        ``paint(x, y, z)`` gives the labels (nx, ny, nz) of the points of three axes.
    axes : three float ndarrays
        Voxel centres along x, y and z.
    spacing : three floats
        Voxel edges, in the unit of the axes.
    n : int
        Points per voxel and axis.
    """
    centres = [np.asarray(a, float) for a in axes]
    offset = (np.arange(n) + 0.5) / n - 0.5
    fine = [(c[:, None] + h * offset).ravel() for c, h in zip(centres, spacing, strict=True)]
    shape = tuple(len(c) for c in centres)
    out = Shares(shape, spacing)
    index = np.arange(math.prod(shape)).reshape(shape)
    for low, high in _slabs(shape, n):
        labels = paint(fine[0], fine[1], fine[2][low * n : high * n])
        every = [labels[i::n, j::n, k::n] for i in range(n) for j in range(n) for k in range(n)]
        least, most = every[0].copy(), every[0].copy()
        for one in every[1:]:
            np.minimum(least, one, out=least)
            np.maximum(most, one, out=most)
        out.labels[:, :, low:high] = most
        mixed = least != most
        inside, voxels = np.stack([one[mixed] for one in every]), index[:, :, low:high][mixed]
        for label in np.unique(inside):
            count = np.count_nonzero(inside == label, axis=0)
            some = count > 0
            out.note(voxels[some], int(label), count[some] / n**3)
    return out


def _slabs(shape: tuple[int, ...], n: int) -> Iterator[tuple[int, int]]:
    step = max(1, POINTS_AT_ONCE // max(1, shape[0] * shape[1] * n**3))
    for low in range(0, shape[2], step):
        yield low, min(low + step, shape[2])


def mapped(maps: Iterable[tuple[int, np.ndarray]], shape: tuple[int, ...]) -> Shares:
    """Shares from (label, share) pairs of the tissues, (nx, ny, nz) each; what is left of a voxel is background."""
    out = Shares(shape)
    total = np.zeros(shape, np.float32)
    for label, share in maps:
        flat = share.reshape(-1)
        out.labels[share > 1 - 1e-5] = label
        some = np.flatnonzero((flat > 1e-5) & (flat <= 1 - 1e-5))
        out.note(some, label, flat[some])
        total += share
    rest = 1 - total.reshape(-1)
    some = np.flatnonzero((rest > 1e-5) & (rest <= 1 - 1e-5))
    out.note(some, 0, rest[some])
    return out
