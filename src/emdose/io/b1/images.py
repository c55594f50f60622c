"""From images of several echoes and receive channels to one phase: unit, combination, echo time zero, uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.ept.maps.echoes import phase_at_echo_zero
from emdose.ept.maps.phase import in_radians
from emdose.ept.maps.receivers import combine_receivers
from emdose.errors import InputError
from emdose.io.b1.phase_scale import phase_scale
from emdose.values import read_only

SHARE, PERCENTILE = 0.1, 99.0
"""Without a mask the object is where the image is above this share of this percentile."""


@read_only
@dataclass(frozen=True, eq=False)
class ImagePhase:
    """One phase [rad] with its uncertainty, and what of the images is of use besides.

    Parameters
    ----------
    phase : (nx, ny, nz) ndarray
        Phase [rad]; 0 outside the mask where it is of several echoes.
    u_phase : (nx, ny, nz) ndarray, float or None
        Its standard uncertainty [rad].
    image : (nx, ny, nz) ndarray, optional
        Magnitude of the first echo, root of the sum of squares over receive channels.
    mask : (nx, ny, nz) bool ndarray, optional
        The object.
    notes : tuple of str
        What was done.
    """

    phase: np.ndarray
    u_phase: Any
    image: np.ndarray | None
    mask: np.ndarray | None
    notes: tuple[str, ...]


def scaled(phase: np.ndarray, unit: str | float | None, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """A phase [rad], and a note on the scale where its range told it."""
    if unit is not None:
        return in_radians(phase, unit, file=name), ()
    scale = phase_scale(phase, name)
    if scale.radians == 1.0:
        return phase, ()
    return phase * scale.radians, (f"phase in {scale.words}, by its range",)


def image_phase(
    magnitude: np.ndarray | None,
    phase: np.ndarray,
    *,
    echo_times_s: Sequence[float] | None,
    receivers: str | None,
    noise: Any = None,
    mask: np.ndarray | None = None,
    name: str = "",
) -> ImagePhase:
    """The phase of images (echo, receiver, nx, ny, nz): receive channels combined, echoes taken to time zero.

    Parameters
    ----------
    magnitude, phase : (echo, receiver, nx, ny, nz) ndarray
        Of the images; the phase in radians.
    echo_times_s : sequence of float, optional
        Echo times [s]; needed for several echoes. One echo keeps its phase.
    receivers : {"svd", "aligned"}, optional
        How receive channels are combined; "svd" by default.
    noise : float or (nx, ny, nz) ndarray, optional
        Standard uncertainty of the phase of the first echo [rad]; a number at its median magnitude in the mask.
    mask : (nx, ny, nz) bool ndarray, optional
        The object.
    name : str
        For errors.

    Raises
    ------
    InputError
        For several receive channels without magnitudes, and several echoes without times.
    """
    notes: list[str] = []
    if magnitude is not None and magnitude.shape != phase.shape:
        raise InputError(
            "images and phases of different shapes",
            file=name,
            field="image",
            found=magnitude.shape,
            expected=str(phase.shape),
        )
    if echo_times_s is not None and len(echo_times_s) != len(phase):
        found = f"{len(echo_times_s)} echo times, {len(phase)} echoes"
        raise InputError(
            "echo times do not fit the phases", file=name, field="echo_times_s", found=found, expected="one for each"
        )
    shown = None if magnitude is None else np.sqrt((magnitude[0] ** 2).sum(axis=0))
    if mask is None and shown is not None:
        level = float(np.nanpercentile(shown, PERCENTILE))
        mask = shown > SHARE * level
        notes.append(
            f"mask: where the image is above {SHARE:.0%} of its {PERCENTILE:g}th percentile; mask= names a better one"
        )
    if phase.shape[1] > 1:
        if magnitude is None:
            raise InputError(
                "several receive channels need the magnitude of the images",
                file=name,
                field="image",
                expected="magnitudes",
            )
        seen = combine_receivers(magnitude * np.exp(1j * phase), receivers or "svd", mask)
        notes.append(seen.method)
        phase, magnitude = np.angle(seen.images), np.abs(seen.images)
    else:
        phase, magnitude = phase[:, 0], None if magnitude is None else magnitude[:, 0]
    if len(phase) == 1:
        return ImagePhase(phase[0], _spread(magnitude, noise, mask), shown, mask, tuple(notes))
    if echo_times_s is None:
        raise InputError(
            "echo times missing",
            file=name,
            field="echo_times_s",
            found=f"{len(phase)} echoes",
            expected="a time [s] for each",
        )
    fit = phase_at_echo_zero(phase, echo_times_s, magnitude, noise, mask)
    inside = np.isfinite(fit.phase)
    times = ", ".join(f"{1e3 * t:g}" for t in sorted(echo_times_s))
    told = f"phase at echo time zero by a weighted line through {len(phase)} echoes ({times} ms); off-resonance "
    low, high = np.percentile(fit.off_resonance_Hz[inside], [5, 95])
    told += f"{low:.3g} to {high:.3g} Hz (5 to 95 % of the voxels)"
    if fit.scatter is not None:
        told += f"; residuals {fit.scatter:.2g} times the stated noise"
    elif fit.u_phase is None:
        told += "; two echoes tell no noise: give noise= for an uncertainty"
    notes.append(told)
    spread = None if fit.u_phase is None else np.where(inside, fit.u_phase, 0.0)
    return ImagePhase(np.where(inside, fit.phase, 0.0), spread, shown, inside, tuple(notes))


def _spread(magnitude: np.ndarray | None, noise: Any, mask: np.ndarray | None) -> Any:
    """Uncertainty of the phase of one echo [rad]: a number holds at the median magnitude, and goes with its inverse."""
    if noise is None or magnitude is None or mask is None or np.ndim(noise):
        return noise
    inside = mask & (magnitude[0] > 0)
    out = np.zeros(mask.shape)
    out[inside] = noise * np.median(magnitude[0][inside]) / magnitude[0][inside]
    return out
