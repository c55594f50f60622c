r"""Compression of Q-matrices to virtual observation points, of all at once or block by block.

Blocks are gone through twice or more. First for the largest eigenvalue of each matrix: those below the smallest
eigenvalue of what is added, :math:`\lambda_{\max}(Q_i) \le \lambda_{\min}(\Lambda)`, are bounded by the first V.
What is left is gathered from the largest eigenvalue down, as much at a time as the memory shall hold, so that the cover
is that of all matrices at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from emdose.checks import number, one_of, positive
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.transmission.blocks import QMatrixBlocks
from emdose.dosimetry.transmission.clusters import clusters
from emdose.dosimetry.transmission.combinations import table_of
from emdose.dosimetry.transmission.covers import MOST_CHANNELS, TOLERANCE, Cover, GrowingCover, PackedMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError
from emdose.values import owned

ADDED = ("identity", "global")
"""Shapes of the overestimation by name."""
METHODS = ("cover", "clusters")
RELATIVE_TRIES = 12
"""Covers that are tried for a largest relative overestimate."""
SINGLE = 1e-5
"""Part by which eigenvalues in single precision may be too small."""
MEMORY_BYTES = 2.0**30
"""Of matrices that are gathered from blocks."""


def compress(
    q: QMatrices | QMatrixBlocks | TemperatureMatrices,
    overestimate: float = 0.1,
    *,
    method: str = "cover",
    added: str | np.ndarray = "identity",
    relative: bool = False,
    device: str | Backend = "auto",
    memory_bytes: float = MEMORY_BYTES,
) -> VirtualObservationPoints:
    """Virtual observation points of Q-matrices or of temperature matrices, with a certificate.

    Parameters
    ----------
    q : QMatrices, QMatrixBlocks or TemperatureMatrices
        The matrices; those averaged over 10 g for the limits of local SAR. Blocks are never whole in the memory.
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
    memory_bytes : float
        How much memory matrices of blocks may take at a time [bytes].

    Raises
    ------
    InputError
        For matrices that are not Hermitian or not positive, more than 32 channels, a bad overestimate, and for blocks
        by clusters or with a relative overestimate.
    ConvergenceError
        When a linear program fails.
    """
    require_overestimate(overestimate)
    one_of("method", method, METHODS, problem="unknown method")
    positive("memory_bytes", memory_bytes)
    if isinstance(q, QMatrixBlocks):
        if method == "clusters" or relative:
            asked = "clusters" if method == "clusters" else "relative"
            raise InputError("not of blocks", field="q", found=asked, expected="a cover; or q.whole()")
        cover, eigenvalues = cover_of_blocks(q, overestimate, added, backend.get(device), memory_bytes)
        return _of_cover(q, cover, overestimate, float(eigenvalues.max()))
    matrices = np.asarray(q.matrices)
    largest = largest_eigenvalues(matrices)
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


def require_overestimate(overestimate: float) -> None:
    """Raise InputError unless it is a number that covers are made with."""
    number("overestimate", overestimate)
    if not 1e-6 <= overestimate <= 10:
        raise InputError(
            "bad overestimate", field="overestimate", found=overestimate, expected="1e-6 to 10, such as 0.1"
        )


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
        return _points(q, V, found.chosen, found.bound, np.eye(len(V)), overestimate, largest, method)
    growing = GrowingCover(packed.count, overestimate * largest * shape, largest)
    growing.take(packed, np.arange(packed.count), np.argsort(-values, kind="stable"))
    return _of_cover(q, growing.cover(), overestimate, largest)


def cover_of_blocks(
    q: QMatrixBlocks,
    overestimate: float,
    added: str | np.ndarray,
    be: Backend,
    memory_bytes: float,
    held: np.ndarray | None = None,
) -> tuple[Cover, np.ndarray]:
    """A convex cover of blocks, and the largest eigenvalue of every matrix.

    Parameters
    ----------
    q : QMatrixBlocks
        The matrices.
    overestimate, added, be, memory_bytes
        As of :func:`compress`.
    held : (h, port, port) complex ndarray, optional
        Matrices that are limited anyway: they become the first V, with nothing added, and are ``chosen`` as -1, -2, ...

    Raises
    ------
    InputError, ConvergenceError
        As :func:`compress`.
    """
    values, total, count, dtype = [], np.zeros((len(q.ports), len(q.ports)), complex), 0, np.dtype(np.float32)
    for part in q:
        matrices = np.asarray(part.matrices)
        values.append(largest_eigenvalues(matrices, count))
        total += matrices.sum(axis=0, dtype=complex)
        count += len(matrices)
        dtype = np.result_type(dtype, matrices.dtype)
    if count != len(q) or not count:
        raise InputError("blocks do not make the number of matrices", field="q", found=count, expected=str(len(q)))
    eigenvalues = np.concatenate(values)
    largest = float(eigenvalues.max())
    extra = overestimate * largest * _shape_of(added, total[None] / count)
    growing = GrowingCover(count, extra, largest)
    order = np.argsort(-eigenvalues, kind="stable")
    if held is None:
        # Matrices that the overestimation alone bounds belong to the first V, which is of the largest one.
        growing.bound[:] = 0
        low = float(np.linalg.eigvalsh(extra)[0]) * (1 - SINGLE)
        order = order[: max(1, int((eigenvalues > low).sum()))]
    else:
        largest_eigenvalues(held)
        growing.hold(held)
    n = len(q.ports)
    together = max(1, int(memory_bytes / (dtype.itemsize * (n * n + n * (n + 1) / 2))))
    for start in range(0, len(order), together):
        some = order[start : start + together]
        packed = PackedMatrices(_gathered(q, some, dtype), be)
        growing.take(packed, some, np.arange(len(some)))
    return growing.cover(), eigenvalues


def _gathered(q: QMatrixBlocks, wanted: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Matrices of some numbers, in that order."""
    out = np.empty((len(wanted), len(q.ports), len(q.ports)), dtype)
    by_number = np.argsort(wanted, kind="stable")
    growing = wanted[by_number]
    for start, part in _numbered(q):
        low, high = np.searchsorted(growing, (start, start + len(part.matrices)))
        out[by_number[low:high]] = part.matrices[growing[low:high] - start]
    return out


