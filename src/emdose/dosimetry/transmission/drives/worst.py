r"""The largest SAR that drives can have which are known in part: by their norm, their amplitudes, their power.

With known norm or forward power it is an eigenvalue. With amplitudes :math:`|v_k| \le a_k` and any phases the maximum
of :math:`v^H Q v` is a problem without a quick exact solution: ascent gives drives, each of them a lower bound, and

.. math:: v^H Q v \le \min\Big( \sum_{kl} |Q_{kl}| a_k a_l,\; n\,\lambda_{\max}(D Q D),\; \sum_k y_k \Big),
          \qquad D = \operatorname{diag}(a),\; \operatorname{diag}(y) \succeq D Q D

bounds it from above. The last one is the dual of the semidefinite relaxation, taken at the drive that was found,
:math:`y_k \propto \operatorname{Re}(u_k^* (D Q D u)_k)`; where it meets the lower bound the drive is proved worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import positive, whole
from emdose.dosimetry.transmission.drives.quadratic import amplitudes as checked_amplitudes
from emdose.dosimetry.transmission.drives.quadratic import form_unit, hermitian, vector
from emdose.errors import InputError
from emdose.values import owned, read_only

TOGETHER = 64
"""Matrices whose phases ascend at once."""
SWEEPS = 400
SETTLED = 1e-13
"""Relative growth of a sweep at which ascent ends."""


@read_only(units={"lower": "{unit}", "upper": "{unit}"})
@dataclass(frozen=True, eq=False)
class WorstDrive:
    """The drive of largest SAR that was found, and what no drive can exceed.

    Parameters
    ----------
    drive : (port,) complex128 ndarray
        The drive [drive units].
    lower : float
        SAR of that drive [W/kg], or its rise of temperature [K].
    upper : float
        What no drive of the kind exceeds [the same]; equal to ``lower`` where the worst case is exact.
    matrix : int
        Number of the matrix that ``lower`` is of.
    searched : int
        Matrices whose drives were searched; the others cannot reach ``lower``.
    unit : str
        "W/kg", or "K" of matrices of the rise of temperature.
    """

    drive: np.ndarray
    lower: float
    upper: float
    matrix: int
    searched: int
    unit: str = "W/kg"


def worst_drive(
    q: Any, amplitudes: float | Sequence[float] | np.ndarray | None = None, *, starts: int = 4, seed: int = 1
) -> WorstDrive:
    """Largest SAR of drives of unit norm, or of known amplitudes and any phases.

    Parameters
    ----------
    q : QMatrices, TemperatureMatrices, VirtualObservationPoints or (m, n, n) complex ndarray
        Positive semidefinite matrices [W/kg or K per squared drive unit].
    amplitudes : float or (port,) float, optional
        Largest peak amplitude of all channels or of each [drive units]; a channel that is lost has 0. Without them the
        drives have norm 1, and the result is exact.
    starts, seed : int
        Random phases that ascent begins with, besides two that the matrix itself suggests, and their generator's seed.

    Raises
    ------
    InputError
        For matrices that are not Hermitian and amplitudes that do not fit them.

    Notes
    -----
    Source: E. F. Meliado et al., Magn. Reson. Med., doi 10.1002/mrm.28635 (ascent over the phases).
    """
    matrices = hermitian(q)
    n = matrices.shape[-1]
    if amplitudes is None:
        values = np.linalg.eigvalsh(matrices)[:, -1]
        best = int(np.argmax(values))
        return _exact(matrices[best].astype(complex), np.eye(n), best, 0, form_unit(q))
    a = checked_amplitudes(amplitudes, n)
    whole("starts", starts, 0)
    upper = (np.abs(matrices).reshape(len(matrices), -1) @ np.outer(a, a).ravel()).astype(float)
    rng = np.random.default_rng(seed)
    random = np.exp(2j * np.pi * rng.random((starts, n)))
    order = np.argsort(upper)[::-1]
    lower, drive, where, searched = -np.inf, np.ones(n, complex), 0, 0
    for first in range(0, len(order), TOGETHER):
        which = order[first : first + TOGETHER]
        which = which[upper[which] > lower]
        if len(which) == 0:
            break
        M = a[:, None] * matrices[which].astype(complex) * a
        tight = np.minimum(upper[which], n * np.linalg.eigvalsh(M)[:, -1])
        upper[which] = tight
        keep = tight > lower
        if not keep.any():
            continue
        which, M = which[keep], M[keep]
        u, values = _ascend(M, _starts(M, random))
        upper[which] = np.minimum(upper[which], _dual(M, u))
        searched += len(which)
        if values.max() > lower:
            at = int(np.argmax(values))
            lower, drive, where = float(values[at]), a * u[at], int(which[at])
    return WorstDrive(owned(drive), lower, max(lower, float(upper.max())), where, searched, form_unit(q))


def worst_drive_of_power(q: Any, power: np.ndarray, power_W: float = 1.0) -> WorstDrive:
    r"""Largest SAR of drives of a given forward power, lambda_max of :math:`P^{-1/2} Q P^{-1/2}` times that power.

    Parameters
    ----------
    q : QMatrices, TemperatureMatrices, VirtualObservationPoints or (m, n, n) complex ndarray
        Positive semidefinite matrices [W/kg or K per squared drive unit].
    power : (port, port) complex ndarray
        P: v^H P v is the power of a drive [W per squared drive unit]; identity / (2 z0) for volts incident on lines.
    power_W : float
        That power [W].

    Raises
    ------
    InputError
        For matrices that are not Hermitian or do not fit each other, and a P that is not positive.
    """
    matrices = hermitian(q)
    P = hermitian(power, "power")[0].astype(complex)
    positive("power_W", power_W)
    if P.shape != matrices.shape[1:]:
        raise InputError("power matrix does not fit", field="power", found=P.shape, expected=str(matrices.shape[1:]))
    try:
        back = np.linalg.inv(np.linalg.cholesky(P / power_W)).conj().T  # v = back u has that power at |u| = 1
    except np.linalg.LinAlgError as error:
        raise InputError("power matrix is not positive", field="power", expected="v^H P v > 0") from error
    scaled = back.conj().T @ matrices @ back
    best = int(np.argmax(np.linalg.eigvalsh(scaled)[:, -1]))
    return _exact(matrices[best].astype(complex), back, best, len(matrices), form_unit(q))


@read_only(units={"nominal": "{unit}", "lost": "{unit}", "stuck": "{unit}"})
@dataclass(frozen=True, eq=False)
class ChannelFaults:
    """Peak SAR of a drive, or peak rise of temperature, when one channel fails.

    Parameters
    ----------
    ports : tuple of int
        Numbers of the channels.
    nominal : float
        Peak SAR of the drive as it is meant [W/kg].
    lost : (port,) ndarray
        The same with one channel silent [W/kg].
    stuck : (port,) ndarray
        The same with one channel at its largest amplitude and the worst phase, exact [W/kg].
    unit : str
        "W/kg", or "K" of matrices of the rise of temperature.
    """

    ports: tuple[int, ...]
    nominal: float
    lost: np.ndarray
    stuck: np.ndarray
    unit: str = "W/kg"

    @property
    def worst(self) -> float:
        """Largest of all."""
        return float(max(self.nominal, self.lost.max(), self.stuck.max()))


def channel_faults(
    q: Any, drive: Sequence[complex] | np.ndarray, largest: float | Sequence[float] | np.ndarray
) -> ChannelFaults:
    r"""Peak SAR of a drive when one channel is lost, or stuck at its largest amplitude with any phase.

    Parameters
    ----------
    q : QMatrices, TemperatureMatrices, VirtualObservationPoints or (m, n, n) complex ndarray
        Positive semidefinite matrices [W/kg or K per squared drive unit].
    drive : (port,) complex
        The drive as it is meant [drive units].
    largest : float or (port,) float
        Peak amplitude of a channel that is stuck [drive units].

    Raises
    ------
    InputError
        For matrices that are not Hermitian, and drives and amplitudes that do not fit them.

    Notes
    -----
    With w the drive without channel k, SAR is :math:`w^H Q w + a^2 Q_{kk} + 2 a |(Q w)_k|` at the worst phase of that
    channel, which grows with a: no smaller amplitude is worse.
    """
    matrices = hermitian(q).astype(complex)
    n = matrices.shape[-1]
    v, a = vector(drive, n, "drive"), checked_amplitudes(largest, n, "largest")
    w = v * (1 - np.eye(n))  # one row per lost channel
    Qw = np.einsum("mij,kj->mki", matrices, w)
    lost = np.einsum("ki,mki->mk", w.conj(), Qw).real
    own, coupling = np.diagonal(matrices, axis1=1, axis2=2).real, np.abs(np.diagonal(Qw, axis1=1, axis2=2))
    stuck = lost + a**2 * own + 2 * a * coupling
    nominal = float(np.einsum("i,mij,j->m", v.conj(), matrices, v).real.max())
    return ChannelFaults(tuple(range(n)), nominal, owned(lost.max(axis=0)), owned(stuck.max(axis=0)), form_unit(q))


def _exact(matrix: np.ndarray, back: np.ndarray, where: int, searched: int, unit: str) -> WorstDrive:
    values, vectors = np.linalg.eigh(back.conj().T @ matrix @ back)
    value = float(values[-1])
    return WorstDrive(owned(back @ vectors[:, -1] + 0j), value, value, where, searched, unit)


def _starts(M: np.ndarray, random: np.ndarray) -> np.ndarray:
    """Phases to begin with, (m, starts, n): of the largest eigenvector, of the largest row, and random ones."""
    largest = np.argmax(np.abs(M).sum(axis=2), axis=1)
    own = np.stack([np.linalg.eigh(M)[1][:, :, -1], M[np.arange(len(M)), :, largest]], axis=1)
    own = np.exp(1j * np.angle(own))
    return np.concatenate([own, np.broadcast_to(random, (len(M), *random.shape))], axis=1)


def _ascend(M: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best phases by ascent channel by channel, (m, n), and their values."""
    n = M.shape[-1]
    u = u.copy()
    value = np.full(u.shape[:2], -np.inf)
    for _ in range(SWEEPS):
        for k in range(n):
            pull = np.einsum("ml,msl->ms", M[:, k], u) - M[:, k, k].real[:, None] * u[:, :, k]
            size = np.abs(pull)
            u[:, :, k] = np.where(size > 0, pull / np.where(size > 0, size, 1), u[:, :, k])
        new = np.einsum("msk,mkl,msl->ms", u.conj(), M, u, optimize=True).real
        done = np.all(new - value <= SETTLED * np.abs(new))
        value = new
        if done:
            break
    best = np.argmax(value, axis=1)
    rows = np.arange(len(M))
    return u[rows, best], value[rows, best]


def _dual(M: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Upper bounds of M at any phases: the sum of a diagonal matrix above it, (m,)."""
    y = (u.conj() * np.einsum("mkl,ml->mk", M, u)).real
    y = np.maximum(y, 1e-9 * np.abs(y).max(axis=1, keepdims=True) + np.finfo(float).tiny)
    scale = 1 / np.sqrt(y)
    largest = np.linalg.eigvalsh(scale[:, :, None] * M * scale[:, None])[:, -1]
    return np.asarray(largest * y.sum(axis=1) * (1 + 1e-14 * M.shape[-1]))
