"""How sure the moments of a chaos are that was fitted to so many samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import one_of, within
from emdose.compute import backend
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import points
from emdose.uncertainty.chaos.bases.least_squares import LeastSquares
from emdose.uncertainty.chaos.expansion import WORK_BYTES, Chaos
from emdose.values import owned, read_only


@read_only
@dataclass(frozen=True, eq=False)
class ChaosUncertainty:
    """Standard uncertainties of the moments of a chaos, by the samples that it was fitted to.

    Parameters
    ----------
    mean, sd : array (...)
        The moments; the standard deviation with what the polynomial misses, and less what noise adds to coefficients.
    of_mean, of_sd : array (...)
        Their standard uncertainties.
    dof : int
        Degrees of freedom: samples less terms.
    """

    mean: np.ndarray
    sd: np.ndarray
    of_mean: np.ndarray
    of_sd: np.ndarray
    dof: int

    def interval(self, of: str = "mean", coverage: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Ends (...) of the interval of a moment, "mean" or "sd", by Student's t."""
        from scipy.stats import t

        one_of("of", of, ("mean", "sd"))
        k = t.ppf(0.5 + within("coverage", coverage, 0, 1, ends="()") / 2, self.dof)
        value, u = (self.mean, self.of_mean) if of == "mean" else (self.sd, self.of_sd)
        return value - k * u, value + k * u


def chaos_uncertainty(chaos: Chaos, X: Any, Y: Any) -> ChaosUncertainty:
    """Standard uncertainties of mean and standard deviation of the outputs of a dense chaos.

    What the polynomial misses differs from sample to sample like noise, of a spread that depends on the place. The
    samples are taken for independent; of Sobol points or a Latin hypercube the uncertainties are too large. Of outputs
    with kinks under laws with tails they are too small: see the theory of polynomial chaos for measured coverage.

    Parameters
    ----------
    chaos : Chaos
        Fitted by least squares.
    X : array (n, d)
        The samples that it was fitted to.
    Y : array (n, ...)
        Their outputs.

    Raises
    ------
    InputError
        For outputs that do not fit, or as many terms as samples.

    Equation: Cov(c) = (n - 1) / n A diag(e^2) A^T, A = (Psi^T Psi)^-1 Psi^T, leave-one-out errors e_i (HC3, jackknife);
    sd^2 = sum_k c_k^2 - sum_k Cov_kk + mean(r_i e_i), its influences 2 sum_k c_k A_ki e_i + (r_i e_i - mean) / n.

    Source: J. G. MacKinnon, H. White, J. Econometrics 29 (1985) 305-325; J. S. Long, L. H. Ervin, Am. Stat. 54 (2000)
    217-224.
    """
    X = points(chaos.inputs, X)
    n, P = len(X), chaos.basis.terms
    if n <= P:
        raise InputError("no samples beyond the terms", field="X", found=f"{n} samples", expected=f"{P + 1} or more")
    where = backend.of(Y)
    flat = where.to_numpy(Y).astype(float).reshape(n, -1)
    if flat.shape[1] != chaos.size:
        raise InputError(
            "outputs do not fit the chaos", field="Y", found=flat.shape[1], expected=f"{chaos.size} outputs"
        )
    solver = LeastSquares(chaos.basis.evaluate(X))
    A = solver.inverse
    mean, sd, of_mean, of_sd = (np.empty(chaos.size) for _ in range(4))
    step = max(1, WORK_BYTES // (32 * n))
    for a in range(0, chaos.size, step):
        part = slice(a, a + step)
        c = A @ flat[:, part]
        missed = flat[:, part] - solver.Psi @ c
        e, left = missed * solver.weight[:, None], np.square(missed) * solver.weight[:, None]
        variance = np.square(c[1:]).sum(axis=0) + left.mean(axis=0) - np.square(A[1:]).sum(axis=0) @ left
        mean[part], sd[part] = c[0], np.sqrt(np.maximum(variance, 0.0))
        of_mean[part] = np.sqrt((n - 1) / n * (np.square(A[0]) @ np.square(e)))
        pull = 2 * (A[1:].T @ c[1:]) * e + (left - left.mean(axis=0)) / n
        of_sd[part] = np.sqrt((n - 1) / n * np.square(pull).sum(axis=0)) / np.where(sd[part] > 0, 2 * sd[part], 1.0)
    moments = [owned(v.reshape(chaos.shape)) for v in (mean, sd)]
    spreads = [owned(v.reshape(chaos.shape)) for v in (of_mean, of_sd)]
    return ChaosUncertainty(moments[0], moments[1], spreads[0], spreads[1], n - P)
