r"""Which points a closed surface of triangles encloses: rays that meet few triangles, and solid angles in doubt.

A ray along one oblique direction meets only triangles in whose bin of a plane across it the point lies, some ten of any
number. Crossings count with the side from which they are crossed: their sum is the winding number. Signs of areas
decide whether a ray meets a triangle, the same for both triangles of an edge; a point whose ray passes an edge, or that
lies in a triangle, to within rounding is left to the solid angle of all triangles.
"""

from __future__ import annotations

import numpy as np

from emdose.models.implants.surface_repair import winding

AXES = np.array([[0.83, 0.4, -0.389], [-0.556, 0.537, -0.634], [-0.045, 0.742, 0.669]])
"""Two directions across the rays and that of the rays: oblique, lest edges of regular meshes lie along them."""
BINS_PER_TRIANGLE = 30
"""Of long triangles; more, and there are fewer bins."""
PAIRS = 1_000_000
"""Points and triangles looked at together."""
ROUNDING = 1e-13
"""Area over the square of the surface's size, or volume over its cube, that counts as none."""


def encloses(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether a closed surface that looks outwards encloses points, (n,) bool.

    Parameters
    ----------
    corners : (t, 3, 3) ndarray
        Corners of its triangles [m].
    points : (n, 3) ndarray
        Points [m].
    """
    middle = corners.mean(axis=(0, 1))
    # Sums by element: a corner of two triangles has to come out the same for both.
    a, p = (sum(x[..., k, None] * AXES[:, k] for k in range(3)) for x in (corners - middle, points - middle))
    size = float(np.abs(a).max())
    low, high = a[:, :, :2].min(axis=1), a[:, :, :2].max(axis=1)
    start = low.min(axis=0)
    side = 2 * int(np.sqrt(len(a)))
    while True:
        step = np.maximum((high.max(axis=0) - start) / side, np.finfo(float).tiny)
        first, last = (np.clip((x - start) // step, 0, side - 1).astype(int) for x in (low, high))
        across = last - first + 1
        each = across.prod(axis=1)
        if each.sum() <= BINS_PER_TRIANGLE * len(a) or side == 1:
            break
        side //= 2
    triangle = np.repeat(np.arange(len(a)), each)
    number = np.arange(len(triangle)) - np.repeat(np.cumsum(each) - each, each)
    i = first[triangle, 0] + number // across[triangle, 1]
    j = first[triangle, 1] + number % across[triangle, 1]
    bins = i * side + j
    order = np.argsort(bins, kind="stable")
    triangle, begin = triangle[order], np.searchsorted(bins[order], np.arange(side**2 + 1))

    found = np.zeros(len(p), bool)
    cell = ((p[:, :2] - start) // step).astype(int)
    here = np.flatnonzero(((cell >= 0) & (cell < side)).all(axis=1))
    mine = cell[here, 0] * side + cell[here, 1]
    count = begin[mine + 1] - begin[mine]
    ends = np.cumsum(count)
    low_point = 0
    while low_point < len(here):
        done = ends[low_point - 1] if low_point else 0
        high_point = max(int(np.searchsorted(ends, done + PAIRS, side="right")), low_point + 1)
        part = slice(low_point, high_point)
        n = count[part]
        at = np.repeat(np.arange(len(n)), n)
        which = triangle[np.repeat(begin[mine[part]] - (np.cumsum(n) - n), n) + np.arange(len(at))]
        turns, doubt = _turns(a[which] - p[here[part]][at][:, None], size)
        total = np.bincount(at, turns, minlength=len(n))
        found[here[part]] = total > 0.5
        unsure = here[part][np.bincount(at, doubt, minlength=len(n)) > 0]
        found[unsure] = winding(corners, points[unsure]) > 0.5
        low_point = high_point
    return found


def _turns(d: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """How rays from 0 along z cross triangles (n, 3, 3), 1 outwards, -1 inwards, 0 not; and where that is unsure."""
    x, y = d[:, :, 0], d[:, :, 1]
    after = [1, 2, 0]
    area = x * y[:, after] - y * x[:, after]  # opposite to corners 2, 0, 1
    above = (area * d[:, [2, 0, 1], 2]).sum(axis=1)  # six times the volume with the point
    sign = np.sign(area.sum(axis=1))
    reached = sign * above > -ROUNDING * size**3
    near = (sign[:, None] * area > -ROUNDING * size**2).all(axis=1) & reached
    clear = (np.abs(area) > ROUNDING * size**2).all(axis=1) & (np.abs(above) > ROUNDING * size**3)
    return np.where(near & clear, sign, 0), near & ~clear
