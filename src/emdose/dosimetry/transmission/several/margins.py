r"""The margin of a study: by what nominal bounds must be multiplied to hold in all samples of what is uncertain.

.. math:: f_s = \min \Bigl\{ f : \ Q_i^{(s)} \preceq f \sum_k c_{ik} V_k \ \text{for all } i,\ c_{ik} \ge 0,\
          \sum_k c_{ik} = 1 \Bigr\}

for the matrices of sample s, so that :math:`\max_i v^H Q_i^{(s)} v \le f_s \max_k v^H V_k v` for every drive, and the
same for every average. The largest of the samples is a bound of a part of the population that
:class:`SampleMargin` states. One cover of all samples (:func:`emdose.merge_vops`) is tighter and bounds these samples
alone: nothing is known of the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.transmission.combinations import Mixture, smallest_multiple, table_of
from emdose.dosimetry.transmission.compression import largest_eigenvalues
from emdose.dosimetry.transmission.covers import TOLERANCE, PackedMatrices
from emdose.dosimetry.transmission.sample_margins import SampleMargin
from emdose.dosimetry.transmission.several.sets import Certificate, named, parts_of, require_alike
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError
from emdose.values import owned

NOMINAL = "nominal"
MOST_SAMPLES = 4000
BLOCK = 1 << 14
"""Matrices whose worst drives are found at a time."""


def with_sample_margin(
    vops: VirtualObservationPoints,
    samples: Mapping[str, Any] | Sequence[Any],
    coverage: float = 0.95,
    *,
    device: str | Backend = "auto",
) -> VirtualObservationPoints:
    r"""Bounds that hold in every sample of a study: the nominal ones times one factor, with coverage and confidence.

    Parameters
    ----------
    vops : VirtualObservationPoints
        Of the nominal body, position and array, with their certificate; made without a look at the samples.
    samples : mapping of str to set, or sequence of sets
        Q-matrices of every sample, blocks of them, or virtual observation points (whose own overestimate then counts as
        spread); independent draws from what is uncertain.
    coverage : float
        Part of the population that the factor is stated for.
    device : str or Backend
        Where it is computed.

    Returns
    -------
    VirtualObservationPoints
        ``matrices`` times the factor, ``margin`` with what it is worth, and certificates of the nominal matrices
        (source "nominal") and of every sample.

    Raises
    ------
    InputError
        For bounds without a certificate or with a margin, samples that are not of the same ports, drives, quantity,
        averaging, rule and frequency, more than 4 000 of them, and a coverage that is not between 0 and 1.
    ConvergenceError
        When a sample has SAR where no multiple of the bounds has.

    Notes
    -----
    The factor holds for all drives at once; that of one drive is smaller. What voxels and tolerances of the solver
    leave uncertain is the same in all samples and not in it.

    Source: S. S. Wilks, Ann. Math. Stat. 12 (1941) 91-96 (the largest of samples as a bound of a population); S. Boyd
    and L. Vandenberghe, Convex Optimization (2004), section 5.9 (conic duality).
    """
    if not isinstance(vops, VirtualObservationPoints):
        raise InputError(
            "no virtual observation points", field="vops", found=type(vops).__name__, expected="em.compress"
        )
    nominal = named({NOMINAL: vops}, NOMINAL)
    found = named(samples, "sample")
    if NOMINAL in found or len(found) > MOST_SAMPLES:
        expected = f"up to {MOST_SAMPLES} samples, none of them called '{NOMINAL}'"
        raise InputError("bad samples", field="samples", found=len(found), expected=expected)
    require_alike({**nominal, **found})
    SampleMargin.of(np.ones(1), coverage)
    V, be = np.asarray(vops.matrices), backend.get(device)
    certificate, factors, largest = Certificate(len(V)), [], vops.largest
    certificate.add(NOMINAL, vops, np.eye(len(V)), np.arange(len(V)))
    for name, one in found.items():
        factor, table, bound, size = _factor(one, V, TOLERANCE * vops.largest, be)
        certificate.add(name, one, table, bound)
        factors.append(factor)
        largest = max(largest, one.largest if isinstance(one, VirtualObservationPoints) else size)
    margin = SampleMargin.of(np.array(factors), coverage)
    return replace(vops, matrices=owned(margin.factor * V), largest=largest, margin=margin, **certificate.arrays())


def bound_factor(vops: VirtualObservationPoints, q: Any, device: str | Backend = "auto") -> float:
    """The smallest factor by which bounds hold for other matrices, for every drive and every average over drives.

    Parameters
    ----------
    vops : VirtualObservationPoints
        Of one body; a certificate is not needed.
    q : QMatrices, QMatrixBlocks, TemperatureMatrices or VirtualObservationPoints
        Of another body, position or sample, with the same array.
    device : str or Backend
        Where it is computed.

    Raises
    ------
    InputError
        For what is not of the same ports, drives, quantity, averaging, rule and frequency.
    ConvergenceError
        When there is none.

    Notes
    -----
    See :class:`SampleMargin` for what the largest of several says. Above the smallest by no more than 1e-4 of it.
    """
    if not isinstance(vops, VirtualObservationPoints):
        raise InputError("no virtual observation points", field="vops", found=type(vops).__name__)
    require_alike({"bounds": vops, **named({"matrices": q}, "set")})
    V = np.asarray(vops.matrices)
    room = TOLERANCE * float(np.linalg.eigvalsh(V).max())
    return _factor(q, V, room, backend.get(device))[0]


def _factor(one: Any, V: np.ndarray, room: float, be: Backend) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Factor of a set, combinations (c, v), which of them bounds each matrix (m,), and the largest eigenvalue."""
    factor, size = 0.0, 0.0
    made: list[Mixture] = []
    bounds: list[np.ndarray] = []
    for part in parts_of(one):
        matrices = np.asarray(part.matrices)
        packed, values = PackedMatrices(matrices, be), largest_eigenvalues(matrices)
        size = max(size, float(values.max()))
        bound = np.full(len(matrices), -1, np.int64)
        left = np.argsort(-_least_factors(matrices, V), kind="stable")
        for which, known in enumerate(made):
            left = _dropped(packed, factor * known.of(V), room, left, bound, which)
        while len(left):
            Q = matrices[left[0]].astype(complex)
            # Room for what rounding leaves, so that the bound holds without any.
            needed, mixture = smallest_multiple(Q + room * np.eye(packed.n), V, factor)
            factor = max(factor, needed)
            bound[left[0]] = len(made)
            left = _dropped(packed, factor * mixture.of(V), 0.5 * room, left[1:], bound, len(made))
            made.append(mixture)
        bounds.append(bound)
    return factor, table_of(made, len(V)), np.concatenate(bounds), size


def _least_factors(matrices: np.ndarray, V: np.ndarray) -> np.ndarray:
    """What the factor of every matrix is at least, by its own worst drive, (m,): those of the largest come first."""
    found = np.empty(len(matrices))
    for start in range(0, len(matrices), BLOCK):
        some = slice(start, start + BLOCK)
        values, vectors = np.linalg.eigh(matrices[some])
        u = vectors[..., -1]
        forms = np.einsum("mi,kij,mj->mk", u.conj(), V, u, optimize=True).real
        found[some] = values[:, -1] / forms.max(axis=1)
    return found


def _dropped(
    packed: PackedMatrices, P: np.ndarray, room: float, left: np.ndarray, bound: np.ndarray, which: int
) -> np.ndarray:
    """What is left of some matrices when those below P are bounded by a combination."""
    if not len(left):
        return left
    gone = packed.be.to_numpy(packed.below(P, packed.be.asarray(left), -room))
    bound[left[gone]] = which
    return left[~gone]
