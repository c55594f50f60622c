r"""Conduction between voxels, sum g (phi - phi') = b, by conjugate gradients with a geometric multigrid cycle.

Cells of the next level hold two cells along every axis; the conductance between two of them is half the sum over four
columns (four in parallel, two in series) of the mean of the three faces along the way, weighted 1/4, 1/2, 1/4. With the
middle face alone a neck there would make the coarse problem softer than the fine one, and its corrections too large.
Where a coarse cell holds but slivers its interpolation still reaches into cells around that conduct well; the
difference to the Galerkin product is then added as a conductance to ground. Values go down by trilinear interpolation
over the cells that exist and residuals up by its transpose, so that the cycle is symmetric and conjugate gradients may
use it. Each body that conducts has one constant that is free.

Source: U. Trottenberg, C. Oosterlee and A. Schueller, Multigrid, Academic Press 2001, ch. 2 and 7.7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

WEIGHT, SWEEPS, LAST = 0.8, 2, 12
"""Damping of the Jacobi sweeps, their number before and after the coarser level, and on the coarsest."""
SPAN = 4096
"""Elements that one part of a sum takes."""


@dataclass(eq=False)
class _ConductionLevel:
    shape: tuple[int, int, int]
    g: Any
    ground: Any
    dinv: Any
    norm: Any = None


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
    """

    def __init__(self, conductance: Any, be: Backend, dtype: str = "float32") -> None:
        self.be, self.dtype = be, np.dtype(dtype)
        self._kernels = be.kernels.load(__package__, "multigrid", "float" if self.dtype == np.float32 else "double")
        xp = be.xp
        g = xp.ascontiguousarray(be.asarray(conductance, dtype=self.dtype))
        # The solution scales with the conductances; the cycle works near one, whatever the metal.
        self.scale = float(g.max()) or 1.0
        self.levels = [self._level(g / self.dtype.type(self.scale))]
        while max(self.levels[-1].shape) > 4:
            fine = self.levels[-1]
            coarse = self._level(_coarser(fine.g, xp))
            self._connect(fine, coarse)
            self.levels.append(coarse)
        self.iterations = 0

    @property
    def cells(self) -> Any:
        """Which cells conduct, (nx, ny, nz) bool."""
        return self.levels[0].dinv > 0

    def _level(self, g: Any) -> _ConductionLevel:
        shape = tuple(int(n) for n in g.shape[1:])
        level = _ConductionLevel(shape, g, self.be.xp.zeros(shape, self.dtype), None)  # type: ignore[arg-type]
        self._invert(level)
        return level

    def _invert(self, level: _ConductionLevel) -> None:
        xp = self.be.xp
        total = level.ground + level.g.sum(axis=0)
        for c in range(3):
            low = tuple(slice(None, -1) if a == c else slice(None) for a in range(3))
            high = tuple(slice(1, None) if a == c else slice(None) for a in range(3))
            total[low] += level.g[c][high]
        positive = total > 0
        level.dinv = xp.ascontiguousarray(xp.where(positive, 1 / xp.where(positive, total, 1), 0).astype(self.dtype))

    def _connect(self, fine: _ConductionLevel, coarse: _ConductionLevel) -> None:
        """Weights between two levels; ground where a coarse cell alone would move more than it counts for."""
        xp = self.be.xp
        alive = (coarse.dinv > 0).astype(self.dtype)[None]
        total = xp.zeros((1, *fine.shape), self.dtype)
        self._launch("prolong_cells", fine, 1, *coarse.shape, xp.ones(fine.shape, self.dtype), alive, total)
        total = total[0]
        there = (fine.dinv > 0) & (total > 0)
        fine.norm = xp.ascontiguousarray(xp.where(there, 1 / xp.where(there, total, 1), 0).astype(self.dtype))
        # The diagonal of P^t A P, of cells three apart at a time: these do not meet.
        for first in np.ndindex(3, 3, 3):
            every = tuple(slice(f, None, 3) for f in first)
            probe, moved = xp.zeros_like(alive), xp.zeros_like(total)[None]
            probe[0][every] = alive[0][every]
            self._launch("prolong_cells", fine, 1, *coarse.shape, fine.norm, probe, moved)
            out, back = xp.empty_like(moved), xp.empty_like(probe)
            self._launch("conduct", fine, 1, fine.g, fine.ground, moved, out)
            self._launch("restrict_cells", coarse, 1, *fine.shape, coarse.dinv, fine.norm, out, back)
            own = coarse.dinv[every]
            own = xp.where(own > 0, 1 / xp.where(own > 0, own, 1), 0)
            coarse.ground[every] = xp.maximum(back[0][every] - own, 0)
        self._invert(coarse)

    def _launch(self, kernel: str, level: _ConductionLevel, ports: int, *args: Any) -> None:
        nx, ny, nz = level.shape
        self._kernels.launch(kernel, (ports * nx, ny, nz), nx, *args)

    def apply(self, x: Any) -> Any:
        """A x for potentials (port, nx, ny, nz)."""
        out = self.be.xp.empty_like(x)
        self._launch("conduct", self.levels[0], len(x), self.levels[0].g, self.levels[0].ground, x, out)
        return out * self.dtype.type(self.scale)

    def solve(self, b: Any, tolerance: float, size: np.ndarray | None = None, max_iterations: int = 200) -> Any:
        """Potentials for the net currents that leave every cell.

        Parameters
        ----------
        b : (port, nx, ny, nz) array
            Net current; zero in sum over every body that conducts, zero where nothing does [A].
        tolerance : float
            Relative residual.
        size : (port,) ndarray, optional
            What the residual is relative to, by default the norm of b. Where b is the small rest of large currents that
            all but balance, their norm is the better measure: b holds their rounding, for which no potential exists.
        max_iterations : int
            Give up after these.

        Raises
        ------
        ConvergenceError
            When the tolerance is missed.
        """
        xp, level = self.be.xp, self.levels[0]
        r = xp.ascontiguousarray(b / self.dtype.type(self.scale), dtype=self.dtype)
        ports, n = len(r), math.prod(level.shape)
        norm = np.sqrt(self._dot(r, r))
        scale = norm if size is None else np.asarray(size, float) / self.scale
        scale = np.where(scale > 0, scale, 1.0)
        x, Ap = xp.zeros_like(r), xp.empty_like(r)
        residual = norm / scale
        p: Any = None
        rho = norm
        for self.iterations in range(max_iterations + 1):
            if residual.max() <= tolerance:
                return x
            z = self._cycle(0, r)
            before, rho = rho, self._dot(r, z)
            if p is None:
                p = z
            else:
                self._kernels.launch("add_to_scaled", ports * n, n, self.be.asarray(_ratio(rho, before)), z, p)
            self._launch("conduct", level, ports, level.g, level.ground, p, Ap)
            # Ports that are done rest: more steps would only stir their rounding, which may have no solution.
            alpha = np.where(residual > tolerance, _ratio(rho, self._dot(p, Ap)), 0.0)
            self._kernels.launch("add_scaled", ports * n, n, self.be.asarray(alpha), p, x)
            self._kernels.launch("add_scaled", ports * n, n, self.be.asarray(-alpha), Ap, r)
            residual = np.sqrt(self._dot(r, r)) / scale
        raise ConvergenceError(
            f"conduction: residual {residual.max():.2g} after {max_iterations} iterations misses {tolerance:g}",
            partial=x,
        )

    def _cycle(self, depth: int, b: Any) -> Any:
        """One V-cycle from zero."""
        xp, level, ports = self.be.xp, self.levels[depth], len(b)
        weight = self.dtype.type(WEIGHT)
        x = weight * level.dinv * b
        spare = xp.empty_like(x)
        last = depth + 1 == len(self.levels)

        def sweeps(x: Any, spare: Any, count: int) -> tuple[Any, Any]:
            for _ in range(count):
                self._launch("relax", level, ports, weight, level.g, level.ground, level.dinv, b, x, spare)
                x, spare = spare, x
            return x, spare

        x, spare = sweeps(x, spare, LAST if last else SWEEPS - 1)
        if last:
            return x
        coarse = self.levels[depth + 1]
        self._launch("residual", level, ports, level.g, level.ground, b, x, spare)
        up = xp.empty((ports, *coarse.shape), self.dtype)
        self._launch("restrict_cells", coarse, ports, *level.shape, coarse.dinv, level.norm, spare, up)
        correction = self._cycle(depth + 1, up)
        self._launch("prolong_cells", level, ports, *coarse.shape, level.norm, correction, x)
        return sweeps(x, spare, SWEEPS)[0]

    def _dot(self, a: Any, b: Any) -> np.ndarray:
        return row_products(a.reshape(len(a), -1), b.reshape(len(b), -1), self.be)


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


def _coarser(g: Any, xp: Any) -> Any:
    """Conductances of the next level."""
    shape = tuple(-(-n // 2) for n in g.shape[1:])
    even = xp.zeros((3, *(2 * n for n in shape)), g.dtype)
    even[(slice(None), *(slice(0, n) for n in g.shape[1:]))] = g
    out = xp.zeros((3, *shape), g.dtype)
    for c in range(3):
        high = tuple(slice(1, None) if a == c else slice(None) for a in range(3))
        low = tuple(slice(None, -1) if a == c else slice(None) for a in range(3))
        plane, within = 0.5 * even[c][_every(c, 0)], 0.25 * even[c][_every(c, 1)]
        plane += within
        plane[high] += within[low]
        for a in range(3):
            if a != c:
                plane = plane[_every(a, 0)] + plane[_every(a, 1)]
        out[c] = 0.5 * plane
    # The low ends stay closed.
    for c in range(3):
        out[c][tuple(slice(0, 1) if a == c else slice(None) for a in range(3))] = 0
    return out


def _every(axis: int, first: int) -> tuple[slice, ...]:
    return tuple(slice(first, None, 2) if a == axis else slice(None) for a in range(3))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), 0.0)
