"""NumPy references of window.cuh."""

from __future__ import annotations

from types import SimpleNamespace as Struct

import numpy as np

STRIP = 64
"""Voxels along the last axis that one call of ``contract`` handles on a CPU; on a GPU one."""


def contract(
    shape: tuple[int, int, int],
    size: int,
    axis: int,
    inputs: int,
    outputs: int,
    r: int,
    w: np.ndarray,
    data: np.ndarray,
    out: np.ndarray,
) -> None:
    """out[f] = sum of correlations of data[b] with w[f, b] along an axis, 0 outside."""
    from scipy.ndimage import correlate1d

    full = (shape[0], shape[1], size)
    source, target = data.reshape(inputs, *full), out.reshape(outputs, *full)
    taps = w.reshape(outputs, inputs, 2 * r + 1)
    for f in range(outputs):
        target[f] = sum(correlate1d(source[b], taps[f, b], axis=axis, mode="constant") for b in range(inputs))


def phasor(
    shape: tuple[int],
    factor: float,
    magnitude: np.ndarray,
    phase: np.ndarray,
    mask: np.ndarray,
    re: np.ndarray,
    im: np.ndarray,
) -> None:
    """Complex B1+ of magnitude and phase, 0 outside the mask."""
    inside = mask.ravel() != 0
    a, p = np.where(inside, magnitude.ravel(), 0.0), np.where(inside, factor * phase.ravel(), 0.0)
    re.reshape(-1)[:] = a * np.cos(p)
    im.reshape(-1)[:] = a * np.sin(p)


def quotient(shape: tuple[int], of: Struct, re: np.ndarray, im: np.ndarray) -> None:
    """Real and imaginary part of L / C, each with its factor; NaN where not in use."""
    q = (of.lr + 1j * of.li) / (of.cr + 1j * of.ci)
    q = np.where((of.use != 0) & np.isfinite(q), q, np.nan + 1j * np.nan)
    re[...], im[...] = of.to_re * q.real, of.to_im * q.imag


def complex_noise(
    shape: tuple[int],
    maps: int,
    factor: float,
    magnitude: np.ndarray,
    phase: np.ndarray,
    u_magnitude: np.ndarray,
    u_phase: np.ndarray,
    mask: np.ndarray,
    power: np.ndarray,
    re: np.ndarray,
    im: np.ndarray,
) -> None:
    """Variance and pseudo-variance of a exp(j p) in every voxel."""
    inside = mask.ravel() != 0
    a, p = np.where(inside, magnitude.ravel(), 0.0), np.where(inside, factor * phase.ravel(), 0.0)
    s = np.where(inside, u_magnitude.ravel() if maps & 1 else u_magnitude.ravel()[0], 0.0)
    t = a * factor * np.where(inside, u_phase.ravel() if maps & 2 else u_phase.ravel()[0], 0.0)
    power.reshape(-1)[:] = s**2 + t**2
    pseudo = (s**2 - t**2) * np.exp(2j * p)
    re.reshape(-1)[:], im.reshape(-1)[:] = pseudo.real, pseudo.imag


def spread(shape: tuple[int], of: Struct, k: np.ndarray, u_re: np.ndarray, u_im: np.ndarray, cov: np.ndarray) -> None:
    """Standard uncertainties and covariance of the real and imaginary part of q = L / C."""
    n = of.lr.size
    m = k.reshape(3, 3, n)
    value, lap = (of.cr + 1j * of.ci).ravel(), (of.lr + 1j * of.li).ravel()
    q = lap / value
    power = (m[0, 2] - 2 * q.real * m[0, 1] + np.abs(q) ** 2 * m[0, 0]) / np.abs(value) ** 2
    p = m[1] + 1j * m[2]
    pseudo = (p[2] - 2 * q * p[1] + q**2 * p[0]) / value**2
    ok = of.use.ravel() != 0
    for out, one in (
        (u_re, abs(of.to_re) * np.sqrt(np.maximum(0.5 * (power + pseudo.real), 0))),
        (u_im, abs(of.to_im) * np.sqrt(np.maximum(0.5 * (power - pseudo.real), 0))),
        (cov, 0.5 * of.to_re * of.to_im * pseudo.imag),
    ):
        out.reshape(-1)[:] = np.where(ok, one, np.nan)
