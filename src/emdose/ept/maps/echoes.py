"""Phase at echo time zero from several echoes, with what noise and residuals leave uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import real_array
from emdose.ept.maps.phase import unwrap
from emdose.errors import InputError
from emdose.values import read_only

LONGEST_ECHO_s = 1.0
"""Longest echo time that is taken for seconds."""
ALARM = 3.0
"""Standard deviations by which the scatter about the line must exceed noise before it counts."""


@read_only(units={"phase": "rad", "u_phase": "rad", "off_resonance_Hz": "Hz", "u_off_resonance_Hz": "Hz"})
@dataclass(frozen=True, eq=False)
class EchoFit:
    """A straight line through the phases of the echoes of every voxel.

    Parameters
    ----------
    phase : (nx, ny, nz) ndarray
        Phase at echo time zero [rad], known but for a constant and for turns; NaN outside the mask.
    off_resonance_Hz : (nx, ny, nz) ndarray
        Slope over 2 pi [Hz], known but for a constant multiple of 1 / (smallest distance of two echoes); NaN outside.
    u_phase, u_off_resonance_Hz : (nx, ny, nz) ndarray, optional
        Their standard uncertainties; None when neither noise nor a third echo tells.
    scatter : float, optional
        Root mean square over the mask of the weighted residuals over the stated noise, 1 when the phases follow the
        line; None for two echoes or without stated noise.
    """

    phase: np.ndarray
    off_resonance_Hz: np.ndarray
    u_phase: np.ndarray | None = None
    u_off_resonance_Hz: np.ndarray | None = None
    scatter: float | None = None


def phase_at_echo_zero(
    phase: np.ndarray,
    echo_times_s: Sequence[float],
    magnitude: np.ndarray | None = None,
    noise: float | np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> EchoFit:
    """Phase at echo time zero, by a weighted straight line through the phases of several echoes.

    phi(TE) = phi_0 + 2 pi f TE, where phi_0 is the transceive phase that EPT wants and f the off-resonance. Phases are
    unwrapped from echo to echo: the closest two by their difference, which is unwrapped over the mask, the others by
    the line through those before.

    Parameters
    ----------
    phase : (echo, nx, ny, nz) ndarray
        Phase of every echo [rad], wrapped or not.
    echo_times_s : sequence of float
        Echo times [s], two or more.
    magnitude : (echo, nx, ny, nz) ndarray, optional
        Magnitude of the images: u(phase) goes with its inverse, which gives the weights. Equal weights without it.
    noise : float or (nx, ny, nz) ndarray, optional
        Standard uncertainty of the phase [rad]: a number holds where the magnitude is the median of that of the first
        echo in the mask, a map is that of the first echo. Without it noise is estimated from the residuals, which takes
        three echoes.
    mask : (nx, ny, nz) bool ndarray, optional
        The object; by default where every echo is finite.

    Returns
    -------
    EchoFit
        Where residuals around a voxel exceed the noise (a phase that is not linear in time), its uncertainty grows with
        them.

    Raises
    ------
    InputError
        For shapes that do not fit, fewer than two echoes, and echo times that coincide or are no seconds.
    """
    phase = np.asarray(phase, float)
    times = _times(echo_times_s, phase)
    inside = np.isfinite(phase).all(axis=0)
    if magnitude is not None:
        magnitude = np.asarray(magnitude, float)
        if magnitude.shape != phase.shape:
            raise InputError("shape differs from the phase", field="magnitude", found=magnitude.shape)
        inside &= np.isfinite(magnitude).all(axis=0) & (magnitude > 0).all(axis=0)
    if mask is not None:
        inside &= np.asarray(mask, bool)
    if not inside.any():
        raise InputError("no voxel has all echoes", field="mask", expected="at least one voxel with data")
    lines = _unwrapped_in_time(phase, times, inside)
    u = _relative(magnitude, noise, inside, lines.shape)
    weight = 1 / u**2
    # The line of weighted least squares in closed form, with times about their weighted mean.
    total = weight.sum(axis=0)
    mean_t = (weight * times[:, None]).sum(axis=0) / total
    about = times[:, None] - mean_t
    spread = (weight * about**2).sum(axis=0)
    slope = (weight * about * lines).sum(axis=0) / spread
    start = (weight * lines).sum(axis=0) / total - slope * mean_t
    left = weight * (lines - start - slope * times[:, None]) ** 2
    variance, scatter = _variance(left.sum(axis=0), len(times) - 2, noise is not None, inside)
    u_start = None if variance is None else np.sqrt(variance * (1 / total + mean_t**2 / spread))
    u_slope = None if variance is None else np.sqrt(variance / spread) / (2 * np.pi)

    def whole(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        out = np.full(inside.shape, np.nan)
        out[inside] = values
        return out

    found, off = whole(start), whole(slope / (2 * np.pi))
    assert found is not None
    assert off is not None
    return EchoFit(found, off, whole(u_start), whole(u_slope), scatter)


def _times(echo_times_s: Sequence[float], phase: np.ndarray) -> np.ndarray:
    times = real_array(echo_times_s)
    field = "echo_times_s"
    if times is None or times.ndim != 1 or len(times) < 2:
        raise InputError("bad echo times", field=field, found=echo_times_s, expected="two or more numbers in seconds")
    if phase.ndim != 4 or len(phase) != len(times):
        found = f"{len(times)} echo times, phases of shape {phase.shape}"
        raise InputError("echo times do not fit the phases", field=field, found=found, expected="one for every echo")
    if not np.all(np.isfinite(times)) or times.min() < 0 or times.max() > LONGEST_ECHO_s:
        raise InputError("bad echo times", field=field, found=echo_times_s, expected="seconds (milliseconds given?)")
    if np.min(np.diff(np.sort(times))) < 1e-6:
        raise InputError("two echoes at one time", field=field, found=echo_times_s, expected="times that differ")
    return times


def _unwrapped_in_time(phase: np.ndarray, times: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Phases of the voxels inside, (echo, voxel): each within half a turn of the line through those before."""
    order = np.argsort(times)
    first = int(np.argmin(np.diff(times[order])))
    a, b = int(order[first]), int(order[first + 1])
    step = unwrap(np.where(inside, np.angle(np.exp(1j * (phase[b] - phase[a]))), 0.0), inside)[inside]
    step -= 2 * np.pi * np.round(np.median(step) / (2 * np.pi))
    lines = phase[:, inside]
    lines[b] = lines[a] + step
    known = [a, b]
    for n in sorted(set(range(len(times))) - {a, b}, key=lambda n: abs(times[n] - times[a])):
        mean = times[known].mean()
        about = times[known] - mean
        slope = (about[:, None] * lines[known]).sum(axis=0) / (about**2).sum()
        line = lines[known].mean(axis=0) + slope * (times[n] - mean)
        lines[n] += 2 * np.pi * np.round((line - lines[n]) / (2 * np.pi))
        known.append(n)
    return lines


