"""Where to run: points of the unit cube, sparse quadrature, and the samples of many that say most."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from emdose.checks import one_of, whole
from emdose.errors import InputError
from emdose.uncertainty.inputs import Inputs
from emdose.uncertainty.laws.base import INSIDE

DESIGNS = ("sobol", "latin hypercube", "halton", "random")
LARGEST_SOBOL = 21201
"""Most dimensions of SciPy's Sobol sequence."""


def design(kind: str, n: int, inputs: Inputs | int, seed: int = 0, start: int = 0) -> np.ndarray:
    """Points (n, d) of the unit cube; ``inputs.of_uniform`` makes samples of them.

    Parameters
    ----------
    kind : {"sobol", "latin hypercube", "halton", "random"}
        Scrambled Sobol or Halton sequence, Latin hypercube, or independent points.
    n : int
        Number of points.
    inputs : Inputs or int
        What is sampled, or its dimension d.
    seed : int
        Of the scrambling or the choice; the same seed gives the same points.
    start : int
        How many points of the same design were taken before: it goes on behind them.

    Raises
    ------
    InputError
        For an unknown kind, bad counts, or a Latin hypercube that is to be continued (it is made for its n).

    Source: A. B. Owen, J. Complexity 14 (1998) 466-489 (scrambling); M. D. McKay, R. J. Beckman, W. J. Conover,
    Technometrics 21 (1979) 239-245.
    """
    from scipy.stats import qmc

    one_of("design", kind, DESIGNS, problem="unknown design")
    n, start, seed = whole("n", n, 1), whole("start", start, 0), whole("seed", seed, 0)
    d = inputs.dimension if isinstance(inputs, Inputs) else whole("inputs", inputs, 1)
    if kind == "random":
        u = np.random.default_rng(seed).random((start + n, d))[start:]
    elif kind == "latin hypercube":
        if start:
            raise InputError(
                "a Latin hypercube cannot go on", field="start", found=start, expected="0, or design 'sobol'"
            )
        u = qmc.LatinHypercube(d, rng=np.random.default_rng(seed)).random(n)
    else:
        if kind == "sobol" and d > LARGEST_SOBOL:
            raise InputError(
                "too many inputs for Sobol points", field="inputs", found=d, expected=f"at most {LARGEST_SOBOL}"
            )
        made = qmc.Sobol if kind == "sobol" else qmc.Halton
        engine = made(d, scramble=True, rng=np.random.default_rng(seed))
        if start:
            engine.fast_forward(start)
        with warnings.catch_warnings():  # balance at powers of two only: any n is as good as other designs
            warnings.simplefilter("ignore", UserWarning)
            u = engine.random(n)
    return np.clip(u, INSIDE, 1 - INSIDE)


def sparse_grid(inputs: Inputs, level: int, rule: str = "gaussian") -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, d) and weights (n,) of Smolyak's quadrature; some weights are negative.

    Parameters
    ----------
    inputs : Inputs
        What is sampled.
    level : int
        Level: polynomials up to total degree 2 level + 1 (in the germs) are integrated exactly by "gaussian".
    rule : {"gaussian", "clenshaw_curtis"}
        Rule in one dimension; the second is nested and for bounded laws.

    Raises
    ------
    InputError
        For an unknown rule or a bad level.

    Source: S. A. Smolyak, Dokl. Akad. Nauk SSSR 148 (1963) 1042-1045; J. Feinberg, H. P. Langtangen, J. Comput. Sci.
    11 (2015) 46-57 (chaospy).
    """
    import chaospy

    one_of("rule", rule, ("gaussian", "clenshaw_curtis"), problem="unknown rule")
    level = whole("level", level, 0)
    laws = [law.chaospy() for law in inputs.germ_laws]
    joint = chaospy.J(*laws) if len(laws) > 1 else laws[0]
    nodes, weights = chaospy.generate_quadrature(level, joint, rule=rule, sparse=len(laws) > 1)
    return inputs.of_germ(np.atleast_2d(nodes).T), np.asarray(weights, float)


def optimal_subset(Psi: Any, n: int) -> np.ndarray:
    """Indices (n,) of the candidates that say most about the coefficients of a basis, the best first.

    The first P are the pivots of a QR decomposition of the transposed candidates; each further one enlarges the
    determinant of the information matrix most (D-optimal, greedy). A subset of fewer is the beginning of a larger one.

    Parameters
    ----------
    Psi : array_like (N, P)
        Basis functions at N candidates.
    n : int
        How many to choose, at most N.

    Raises
    ------
    InputError
        For more than there are.

    Equation: det(A + psi psi^T) = det(A) (1 + psi^T A^-1 psi).

    Source: A. Sommariva, M. Vianello, Comput. Math. Appl. 57 (2009) 1324-1336; V. V. Fedorov, Theory of Optimal
    Experiments (1972).
    """
    from scipy.linalg import qr

    psi = np.asarray(Psi, float)
    if psi.ndim != 2:
        raise InputError("not a table", field="Psi", found=psi.shape, expected="shape (N, P)")
    candidates, terms = psi.shape
    n = whole("n", n, 1, candidates)
    pivots = qr(psi.T, mode="r", pivoting=True)[1]
    chosen = [int(i) for i in pivots[: min(n, terms, candidates)]]
    if n <= len(chosen):
        return np.array(chosen)
    inverse = np.linalg.pinv(psi[chosen].T @ psi[chosen])
    gain = np.einsum("ij,jk,ik->i", psi, inverse, psi)
    free = np.ones(candidates, bool)
    free[chosen] = False
    while len(chosen) < n:
        best = int(np.argmax(np.where(free, gain, -np.inf)))
        free[best] = False
        chosen.append(best)
        v = inverse @ psi[best]
        scale = 1 + gain[best]
        inverse -= np.outer(v, v) / scale
        gain = gain - (psi @ v) ** 2 / scale
    return np.array(chosen)
