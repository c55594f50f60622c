r"""Power matrices over frequency: a sum of relaxations that stays positive semidefinite, exact at the samples.

Eddy currents that a source of unit dB/dt drives are a sum of modes, each with one time constant, so that

.. math:: M(\omega) = \sum_k \frac{a_k a_k^H}{1 + \omega^2 \tau_k^2} .

The modes of a solid body are not a few: their time constants thin out as 1/k^2, which is the skin effect and its fall
as f^(-3/2). Single poles between a handful of samples would ripple. The ladder of terms is therefore made of the
sum that belongs to a sphere,

.. math:: M(\omega) = \sum_k A_k\, g(\omega\theta_k), \quad A_k \succeq 0, \qquad
          g(y) = \frac{15}{y} \operatorname{Im} \Bigl(1 - \frac{3}{x^2} + \frac{3 \cot x}{x}\Bigr), \quad x^2 = -jy ,

which has the right limits on both sides. The A_k are built from rank-one terms, one at a time, with all weights fitted
again after each (non-negative least squares). What the fit leaves at the samples is taken up by a congruence that is
interpolated between them.

Source: for g, J. R. Wait, Geophysics 16 (1951) 666 (conducting sphere in a time-varying field); for the growth of the
fit, F. Locatello et al., NIPS 30 (2017) 773 (matching pursuit over a cone, fully corrective).
"""

from __future__ import annotations

import math

import numpy as np

TERMS = 80
"""Rank-one terms at most."""
PER_DECADE, BEYOND = 16, 100.0
"""Time constants 1/theta per decade, and how far their ladder reaches beyond the samples."""
DAMPING = 1e-7
"""Weight of the amounts of the terms in their fit."""
RIDGE = 1e-9
"""Part of the mean eigenvalue that keeps the congruence regular."""


class Relaxations:
    """A positive semidefinite matrix function of frequency through given samples.

    Parameters
    ----------
    frequencies_Hz : (f,) ndarray
        Sample frequencies, growing [Hz].
    matrices : (f, n, n) complex ndarray
        Hermitian positive semidefinite samples.
    """

    def __init__(self, frequencies_Hz: np.ndarray, matrices: np.ndarray) -> None:
        self.frequencies_Hz = np.asarray(frequencies_Hz, float)
        w = 2 * math.pi * self.frequencies_Hz
        n = matrices.shape[1]
        diagonal = np.einsum("fii->fi", matrices).real.max(axis=0)
        self._scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        samples = matrices / (self._scale[:, None] * self._scale)
        trace = np.einsum("fii->f", samples).real
        trace = np.where(trace > 0, trace, 1.0)
        decades = math.log10(w[-1] / w[0]) + 2 * math.log10(BEYOND)
        ladder = np.geomspace(w[0] / BEYOND, w[-1] * BEYOND, math.ceil(PER_DECADE * decades) + 1)
        self._rates, self._A = _fit(w, samples / trace[:, None, None], 1 / trace, ladder, n)
        # The remainder at the samples, as C in M = F^(1/2) C F^(1/2).
        roots = [_root(F) for F in self._smooth(self.frequencies_Hz)]
        self._C = np.stack(
            [np.linalg.solve(r, np.linalg.solve(r, s).conj().T) for r, s in zip(roots, samples, strict=True)]
        )
        self._last = np.zeros(0), np.zeros((0, n, n), complex)
        self.misfit = float(max(np.abs(c - np.eye(n)).max() for c in self._C))

    def __call__(self, frequencies_Hz: np.ndarray) -> np.ndarray:
        """The matrices at any frequencies, (f, n, n) complex."""
        f = np.atleast_1d(np.asarray(frequencies_Hz, float))
        # Repetitions of a sequence ask for the same harmonics again and again.
        asked, answer = self._last
        if len(f) == len(asked) and np.allclose(f, asked, rtol=1e-10, atol=0):
            return answer.copy()
        knots = np.log(self.frequencies_Hz)
        x = np.log(np.maximum(f, 1e-300))
        if len(knots) == 1:
            C = np.repeat(self._C, len(f), axis=0)
        else:
            i = np.clip(np.searchsorted(knots, x) - 1, 0, len(knots) - 2)
            t = np.clip((x - knots[i]) / (knots[i + 1] - knots[i]), 0.0, 1.0)[:, None, None]
            C = (1 - t) * self._C[i] + t * self._C[i + 1]
        roots = np.stack([_root(F) for F in self._smooth(f)])
        M = roots @ C @ roots
        found = 0.5 * (M + M.conj().swapaxes(1, 2)) * (self._scale[:, None] * self._scale)
        self._last = f.copy(), found.copy()
        return found

    def reactive(self, frequencies_Hz: np.ndarray) -> np.ndarray:
        r"""The reactive partner N of the matrices, (f, n, n) real symmetric [A m^2/T for uniform sources].

        The response M - j N / w is causal, so that the terms of the fit, which are those of balls, bring theirs:

        .. math:: N(\omega) = \omega \sum_k A_k\, \frac{15}{y_k}
                  \operatorname{Re} \Bigl(1 - \frac{3}{x^2} + \frac{3 \cot x}{x}\Bigr)

        What the fit leaves at the samples (:attr:`misfit`) does not enter.
        """
        w = 2 * math.pi * np.atleast_1d(np.asarray(frequencies_Hz, float))
        terms = w[:, None] * reactance(w[:, None] / self._rates)
        return np.einsum("fk,kij->fij", terms, self._A.real) * (self._scale[:, None] * self._scale)

    def _smooth(self, frequencies_Hz: np.ndarray) -> np.ndarray:
        w = 2 * math.pi * np.asarray(frequencies_Hz, float)
        return np.einsum("fk,kij->fij", relaxation(w[:, None] / self._rates), self._A)


