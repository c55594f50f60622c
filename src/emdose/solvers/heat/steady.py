"""The steady state of the bioheat equation: conjugate gradients with a multigrid preconditioner, no marching."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.errors import ConvergenceError, InputError
from emdose.solvers.heat.kernels.bioheat import BLOCK
from emdose.solvers.heat.problem import HeatProblem

SMOOTHINGS = 2
"""Iterations of Jacobi before and after every coarse correction."""
COARSEST_SMOOTHINGS = 24
RELAXATION = 0.8
STEADY_TOLERANCE = 1e-7
"""Relative residual at which the conjugate gradients stop."""


class _HeatLevel:
    """One grid of the hierarchy: conductances and sinks of the operator A T = sink T - inflow."""

    def __init__(self, be: Any, kernels: Any, g: tuple[Any, ...], sink: Any) -> None:
        self.be, self.kernels = be, kernels
        self.g, self.sink = g, sink
        self.shape = sink.shape
        self.plane, self.row = self.shape[1] * self.shape[2], self.shape[2]
        self.n = self.shape[0] * self.plane

    def apply(self, step: float, b: Any, T: Any) -> Any:
        """b - A T, or an iteration of Jacobi when step > 0."""
        out = self.be.xp.zeros_like(T)
        cells = self.n - 2 * self.plane
        axes = dict(zip(("gx", "gy", "gz"), self.g, strict=True))
        flow = {"plane": self.plane, "row": self.row, **axes, "sink": self.sink}
        self.kernels.launch("stencil", -(-cells // BLOCK), self.n, flow, step, b, T, out)
        return out

    def coarse(self) -> _HeatLevel:
        """The grid of pairs of voxels: conductances of four faces over twice the distance, sinks of eight voxels."""
        g = []
        for axis in range(3):
            # Faces between two coarse voxels are those on the high side of odd fine ones.
            inner = self.g[axis][1:-1]
            odd = tuple(slice(1, None, 2) if a == axis else slice(None) for a in range(3))
            faces = _even(self.be.xp, inner)[odd]
            g.append(_framed(self.be.xp, 0.5 * _paired(faces, tuple(a for a in range(3) if a != axis))))
        sink = _framed(self.be.xp, _paired(_even(self.be.xp, self.sink[1:-1]), (0, 1, 2)))
        return _HeatLevel(self.be, self.kernels, tuple(g), sink)

    def restrict(self, r: Any) -> Any:
        return _framed(self.be.xp, _paired(_even(self.be.xp, r[1:-1]), (0, 1, 2)))

    def prolong(self, e: Any) -> Any:
        """Coarse values copied to the fine voxels, in the fine frame."""
        fine = e[1:-1]
        for axis in range(3):
            fine = fine.repeat(2, axis=axis)
        nx, ny, nz = self.shape
        return _framed(self.be.xp, fine[: nx - 2, :ny, :nz])


def _even(xp: Any, a: Any) -> Any:
    """With a layer of zeros where a length is odd."""
    return xp.pad(a, [(0, n % 2) for n in a.shape]) if any(n % 2 for n in a.shape) else a


def _paired(a: Any, axes: tuple[int, ...]) -> Any:
    """Sums of pairs along some axes."""
    for axis in axes:
        low, high = (tuple(slice(s, None, 2) if x == axis else slice(None) for x in range(3)) for s in (0, 1))
        a = a[low] + a[high]
    return a


def _framed(xp: Any, a: Any) -> Any:
    """With the empty planes before and after along x that the kernels want."""
    return xp.ascontiguousarray(xp.pad(a, [(1, 1), (0, 0), (0, 0)]))


class Steady:
    """Solves A T = q for a body.

    Parameters
    ----------
    problem : HeatProblem
        Body and layout; computed with float64 and a float32 preconditioner.

    Raises
    ------
    InputError
        When a part of the body has no way to lose heat.
    """

    def __init__(self, problem: HeatProblem) -> None:
        self.problem = problem
        be = problem.be
        _require_sinks(problem)
        g, sink = [p.astype(np.float64) for p in problem.g], problem.sink.astype(np.float64)
        self.fine = _HeatLevel(be, be.kernels.load(__package__, "bioheat", "double"), tuple(g), sink)
        single = be.kernels.load(__package__, "bioheat", "float")
        level = _HeatLevel(be, single, tuple(p.astype(np.float32) for p in problem.g), problem.sink.astype(np.float32))
        self.levels = [level]
        while max(level.shape) > 6 and len(self.levels) < 12:
            level = level.coarse()
            self.levels.append(level)

    def solve(self, q: Any, tolerance: float = STEADY_TOLERANCE, most: int = 200) -> tuple[Any, int]:
        """Steady rise of one source in the layout of the kernels, float64, and the iterations it took.

        Raises
        ------
        ConvergenceError
            When the residual does not come below the tolerance.
        """
        xp = self.problem.be.xp
        b = q.astype(np.float64)
        x = xp.zeros_like(b)
        size = float(xp.linalg.norm(b.ravel()))
        if size == 0:
            return x, 0
        r, p, rho_before = b, None, 1.0
        zero = xp.zeros_like(b)
        for iteration in range(most):
            z = self._cycle(0, r.astype(np.float32)).astype(np.float64)
            rho = float(xp.vdot(r, z))
            p = z if p is None else z + (rho / rho_before) * p
            rho_before = rho
            Ap = -self.fine.apply(0.0, zero, p)
            alpha = rho / float(xp.vdot(p, Ap))
            x += alpha * p
            r = r - alpha * Ap
            residual = float(xp.linalg.norm(r.ravel())) / size
            if residual <= tolerance:
                return x, iteration + 1
        raise ConvergenceError(
            f"steady heat: residual {residual:.1e} after {most} iterations; expected {tolerance:.1e}", x
        )

    def _cycle(self, depth: int, b: Any) -> Any:
        level = self.levels[depth]
        coarsest = depth + 1 == len(self.levels)
        x = self.problem.be.xp.zeros_like(b)
        for _ in range(COARSEST_SMOOTHINGS if coarsest else SMOOTHINGS):
            x = level.apply(RELAXATION, b, x)
        if not coarsest:
            rest = level.restrict(level.apply(0.0, b, x))
            x += level.prolong(self._cycle(depth + 1, rest))
            for _ in range(SMOOTHINGS):
                x = level.apply(RELAXATION, b, x)
        return x


def _require_sinks(problem: HeatProblem) -> None:
    from scipy.ndimage import label

    parts, count = label(problem.active)
    sink = problem.be.to_numpy(problem.layout.crop(problem.sink)).astype(float)
    taken = np.bincount(parts.ravel(), sink.ravel(), count + 1)[1:]
    if np.any(taken <= 0):
        raise InputError(
            "there is no steady state: a part of the body loses no heat",
            field="perfusion",
            expected="perfusion, surface exchange or a fixed edge",
        )