def _numbered(q: QMatrixBlocks) -> Iterator[tuple[int, QMatrices]]:
    start = 0
    for part in q:
        yield start, part
        start += len(part.matrices)


def _of_cover(
    q: QMatrices | QMatrixBlocks | TemperatureMatrices, cover: Cover, overestimate: float, largest: float
) -> VirtualObservationPoints:
    table = table_of(cover.combinations, len(cover.chosen))
    return _points(q, cover.matrices, cover.chosen, cover.bound, table, overestimate, largest, "cover")


def _points(
    q: QMatrices | QMatrixBlocks | TemperatureMatrices,
    V: np.ndarray,
    chosen: np.ndarray,
    bound: np.ndarray,
    table: np.ndarray,
    overestimate: float,
    largest: float,
    method: str,
) -> VirtualObservationPoints:
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
        getattr(q, "time_s", None),
        getattr(q, "assumptions", ()),
    )


def largest_eigenvalues(matrices: np.ndarray, start: int = 0) -> np.ndarray:
    """Largest eigenvalue of every matrix; what is no set of Q-matrices, numbered from ``start``, is refused."""
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
            "matrix is not Hermitian", field="q", found=f"matrix {start + int(np.argmax(skew))}", expected="Q = Q^H"
        )
    values = np.linalg.eigvalsh(matrices)
    least = values[:, 0]
    if least.min() < -10 * small * scale:
        where = int(np.argmin(least))
        raise InputError(
            "matrix is not positive",
            field="q",
            found=f"eigenvalue {least[where]:.3g} of matrix {start + where}",
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
