r"""Matrices of sensors and leads, and drives that spare them.

A sensor or a lead sees one complex number s_k per channel: E at a point, a voltage, the integral
:math:`\int S E_{k,\tan} \mathrm dl` of a transfer function (:meth:`emdose.TangentialE.induced`). The square of what a
drive does to it is a quadratic form of rank one, :math:`|s^T v|^2 = v^H Q_s v` with :math:`Q_s = s^* s^T`.

Source: L. Winter et al., Magn. Reson. Med. (2020), doi 10.1002/mrm.28379; B. Silemek et al., Magn. Reson. Med. (2022),
doi 10.1002/mrm.28968 (sensor matrices, orthogonal projection, null modes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.checks import whole
from emdose.dosimetry.transmission.drives.quadratic import hermitian, vector
from emdose.errors import InputError


def sensor_matrix(readings: Sequence[complex] | np.ndarray) -> np.ndarray:
    """Matrix s^* s^T of complex readings, (..., port, port) [squared reading per squared drive unit].

    Parameters
    ----------
    readings : (..., port) complex
        What the sensor reads when each channel is driven alone with one unit; for a lead ``tangential.induced(S)``.

    Raises
    ------
    InputError
        For readings that are not finite.
    """
    s = np.asarray(readings, complex)
    if s.ndim < 1 or not np.all(np.isfinite(s)):
        raise InputError("bad readings", field="readings", found=s.shape, expected="(..., port) finite numbers")
    return np.asarray(s.conj()[..., :, None] * s[..., None, :])


def sensor_matrix_from_power(alone: np.ndarray, in_phase: np.ndarray, quadrature: np.ndarray) -> np.ndarray:
    r"""Matrix of a sensor that reads power alone, by polarisation, (port, port).

    Parameters
    ----------
    alone : (port,) ndarray
        X_k: reading when channel k is driven alone with one unit.
    in_phase : (port, port) ndarray
        X_kl: reading when k and l > k are driven with one unit each, in phase; the rest is not looked at.
    quadrature : (port, port) ndarray
        The same with l ahead of k by 90 degrees, v_l = j v_k in exp(+jwt).

    Raises
    ------
    InputError
        For readings that do not fit each other, are negative or not finite.

    Notes
    -----
    :math:`\operatorname{Re} Q_{kl} = (X_{kl} - X_k - X_l) / 2` and
    :math:`\operatorname{Im} Q_{kl} = -(X_{kl}^{90} - X_k - X_l) / 2`. Noise of the readings is carried over as it is:
    the matrix may then have small eigenvalues below zero and more than one above.
    """
    X, same, ahead = (np.asarray(x, float) for x in (alone, in_phase, quadrature))
    n = X.size
    if X.ndim != 1 or same.shape != (n, n) or ahead.shape != (n, n):
        raise InputError(
            "readings do not fit each other",
            field="in_phase",
            found=(X.shape, same.shape, ahead.shape),
            expected="(n,), (n, n) and (n, n)",
        )
    rows, columns = np.triu_indices(n, 1)
    read = np.concatenate([X, same[rows, columns], ahead[rows, columns]])
    if not np.all(np.isfinite(read)) or read.min() < 0:
        raise InputError("a reading of power is negative or not finite", field="alone", found=float(read.min()))
    Q = np.diag(X).astype(complex)
    both = X[rows] + X[columns]
    Q[rows, columns] = 0.5 * ((same[rows, columns] - both) - 1j * (ahead[rows, columns] - both))
    Q[columns, rows] = Q[rows, columns].conj()
    return Q


def orthogonal_projection(matrix: Any, drive: Sequence[complex] | np.ndarray, modes: int = 1) -> np.ndarray:
    """The drive without its part along the modes that heat most, v - u u^H v, (port,) [drive units].

    Parameters
    ----------
    matrix : (port, port) complex ndarray
        Of the sensor or lead, or a sum of several.
    drive : (port,) complex
        The drive [drive units].
    modes : int
        How many eigenvectors, from the largest eigenvalue down, are taken out: one per lead.

    Raises
    ------
    InputError
        For a matrix that is not Hermitian, a drive that does not fit, and as many modes as channels.
    """
    vectors = _modes(matrix)
    n = len(vectors)
    v = vector(drive, n, "drive")
    u = vectors[:, n - whole("modes", modes, 1, n - 1) :]
    return np.asarray(v - u @ (u.conj().T @ v))


def null_modes(matrix: Any, modes: int | None = None) -> np.ndarray:
    """Drives that heat least, (port, mode): eigenvectors of the smallest eigenvalues, of norm 1, best first.

    Columns of ``A @ null_modes(Q)`` are B1+ of these drives: a shim over them alone leaves a lead of rank one cold.

    Parameters
    ----------
    matrix : (port, port) complex ndarray
        Of the sensor or lead, or a sum of several.
    modes : int, optional
        How many; by default all but the one that heats most.

    Raises
    ------
    InputError
        For a matrix that is not Hermitian and for more modes than channels.
    """
    vectors = _modes(matrix)
    n = len(vectors)
    return vectors[:, : n - 1 if modes is None else whole("modes", modes, 1, n)]


def _modes(matrix: Any) -> np.ndarray:
    """Eigenvectors, the smallest eigenvalue first."""
    Q = hermitian(matrix, "matrix")
    if len(Q) != 1:
        raise InputError("one matrix is wanted", field="matrix", found=f"{len(Q)} matrices", expected="(n, n)")
    return np.asarray(np.linalg.eigh(Q[0].astype(complex))[1])
