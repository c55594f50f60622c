r"""Conduction between voxels, sum g (phi - phi') = b, by conjugate gradients with a geometric multigrid cycle.

Cells of the next level hold two cells along every axis; the conductance between two of them is half the sum over four
columns (four in parallel, two in series) of the mean of the three faces along the way, weighted 1/4, 1/2, 1/4. With the
middle face alone a neck there would make the coarse problem softer than the fine one, and its corrections too large.
Where a coarse cell holds but slivers its interpolation still reaches into cells around that conduct well; the
difference to the Galerkin product is then added as a conductance to ground. Values go down by trilinear interpolation
over the cells that exist and residuals up by its transpose, so that the cycle is symmetric and conjugate gradients may
use it. Each body that conducts has one constant that is free.

Two sweeps of Jacobi before and after the coarser level have the weights of a Chebyshev polynomial. The cycle is bound
by memory: rows of cells are walked only as far as cells reach, the first two sweeps are one, and a system in single
precision answers right-hand sides in double: the cycle and the search directions stay single, and the residual is
computed anew in double whenever it has fallen by :data:`RENEWED`.

Where the cycle's rounding matters (metal beside tissue) the directions are those of flexible conjugate gradients, by
Polak and Ribiere's factor.

Source: U. Trottenberg, C. Oosterlee and A. Schueller, Multigrid, Academic Press 2001, ch. 2 and 7.7; H. van der Vorst
and Q. Ye, SIAM J. Sci. Comput. 22 (2000) 835 (renewed residuals); Y. Notay, SIAM J. Sci. Comput. 22 (2000) 1444
(flexible conjugate gradients).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

LOWEST, LAST = 0.5, 6
"""Least eigenvalue of D^-1 A that the sweeps damp (the largest is 2), and pairs of sweeps on the coarsest level."""
RENEWED = 1e-3
"""How far single precision goes before the residual is computed anew."""
SPAN = 4096
"""Elements that one part of a sum takes."""

_MIDDLE, _HALF = (2 + LOWEST) / 2, (2 - LOWEST) / 2
WEIGHTS = tuple(1 / (_MIDDLE + sign * _HALF / math.sqrt(2)) for sign in (1, -1))
"""Weights of the two sweeps: one over the roots of the Chebyshev polynomial."""


@dataclass(eq=False)
class _ConductionLevel:
    shape: tuple[int, int, int]
    g: Any
    ground: Any
    dinv: Any
    span: Any
    norm: Any
    b: Any = None
    x: Any = None
    spare: Any = None
    launches: list[Callable[[], None]] = field(default_factory=list)

    @property
    def struct(self) -> dict[str, Any]:
        return {"nx": self.shape[0], "g": self.g, "dinv": self.dinv, "norm": self.norm}


class Conduction:
    """The conduction problem of one grid.

    Parameters
    ----------
    conductance : (3, nx, ny, nz) array
        Between every cell and the one below it along each axis, zero at the low ends, positive where both exist.
    be : Backend
        Device.
    dtype : {"float32", "float64"}
        Precision; sums are in float64.
    flexible : bool
        Whether directions are kept apart by what changes between residuals: beside metal, whose conductances are
        thousands of times larger, the rounding of the cycle else stalls the iteration. It takes one more array.
    """

    def __init__(self, conductance: Any, be: Backend, dtype: str = "float32", *, flexible: bool = False) -> None:
        self.be, self.dtype, self.flexible = be, np.dtype(dtype), flexible
        self._kernels = be.kernels.load(__package__, "multigrid", "float" if self.dtype == np.float32 else "double")
        given = be.asarray(conductance)
        # The solution scales with the conductances; the cycle works near one, whatever the metal. A power of two rounds
        # nothing.
        self.scale = 2.0 ** math.ceil(math.log2(float(given.max()) or 1.0))
        g = self._zeros(3, given.shape[1:])
        be.xp.multiply(given, 1 / self.scale, out=g[:, 1:-1], casting="same_kind")
        self.levels = [self._level(g, self._zeros(1, given.shape[1:])[0])]
        while max(self.levels[-1].shape) > 4:
            self.levels.append(self._next(self.levels[-1]))
        for level in self.levels:
            level.ground = None
        self.iterations, self._ports = 0, 0

    @property
    def cells(self) -> Any:
        """Which cells conduct, (nx, ny, nz) bool."""
        return self.levels[0].dinv[1:-1] > 0

    def _zeros(self, ports: int, shape: Any, dtype: Any = None) -> Any:
        return self.be.xp.zeros((ports, shape[0] + 2, *shape[1:]), dtype or self.dtype)

    def _level(self, g: Any, ground: Any) -> _ConductionLevel:
        xp = self.be.xp
        shape = (int(g.shape[1]) - 2, int(g.shape[2]), int(g.shape[3]))
        nothing = xp.zeros(1, self.dtype)
        whole = xp.zeros((shape[0], shape[1], 2), np.int32)
        whole[..., 1] = shape[2]
        level = _ConductionLevel(shape, g, ground, nothing, whole, nothing)
        dinv = xp.zeros_like(ground)
        self._launch("invert", level, 1, level.struct, ground, dinv)
        level.dinv = dinv
        there = dinv[1:-1] > 0
        some = there.any(axis=2)
        whole[..., 0] = xp.where(some, there.argmax(axis=2), 0)
        whole[..., 1] = xp.where(some, shape[2] - there[..., ::-1].argmax(axis=2), 0)
        return level

    def _next(self, fine: _ConductionLevel) -> _ConductionLevel:
        """The level below, and the weights between both."""
        shape = tuple(-(-n // 2) for n in fine.shape)
        g, ground = self._zeros(3, shape), self._zeros(1, shape)[0]
        self._kernels.launch("coarsen", shape, *fine.shape, fine.g, g)
        coarse = self._level(g, ground)
        norm = self._zeros(1, fine.shape)[0]
        self._launch("weigh", fine, 1, fine.struct, *coarse.shape, coarse.dinv, norm)
        fine.norm = norm
        # Where a coarse cell alone would move more than it counts for.
        self._launch("ground", coarse, 1, coarse.struct, *fine.shape, fine.g, norm, fine.ground, ground)
        dinv = self.be.xp.zeros_like(ground)
        self._launch("invert", coarse, 1, coarse.struct, ground, dinv)
        coarse.dinv = dinv
        return coarse

    def _launch(self, kernel: str, level: _ConductionLevel, ports: int, *args: Any) -> None:
        self._prepare(kernel, level, ports, *args)()

    def _prepare(self, kernel: str, level: _ConductionLevel, ports: int, *args: Any) -> Callable[..., None]:
        nx, ny, nz = level.shape
        return self._kernels.prepare(kernel, (ports * nx, ny, nz), nx, level.span, *args)

    def apply(self, x: Any) -> Any:
        """A x for potentials (port, nx, ny, nz)."""
        level = self.levels[0]
        padded, out = self._zeros(len(x), level.shape), self._zeros(len(x), level.shape)
        padded[:, 1:-1] = x
        self._launch("conduct", level, len(x), level.struct, padded, out)
        return out[:, 1:-1] * self.dtype.type(self.scale)

    def solve(
        self,
        b: Any,
        tolerance: float,
        size: np.ndarray | None = None,
        max_iterations: int = 200,
        tell: Callable[[int, float], None] | None = None,
    ) -> Any:
        """Potentials for the net currents that leave every cell.

        Parameters
        ----------
        b : (port, nx, ny, nz) array
            Net current; zero in sum over every body that conducts, zero where nothing does [A]. Where it is float64 and
            the system float32, so are the potentials and the residual that is judged.
        tolerance : float
            Relative residual.
        size : (port,) ndarray, optional
            What the residual is relative to, by default the norm of b. Where b is the small rest of large currents that
            all but balance, their norm is the better measure: b holds their rounding, for which no potential exists.
        max_iterations : int
            Give up after these.
        tell : callable, optional
            Gets the number of every step and the largest residual.

        Raises
        ------
        ConvergenceError
            When the tolerance is missed.
        """
        planes = self._zeros(len(b), self.levels[0].shape, b.dtype)
        planes[:, 1:-1] = b
        return self.solve_planes(planes, tolerance, size, max_iterations, tell)[:, 1:-1]

    def solve_planes(
        self,
        b: Any,
        tolerance: float,
        size: np.ndarray | None = None,
        max_iterations: int = 200,
        tell: Callable[[int, float], None] | None = None,
    ) -> Any:
        """As :meth:`solve`, of and with arrays (port, nx + 2, ny, nz) whose first and last planes hold zeros."""
        level, ports, wide = self.levels[0], len(b), np.dtype(b.dtype).itemsize > self.dtype.itemsize
        self._allot(ports)
        r, z, x, p, Ap = level.b, level.x, self._x, self._p, self._Ap
        for a in (r, x, p):
            a.fill(0)
        total = None
        if wide:
            total = self._zeros(ports, level.shape, b.dtype)
            renew = self._prepare("renew", level, ports, level.struct, 1 / self.scale, b, total, r)
            collect = self._prepare("collect", level, ports, x, total)
            renew()
        else:
            self.be.xp.multiply(b, 1 / self.scale, out=r, casting="same_kind")
        norm = np.sqrt(self._dot(r, r))
        scale = norm if size is None else np.asarray(size, float) / self.scale
        scale = np.where(scale > 0, scale, 1.0)
        residual = fresh = norm / scale
        rho: np.ndarray | None = None
        conduct = self._prepare("conduct", level, ports, level.struct, p, Ap)
        for self.iterations in range(max_iterations + 1):
            if wide and self.iterations and (residual.max() <= tolerance or np.any(residual < RENEWED * fresh)):
                collect()
                renew()
                residual = fresh = np.sqrt(self._dot(r, r)) / scale
            if tell is not None:
                tell(self.iterations, float(residual.max()))
            if residual.max() <= tolerance:
                return x if total is None else total
            self._cycle()
            before, rho = rho, self._dot(r, z)
            beta = np.zeros(ports)
            if before is not None:
                beta = _ratio(rho - self._dot(self._before, z) if self.flexible else rho, before)
            if self.flexible:
                self._before[...] = r
            self._launch("turn", level, ports, self.be.asarray(beta), z, p)
            conduct()
            # Ports that are done rest: more steps would only stir their rounding, which may have no solution.
            alpha = np.where(residual > tolerance, _ratio(rho, self._dot(p, Ap)), 0.0)
            self._launch("move_along", level, ports, self.be.asarray(alpha), p, Ap, x, r)
            residual = np.sqrt(self._dot(r, r)) / scale
        if wide:
            collect()
        raise ConvergenceError(
            f"conduction: residual {residual.max():.2g} after {max_iterations} iterations misses {tolerance:g}",
            partial=(x if total is None else total)[:, 1:-1],
        )

    def precondition(self, r: Any) -> Any:
        """One cycle for residuals (port, nx, ny, nz), from zero."""
        level = self.levels[0]
        self._allot(len(r))
        self.be.xp.multiply(r, 1 / self.scale, out=level.b[:, 1:-1], casting="same_kind")
        self._cycle()
        return level.x[:, 1:-1]

    def _allot(self, ports: int) -> None:
        """Arrays for so many ports, and the launches of one cycle upon them."""
        if ports == self._ports:
            return
        self._ports = ports
        first, second = WEIGHTS
        down: list[Callable[[], None]] = []
        up: list[Callable[[], None]] = []
        for level in self.levels:
            level.b, level.x, level.spare = (self._zeros(ports, level.shape) for _ in range(3))
        for depth, level in enumerate(self.levels):
            s, b, x, spare = level.struct, level.b, level.x, level.spare
            down.append(self._prepare("begin", level, ports, s, first, second, b, x))
            pair = [
                self._prepare("relax", level, ports, s, first, b, x, spare),
                self._prepare("relax", level, ports, s, second, b, spare, x),
            ]
            if depth + 1 == len(self.levels):
                down += pair * (LAST - 1)
                break
            coarse = self.levels[depth + 1]
            down.append(self._prepare("residual", level, ports, s, b, x, spare))
            down.append(self._prepare("restrict_cells", coarse, ports, coarse.struct, *level.shape, spare, coarse.b))
            up[:0] = [self._prepare("prolong_cells", level, ports, s, *coarse.shape, coarse.x, x), *pair]
        self._launches = down + up
        self._x, self._p, self._Ap = (self._zeros(ports, self.levels[0].shape) for _ in range(3))
        if self.flexible:
            self._before = self._zeros(ports, self.levels[0].shape)

    def _cycle(self) -> None:
        """One V-cycle from zero, from ``b`` to ``x`` of the finest level."""
        for launch in self._launches:
            launch()

    def _dot(self, a: Any, b: Any) -> np.ndarray:
        level = self.levels[0]
        rows, n1, n2 = level.shape[0] * level.shape[1], level.shape[1], level.shape[2]
        out = self.be.xp.empty((len(a), rows))
        self._kernels.launch("row_dot", len(a) * rows, rows, n1, n2, level.span, a, b, out)
        return self.be.to_numpy(out.sum(axis=1))


def row_products(a: Any, b: Any, be: Backend) -> np.ndarray:
    """Sums of a b over every row of two real arrays (rows, n), in float64."""
    rows, n = a.shape
    parts = -(-n // SPAN)
    out = be.xp.empty((rows, parts))
    kernels = be.kernels.load(__package__, "multigrid", "float" if a.dtype == np.float32 else "double")
    kernels.launch("dot", rows * parts, n, parts, a, b, out)
    return be.to_numpy(out.sum(axis=1))


def all_products(a: Any, b: Any, be: Backend) -> np.ndarray:
    """Sums of a_r b_s for every pair of rows of two real arrays (rows, n) and (others, n), in float64."""
    rows, n = a.shape
    parts = -(-n // SPAN)
    out = be.xp.empty((rows, len(b), parts))
    kernels = be.kernels.load(__package__, "multigrid", "float" if a.dtype == np.float32 else "double")
    kernels.launch("gram", rows * len(b) * parts, n, len(b), parts, a, b, out)
    return be.to_numpy(out.sum(axis=2))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), 0.0)
