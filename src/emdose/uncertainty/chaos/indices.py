"""Sobol indices from the coefficients of an orthonormal basis, for any number of outputs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import Basis, multi_indices, total_terms
from emdose.values import owned, read_only

INDEPENDENT = "Sobol indices of independent inputs"
CORRELATED = "Var(E[Y|x]) / Var(Y) (full) and E[Var(Y|all others)] / Var(Y) (independent) of correlated inputs"
ROSENBLATT = "Sobol indices of what each input adds to those before it (Rosenblatt's germs, in the order of the inputs)"
"""What first-order and total index are called; of correlated inputs they need not add up to 1, nor be in order."""


@read_only
@dataclass(frozen=True, eq=False)
class SobolIndices:
    """First-order and total indices of inputs or groups of them.

    Parameters
    ----------
    names : tuple of str
        The inputs or groups.
    first : array (k, ...)
        Var(E[Y|x_g]) / Var(Y); of a group the closed index, with the interactions inside of it.
    total : array (k, ...)
        E[Var(Y|x_others)] / Var(Y).
    kind : str
        What the two are called.

    Notes
    -----
    Source: I. M. Sobol', Math. Comput. Simul. 55 (2001) 271-280; B. Sudret, Reliab. Eng. Syst. Saf. 93 (2008) 964-979;
    for correlated inputs S. Kucherenko et al., Comput. Phys. Commun. 183 (2012) 937-946, and T. A. Mara,
    S. Tarantola, Reliab. Eng. Syst. Saf. 107 (2012) 115-121.
    """

    names: tuple[str, ...]
    first: np.ndarray
    total: np.ndarray
    kind: str = INDEPENDENT


class VarianceParts:
    """Partial variances of groups of inputs as forms of the coefficients.

    Parameters
    ----------
    basis : Basis
        Of the coefficients.
    groups : sequence of sequences of int
        Positions of the inputs of each group.
    """

    def __init__(self, basis: Basis, groups: Sequence[Sequence[int]]) -> None:
        active = basis.indices.degrees > 0
        varies = active.any(axis=1)
        self._varies = varies.astype(float)
        self._first: Any = None
        if not rotates(basis.inputs):
            inside = np.array([varies & ~np.delete(active, list(g), axis=1).any(axis=1) for g in groups])
            touched = np.array([active[:, list(g)].any(axis=1) for g in groups])
            self._forms = np.concatenate([self._varies[None], inside, touched]).astype(float)
        else:
            self._forms = self._varies[None]
            mixing = np.asarray(basis.inputs.cholesky)
            self._first = [_rotated(basis, mixing, g, first=True) for g in groups]
            self._total = [_rotated(basis, mixing, g, first=False) for g in groups]

    def of(self, C: Any, xp: Any = np) -> tuple[Any, Any, Any]:
        """Variance (m,), and partial variances (k, m) of first-order and total indices, of coefficients (P, m)."""
        sums = xp.asarray(self._forms, dtype=C.dtype) @ (C * C)
        if self._first is None:
            k = (len(sums) - 1) // 2
            return sums[0], sums[1 : k + 1], sums[k + 1 :]
        first = xp.stack([((xp.asarray(W, dtype=C.dtype) @ C) ** 2).sum(axis=0) for W in self._first])
        total = xp.stack([((xp.asarray(W, dtype=C.dtype) @ C) ** 2).sum(axis=0) for W in self._total])
        return sums[0], first, total


def rotates(inputs: Any) -> bool:
    """Whether inputs hang together by a Gaussian copula, whose germs may be turned from one order into another."""
    return not inputs.independent and getattr(inputs, "copula", "gaussian") == "gaussian"


def kind_of(inputs: Any) -> str:
    """What first-order and total indices of these inputs are called."""
    return INDEPENDENT if inputs.independent else CORRELATED if rotates(inputs) else ROSENBLATT


def subsets(basis: Basis) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Every set of inputs that has a term of its own, and which terms (K, P) are its."""
    active = basis.indices.degrees > 0
    rows, which = np.unique(active, axis=0, return_inverse=True)
    which = which.ravel()
    sets = sorted(
        ((tuple(np.flatnonzero(row).tolist()), i) for i, row in enumerate(rows) if row.any()),
        key=lambda s: (len(s[0]), s[0]),
    )
    return [s for s, _ in sets], np.array([which == i for _, i in sets], float).reshape(len(sets), len(active))


def ratio(part: Any, variance: Any, xp: Any = np) -> Any:
    """Parts of a variance; 0 where nothing varies."""
    return part / xp.where(variance > 0, variance, 1.0)


def positions(names: Sequence[str], wanted: Sequence[str] | str) -> list[int]:
    """Where the named inputs stand; raises InputError for a name that is none of them."""
    asked = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in asked:
        if name not in names:
            raise unknown("unknown input", name, names, field="names")
    if not asked or len(set(asked)) < len(asked):
        raise InputError("bad group", field="names", found=asked, expected="one or more different inputs")
    return [list(names).index(name) for name in asked]


def _rotated(basis: Basis, mixing: np.ndarray, group: Sequence[int], first: bool) -> np.ndarray:
    """Rows that take coefficients to those of another order of the inputs: the group in front, or behind.

    Hermite polynomials of a total degree stay such under rotations of the germ, so the change of order is exact. In
    front, the rows of the group alone are the full share; behind, all rows that touch it are the independent one.
    """
    d, p = basis.indices.dimension, basis.indices.degree
    others = [i for i in range(d) if i not in group]
    order = [*group, *others] if first else [*others, *group]
    w = mixing[order]
    Q = np.linalg.solve(np.linalg.cholesky(w @ w.T), w)
    full = Basis(basis.inputs, multi_indices(d, p))
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((3 * total_terms(d, p), d))
    W = np.linalg.lstsq(full.evaluate_germ(Z @ Q.T), basis.evaluate_germ(Z), rcond=None)[0]
    active = full.indices.degrees > 0
    n = len(group)
    if first:
        kept = active[:, :n].any(axis=1) & ~active[:, n:].any(axis=1)
    else:
        kept = active[:, d - n :].any(axis=1)
    return owned(np.ascontiguousarray(W[kept]))
