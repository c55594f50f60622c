r"""What limits are compared with: B at the points of a body where it is largest, E in voxels at a percentile.

Each component of B, of its change, and of dB/dt as a rigid body sees it is harmonic, so that their lengths are largest
at the surface of the body. Of its voxels those count that are largest at the moments when the sum over a sample of the
body is; they are followed along the whole trajectory.

E is followed in the voxels of every tissue whose largest value over time is the 99th percentile of the tissue's, which
ICNIRP compares with its limits, and in the largest ones, where a staircase of voxels shows.

Source: ICNIRP, Health Phys. 99 (2010) 818 (99th percentile of a tissue).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compliance.frequency_weights import DIRECTIVE, ICNIRP, ICNIRP_2014, Weighting, weighting
from emdose.compliance.workers import WINDOW_s
from emdose.scenarios.kinds.motion.build import HEAD, LIMBS, region
from emdose.solvers.moving.field import farthest
from emdose.solvers.moving.surroundings import Surroundings

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.induction.trajectories import BodyPoses
    from emdose.solvers.moving.course import MotionCourse
    from emdose.solvers.results.induced import InducedField

FOLLOWED = 20
"""Points of the surface that are followed for each of B, its change and dB/dt."""
BESIDE = 3
"""Voxels at the percentile that are followed in each tissue, fewer where these would be among the largest."""
LARGEST = 5
LEAST = 100
"""Tissues of fewer voxels share one percentile: that of a few voxels is their largest value."""
PERCENT = 99.0
WEIGHTINGS: Mapping[str, tuple[tuple[str, dict[str, Any], str], ...]] = {
    DIRECTIVE: (("E sensory ELV", {}, HEAD), ("E health ELV", {}, "body")),
    ICNIRP_2014: (("E uncontrolled", {}, HEAD), ("E controlled", {}, "body")),
}


@dataclass(frozen=True, eq=False)
class SeenField:
    """B and dB/dt over time at points of a body.

    Parameters
    ----------
    B_T, dBdt_T_s : (t, n, 3) ndarray
        In the axes of the body.
    limbs : (n,) bool ndarray
        Which points lie in limbs.
    inner_B_T, inner_dBdt_T_s : (t, n, 3) ndarray
        The same a voxel further towards the middle: the surface is known to a voxel at most.
    """

    B_T: np.ndarray
    dBdt_T_s: np.ndarray
    limbs: np.ndarray
    inner_B_T: np.ndarray
    inner_dBdt_T_s: np.ndarray


@dataclass(frozen=True, eq=False)
class FollowedVoxels:
    """E over time in voxels at a percentile, and in the largest ones.

    Parameters
    ----------
    typical, largest : (t, n, 3) ndarray
        Field [V/m].
    head, largest_head : (n,) bool ndarray
        Which of the voxels lie in the head.
    """

    typical: np.ndarray
    largest: np.ndarray
    head: np.ndarray
    largest_head: np.ndarray


def moments(course: MotionCourse) -> list[int]:
    """When |B| and |dB/dt| are largest, and between which two times B changes most within 3 s."""
    t, B = course.times_s, course.B_T
    best, pair = -1.0, (0, 1)
    for lag in range(1, len(t)):
        near = np.flatnonzero(t[lag:] - t[:-lag] <= WINDOW_s * (1 + 1e-9))
        if not len(near):
            break
        size2 = ((B[lag:][near] - B[:-lag][near]) ** 2).sum(axis=2).max(axis=1)
        at = int(size2.argmax())
        if size2[at] > best:
            best, pair = float(size2[at]), (int(near[at]), int(near[at]) + lag)
    return [int(course.largest_B_T.argmax()), int(course.largest_dBdt_T_s.argmax()), *pair]


def seen(magnet: Any, body: Phantom, poses: BodyPoses, at: BodyPoses) -> SeenField:
    """B and dB/dt over time at the points of the surface where they are largest.

    Parameters
    ----------
    magnet : StaticField
        The magnet.
    body : Phantom
        Body or part.
    poses : BodyPoses
        All poses.
    at : BodyPoses
        Those of :func:`moments`.
    """
    points, limbs = _surface(body)
    around = Surroundings(magnet, farthest(poses, points))
    B, rates = around.seen(at, points)
    sizes = [np.linalg.norm(v, axis=1) for v in (B[0], rates[1], B[3] - B[2])]
    kept: list[np.ndarray] = []
    for group in (np.flatnonzero(limbs), np.flatnonzero(~limbs)):
        kept += [group[np.argsort(-size[group], kind="stable")[:FOLLOWED]] for size in sizes]
    index = np.unique(np.concatenate(kept))
    inwards = points.mean(axis=0) - points[index]
    size = np.linalg.norm(inwards, axis=1, keepdims=True)
    step = np.minimum(max(body.spacing_m), size) * inwards / np.maximum(size, 1e-12)
    inner = around.seen(poses, points[index] + step)
    return SeenField(*around.seen(poses, points[index]), limbs[index], *inner)


def followed(induced: InducedField, weights: np.ndarray, peak: np.ndarray) -> FollowedVoxels:
    """E over time in voxels at the 99th percentile of every tissue, inside and outside of the head, and in the largest.

    Parameters
    ----------
    induced : InducedField
        Unit fields.
    weights : (t, sources) ndarray
        What they are summed with.
    peak : (m,) ndarray
        Largest |E| of every voxel over time [V/m].
    """
    head = in_head(induced)
    typical, largest = [], []
    for inside in (True, False):
        here = np.flatnonzero(head == inside)
        if not len(here):
            continue
        labels = induced.labels[here].astype(int)
        small = np.bincount(labels)[labels] < LEAST
        labels[small & (not small.all())] = -1
        for label in np.unique(labels):
            own = here[labels == label]
            order = own[np.argsort(peak[own], kind="stable")]
            rank = int(np.ceil(0.01 * PERCENT * len(order))) - 1
            typical.append(order[rank : rank + min(BESIDE, max(1, len(order) // 1000))])
        largest.append(here[np.argsort(-peak[here], kind="stable")[:LARGEST]])
    some, top = np.concatenate(typical), np.concatenate(largest)
    return FollowedVoxels(_along(induced, weights, some), _along(induced, weights, top), head[some], head[top])


def in_head(induced: InducedField) -> np.ndarray:
    """Which of the voxels that conduct lie in the head, (m,) bool; all of them in a body without such a region."""
    mask = region(induced.phantom, (HEAD,))
    return np.ones(len(induced.cells), bool) if mask is None else np.asarray(mask.reshape(-1)[induced.cells])


def weightings(standard: str, group: str) -> list[tuple[Weighting, str]]:
    """Weights of E of a document, and whether they are those of the head or of the body."""
    rows = WEIGHTINGS.get(standard, ())
    if standard == ICNIRP:
        regions = (("CNS head", HEAD), ("all tissues", "body"))
        rows = tuple(("E", {"mode": group, "region": r}, where) for r, where in regions)
    return [(weighting(standard, quantity, **more), where) for quantity, more, where in rows]


def index_course(weights: Weighting, times_s: np.ndarray, E: np.ndarray) -> np.ndarray:
    """Largest weighted length over the voxels from each of the times to the next one, (t,)."""
    flat = np.ascontiguousarray(E).reshape(len(times_s), -1)
    t, first, last = weights.filtered(times_s, flat[:-1], flat[1:], "settled")
    out = np.zeros(len(times_s))
    for at, values in ((t[:-1], first), (t[1:], last)):
        size = np.linalg.norm(values.reshape(len(values), -1, 3), axis=2).max(axis=1)
        np.maximum.at(out, np.clip(np.searchsorted(times_s, at, side="right") - 1, 0, len(out) - 1), size)
    return out


def running_change(times_s: np.ndarray, B_T: np.ndarray) -> np.ndarray:
    """Largest change of B of any point since any of the times of the last 3 s, (t,) [T]."""
    out = np.zeros(len(times_s))
    for k in range(1, len(times_s)):
        first = int(np.searchsorted(times_s, times_s[k] - WINDOW_s * (1 + 1e-9)))
        out[k] = float(np.linalg.norm(B_T[first:k] - B_T[k], axis=2).max())
    return out


def _along(induced: InducedField, weights: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    part = np.asarray(induced.E[:, :, voxels], float)
    return np.ascontiguousarray(np.einsum("ts,scn->tnc", weights, part))


def _surface(body: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the outermost voxels (n, 3) [m], and which of them lie in limbs."""
    padded = np.pad(body.body, 1)
    deep = np.ones(body.grid.shape, bool)
    for axis in range(3):
        for start in (0, 2):
            window = [slice(1, -1)] * 3
            window[axis] = slice(start, start + body.grid.shape[axis])
            deep &= padded[tuple(window)]
    outer = body.body & ~deep
    limbs = region(body, LIMBS)
    index = np.argwhere(outer)
    points = np.asarray(body.grid.origin_m) + (index + 0.5) * np.asarray(body.grid.spacing_m)
    return points, np.zeros(len(points), bool) if limbs is None else np.asarray(limbs[outer])
