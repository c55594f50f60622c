"""B1+ shimming, and small sets of kT points or spokes, under limits of SAR, temperature, sensors and power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import whole
from emdose.compute import machine
from emdose.dosimetry.transmission.drives.constraints import DriveConstraints
from emdose.dosimetry.transmission.drives.dual import Optimum, QuadraticLimits, constrained
from emdose.dosimetry.transmission.drives.quadratic import form_unit, hermitian, vector
from emdose.errors import InputError
from emdose.values import owned, read_only

SETTLED = 1e-7
"""Relative fall of the cost at which updates of the phases end."""


@read_only(units={"reached": "T", "cost": "T^2", "bound": "T^2"})
@dataclass(frozen=True, eq=False)
class Shim:
    """Drives of least deviation from a target within limits, with the proof of how near to the least they are.

    Parameters
    ----------
    drive : (k, port) complex128 ndarray
        One drive, or several in turn [drive units].
    reached : (point,) complex128 ndarray
        A v: B1+, or what else A holds [T].
    cost : float
        Sum of squares of the deviation of ``reached``, or of its magnitude, from the target [T^2].
    bound : float
        What no drive within the limits can be below [T^2]; for magnitudes that of the last target phases, since over
        all phases the problem has local minima.
    gap : float
        Difference of the two over the cost (of the last target phases, for magnitudes).
    use : (w + port,) float64 ndarray
        Parts of the limits that are used, see :meth:`DriveConstraints.use`.
    multipliers : (w + k port,) float64 ndarray
        What each limit costs: fall of the cost over a relative increase of the limit [T^2]; 0 for those not active.
    magnitude : bool
        Whether only magnitudes were asked for.
    updates : int
        Solutions for target phases; 0 where the phase of the target counts.
    """

    drive: np.ndarray
    reached: np.ndarray
    cost: float
    bound: float
    gap: float
    use: np.ndarray
    multipliers: np.ndarray
    magnitude: bool
    updates: int

    @property
    def variation(self) -> float:
        """Coefficient of variation of the magnitudes reached."""
        return b1_variation(self.reached)


@machine.one_blas_thread()
def shim(
    A: np.ndarray | Sequence[np.ndarray],
    target: complex | np.ndarray,
    limits: DriveConstraints | None = None,
    *,
    magnitude: bool = False,
    shares: float | Sequence[float] | np.ndarray = 1.0,
    start: np.ndarray | None = None,
    updates: int = 100,
) -> Shim:
    r"""Drive whose B1+ is nearest to a target in least squares, within limits.

    Parameters
    ----------
    A : (point, port) or (k, point, port) complex ndarray
        B1+ of every channel per unit of drive at the points that count [T per drive unit]. With kT points or spokes one
        such matrix for each, holding its phase :math:`e^{j k \cdot r}`: their sum is what is reached (small tips).
    target : complex or (point,) complex
        Wanted B1+ [T].
    limits : DriveConstraints, optional
        Limits; without them the least squares themselves.
    magnitude : bool
        Whether the phase of the target is free: :math:`\min \sum (|A v| - |d|)^2`, by updates of the phase, of which
        each lowers the cost.
    shares : float or (k,) float
        Share of the time that each of the k drives is on; a mean power or SAR is their sum by shares.
    start : (k, port) or (port,) complex ndarray, optional
        Drive whose phases ``magnitude`` begins with; by default channels in phase where A is, on the mean.
    updates : int
        Most updates of the phase.

    Raises
    ------
    InputError
        For arrays that do not fit each other, and a target of 0.

    Notes
    -----
    Source: J. Lee et al., Magn. Reson. Med. 67 (2012) 1566-1578 (limits by virtual observation points); K. Setsompop et
    al., Magn. Reson. Med. 59 (2008) 908-915 (magnitude least squares).
    """
    matrix, K = _blocks(A)
    points, N = matrix.shape
    n = N // K
    d = np.asarray(target, complex)
    if d.shape not in ((), (points,)) or not np.all(np.isfinite(d)) or not np.any(d):
        raise InputError("bad target", field="target", found=d.shape, expected=f"one or {points} numbers, not all 0")
    d = np.broadcast_to(d, (points,))
    share = np.asarray(shares, float)
    if share.shape not in ((), (K,)) or not np.all(share > 0) or not np.all(share <= 1):
        raise InputError("bad shares of the time", field="shares", found=shares, expected=f"one or {K} above 0, to 1")
    share = np.broadcast_to(share, (K,)).copy()
    whole("updates", updates, 1)
    bounds = limits or DriveConstraints.of(np.zeros((1, n, n)), 1.0, "none")
    if len(bounds.peak) != n:
        raise InputError("limits of other channels", field="limits", found=len(bounds.peak), expected=str(n))
    forms = bounds.matrices / bounds.limits[:, None, None]
    problem = QuadraticLimits(forms, share, bounds.peak)
    H, norm = matrix.conj().T @ matrix, float(np.sum(np.abs(d) ** 2))

    def least(wanted: np.ndarray, multipliers: np.ndarray | None = None) -> Optimum:
        found = constrained(H, matrix.conj().T @ wanted, norm, problem, multipliers)
        over = float(bounds.use(found.v.reshape(K, n), share).max())  # rounding of limits that nearly cancel
        return found if over <= 1 else found._replace(v=found.v / np.sqrt(over))

    if not magnitude:
        found = least(d)
        reached = matrix @ found.v
        return _made(reached, found, float(np.sum(np.abs(reached - d) ** 2)), K, bounds, share, 0, norm)
    size = np.abs(d)
    v = np.exp(-1j * np.angle(matrix.mean(axis=0))) if start is None else np.asarray(start, complex).ravel()
    v = vector(v, N, "start")
    reached, cost, best, multipliers, made = matrix @ v, np.inf, None, None, 0
    for _ in range(updates):
        wanted = size * np.exp(1j * np.angle(reached))
        found = least(wanted, multipliers)
        new = matrix @ found.v
        fallen = float(np.sum((np.abs(new) - size) ** 2))
        if not fallen < cost:
            break
        made += 1
        settled = cost - fallen <= SETTLED * fallen
        cost, reached, best, multipliers = fallen, new, found, found.multipliers
        if settled:
            break
    assert best is not None  # the first cost is finite
    return _made(reached, best, cost, K, bounds, share, made, norm)


def b1_variation(b1: np.ndarray) -> float:
    """Coefficient of variation of |B1+|: standard deviation over the mean of its magnitudes."""
    size = np.abs(np.asarray(b1))
    return float(size.std() / size.mean())


def b1_efficiency(A: np.ndarray, drive: np.ndarray) -> float:
    """Mean of |A v| over that of the sum of the channels' magnitudes: 1 where all of them are in phase everywhere.

    Parameters
    ----------
    A : (point, port) complex ndarray
        B1+ of every channel [T per drive unit].
    drive : (port,) complex
        The drive [drive units].

    Raises
    ------
    InputError
        When they do not fit each other.
    """
    matrix, _ = _blocks(A)
    v = vector(drive, matrix.shape[1], "drive")
    return float(np.abs(matrix @ v).mean() / (np.abs(matrix) @ np.abs(v)).mean())


def sar_efficiency(A: np.ndarray, drive: np.ndarray, q: Any) -> float:
    """Mean of |A v| over the root of the peak SAR, which no scale changes [T per sqrt(W/kg)].

    Parameters
    ----------
    A : (point, port) complex ndarray
        B1+ of every channel [T per drive unit].
    drive : (port,) complex
        The drive [drive units].
    q : QMatrices, VirtualObservationPoints or (m, n, n) complex ndarray
        SAR [W/kg per squared drive unit].

    Raises
    ------
    InputError
        When they do not fit each other.
    """
    matrix, _ = _blocks(A)
    v, Q = vector(drive, matrix.shape[1], "drive"), hermitian(q)
    if form_unit(q) != "W/kg":
        raise InputError("matrices of another quantity", field="q", found=form_unit(q), expected="SAR [W/kg]")
    if Q.shape[1] != len(v):
        raise InputError("matrices of other channels", field="q", found=Q.shape, expected=f"(m, {len(v)}, {len(v)})")
    peak = ((Q @ v) * v.conj()).sum(axis=-1).real.max()
    return float(np.abs(matrix @ v).mean() / np.sqrt(peak))


def _made(
    reached: np.ndarray,
    found: Optimum,
    cost: float,
    K: int,
    limits: DriveConstraints,
    shares: np.ndarray,
    updates: int,
    norm: float,
) -> Shim:
    drive = found.v.reshape(K, -1)
    gap = max(found.cost - found.bound, 0.0) / max(found.cost, 1e-9 * norm)
    return Shim(
        owned(drive),
        owned(reached),
        cost,
        found.bound,
        gap,
        owned(limits.use(drive, shares)),
        owned(norm * found.multipliers),
        updates > 0,
        updates,
    )


def _blocks(A: np.ndarray | Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """All blocks beside each other, (point, k port), and how many there are."""
    found = np.asarray(A, complex)
    if found.ndim == 2:
        found = found[None]
    if found.ndim != 3 or 0 in found.shape or not np.all(np.isfinite(found)):
        raise InputError("bad B1+ of the channels", field="A", found=found.shape, expected="(point, port), finite")
    return np.ascontiguousarray(np.moveaxis(found, 0, 1).reshape(found.shape[1], -1)), len(found)
