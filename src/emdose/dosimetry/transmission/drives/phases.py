"""Shims of phases alone: all channels have one amplitude, as where one amplifier feeds an array."""

from __future__ import annotations

import numpy as np

from emdose.checks import positive, whole
from emdose.dosimetry.transmission.drives.quadratic import vector
from emdose.errors import InputError
from emdose.values import owned

UPDATES = 1000
SETTLED = 1e-9
"""Relative fall of the cost at which updates end."""


def phase_shim(
    A: np.ndarray, target_T: float, *, start: np.ndarray | None = None, starts: int = 8, seed: int = 1
) -> np.ndarray:
    r"""Drive of equal amplitudes whose magnitude of B1+ is nearest to a target in least squares.

    Parameters
    ----------
    A : (point, port) complex ndarray
        B1+ of every channel per unit of drive at the points that count [T per drive unit].
    target_T : float
        Wanted magnitude of B1+ [T].
    start : (port,) complex ndarray, optional
        Drive whose phases are tried as well, such as a circular mode.
    starts, seed : int
        Random phases that are tried besides those in phase at the mean of A, and their generator's seed.

    Returns
    -------
    (port,) complex128 ndarray
        :math:`a\,e^{j\varphi_k}` [drive units], the best of the local minima that were met; no bound says that there is
        no better one.

    Raises
    ------
    InputError
        For arrays that do not fit each other, and a target that is not positive.

    Notes
    -----
    The minimum over a, the phases of the channels one after the other, and the phase of the target, in turn: each step
    lowers :math:`\sum (|A v| - d)^2`.
    """
    matrix = np.asarray(A, complex)
    if matrix.ndim != 2 or 0 in matrix.shape or not np.all(np.isfinite(matrix)) or not np.any(matrix):
        raise InputError(
            "bad B1+ of the channels", field="A", found=matrix.shape, expected="(point, port), finite and not all 0"
        )
    d, n = positive("target_T", target_T), matrix.shape[1]
    whole("starts", starts, 0)
    tried = [np.exp(-1j * np.angle(matrix.mean(axis=0)))]
    if start is not None:
        tried.append(np.exp(1j * np.angle(vector(start, n, "start"))))
    tried += list(np.exp(2j * np.pi * np.random.default_rng(seed).random((starts, n))))
    H = matrix.conj().T @ matrix
    found = [_descended(matrix, H, d, u) for u in tried]
    return owned(min(found, key=lambda one: one[0])[1])


def _descended(matrix: np.ndarray, H: np.ndarray, d: float, u: np.ndarray) -> tuple[float, np.ndarray]:
    """Cost and drive of the local minimum that phases lead to."""
    u, cost, off = u.copy(), np.inf, H - np.diag(np.diag(H))
    a = d / max(float(np.abs(matrix @ u).mean()), np.finfo(float).tiny)
    for _ in range(UPDATES):
        reached = matrix @ u
        b = d * (matrix.conj().T @ np.exp(1j * np.angle(reached)))
        for k in range(len(u)):
            pull = b[k] - a * (off[k] @ u)
            u[k] = pull / abs(pull) if abs(pull) > 0 else u[k]
        size = np.abs(matrix @ u)
        a = d * float(size.sum() / (size**2).sum())  # the best amplitude for these magnitudes
        new = float(np.sum((a * size - d) ** 2))
        if cost - new <= SETTLED * new:
            break
        cost = new
    return new, a * u
