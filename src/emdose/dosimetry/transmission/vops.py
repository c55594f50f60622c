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

from emdose.checks import number, one_of
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.transmission.clusters import clusters
from emdose.dosimetry.transmission.covers import MOST_CHANNELS, TOLERANCE, Cover, PackedMatrices, convex_cover
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.errors import InputError, NotValidError
from emdose.values import owned, read_only

ADDED = ("identity", "global")
"""Shapes of the overestimation by name."""
METHODS = ("cover", "clusters")
RELATIVE_TRIES = 12
"""Covers that are tried for a largest relative overestimate."""


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

    def certify(self, q: QMatrices | TemperatureMatrices, device: str | Backend = "cpu") -> float:
        """Check the certificate against matrices: every combination less the matrix that it bounds is positive.

        Parameters
        ----------
        q : QMatrices or TemperatureMatrices
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
        matrices = np.asarray(q.matrices)
        if matrices.shape != (len(self.combination), *self.matrices.shape[1:]):
            wanted = (len(self.combination), *self.matrices.shape[1:])
            raise InputError(
                "other matrices than were compressed", field="q", found=matrices.shape, expected=str(wanted)
            )
        packed = PackedMatrices(matrices, backend.get(device))
        be = packed.be
        order = np.argsort(self.combination, kind="stable")
        starts = np.searchsorted(self.combination[order], np.arange(len(self.coefficients) + 1))
        room = 1e-15
        for n, c in enumerate(self.coefficients):
            which = be.asarray(order[starts[n] : starts[n + 1]].astype(np.int64))
            bound = np.tensordot(c, self.matrices, 1)
            below = be.to_numpy(packed.below(bound - room * self.largest * np.eye(len(bound)), which))
            if c.min() < 0 or abs(c.sum() - 1) > 1e-12 or not below.all():
                first = int(order[starts[n] : starts[n + 1]][int(np.argmin(below))])
                raise NotValidError([f"Virtual observation points do not bound matrix {first}: the certificate fails."])
        return room

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


def compress(
    q: QMatrices | TemperatureMatrices,
    overestimate: float = 0.1,
    *,
    method: str = "cover",
    added: str | np.ndarray = "identity",
    relative: bool = False,
    device: str | Backend = "auto",
) -> VirtualObservationPoints:
    """Virtual observation points of Q-matrices or of temperature matrices, with a certificate.

    Parameters
    ----------
    q : QMatrices or TemperatureMatrices
        The matrices; those averaged over 10 g for the limits of local SAR.
    overestimate : float
        Norm of what is added, over the largest eigenvalue of all matrices; with ``relative`` the largest overestimate
        of the SAR of any drive, over the SAR of that drive by all matrices.
    method : {"cover", "clusters"}
        "cover" bounds every matrix by a convex combination and needs fewest; "clusters" bounds it by one matrix, is
        quicker on small sets, and finds by itself what it adds.
    added : {"identity", "global"} or (port, port) ndarray
        Shape of what is added: the same in every direction, the mean of all matrices (small where global SAR is small),
        or a positive semidefinite matrix.
    relative : bool
        Whether ``overestimate`` is relative to the SAR of the drive; that needs several covers.
    device : str or Backend
        Where it is computed.

    Raises
    ------
    InputError
        For matrices that are not Hermitian or not positive, more than 32 channels, and a bad overestimate.
    ConvergenceError
        When a linear program fails.
    """
    number("overestimate", overestimate)
    if not 1e-6 <= overestimate <= 10:
        raise InputError(
            "bad overestimate", field="overestimate", found=overestimate, expected="1e-6 to 10, such as 0.1"
        )
    one_of("method", method, METHODS, problem="unknown method")
    matrices = np.asarray(q.matrices)
    largest = _largest(matrices)
    shape = _shape_of(added, matrices)
    be = backend.get(device)
    packed = PackedMatrices(matrices, be)
    if not relative:
        return _made(q, packed, largest, overestimate, shape, method)
    low, high, best = 0.0, overestimate, None
    tried = overestimate
    for _ in range(RELATIVE_TRIES):
        found = _made(q, packed, largest, tried, shape, method)
        if relative_overestimate(found, q) <= overestimate:
            low, best = tried, found
        else:
            high = tried
        if best is not None and (high - low) < 0.1 * high:
            break
        tried = 0.5 * (low + high)
    if best is None:
        raise InputError(
            "no cover is as tight as this", field="overestimate", found=overestimate, expected="a larger one"
        )
    return best


def relative_overestimate(
    vops: VirtualObservationPoints, q: QMatrices | TemperatureMatrices, drives: int = 2000, seed: int = 1
) -> float:
    """Largest bound over SAR, less 1, of random drives and of those that the matrices themselves are largest for.

    A search, not a bound: some other drive may have more.

    Parameters
    ----------
    vops : VirtualObservationPoints
        The bounds.
    q : QMatrices or TemperatureMatrices
        The matrices.
    drives, seed : int
        Number of random drives, complex normal, and where their generator begins.
    """
    rng = np.random.default_rng(seed)
    n = len(q.ports)
    v = rng.normal(size=(drives, n)) + 1j * rng.normal(size=(drives, n))
    some = np.asarray(q.matrices)[:: max(1, len(q.matrices) // drives)]
    v = np.concatenate(
        [v, np.linalg.eigh(some)[1][:, :, 0], np.linalg.eigh(vops.matrices)[1].transpose(0, 2, 1).reshape(-1, n)]
    )
    worst = 0.0
    full = np.asarray(q.matrices).reshape(len(q.matrices), -1)
    for start in range(0, len(v), 512):
        block = v[start : start + 512]
        outer = np.einsum("di,dj->ijd", block.conj(), block).reshape(n * n, -1).astype(full.dtype)
        truth = np.zeros(len(block))
        for first in range(0, len(full), 1 << 16):
            truth = np.maximum(truth, (full[first : first + (1 << 16)] @ outer).real.max(axis=0))
        worst = max(worst, float((vops.peak(block) / truth).max()) - 1)
    return worst


def _made(
    q: QMatrices | TemperatureMatrices,
    packed: PackedMatrices,
    values: np.ndarray,
    overestimate: float,
    shape: np.ndarray,
    method: str,
) -> VirtualObservationPoints:
    """Virtual observation points by one of the methods."""
    largest = float(values.max())
    if method == "clusters":
        found = clusters(packed, values, overestimate * largest)
        V = found.matrices + TOLERANCE * largest * np.eye(packed.n)
        chosen, bound, table = found.chosen, found.bound, np.eye(len(V))
    else:
        added = overestimate * largest * shape
        cover = convex_cover(packed, added, values)
        V, chosen, bound, table = cover.matrices(packed, added, largest), cover.chosen, cover.bound, _table(cover)
    return VirtualObservationPoints(
        owned(V),
        q.ports,
        q.drive_unit,
        overestimate,
        method,
        owned(chosen.astype(np.int64)),
        owned(bound),
        owned(table),
        largest,
        q.rule,
        q.averaging_mass_kg,
        q.frequency_Hz,
        q.unit,
    )


def _table(cover: Cover) -> np.ndarray:
    table = np.zeros((len(cover.combinations), len(cover.chosen)))
    for row, one in zip(table, cover.combinations, strict=True):
        row[one.index] = one.coefficients
    return table


def _largest(matrices: np.ndarray) -> np.ndarray:
    """Largest eigenvalue of every matrix; what is no set of Q-matrices is refused."""
    n = matrices.shape[-1]
    if n > MOST_CHANNELS:
        raise InputError("too many channels", field="q", found=n, expected=f"at most {MOST_CHANNELS}")
    if not np.all(np.isfinite(matrices)):
        raise InputError("matrices hold a value that is not finite", field="q")
    trace = np.trace(matrices, axis1=1, axis2=2).real
    skew = np.abs(matrices - matrices.conj().swapaxes(1, 2)).max(axis=(1, 2))
    small = 1e-5 if matrices.dtype == np.complex64 else 1e-10
    scale = float(np.abs(trace).max()) or 1.0
    if skew.max() > small * scale:
        raise InputError(
            "matrix is not Hermitian", field="q", found=f"matrix {int(np.argmax(skew))}", expected="Q = Q^H"
        )
    values = np.linalg.eigvalsh(matrices)
    least = values[:, 0]
    if least.min() < -10 * small * scale:
        where = int(np.argmin(least))
        raise InputError(
            "matrix is not positive",
            field="q",
            found=f"eigenvalue {least[where]:.3g} of matrix {where}",
            expected="no SAR below 0",
        )
    return values[:, -1].astype(float)


def _shape_of(added: str | np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """What is added, at a norm of 1."""
    n = matrices.shape[-1]
    if isinstance(added, str):
        if added not in ADDED:
            raise InputError("unknown overestimation", field="added", found=added, expected=f"{' or '.join(ADDED)}")
        made: Any = np.eye(n, dtype=complex) if added == "identity" else matrices.mean(axis=0).astype(complex)
    else:
        made = np.asarray(added, complex)
        if made.shape != (n, n) or not np.allclose(made, made.conj().T):
            raise InputError("bad overestimation", field="added", found=made.shape, expected=f"Hermitian, ({n}, {n})")
    values = np.linalg.eigvalsh(made)
    if values[0] < -1e-9 * abs(values[-1]) or values[-1] <= 0:
        raise InputError(
            "bad overestimation", field="added", found=f"eigenvalue {values[0]:.3g}", expected="a positive matrix"
        )
    return np.asarray(made / values[-1])
