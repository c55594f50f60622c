"""Regularised least squares for c B exp(k) - v . grad k + L = 0: the step that convection-reaction methods share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.errors import InputError

STEPS = 30
"""Most Gauss-Newton steps of one inversion."""
RIM_WEIGHT = 100.0
"""Weight of prescribed values against the relative residual."""
ITERATIONS = 1000
TOLERANCE = 3e-3
"""Limits of the conjugate gradients within one step."""
LONGEST = 1.0
"""Largest change of k in one step and voxel: beyond it exp(k) is not nearly linear."""
SETTLED, RESTLESS = 0.05, 0.05
"""A voxel has settled when its last change of k is below the first; fewer than the second share of all may not have."""
FLOOR = 0.3
"""Smoothing that is there even without noise: it settles what the differences of k leave open."""


@dataclass(frozen=True, eq=False)
class Equation:
    """One equation per voxel, in relative units: the residual is divided by abs(c B exp(k)) of a typical medium.

    Parameters
    ----------
    reaction : array of shape s
        c B times the weight, real or complex.
    source : array of shape s
        L (a Laplacian) times the weight.
    velocity : sequence of arrays of shape s
        Components of v times the weight, one per axis of s.
    regions : array of shape s, int
        Voxels with an equation; differences of k are taken between equal labels above 0 only.
    spacing_m : sequence of float
        Voxel size along the axes of s [m].
    start : array of shape s
        k to begin with, and its scale.
    rim : array of shape s or None
        Prescribed k, NaN where there is none.
    """

    reaction: Any
    source: Any
    velocity: Sequence[Any]
    regions: Any
    spacing_m: Sequence[float]
    start: Any
    rim: Any = None


@dataclass(frozen=True, eq=False)
class Inversion:
    """k (0 outside), root mean square of the relative residual, Gauss-Newton steps, last change, inner residual.

    ``restless`` are the voxels that the last step still moved: where the weight of an edge jumps to and fro.
    """

    k: Any
    residual: float
    steps: int
    change: float
    linear_residual: float
    restless: Any
    voxels: int

    @property
    def converged(self) -> bool:
        """Whether the last Gauss-Newton step changed nothing that matters in nearly all voxels."""
        return self.change < 1e-2 or float(self.restless.sum()) < RESTLESS * self.voxels


class _Neighbours:
    """Differences between voxels of the same region as array code, with their transposes."""

    def __init__(self, xp: Any, regions: Any, spacing_m: Sequence[float]) -> None:
        self.xp, self.axes = xp, range(regions.ndim)
        self.inside = regions > 0
        # A degenerate spacing does not matter: lengths only scale the penalty against the data.
        typical = float(np.prod(spacing_m)) ** (1 / len(spacing_m))
        self.scale = [typical / h for h in spacing_m]
        self.up, self.down, self.per_length, self.cuts = [], [], [], []
        for a in self.axes:
            low = [slice(None)] * regions.ndim
            high = [slice(None)] * regions.ndim
            low[a], high[a] = slice(None, -1), slice(1, None)
            same = (regions[tuple(low)] == regions[tuple(high)]) & self.inside[tuple(low)]
            up, down = xp.zeros(regions.shape, bool), xp.zeros(regions.shape, bool)
            up[tuple(low)], down[tuple(high)] = same, same
            steps = up.astype(float) + down
            self.cuts.append((tuple(low), tuple(high)))
            self.up.append(up)
            self.down.append(down)
            self.per_length.append(xp.where(steps > 0, 1 / xp.maximum(steps, 1), 0.0) / spacing_m[a])

    def forward(self, k: Any, a: int) -> Any:
        """Next minus this voxel, 0 where they are not of one region."""
        low, high = self.cuts[a]
        out = self.xp.zeros_like(k)
        out[low] = (k[high] - k[low]) * self.up[a][low]
        return out

    def forward_t(self, y: Any, a: int) -> Any:
        low, high = self.cuts[a]
        step = y[low] * self.up[a][low]
        out = self.xp.zeros_like(y)
        out[high] = step
        out[low] -= step
        return out

    def slope(self, k: Any, a: int) -> Any:
        """Central difference quotient, one-sided at the rim [1/m]."""
        low, high = self.cuts[a]
        step = (k[high] - k[low]) * self.up[a][low]
        out = self.xp.zeros_like(k)
        out[low] = step
        out[high] += step
        out *= self.per_length[a]
        return out

    def slope_t(self, y: Any, a: int) -> Any:
        low, high = self.cuts[a]
        y = y * self.per_length[a]
        step = (y[low] + y[high]) * self.up[a][low]
        out = self.xp.zeros_like(y)
        out[high] = step
        out[low] -= step
        return out


def invert(
    be: Backend,
    equation: Equation,
    smoothing: float,
    *,
    edge: float = 0.0,
    start: Any = None,
    steps: int | None = None,
    accuracy: float = 1e-3,
    callback: Callable[[int, float], None] | None = None,
) -> Inversion:
    """Solve for k by Gauss-Newton steps.

    Minimises sum abs(residual)^2 + smoothing^2 sum phi(abs(difference of k between neighbours)), where phi(t) = t^2, or
    with ``edge`` > 0 the edge-keeping 2 edge (sqrt(t^2 + edge^2) - edge), by re-weighting. Noise of L is additive here,
    so that it does not pull the result towards 0 as in the form that is linear in exp(-k).

    Two axes: sparse LU of the normal equations on the CPU. Three axes: conjugate gradients on the device, matrix-free,
    at most :data:`ITERATIONS` per step, preconditioned by the diagonal.

    Parameters
    ----------
    be : Backend
        Device; with two axes the arrays must be NumPy arrays.
    equation : Equation
        The equations.
    smoothing : float
        Weight of the differences against the relative residual.
    edge : float
        Differences of k above this count as boundaries of tissue; 0: all are smoothed alike.
    start : array, optional
        k to begin with instead of ``equation.start``.
    steps : int, optional
        Most steps, from a ``start`` that solves nearly these equations: its edges count from the first step on.
    accuracy : float
        Largest change of k at which the steps end.
    callback : callable, optional
        Gets the step number and the last change of k.
    """
    xp = np if equation.regions.ndim == 2 else be.xp
    near = _Neighbours(xp, equation.regions, equation.spacing_m)
    solve = _Direct(near, equation) if equation.regions.ndim == 2 else _Gradients(near, equation, be)
    inside = near.inside
    k = xp.where(inside, equation.start if start is None else start, 0)
    rim, pinned = _rim(xp, equation, inside)
    weight = [xp.ones(inside.shape) for _ in near.axes]
    change, linear, step = np.inf, 0.0, 0
    for step in range(1, (STEPS if steps is None else steps) + 1):
        if edge > 0 and (step > 1 or steps is not None):
            weight = [1 / xp.sqrt((xp.abs(near.forward(k, a)) / edge) ** 2 + 1) for a in near.axes]
        reaction = xp.where(inside, equation.reaction * xp.exp(k), 0)
        residual = _residual(xp, near, equation, k, reaction)
        gradient = _adjoint(xp, near, equation, reaction, residual) + RIM_WEIGHT**2 * pinned * (k - rim)
        for a in near.axes:
            gradient += (smoothing * near.scale[a]) ** 2 * near.forward_t(weight[a] * near.forward(k, a), a)
        penalty = [(smoothing * near.scale[a]) ** 2 * weight[a] for a in near.axes]
        move, linear = solve(reaction, penalty, RIM_WEIGHT**2 * pinned, -gradient)
        # Voxel by voxel: one that has nearly nothing to go by must not shorten the step of all others.
        move = move / xp.maximum(1.0, xp.abs(move) / LONGEST)
        k = k + move
        # The re-weighted edges keep creeping; what counts is the typical voxel.
        change = float(xp.sqrt(xp.mean(xp.abs(move[inside]) ** 2)))
        if callback is not None:
            callback(step, change)
        if change < accuracy:
            break
    reaction = xp.where(inside, equation.reaction * xp.exp(k), 0)
    residual = _residual(xp, near, equation, k, reaction)[inside]
    rms = float(xp.sqrt(xp.mean(xp.abs(residual) ** 2)))
    restless = xp.zeros(inside.shape, bool) if change < 1e-2 else inside & (xp.abs(move) > SETTLED)
    return Inversion(k, rms, step, change, linear, restless, int(inside.sum()))


def choose_smoothing(be: Backend, equation: Equation, target: float, edge: float) -> tuple[float, Inversion]:
    """Smoothing at which the residual reaches ``target`` (discrepancy principle), never below :data:`FLOOR`."""
    smoothing, found = FLOOR, invert(be, equation, FLOOR, edge=edge, accuracy=1e-2)
    if found.residual >= target:
        return smoothing, found
    low = (smoothing, found)
    while smoothing < 300:
        smoothing *= 3
        found = invert(be, equation, smoothing, edge=edge, start=found.k, accuracy=1e-2)
        if found.residual >= target:
            break
        low = (smoothing, found)
    high = smoothing
    for _ in range(3):
        middle = float(np.sqrt(low[0] * high))
        found = invert(be, equation, middle, edge=edge, start=low[1].k, accuracy=1e-2)
        if found.residual >= target:
            high = middle
        else:
            low = (middle, found)
    return low


def _rim(xp: Any, equation: Equation, inside: Any) -> tuple[Any, Any]:
    if equation.rim is None:
        return 0.0, xp.zeros(inside.shape)
    there = inside & xp.isfinite(equation.rim)
    if not there.any():
        raise InputError("no voxel of the rim has a boundary value", field="boundary")
    return xp.where(there, equation.rim, 0), there.astype(float)


def _residual(xp: Any, near: _Neighbours, equation: Equation, k: Any, reaction: Any) -> Any:
    out = equation.source + reaction
    for a in near.axes:
        out = out - equation.velocity[a] * near.slope(k, a)
    return xp.where(near.inside, out, 0)


def _tangent(near: _Neighbours, equation: Equation, reaction: Any, x: Any) -> Any:
    out = reaction * x
    for a in near.axes:
        out = out - equation.velocity[a] * near.slope(x, a)
    return out


def _adjoint(xp: Any, near: _Neighbours, equation: Equation, reaction: Any, y: Any) -> Any:
    out = xp.conj(reaction) * y
    for a in near.axes:
        out = out - near.slope_t(xp.conj(equation.velocity[a]) * y, a)
    return out


class _Direct:
    """Normal equations of a slice by sparse LU."""

    def __init__(self, near: _Neighbours, equation: Equation) -> None:
        import scipy.sparse as sp

        self.sp, self.inside, self.axes = sp, near.inside, near.axes
        n = int(self.inside.sum())
        number = np.full(self.inside.shape, -1)
        number[self.inside] = np.arange(n)
        self.steps, self.advection = [], sp.csr_matrix((n, n))
        for a in near.axes:
            here, there = number[near.up[a]], np.roll(number, -1, a)[near.up[a]]
            ones = np.ones(here.size)
            step = sp.csr_matrix((np.r_[ones, -ones], (np.r_[here, here], np.r_[there, here])), shape=(n, n))
            back = sp.csr_matrix((ones, (there, here)), shape=(n, n))  # moves the step at i - 1 to i
            central = sp.diags(near.per_length[a][self.inside]) @ (step + back @ step)
            self.steps.append(step)
            self.advection = self.advection + sp.diags(equation.velocity[a][self.inside]) @ central

    def __call__(self, reaction: Any, penalty: Sequence[Any], pinned: Any, rhs: Any) -> Any:
        from scipy.sparse.linalg import splu

        diags, inside = self.sp.diags, self.inside
        tangent = diags(reaction[inside]) - self.advection
        normal = tangent.conj().T @ tangent + diags(pinned[inside])
        for step, weight in zip(self.steps, penalty, strict=True):
            normal = normal + step.T @ diags(weight[inside]) @ step
        # Hermitian and positive definite: no pivoting, symmetric ordering.
        options = {"SymmetricMode": True}
        factors = splu(normal.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        out = np.zeros_like(rhs)
        out[inside] = factors.solve(np.ascontiguousarray(rhs[inside]))
        return out, 0.0


class _Gradients:
    """Normal equations of a volume by conjugate gradients with a diagonal preconditioner, without their matrix."""

    def __init__(self, near: _Neighbours, equation: Equation, be: Backend) -> None:
        self.near, self.equation, self.xp = near, equation, be.xp
        self.advection = self._advection()

    def __call__(self, reaction: Any, penalty: Sequence[Any], pinned: Any, rhs: Any) -> Any:
        xp, near, equation = self.xp, self.near, self.equation

        def apply(x: Any) -> Any:
            out = _adjoint(xp, near, equation, reaction, _tangent(near, equation, reaction, x)) + pinned * x
            for a in near.axes:
                out = out + near.forward_t(penalty[a] * near.forward(x, a), a)
            return out

        inverse = self._inverse_diagonal(reaction, penalty, pinned)
        x, r = xp.zeros_like(rhs), xp.where(near.inside, rhs, 0)
        z = inverse * r
        p, rho = z, float(xp.vdot(r, z).real)
        first, done = rho, 0
        while done < ITERATIONS and rho > TOLERANCE**2 * first:
            q = apply(p)
            alpha = rho / float(xp.vdot(p, q).real)
            x, r = x + alpha * p, r - alpha * q
            z = inverse * r
            rho, old = float(xp.vdot(r, z).real), rho
            p = z + (rho / old) * p
            done += 1
        return x, float(np.sqrt(rho / first)) if first > 0 else 0.0

    def _inverse_diagonal(self, reaction: Any, penalty: Sequence[Any], pinned: Any) -> Any:
        xp, near = self.xp, self.near
        diagonal = xp.abs(reaction) ** 2 + self.advection + pinned
        for a in near.axes:
            on = xp.where(near.up[a], penalty[a], 0)
            diagonal = diagonal + on + xp.roll(on, 1, a)
        return xp.where(near.inside, 1 / xp.where(near.inside, diagonal, 1), 0)

    def _advection(self) -> Any:
        """Diagonal of the squared advection."""
        xp, near = self.xp, self.near
        total = xp.zeros(near.inside.shape)
        for a in near.axes:
            squared = (xp.abs(self.equation.velocity[a]) * near.per_length[a]) ** 2
            total += xp.where(near.down[a], xp.roll(squared, 1, a), 0) + xp.where(
                near.up[a], xp.roll(squared, -1, a), 0
            )
            total += xp.where(near.up[a] & near.down[a], 0, squared)
        return total
