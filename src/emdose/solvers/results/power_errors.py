r"""What a power tensor says about the error of a power: iteration, skin depth, discretisation.

Voxels that are too coarse for the metal and voxels that are too coarse for the skin see the same slope of the current;
the larger of the two estimates counts, which is at least half of their sum,

.. math:: e = e_\text{iteration} + \max(e_\text{skin depth}, e_\text{discretisation}), \qquad
          e_\text{discretisation} = \frac{|\mathbf b^H D\, \mathbf b|}{\mathbf b^H M\, \mathbf b + |\mathbf b^H D\,
          \mathbf b|},

with D the power that the voxels leave out, see :mod:`emdose.solvers.eddy.voxels.resolution`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

UNIFORM = ("dBx/dt", "dBy/dt", "dBz/dt")
"""Names of the uniform sources, in T/s."""
PARTS = ("iteration", "skin_depth", "discretisation")
"""Parts of the estimate."""


def total(parts: Mapping[str, Any]) -> Any:
    """The estimate that the parts make together, element by element."""
    return np.asarray(parts["iteration"]) + np.maximum(parts["skin_depth"], parts["discretisation"])


def share(power: Any, left_out: Any) -> Any:
    """Part of the true power that is left out, from the power found and what it lacks; 0 where there is neither."""
    lacking = np.abs(left_out)
    whole = np.maximum(power, 0) + lacking
    return np.where(whole > 0, lacking / np.where(whole > 0, whole, 1.0), 0.0)


def largest_share(matrix: np.ndarray, left_out: np.ndarray) -> float:
    """Largest :func:`share` over all real directions.

    Parameters
    ----------
    matrix, left_out : (n, n) ndarray
        Power found and left out; their real symmetric parts count [W].
    """
    M, lacking = 0.5 * (matrix + matrix.T).real, absolute(left_out.real)
    whole = M + lacking
    scale = np.sqrt(np.maximum(np.diag(whole), 0.0))
    if not np.any(scale > 0):
        return 0.0
    live = scale > 1e-12 * scale.max()
    whole, lacking = (a[np.ix_(live, live)] / np.outer(scale[live], scale[live]) for a in (whole, lacking))
    values, u = np.linalg.eigh(whole)
    # Directions of which rounding is all that is left say nothing.
    kept = u[:, values > 1e-6 * values[-1]] / np.sqrt(values[values > 1e-6 * values[-1]])
    return float(np.clip(np.linalg.eigvalsh(kept.T @ lacking @ kept)[-1], 0.0, 1.0))


def worst_shares(matrices: np.ndarray, left_out: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """:func:`largest_share` of every frequency, (f,): over all orientations of a uniform field where there is one.

    Other sources come with strengths of their own, and count one at a time.

    Parameters
    ----------
    matrices, left_out : (f, n, n) ndarray
        Power found and left out [W].
    sources : (n,) sequence of str
        Names of the sources.
    """
    n = len(sources)
    uniform = tuple(sources[:3]) == UNIFORM
    sets = [slice(0, 3)] if uniform else [slice(i, i + 1) for i in range(n)]
    return np.array(
        [max(largest_share(M[i, i], D[i, i]) for i in sets) for M, D in zip(matrices, left_out, strict=True)]
    )


def absolute(matrix: np.ndarray) -> np.ndarray:
    """The positive semidefinite matrix of a symmetric one: its eigenvalues without sign."""
    values, u = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.asarray((u * np.abs(values)) @ u.T)


def at_harmonics(
    solved_Hz: np.ndarray, estimates: Sequence[float], frequencies_Hz: np.ndarray, power: np.ndarray
) -> float:
    """Estimates of the solved frequencies, weighed by the power of the harmonics near them.

    Parameters
    ----------
    solved_Hz : (f,) ndarray
        Frequencies of the estimates [Hz].
    estimates : (f,) sequence of float
        Relative errors.
    frequencies_Hz, power : (h,) ndarray
        Harmonics [Hz] and their power [W].
    """
    errors = np.interp(np.log(frequencies_Hz), np.log(solved_Hz), np.asarray(estimates, float))
    return float((errors * power).sum() / power.sum()) if power.sum() > 0 else float(errors.max(initial=0.0))
