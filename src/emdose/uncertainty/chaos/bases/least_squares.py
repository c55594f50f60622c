"""A basis at its samples, made ready for any number of right-hand sides."""

from __future__ import annotations

import numpy as np

from emdose.errors import InputError

ILL = 1e-9
"""Smallest ratio of the diagonal of R below which samples do not tell the terms apart."""


class LeastSquares:
    """Psi (n, P) made ready for any number of right-hand sides.

    Parameters
    ----------
    Psi : array (n, P)
        Values of the basis.

    Raises
    ------
    InputError
        For fewer samples than terms, or samples that do not tell the terms apart.
    """

    def __init__(self, Psi: np.ndarray) -> None:
        n, P = Psi.shape
        if n < P:
            raise InputError("fewer samples than terms", field="Y", found=f"{n} samples", expected=f"{P} or more")
        Q, R = np.linalg.qr(Psi)
        size = np.abs(np.diag(R))
        if size.min() < ILL * size.max():
            raise InputError(
                "samples do not tell the terms apart", field="X", found=f"{n} samples", expected="more different ones"
            )
        self.Psi = Psi
        self.inverse = np.linalg.solve(R, Q.T)
        free = 1 - np.square(Q).sum(axis=1)
        self.weight = np.where(free > 1e-12, 1 / np.maximum(free, 1e-12), 1e12)
        self.correction = np.inf if n == P else n / (n - P) * (1 + np.square(np.linalg.inv(R)).sum())
        """Chapelle's factor on the leave-one-out error of a basis that was chosen by it."""

    def errors(self, Y: np.ndarray) -> np.ndarray:
        """Relative leave-one-out errors (m,) of outputs (n, m)."""
        if not np.isfinite(self.correction):
            return np.full(Y.shape[1], np.inf)
        y = Y - Y.mean(axis=0)
        left = np.square((y - self.Psi @ (self.inverse @ y)) * self.weight[:, None]).sum(axis=0)
        spread = np.square(y).sum(axis=0)
        return left / np.where(spread > 0, spread, 1)
