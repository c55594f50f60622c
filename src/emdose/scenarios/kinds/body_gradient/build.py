"""From the tables of a ``body-gradient`` scenario to sources, waveforms, and the rates that matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from emdose.models.gradients.coils import GradientSet, UniformField
from emdose.models.gradients.sinusoid import Sinusoid
from emdose.models.induction.sources import Switched
from emdose.scenarios.shared.implants.exposures import BuiltExposure, exposures

DIRECTIONS = np.array([v for v in product((1.0, 0.0, -1.0), repeat=3) if v > (0.0, 0.0, 0.0)])
"""Directions of a uniform field among which "worst" is searched, to be normalised."""


@dataclass(frozen=True, eq=False)
class Drive:
    """How an exposure drives the solved sources.

    Parameters
    ----------
    exposure : BuiltExposure
        The exposure.
    sources : slice
        Which of the solved sources its axes drive.
    matrix : (3, axes) ndarray
        Drives of these sources per rate of every axis of the waveform.
    """

    exposure: BuiltExposure
    sources: slice
    matrix: np.ndarray

    def rates(self) -> np.ndarray:
        """Drives between which all drives over time lie: the corners of their convex hull, (n, 3)."""
        wave = self.exposure.waveform
        if isinstance(wave, Sinusoid):
            peak = np.sqrt(2.0) * np.asarray(wave.rms)
            return np.asarray(peak)[None] @ self.matrix.T
        points = np.unique(np.concatenate([wave.starts, wave.stops]), axis=0) @ self.matrix.T
        return corners(points)


def corners(points: np.ndarray) -> np.ndarray:
    """Points (n, 3) that are corners of the convex hull of all and of their mirror images, without mirror images.

    A field's magnitude is convex in the drives and does not know their sign, so that it is largest at one of these.
    """
    from scipy.spatial import ConvexHull, QhullError

    points = points[np.linalg.norm(points, axis=1) > 1e-9 * np.abs(points).max()]
    both = np.concatenate([points, -points])
    _, size, axes = np.linalg.svd(both, full_matrices=False)
    rank = int((size > 1e-9 * size[0]).sum())
    flat = both @ axes[:rank].T
    if rank == 1:
        return points[[int(np.argmax(np.abs(points @ axes[0])))]]
    try:
        found = ConvexHull(flat).vertices
    except QhullError:
        found = np.arange(len(both))
    chosen = both[found]
    first = chosen[:, 0] + 1e-6 * chosen[:, 1] + 1e-12 * chosen[:, 2]
    return chosen[first > 0] if np.any(first > 0) else chosen


def sources(coils: GradientSet | None, tables: Any, by_coils: bool, uniform: bool) -> list[Switched]:
    """What is solved: three gradients, three uniform fields, or both."""
    found = []
    if by_coils:
        assert coils is not None
        found += [Switched(s, "T/m/s", tables.gradients.position_m) for s in coils.sources]
    if uniform:
        found += [
            Switched(UniformField(tuple(e), f"uniform B{a}"), "T/s") for a, e in zip("xyz", np.eye(3), strict=True)
        ]
    return found


def built_exposures(tables: Any, coils: GradientSet | None, file: object = None) -> list[BuiltExposure]:
    """The exposures of a scenario; their places in the coils are those of the body."""
    return exposures(tables, coils, np.zeros(3), False, 1.0, file)


def drives(built: Sequence[BuiltExposure]) -> list[Drive]:
    """How exposures drive the sources of :func:`sources`; that of a "worst" direction is left open as the identity."""
    by_coils = any(e.by_coils for e in built)
    found = []
    for one in built:
        first = 0 if one.by_coils or not by_coils else 3
        axes = one.waveform.rms.shape[0]
        if one.by_coils:
            matrix = np.eye(3)[:, :axes]
        elif one.matrix is not None:
            matrix = np.asarray(one.matrix)[:3]
        elif isinstance(one.direction, str):
            matrix = np.full((3, 1), np.nan)
        else:
            matrix = np.asarray(one.direction, float)[:3, None]
        found.append(Drive(one, slice(first, first + 3), matrix))
    return found


def tissue_frequency(built: Sequence[BuiltExposure], given: float | None) -> float:
    """Frequency that properties of tissue are taken at: the given one, or the mean over the power of all rates [Hz]."""
    if given is not None:
        return given
    means = []
    for one in built:
        spectrum = one.waveform.harmonics(max_frequency_Hz=1e5)
        weight = (np.abs(spectrum.amplitudes) ** 2).sum(axis=1)
        means.append(float((weight * spectrum.frequencies_Hz).sum() / weight.sum()))
    return float(f"{np.exp(np.mean(np.log(means))):.3g}")