def relaxation(y: np.ndarray) -> np.ndarray:
    """Power of a sphere at fixed dB/dt over its low-frequency limit, for y = w mu0 sigma a^2."""
    y = np.asarray(y, float)
    x = (1 - 1j) * np.sqrt(np.maximum(y, 0.1) / 2)
    q = np.exp(-2j * x)
    exact = 15 / np.maximum(y, 0.1) * (1 - 3 / x**2 + 3j * (1 + q) / (1 - q) / x).imag
    # The next term of the series is y^4 / 11000.
    return np.where(y < 0.1, 1 - y**2 / 105, exact)


def reactance(y: np.ndarray) -> np.ndarray:
    """Partner of :func:`relaxation` in phase with the field: 15 / y times the real part of the same expression."""
    y = np.asarray(y, float)
    x = (1 - 1j) * np.sqrt(np.maximum(y, 0.1) / 2)
    q = np.exp(-2j * x)
    exact = 15 / np.maximum(y, 0.1) * (1 - 3 / x**2 + 3j * (1 + q) / (1 - q) / x).real
    # The next term of the series is of the order of y^3 / 1000.
    return np.where(y < 0.1, 2 * y / 21, exact)


def _fit(
    w: np.ndarray, target: np.ndarray, weight: np.ndarray, ladder: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rates 1/theta (k,) and matrices (k, n, n) of the terms; ``target`` is weighted per frequency already."""
    from scipy.optimize import nnls

    basis = weight[:, None] * relaxation(w[:, None] / ladder)
    size = np.linalg.norm(basis, axis=0)
    b = np.concatenate([target.real.ravel(), target.imag.ravel()])
    terms: list[tuple[int, np.ndarray]] = []
    residual, amounts, best = target, np.zeros(0), math.inf
    for _ in range(TERMS):
        gradient = np.einsum("fk,fij->kij", basis / size, residual)
        values, u = np.linalg.eigh(0.5 * (gradient + gradient.conj().swapaxes(1, 2)))
        k = int(np.argmax(values[:, -1]))
        if values[k, -1] <= 1e-9:
            break
        terms.append((k, np.outer(u[k, :, -1], u[k, :, -1].conj())))
        atoms = np.stack([basis[:, k, None, None] * outer / size[k] for k, outer in terms]).reshape(len(terms), -1)
        columns = np.concatenate([atoms.real, atoms.imag], axis=1).T
        # The little weight on the amounts themselves keeps terms apart that differ by less than rounding.
        damped = np.concatenate([columns, DAMPING * np.eye(len(terms))])
        amounts, left = nnls(damped, np.concatenate([b, np.zeros(len(terms))]), maxiter=30 * len(terms))
        terms = [term for term, amount in zip(terms, amounts, strict=True) if amount > 0]
        residual = target - (atoms.T @ amounts).reshape(target.shape)
        amounts = amounts[amounts > 0]
        if left < 1e-7 or left > best * (1 - 1e-9):
            break
        best = left
    if not terms:
        return np.array([ladder[-1]]), np.zeros((1, n, n), complex)
    matrices = np.stack([outer * amount / size[k] for (k, outer), amount in zip(terms, amounts, strict=True)])
    return ladder[[k for k, _ in terms]], matrices


def _root(F: np.ndarray) -> np.ndarray:
    """Hermitian square root, kept away from zero by the ridge."""
    values, u = np.linalg.eigh(F)
    floor = RIDGE * max(float(values.mean()), 1e-30)
    return (u * np.sqrt(np.maximum(values, 0.0) + floor)) @ u.conj().T


def shares(solved_Hz: np.ndarray, matrix: np.ndarray, frequencies_Hz: np.ndarray, fit: Relaxations) -> np.ndarray:
    """How much of each solved frequency the density at others takes, (h, f): not negative, sum 1.

    Parameters
    ----------
    solved_Hz : (f,) ndarray
        Solved frequencies, growing [Hz].
    matrix : (f, n, n) ndarray
        Their power matrices.
    frequencies_Hz : (h,) ndarray
        Others [Hz].
    fit : Relaxations
        Fit of the matrices.
    """
    out = np.zeros((len(frequencies_Hz), len(solved_Hz)))
    if len(solved_Hz) == 1:
        return out + 1.0
    i = np.clip(np.searchsorted(solved_Hz, frequencies_Hz, side="right") - 1, 0, len(solved_Hz) - 2)
    # The trace falls with frequency: as the coordinate it makes the interpolated trace exact.
    total = np.minimum.accumulate(np.einsum("fii->f", matrix).real)
    here = np.einsum("fii->f", fit(frequencies_Hz)).real
    low, high = total[i], total[i + 1]
    flat = low - high < 1e-6 * np.abs(low)
    straight = np.log(frequencies_Hz / solved_Hz[i]) / np.log(solved_Hz[i + 1] / solved_Hz[i])
    t = np.clip(np.where(flat, straight, (low - here) / np.where(flat, 1.0, low - high)), 0.0, 1.0)
    rows = np.arange(len(i))
    out[rows, i] += 1 - t
    out[rows, i + 1] += t
    return out