def _relative(
    magnitude: np.ndarray | None, noise: float | np.ndarray | None, inside: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Standard uncertainty of every phase [rad], or 1 / magnitude in units of the median where no noise is stated."""
    level = np.ones(1) if noise is None else np.asarray(noise, float)
    level = level[inside] if level.ndim == 3 else level.reshape(-1)
    if not np.all(np.isfinite(level)) or np.any(level <= 0):
        raise InputError("not a standard uncertainty", field="noise", expected="finite numbers > 0")
    if magnitude is None:
        return np.broadcast_to(level, shape)
    m = magnitude[:, inside]
    base = m[0] if level.size > 1 else np.median(m[0])
    return level * base / m


def _variance(
    chi2: np.ndarray, freedom: int, stated: bool, inside: np.ndarray
) -> tuple[np.ndarray | None, float | None]:
    """Factor on the variance that the weights imply, (voxel), and the scatter over the stated noise."""
    if freedom == 0:
        return (np.ones_like(chi2), None) if stated else (None, None)
    from scipy.ndimage import uniform_filter

    # The median of chi^2 tells noise apart from the few voxels that do not follow a line.
    from scipy.stats import chi2 as law

    level = 1.0 if stated else float(np.median(chi2) / law.median(freedom))
    level = max(level, np.finfo(float).tiny)
    summed, count = np.zeros(inside.shape), uniform_filter(inside.astype(float), 3, mode="constant")[inside]
    summed[inside] = chi2 / (freedom * level)
    around = uniform_filter(summed, 3, mode="constant")[inside] / count
    voxels = np.maximum(27 * count, 1)
    excess = np.where(around > 1 + ALARM * np.sqrt(2 / (freedom * voxels)), around, 1.0)
    scatter = float(np.sqrt(np.mean(chi2) / freedom)) if stated else None
    return level * excess, scatter
