"""The door: a polynomial chaos of any number of outputs, dense or sparse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import flag
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import MultiIndices, points
from emdose.uncertainty.chaos.bases.choice import dense_basis
from emdose.uncertainty.chaos.expansion import Chaos
from emdose.uncertainty.chaos.files import NpyColumns
from emdose.uncertainty.chaos.fit import chosen_outputs, fit_basis
from emdose.uncertainty.chaos.modes import ModalChaos, fit_each, fit_modes

ALONE = 20
"""Most outputs that each get a sparse basis of their own."""


def polynomial_chaos(
    inputs: Any,
    X: Any,
    Y: Any,
    degree: int | str = "auto",
    *,
    truncation: float | str | MultiIndices = 1.0,
    interactions: int | None = None,
    sparse: bool = False,
    modes: int = 20,
    dtype: str | None = None,
    block: int | None = None,
    coefficients: Any = None,
) -> Chaos | ModalChaos:
    """Polynomial chaos of one output or of millions.

    Parameters
    ----------
    inputs : Inputs
        Joint law of the d inputs.
    X : array (n, d)
        Samples of the inputs, in their own units.
    Y : array (n, ...)
        Outputs of the samples. An array decides by where it lies what computes. The path of a file of NumPy's format,
        a ``memmap``, or anything with ``shape``, ``dtype`` and ``Y[:, a:b]`` is read in blocks.
    degree : int or "auto"
        Total degree; "auto" takes the one with the smallest corrected leave-one-out error.
    truncation : float, str or MultiIndices
        The norm q of a hyperbolic set (1: total degree), "adaptive" (that of 0.5, 0.75 and 1 with the smallest error),
        or the terms themselves.
    interactions : int, optional
        Most inputs in one term.
    sparse : bool
        Whether the terms are chosen by least-angle regression: for each output on its own of up to 20 outputs, for the
        leading modes of more.
    modes : int
        Most modes (proper orthogonal decomposition) of a sparse chaos of many outputs.
    dtype : {"float32", "float64"}, optional
        Precision of the products; that of Y unless given.
    block : int, optional
        Outputs that are worked on at a time.
    coefficients : path, optional
        A new file of NumPy's format that the coefficients are written to, for more outputs than memory holds.

    Raises
    ------
    InputError
        For fewer samples than terms, samples that do not tell terms apart, or outputs that are not finite.

    Equation: C = R^-1 Q^T Y of Psi = Q R; e_LOO = sum_i ((y_i - yhat_i) / (1 - h_i))^2 / sum_i (y_i - mean(y))^2,
    h_i = sum_k Q_ik^2.

    Source: G. Blatman, B. Sudret, J. Comput. Phys. 230 (2011) 2345-2367; D. M. Allen, Technometrics 16 (1974) 125-127.
    """
    X = points(inputs, X)
    if isinstance(Y, str | Path):
        Y = NpyColumns(Y)
    elif isinstance(Y, np.memmap):
        Y = NpyColumns.of_map(Y)
    shape = tuple(Y.shape) if hasattr(Y, "shape") else np.shape(Y)
    if not shape or shape[0] != len(X):
        found = f"{shape[0] if shape else 'none'} for {len(X)} samples"
        raise InputError("outputs do not fit the samples", field="Y", found=found, expected="a row for each sample")
    if not hasattr(Y, "shape"):
        Y = np.asarray(Y, float)
    if flag("sparse", sparse):
        if coefficients is not None:
            raise InputError("a sparse chaos has few coefficients", field="coefficients", expected="sparse = False")
        if int(np.prod(Y.shape[1:])) <= ALONE:
            return fit_each(inputs, X, Y, degree, truncation, interactions, dtype)
        return fit_modes(inputs, X, Y, degree, truncation, interactions, modes, dtype, block)
    given = isinstance(truncation, MultiIndices)
    few = np.empty((len(X), 0)) if given or degree != "auto" else chosen_outputs(Y)
    basis = dense_basis(inputs, X, few, degree, truncation, interactions)
    return fit_basis(basis, X, Y, dtype=dtype, block=block, coefficients=coefficients)
