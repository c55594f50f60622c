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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.checks import unknown
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.transmission.blocks import QMatrixBlocks
from emdose.dosimetry.transmission.covers import PackedMatrices
from emdose.dosimetry.transmission.global_forms import GlobalMatrices
from emdose.dosimetry.transmission.sample_margins import SampleMargin
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
    time_s : float or None
        How long drives have been on for rises of temperature [s]; infinite in the steady state.
    assumptions : tuple of str
        What rises of temperature rest on, in sentences.
    sources : tuple of str
        Names of the sets that they bound, such as bodies or positions; empty for one set.
    counts : tuple of int
        How many matrices each of these has, in the order of ``combination``.
    margin : SampleMargin or None
        What the matrices were multiplied with for the spread of a study.
    requires_global_limit : bool
        Whether limits of whole-body, head and partial-body SAR must be applied beside these matrices, which bound local
        SAR alone; False only for a cover that holds the matrices of the parts of the body too.
    global_ratios : mapping of str to float
        The factor by which the matrix of each of these parts is in the cover: limit of local SAR over that of the part.

    Raises
    ------
    InputError
        When the numbers of the sources do not make up the certificate.

    Notes
    -----
    Drives are phasors of e^{+jwt} with peak amplitudes, SAR is v^H V v. A limit of local SAR says nothing of the mean
    over a body: 9 W/kg everywhere keeps a limit of 10 W/kg and breaks one of 2 W/kg.
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
    time_s: float | None = None
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    margin: SampleMargin | None = None
    requires_global_limit: bool = True
    global_ratios: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.sources) or (self.sources and sum(self.counts) != len(self.combination)):
            raise InputError(
                "sources do not make up the certificate",
                field="counts",
                found=f"{len(self.sources)} sources of {sum(self.counts)} matrices",
                expected=f"{len(self.combination)} matrices",
            )

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

    def certify(self, q: Any, device: str | Backend = "cpu", *, source: str | None = None) -> float:
        """Check the certificate against matrices: every combination less the matrix that it bounds is positive.

        Parameters
        ----------
        q : QMatrices, QMatrixBlocks, TemperatureMatrices, GlobalMatrices or (m, port, port) ndarray
            The matrices, in the order they were compressed in; of several sets a mapping of them by name.
        device : str or Backend
            Where it is computed.
        source : str, optional
            Which of several sets ``q`` is.

        Returns
        -------
        float
            Part of the largest eigenvalue that every bound is above its matrix by at least.

        Raises
        ------
        InputError
            For other numbers of matrices or ports, and unknown or missing sources.
        NotValidError
            When a matrix is not bounded, or there is no certificate, as in files of other programs.
        """
        if not len(self.coefficients):
            raise NotValidError(["These virtual observation points have no certificate."])
        be = backend.get(device)
        if isinstance(q, Mapping):
            if set(q) != set(self.sources):
                found, wanted = ", ".join(map(str, q)), ", ".join(self.sources) or "one set, without a name"
                raise InputError("other sets than were merged", field="q", found=found, expected=wanted)
            return min(self.certify(one, be, source=name) for name, one in q.items())
        start, held = self._slice_of(source)
        parts: Iterable[Any] = q if isinstance(q, QMatrixBlocks) else [q]
        if isinstance(q, GlobalMatrices):
            parts = [q.scaled(self.global_ratios)]
        count = len(q) if isinstance(q, QMatrixBlocks) else len(getattr(q, "matrices", q))
        n = len(q.ports) if hasattr(q, "ports") else np.shape(q)[-1]
        if count != held or n != len(self.ports):
            wanted = f"{held} matrices of {len(self.ports)} ports"
            raise InputError("other matrices than were compressed", field="q", found=f"{count} of {n}", expected=wanted)
        for part in parts:
            matrices = np.asarray(getattr(part, "matrices", part))
            self._certify(matrices, start, be)
            start += len(matrices)
        return ROOM

    def _slice_of(self, source: str | None) -> tuple[int, int]:
        """Number of the first matrix of a source, and how many it has."""
        if source is None and len(self.sources) > 1:
            raise InputError("which of the sets", field="source", expected=", ".join(self.sources))
        if source is None:
            return 0, len(self.combination)
        if source not in self.sources:
            raise unknown("unknown set of matrices", source, self.sources, field="source")
        at = self.sources.index(source)
        return sum(self.counts[:at]), self.counts[at]

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
