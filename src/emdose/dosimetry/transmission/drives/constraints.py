"""Limits of drives: local and global SAR, temperature, sensors, mean and peak power, as quadratic forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.dosimetry.transmission.drives.quadratic import amplitudes, form_unit, hermitian
from emdose.errors import InputError
from emdose.values import owned, read_only


@read_only
@dataclass(frozen=True, eq=False)
class DriveConstraints:
    """Limits v^H S v <= L of drives, and largest amplitudes; sums of such limits are limits.

    Parameters
    ----------
    matrices : (w, port, port) complex128 ndarray
        S, Hermitian and positive semidefinite [unit of the limit per squared drive unit].
    limits : (w,) float64 ndarray
        L > 0 [W/kg, W, K, or what the sensor reads].
    labels : tuple of str
        What each limit is about.
    peak : (port,) float64 ndarray
        Largest amplitude of each channel at any moment [drive units]; infinite where there is none.
    """

    matrices: np.ndarray
    limits: np.ndarray
    labels: tuple[str, ...]
    peak: np.ndarray

    def __post_init__(self) -> None:
        w, n = len(self.limits), len(self.peak)
        if np.shape(self.matrices) != (w, n, n) or len(self.labels) != w:
            raise InputError(
                "limits do not fit each other", field="matrices", found=np.shape(self.matrices), expected=str((w, n, n))
            )
        if not np.all(np.asarray(self.limits) > 0) or not np.all(np.asarray(self.peak) > 0):
            raise InputError("limit is not above 0", field="limits", expected="limits > 0")

    @classmethod
    def of(cls, q: Any, limit: float | np.ndarray, label: str | None = None) -> DriveConstraints:
        """Limits of quadratic forms: v^H Q v <= limit for every matrix.

        Parameters
        ----------
        q : VirtualObservationPoints, QMatrices, TemperatureMatrices, (n, n) or (w, n, n) complex ndarray
            Positive semidefinite matrices: local or global SAR, temperature, a sensor or lead, forward power.
        limit : float or (w,) float
            Their limit, such as 10 W/kg; over the duty cycle where v is on for a part of the time.
        label : str, optional
            What they are about; "temperature" of matrices of temperature and "local SAR" of others, by default.

        Raises
        ------
        InputError
            For matrices that are not Hermitian or not positive, and limits that are not above 0.
        """
        matrices = np.array(hermitian(q), complex)
        limits = np.asarray(limit, float)
        if limits.shape not in ((), (len(matrices),)) or not np.all(np.isfinite(limits)):
            raise InputError("bad limit", field="limit", found=limit, expected=f"one or {len(matrices)} numbers > 0")
        values = np.linalg.eigvalsh(matrices)
        if values.min() < -1e-4 * np.abs(values).max():
            where = int(np.argmin(values[:, 0]))
            raise InputError(
                "matrix is not positive", field="q", found=f"eigenvalue {values[where, 0]:.3g} of matrix {where}"
            )
        n = matrices.shape[-1]
        label = label or ("temperature" if form_unit(q) == "K" else "local SAR")
        full = np.broadcast_to(limits, (len(matrices),)).copy()
        return cls(owned(matrices), owned(full), (label,) * len(matrices), owned(np.full(n, np.inf)))

    @classmethod
    def mean_power(cls, limits: np.ndarray, label: str = "mean power of a channel") -> DriveConstraints:
        """Limits of |v_k|^2 averaged over time, by channel, (port,) [squared drive units]; raises as :meth:`of`."""
        found = np.atleast_1d(np.asarray(limits, float))
        return cls.of(np.eye(len(found))[:, :, None] * np.eye(len(found))[:, None, :], found, label)

    @classmethod
    def peak_amplitude(cls, largest: np.ndarray) -> DriveConstraints:
        """Limits of |v_k| at any moment, of every channel, (port,) [drive units].

        Raises
        ------
        InputError
            For amplitudes that are not above 0.
        """
        found = amplitudes(largest, np.size(largest), "largest")
        n = len(found)
        return cls(owned(np.empty((0, n, n), complex)), owned(np.empty(0)), (), owned(found))

    def __add__(self, other: DriveConstraints) -> DriveConstraints:
        if len(other.peak) != len(self.peak):
            raise InputError(
                "limits of other channels", field="peak", found=len(other.peak), expected=str(len(self.peak))
            )
        return DriveConstraints(
            owned(np.concatenate([self.matrices, other.matrices])),
            owned(np.concatenate([self.limits, other.limits])),
            self.labels + other.labels,
            owned(np.minimum(self.peak, other.peak)),
        )

    def use(self, drives: np.ndarray, shares: np.ndarray | float = 1.0) -> np.ndarray:
        """Parts of the limits that drives use, (w + port,): the forms over their limits, then squared peaks.

        Parameters
        ----------
        drives : (port,) or (k, port) complex
            One drive, or several that are played in turn [drive units].
        shares : float or (k,) float
            The share of the time that each is on.

        Raises
        ------
        InputError
            For drives that do not fit the channels.
        """
        v = np.atleast_2d(np.asarray(drives, complex))
        if v.ndim != 2 or v.shape[1] != len(self.peak) or not np.all(np.isfinite(v)):
            raise InputError(
                "drive does not fit the ports", field="drives", found=v.shape, expected=f"(k, {len(self.peak)})"
            )
        weights = np.broadcast_to(np.asarray(shares, float), (len(v),))
        forms = np.einsum("k,ki,wij,kj->w", weights, v.conj(), self.matrices, v, optimize=True).real
        return np.concatenate([forms / self.limits, (np.abs(v) ** 2).max(axis=0) / self.peak**2])
