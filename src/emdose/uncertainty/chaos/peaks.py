"""Peaks of maps: the largest value of the polynomials of a map, wherever it is, for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import whole
from emdose.compute import backend
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import points
from emdose.uncertainty.chaos.expansion import WORK_BYTES, Chaos, Expansion
from emdose.values import owned, read_only

SEEDS = 64
"""Voxels, of the largest means and of the largest means with two standard deviations, that the peak is at least in."""

BINS = 64
"""Sets of samples in which voxels are first judged."""

ROUNDING = 1e-5
"""Part of the peak by which a bound may be wrong in single precision."""


@read_only
@dataclass(frozen=True, eq=False)
class PeakSamples:
    """The largest value of a map for each of many samples of its inputs.

    Parameters
    ----------
    values : array (n,)
        The peaks.
    places : array of int (n, dimensions of the map)
        Where they are.
    X : array (n, d)
        Inputs of the samples.
    candidates : int
        Number of voxels that could be the peak of a sample, and were looked at; the others cannot.
    inputs : Inputs
        Joint law of the inputs.
    """

    values: np.ndarray
    places: np.ndarray
    X: np.ndarray
    candidates: int
    inputs: Any

    @property
    def mean(self) -> float:
        """Mean of the peak."""
        return float(self.values.mean())

    @property
    def sd(self) -> float:
        """Standard deviation of the peak."""
        return float(self.values.std(ddof=1))

    def quantile(self, q: Any) -> Any:
        """Quantiles of the peak."""
        found = np.quantile(self.values, q)
        return found if np.ndim(q) else float(found)

    def chaos(self, degree: int | str = "auto", truncation: float | str = 1.0) -> Chaos:
        """A chaos of the peak itself, fitted to these many samples: for its Sobol indices, not for its values.

        A peak that moves has kinks, so that the polynomial's leave-one-out error stays above 0; the indices are those
        of its projection on the polynomials.
        """
        from emdose.uncertainty.chaos.front import polynomial_chaos

        found = polynomial_chaos(self.inputs, self.X, self.values.astype(float), degree, truncation=truncation)
        assert isinstance(found, Chaos)
        return found

    def shares_of_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Places (k, dimensions) that are the peak of a sample, and of which share (k,), the most frequent first."""
        rows, counts = np.unique(self.places, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return rows[order], counts[order] / len(self.places)


def peak_samples(
    chaos: Expansion, n: int = 4096, seed: int = 0, *, X: Any = None, inside: Any = None, block: int | None = None
) -> PeakSamples:
    """Peaks of the map of a chaos for many samples of its inputs.

    The polynomial of each voxel is evaluated, and the largest value taken. Voxels whose upper bound lies below what
    the largest ones have at least are left out; this changes nothing.

    Parameters
    ----------
    chaos : Chaos or ModalChaos
        Of a map.
    n : int
        Samples; scrambled Sobol points.
    seed : int
        Of the scrambling.
    X : array (n, d), optional
        Inputs to take instead.
    inside : array of bool, optional
        Where the peak may be, of the shape of the map.
    block : int, optional
        Samples that are worked on at a time.

    Raises
    ------
    InputError
        For a single output, or a mask that does not fit.

    Equation: y_v(x) <= mean_v + sum_p sd_vp |psi_p(x)| over the total degrees p (Cauchy and Schwarz).
    """
    if not chaos.shape:
        raise InputError("one output has no peak", field="chaos", expected="a chaos of a map")
    X = chaos.spread_inputs(n, seed) if X is None else points(chaos.inputs, X)
    where = backend.of(chaos.loo)
    xp = where.xp
    mask = None if inside is None else _mask(inside, chaos.shape)
    Psi = chaos.psi(X)
    mean, spread = _moments(chaos, xp)
    if mask is not None:
        mean = xp.where(xp.asarray(mask), mean, -xp.inf)
    sd = xp.sqrt(xp.square(spread).sum(axis=0))
    k = min(SEEDS, chaos.size)
    seeds = xp.unique(xp.concatenate([xp.argsort(-mean)[:k], xp.argsort(-(mean + 2 * sd))[:k]]))
    seeds = seeds[xp.isfinite(mean[seeds])]
    least = (Psi @ _columns(chaos, where.to_numpy(seeds), xp)).max(axis=1)
    least = least - ROUNDING * xp.abs(least)
    chosen = _candidates(Psi, _degrees(chaos), mean, spread, sd, least, xp)
    C = _columns(chaos, where.to_numpy(chosen), xp)
    values, at = xp.empty(len(X), Psi.dtype), xp.empty(len(X), int)
    step = block or max(1, WORK_BYTES // (Psi.dtype.itemsize * max(1, len(chosen))))
    for a in range(0, len(X), whole("block", step, 1)):
        y = Psi[a : a + step] @ C
        best = y.argmax(axis=1)
        values[a : a + step], at[a : a + step] = y[xp.arange(len(y)), best], chosen[best]
    places = np.column_stack(np.unravel_index(where.to_numpy(at), chaos.shape))
    return PeakSamples(owned(where.to_numpy(values)), owned(places), owned(X.copy()), len(chosen), chaos.inputs)


def _mask(inside: Any, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.asarray(inside)
    if mask.shape != shape or mask.dtype != bool or not mask.any():
        raise InputError("mask does not fit", field="inside", found=f"{mask.dtype} {mask.shape}", expected=str(shape))
    return mask.ravel()


def _degrees(chaos: Expansion) -> np.ndarray:
    total: np.ndarray = chaos.indices.degrees.sum(axis=1, dtype=int)
    return total


def _moments(chaos: Expansion, xp: Any) -> tuple[Any, Any]:
    """Mean (m,), and root of the sum of squared coefficients of each total degree (degrees, m)."""
    total = _degrees(chaos)
    forms = xp.asarray(total == np.arange(1, total.max(initial=1) + 1)[:, None], dtype=chaos.first.dtype)
    mean, spread = xp.empty(chaos.size, forms.dtype), xp.empty((len(forms), chaos.size), forms.dtype)
    for a, b in chaos.steps(chaos.basis.terms):
        C = chaos.block(a, b)
        mean[a:b] = C[0]
        spread[:, a:b] = xp.sqrt(forms @ xp.square(C))
    return mean, spread


def _columns(chaos: Expansion, chosen: np.ndarray, xp: Any) -> Any:
    """Coefficients (P, k) of chosen outputs, growing."""
    parts = []
    for a, b in chaos.steps(chaos.basis.terms):
        here = chosen[(chosen >= a) & (chosen < b)] - a
        if here.size:
            parts.append(chaos.block(a, b)[:, xp.asarray(here)])
    return xp.concatenate(parts, axis=1)


def _candidates(Psi: Any, total: np.ndarray, mean: Any, spread: Any, sd: Any, least: Any, xp: Any) -> Any:
    """Outputs whose upper bound reaches the least value of the peak in one sample at least."""
    size = xp.stack([xp.sqrt(xp.square(Psi[:, total == p]).sum(axis=1)) for p in range(1, len(spread) + 1)], axis=1)
    # Samples of a similar length, with the largest length and the least peak of all of them: quick and too kind.
    length = xp.sqrt(xp.square(size).sum(axis=1))
    order = xp.argsort(length)
    possible = xp.zeros(mean.size, bool)
    for part in xp.array_split(order, min(BINS, len(order))):
        possible |= mean + length[part].max() * sd >= least[part].min()
    chosen = xp.flatnonzero(possible)
    kept = []
    step = max(1, WORK_BYTES // (8 * len(least)))
    for a in range(0, len(chosen), step):
        some = chosen[a : a + step]
        bound = size @ spread[:, some]
        bound += mean[some]
        bound -= least[:, None]
        kept.append(some[bound.max(axis=0) >= 0])
    return xp.concatenate(kept)
