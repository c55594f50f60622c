r"""The power in an implant for every orientation of it in a given periodic field, and the worst of them.

In the axes of a body that is turned by R the terms of the field are D(R) G a_h, with the terms G of the gradient axes
about its middle and the phasors a_h of a harmonic. So

.. math:: P(R) = \sum_h \mathbf a_h^H (D G)^T M(f_h)\, D G\, \mathbf a_h
               = \sum_{iajb} (DG)_{ia} (DG)_{jb}\; \operatorname{Re} \sum_h M_{ij}(f_h)\, a_{ha}^* a_{hb} ,

one quadratic form for all orientations, places and sets of coils. D holds rotation matrices of degree 1 and 2, hence P
has no component above degree 4 over the rotations: its maxima are some 40 degrees wide, and a grid of 10 degrees
misses none.

Source: M. Alexa, Super-Fibonacci spirals, CVPR 2022, 8291 (the grid); E. P. Wigner, Group Theory, Academic Press 1959,
ch. 15 and 17 (products of rotation matrices).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from emdose.models.gradients.expansion import TERMS, turned
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.values import read_only

GRID = 2304
"""Rotations of the grid: about 15 degrees from one to the next."""
STARTS = 6
"""The best ones of the grid from which the maximum is sought."""
RADII_deg = (12.0, 5.0, 2.0, 0.7, 0.25)
"""Neighbourhoods that are searched one after the other."""
NEAR = 96
"""Rotations tried in each."""


@read_only
@dataclass(frozen=True, eq=False)
class PowerForm:
    """Power of a waveform on several axes as a quadratic form of what the axes make at the implant.

    Parameters
    ----------
    form : (n axes, n axes) ndarray
        Symmetric, for n terms, 8 or the 3 uniform ones; rows run over the terms of the field, then over the axes
        [W per (unit of term per unit of drive)^2].
    """

    form: np.ndarray

    def __call__(self, matrices: np.ndarray) -> np.ndarray:
        """Power (...) [W] for matrices (..., n, axes) such as those of :meth:`GradientSet.matrix`, perhaps turned."""
        flat = np.asarray(matrices, float).reshape(*np.shape(matrices)[:-2], -1)
        return np.asarray(np.maximum(np.einsum("...i,...i->...", flat @ self.form, flat), 0.0))


def power_form(tensor: PowerTensor, drive: Any) -> PowerForm:
    """The form of a tensor and a spectrum of the drive of every axis.

    Parameters
    ----------
    tensor : PowerTensor
        With the sources "uniform+linear" or "uniform".
    drive : object with frequencies_Hz (h,) and amplitudes (h, axes)
        Peak phasors of the slew rates, such as ``waveform.harmonics()``.
    """
    a = np.asarray(drive.amplitudes) / math.sqrt(2)
    M = tensor.at(drive.frequencies_Hz)
    form = np.einsum("hij,ha,hb->iajb", M, a.conj(), a, optimize=True).real
    flat = form.reshape(len(tensor.sources) * a.shape[1], -1)
    return PowerForm(0.5 * (flat + flat.T))


def worst_turn(
    value: Callable[[np.ndarray], np.ndarray],
    grid: np.ndarray | None = None,
    *,
    least: bool = False,
    starts: int = STARTS,
) -> tuple[float, np.ndarray]:
    """The largest value over all rotations, and where it is.

    Parameters
    ----------
    value : callable
        Rotations (n, 3, 3) -> values (n,).
    grid : (GRID,) ndarray, optional
        Values on :func:`rotations`, where they are known already.
    least : bool
        Seek the smallest instead.
    starts : int
        From how many rotations of the grid it is sought.

    Returns
    -------
    float, (3, 3) ndarray
        Value and rotation matrix.
    """
    sign = -1.0 if least else 1.0
    tried = rotations()
    found = sign * (value(tried) if grid is None else np.asarray(grid))
    best, where = -math.inf, np.eye(3)
    for start in _apart(tried, found, starts):
        R, here = tried[start], float(found[start])
        for radius in RADII_deg:
            near = _near(radius) @ R
            values = sign * value(near)
            k = int(np.argmax(values))
            if values[k] > here:
                R, here = near[k], float(values[k])
        if here > best:
            best, where = here, R
    return sign * best, where


def turned_matrices(matrix: np.ndarray, rotations_: np.ndarray) -> np.ndarray:
    """The terms (8, axes), or the uniform ones (3, axes), in the axes of bodies turned by rotations (..., 3, 3)."""
    n = len(matrix)
    turns = turned(rotations_) if n == TERMS else np.swapaxes(rotations_, -1, -2)
    return np.asarray(turns @ matrix)


@cache
def rotations(count: int = GRID) -> np.ndarray:
    """Rotation matrices spread evenly over all rotations, the first of them none, (count, 3, 3)."""
    phi, psi = math.sqrt(2), 1.533751168755204288118041
    s = np.arange(count) + 0.5
    r, R = np.sqrt(s / count), np.sqrt(1 - s / count)
    alpha, beta = 2 * math.pi * s / phi, 2 * math.pi * s / psi
    out = _of_quaternions(np.stack([r * np.sin(alpha), r * np.cos(alpha), R * np.sin(beta), R * np.cos(beta)], axis=1))
    out = out @ out[0].T
    out.setflags(write=False)
    return out


def turn_deg(rotation: np.ndarray) -> float:
    """Angle of a rotation [degree]."""
    return math.degrees(math.acos(min(1.0, max(-1.0, 0.5 * (float(np.trace(rotation)) - 1)))))


def angles_deg(rotation: np.ndarray) -> tuple[float, float, float]:
    """Angles about the fixed axes x, then y, then z that make a rotation, as ``implant.rotate_deg`` has them."""
    R = np.asarray(rotation, float)
    y = math.asin(min(1.0, max(-1.0, -float(R[2, 0]))))
    if abs(R[2, 0]) < 1 - 1e-12:
        x, z = math.atan2(R[2, 1], R[2, 2]), math.atan2(R[1, 0], R[0, 0])
    else:
        x, z = math.atan2(-R[1, 2], R[1, 1]), 0.0
    return math.degrees(x), math.degrees(y), math.degrees(z)


def _apart(tried: np.ndarray, found: np.ndarray, count: int) -> list[int]:
    """The best of the grid that are not neighbours of a better one."""
    chosen: list[int] = []
    for n in np.argsort(-found, kind="stable")[: 20 * count]:
        if all(turn_deg(tried[n] @ tried[m].T) > 2 * RADII_deg[0] for m in chosen):
            chosen.append(int(n))
        if len(chosen) == count:
            break
    return chosen


@cache
def _near(radius_deg: float) -> np.ndarray:
    """Rotations by up to an angle about axes spread over the sphere, (NEAR, 3, 3)."""
    n = np.arange(NEAR) + 0.5
    z, azimuth = 1 - 2 * n / NEAR, math.pi * (3 - math.sqrt(5)) * n
    rho = np.sqrt(1 - z * z)
    axes = np.stack([rho * np.cos(azimuth), rho * np.sin(azimuth), z], axis=1)
    # A low-discrepancy row of radii: the ball is filled, not its surface alone.
    angle = math.radians(radius_deg) * np.cbrt(np.mod(n * 0.6180339887498949, 1.0))
    return _of_quaternions(np.concatenate([np.sin(0.5 * angle)[:, None] * axes, np.cos(0.5 * angle)[:, None]], axis=1))


def _of_quaternions(q: np.ndarray) -> np.ndarray:
    x, y, z, w = q.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
