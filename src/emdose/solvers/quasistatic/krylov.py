"""Conjugate gradients without conjugation, for media beyond the multigrid alone: complex ones, and tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emdose.compute.multigrid import Conduction
from emdose.errors import ConvergenceError
from emdose.solvers.quasistatic import network
from emdose.solvers.quasistatic.medium import Medium

MOST = 500
"""Iterations after which it gives up."""


def conjugate_gradients(
    medium: Medium,
    system: Conduction,
    inflow: np.ndarray,
    tolerance: float,
    size: float,
    tell: Callable[[int, float], None],
) -> tuple[np.ndarray, int]:
    """Potential (corners) for net inflows (corners), and the number of iterations.

    Parameters
    ----------
    medium : Medium
        What conducts.
    system : Conduction
        Multigrid on conductances of about the same size: one cycle is the preconditioner.
    inflow : (corners) ndarray
        Net inflow of driven currents [A].
    tolerance, size : float
        Relative residual, and what it is relative to [A].
    tell : callable
        Gets the number of every step and the residual.

    Raises
    ------
    ConvergenceError
        When the tolerance is missed.

    Source: H. A. van der Vorst and J. B. M. Melissen, IEEE Trans. Magn. 26 (1990) 706 (complex symmetric matrices).
    """
    r, x = inflow.copy(), np.zeros_like(inflow)
    p, rho, left = np.zeros_like(inflow), None, np.inf
    voltage: np.ndarray = np.zeros((3, *inflow.shape), inflow.dtype)
    for step in range(MOST + 1):
        left = float(np.linalg.norm(r)) / size if size > 0 else 0.0
        tell(step, left)
        if left <= tolerance:
            return x, step
        z = _cycle(system, r)
        before, rho = rho, _product(z, r)
        p = z if before is None else z + (rho / before) * p
        voltage[...] = 0
        network.fall(p, voltage)
        q = -network.net_inflow(medium.flow(voltage))
        alpha = rho / _product(p, q)
        x += alpha * p
        r -= alpha * q
    raise ConvergenceError(
        f"induced field: residual {left:.2g} after {MOST} iterations misses {tolerance:g}", partial=x
    )


def _cycle(system: Conduction, r: np.ndarray) -> np.ndarray:
    """One multigrid cycle, of the real and of the imaginary part."""
    be: Any = system.be
    parts = np.stack([r.real, r.imag]) if np.iscomplexobj(r) else r[None]
    # The cycle is linear and works in single precision: near one.
    largest = float(np.abs(parts).max()) or 1.0
    z = be.to_numpy(system.precondition(be.asarray(parts / largest))).astype(float) * largest
    return z[0] + 1j * z[1] if np.iscomplexobj(r) else z[0]


def _product(a: np.ndarray, b: np.ndarray) -> Any:
    """Sum of a b, without conjugation."""
    return np.dot(a.reshape(-1), b.reshape(-1))
