r"""Virtual observation points: a few matrices whose SAR bounds that of a whole body, with the proof of it.

For every drive v and every average C of drives over time

.. math:: \max_i v^H Q_i v \le \max_k v^H V_k v, \qquad
          \max_i \operatorname{tr} Q_i C \le \max_k \operatorname{tr} V_k C .

The second does not follow from the first: sets of matrices that were only tested drive by drive under-estimate
averages, by up to 4.5 % on a public set. The certificate, a convex combination of the V_k above every Q_i, gives both;
it is kept, and :meth:`VirtualObservationPoints.certify` checks it anew against any matrices.

Source: G. Eichfelder and M. Gebhardt, Magn. Reson. Med. 66 (2011) 1468-1476 (virtual observation points); J. Lee et
al., Magn. Reson. Med. 67 (2012) 1566-1578 (convex covers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.transmission.blocks import QMatrixBlocks
from emdose.dosimetry.transmission.covers import PackedMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.errors import InputError, NotValidError
from emdose.values import read_only

ROOM = 1e-15
"""Part of the largest eigenvalue that certificates leave."""


@read_only(units={"matrices": "{unit} per ({drive_unit})^2", "largest": "{unit} per ({drive_unit})^2"})
@dataclass(frozen=True, eq=False)
class VirtualObservationPoints:
    """Matrices V_k with the certificate that they bound the matrices they were made of.

    Parameters
    ----------
    matrices : (v, port, port) complex128 ndarray
        Hermitian and positive semidefinite [W/kg, or what ``unit`` says, per squared drive unit].
    ports : tuple of str
        Names of the ports.
    drive_unit : str
        What one unit of a drive is: peak amplitude.
    overestimate : float
        Norm of what was added to every matrix, over the largest eigenvalue.
    method : str
        "cover", of convex combinations, or "clusters".
    chosen : (v,) int64 ndarray
        Number of the matrix that each is made of.
    combination : (m,) int32 ndarray
        Which combination bounds each of the m matrices.
    coefficients : (c, v) float64 ndarray
        Coefficients of the combinations, in sum 1.
    largest : float
        Largest eigenvalue of all matrices.
    rule : str
        SAR rule of the matrices.
    averaging_mass_kg : float or None
        Mass that they are averaged over [kg]; None for point SAR.
    frequency_Hz : float or None
        Frequency [Hz]; None where nobody said it.
    unit : str
        "W/kg", or "K" of matrices of the rise of temperature.

    Notes
    -----
    Drives are phasors of e^{+jwt} with peak amplitudes, SAR is v^H V v.
    """

    matrices: np.ndarray
    ports: tuple[str, ...]
    drive_unit: str
    overestimate: float
    method: str
    chosen: np.ndarray
    combination: np.ndarray
    coefficients: np.ndarray
    largest: float
    rule: str = ""
    averaging_mass_kg: float | None = None
    frequency_Hz: float | None = None
    unit: str = "W/kg"

    def __len__(self) -> int:
        return len(self.matrices)

    def sar(self, weights: Sequence[complex] | np.ndarray) -> np.ndarray:
        """Bounds of drives: v^H V v of every matrix, (..., v) [W/kg].

        Parameters
        ----------
        weights : (..., port) complex
            Drives [drive units].

        Raises
        ------
        InputError
            When they do not fit the ports, and for matrices of another quantity.
        """
        return self._forms(weights, "W/kg")

    def rise(self, weights: Sequence[complex] | np.ndarray) -> np.ndarray:
        """Bounds of the rise of temperature by drives (..., port), (..., v) [K]; raises as :meth:`sar`."""
        return self._forms(weights, "K")

    def peak(self, weights: Sequence[complex] | np.ndarray) -> Any:
        """Bound of the largest form of drives (..., port), (...) [unit]; raises as :meth:`sar`."""
        return self._forms(weights, self.unit).max(axis=-1)

    def average(self, mean: np.ndarray) -> np.ndarray:
        """Bounds of an average over drives: tr V C of every matrix, (..., v) [unit].

        Parameters
        ----------
        mean : (..., port, port) complex ndarray
            C, the mean over time of v v^H [squared drive units].

        Raises
        ------
        InputError
            When it does not fit the ports.
        """
        C = self._drives(mean, 2)
        return np.asarray(np.einsum("kij,...ji->...k", self.matrices, C).real)

    def certify(self, q: QMatrices | QMatrixBlocks | TemperatureMatrices, device: str | Backend = "cpu") -> float:
        """Check the certificate against matrices: every combination less the matrix that it bounds is positive.

        Parameters
        ----------
        q : QMatrices, QMatrixBlocks or TemperatureMatrices
            The matrices, in the order they were compressed in.
        device : str or Backend
            Where it is computed.

        Returns
        -------
        float
            Part of the largest eigenvalue that every bound is above its matrix by at least.

        Raises
        ------
        InputError
            For other numbers of matrices or ports.
        NotValidError
            When a matrix is not bounded, or there is no certificate, as in files of other programs.
        """
        if not len(self.coefficients):
            raise NotValidError(["These virtual observation points have no certificate."])
        parts = q if isinstance(q, QMatrixBlocks) else [q]
        count = len(q) if isinstance(q, QMatrixBlocks) else len(q.matrices)
        if count != len(self.combination) or len(q.ports) != len(self.ports):
            wanted = f"{len(self.combination)} matrices of {len(self.ports)} ports"
            raise InputError(
                "other matrices than were compressed", field="q", found=f"{count} of {len(q.ports)}", expected=wanted
            )
        be, start = backend.get(device), 0
        for part in parts:
            self._certify(np.asarray(part.matrices), start, be)
            start += len(part.matrices)
        return ROOM

    def _certify(self, matrices: np.ndarray, start: int, be: Backend) -> None:
        """The certificate of some matrices, from number ``start`` on."""
        packed = PackedMatrices(matrices, be)
        combination = self.combination[start : start + len(matrices)]
        order = np.argsort(combination, kind="stable")
        used, starts = np.unique(combination[order], return_index=True)
        for n, which in zip(used, np.split(order, starts[1:]), strict=True):
            c = self.coefficients[n]
            bound = np.tensordot(c, self.matrices, 1)
            below = packed.below(bound - ROOM * self.largest * np.eye(len(bound)), be.asarray(which.astype(np.int64)))
            below = be.to_numpy(below)
            if c.min() < 0 or abs(c.sum() - 1) > 1e-12 or not below.all():
                first = start + int(which[int(np.argmin(below))])
                raise NotValidError([f"Virtual observation points do not bound matrix {first}: the certificate fails."])

    def _forms(self, weights: Sequence[complex] | np.ndarray, unit: str) -> np.ndarray:
        if self.unit != unit:
            raise InputError("matrices of another quantity", field="unit", found=self.unit, expected=unit)
        v = self._drives(weights, 1)
        return np.asarray(np.einsum("...i,kij,...j->...k", v.conj(), self.matrices, v).real)

    def _drives(self, values: Any, axes: int) -> np.ndarray:
        found = np.asarray(values, complex)
        wanted = (len(self.ports),) * axes
        if found.shape[-axes:] != wanted or not np.all(np.isfinite(found)):
            raise InputError(
                "drive does not fit the ports", field="weights", found=found.shape, expected=f"(..., {wanted})"
            )
        return found
