"""Matrices and amplitudes as the functions of this room take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError


def hermitian(q: Any, name: str = "q") -> np.ndarray:
    """Matrices (m, n, n) of Q-matrices, of virtual observation points, or of an array, complex.

    Raises
    ------
    InputError
        For matrices that are not square, not finite or not Hermitian.
    """
    found = np.asarray(q.matrices if isinstance(q, QMatrices | TemperatureMatrices | VirtualObservationPoints) else q)
    if found.ndim == 2:
        found = found[None]
    if found.ndim != 3 or found.shape[1] != found.shape[2] or 0 in found.shape:
        raise InputError("matrices are not square", field=name, found=found.shape, expected="(m, n, n)")
    if found.dtype.kind not in "fciu" or not np.all(np.isfinite(found)):
        raise InputError("matrices hold a value that is not finite", field=name)
    skew = np.abs(found - found.conj().swapaxes(1, 2)).max(axis=(1, 2))
    room = 1e-5 if found.dtype in (np.complex64, np.float32) else 1e-10
    bad = skew > room * np.abs(found).max()
    if bad.any():
        raise InputError(
            "matrix is not Hermitian", field=name, found=f"matrix {int(np.argmax(bad))}", expected="Q = Q^H"
        )
    return found.astype(np.result_type(found.dtype, np.complex64), copy=False)


def form_unit(q: Any) -> str:
    """Unit of the forms of matrices: "K" of temperature matrices, "W/kg" of others and of arrays."""
    return str(q.unit) if isinstance(q, QMatrices | TemperatureMatrices | VirtualObservationPoints) else "W/kg"


def vector(values: Any, n: int, name: str) -> np.ndarray:
    """A drive of n channels, complex; raises InputError when it is none."""
    found = np.asarray(values, complex)
    if found.shape != (n,) or not np.all(np.isfinite(found)):
        raise InputError("drive does not fit the ports", field=name, found=found.shape, expected=f"{n} amplitudes")
    return found


def amplitudes(values: Any, n: int, name: str = "amplitudes") -> np.ndarray:
    """Amplitudes of n channels, one for all or one each, float; raises InputError when one is negative."""
    found = np.asarray(values, float)
    if found.shape not in ((), (n,)) or not np.all(np.isfinite(found)) or np.any(found < 0) or not np.any(found > 0):
        raise InputError(
            "bad amplitudes", field=name, found=values, expected=f"one or {n} amplitudes >= 0, not all of them 0"
        )
    return np.broadcast_to(found, (n,)).copy()
