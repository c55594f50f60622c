r"""Minimisation of the contrast-source functional: sources follow the contrast, quasi-Newton steps in the contrast.

For the contrast of an iteration the object equation w - chi G w = chi E_inc is solved from the last sources. Its
adjoint gives the exact gradient of the data misfit. The Hessian starts from the Born form

.. math:: H_0 = \tau J_0^H W^2 J_0, \qquad J_0\,\delta\chi = G_B (E\, \delta\chi)

which leaves out how a change of contrast changes E. That is right for structure finer than the wavelength, since the
irrotational part of the sources makes no B, and costs two products instead of two solutions. The factor tau and BFGS
updates from past gradients supply the rest. The factor for total variation is

.. math:: F_R = \frac1N \sum \frac{|\nabla\chi|^2 + \delta^2}{|\nabla\chi_n|^2 + \delta^2}, \qquad
   (F_D - F_{noise})\, F_R^{p} \to \min

to first order in p, so that its weight falls with the misfit that noise does not explain.

Source: J. Nocedal and S. Wright, Numerical Optimization, 2nd ed., Springer 2006, ch. 6, 7 and 10 (BFGS, sizing,
structured updates); P. van den Berg, A. Abubakar and J. Fokkema, Radio Sci. 38 (2003) 8022 (multiplicative
regularisation).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from emdose.ept.inversion.data import DataTerm
from emdose.ept.inversion.operators import ScatteringOperators, gradient, gradient_adjoint
from emdose.errors import EmdoseWarning
from emdose.solvers.running import Iteration, ProgressCallback

MEMORY = 6
"""Pairs of steps and gradients kept."""
INNER = 20
"""Conjugate-gradient steps for one step of the contrast."""
LEAST_STEP = 0.05
"""Smallest part of a step that is tried."""
LEAST_GAIN = 0.02
"""An iteration that lowers the objective by less counts as stalled; two in a row end the minimisation."""
NEAR = 2.0
"""A residual that no longer falls counts as converged within this factor of its tolerance."""
NOISE_SHARE = 0.05
"""Part of the noise that counts as misfit for the weight of total variation, so that it never fades to nothing."""


@dataclass(frozen=True, eq=False)
class State:
    """A contrast with its sources and fields.

    Parameters
    ----------
    contrast : (n,) array
        chi per voxel of the body.
    w, E : (excitation, edges) array
        Contrast sources and total electric field [V/m].
    b : (excitation, 2, voxels) array
        Total (Bx + j By) / 2 and (Bx - j By) / 2 [T].
    data, object : float
        F_D, and the square root of F_O.
    """

    contrast: Any
    w: Any
    E: Any
    b: Any
    data: float
    object: float


@dataclass(frozen=True, kw_only=True)
class ContrastStep(Iteration):
    """An iteration of the contrast: its residual is the relative one of the data.

    Parameters
    ----------
    object_residual : float
        Relative residual of the object equation.
    """

    object_residual: float


def minimise(
    lattice: ScatteringOperators,
    term: DataTerm,
    E_incident: Any,
    b_incident: Any,
    guess: complex,
    *,
    misfit: float,
    noise: float,
    iterations: int,
    strength: float,
    edge: float,
    object_tolerance: float,
    report: ProgressCallback,
) -> tuple[State, dict[str, list[float]], str]:
    """Contrast that explains the data.

    Parameters
    ----------
    lattice, term : ScatteringOperators, DataTerm
        Operators and data.
    E_incident, b_incident : array
        Incident fields on the edges (excitation, n) [V/m] and at the voxel centres (excitation, 2, voxels) [T].
    guess : complex
        Homogeneous contrast to start from.
    misfit, noise : float
        Relative data residuals from the grid and from noise; their root sum of squares is what to stop at.
    iterations : int
        Steps at most.
    strength, edge, object_tolerance :
        As in :class:`~emdose.ept.inversion.csi.Csi`.
    report : callable
        Told about every iteration.

    Returns
    -------
    State, history, reason
    """

    def evaluate(contrast: Any, w: Any, goal: float) -> State:
        chi = lattice.on_edges(contrast).astype(lattice.dtype)
        right = chi * E_incident
        w = lattice.solve(chi, right, goal, start=w)
        E = E_incident + lattice.electric(w)
        b = b_incident + lattice.magnetic(w)
        rest = float(xp.linalg.norm(chi * E - w) / xp.linalg.norm(right))
        return State(contrast, w, E, b, term.misfit(b), rest)

    xp, tolerance = lattice.be.xp, math.hypot(misfit, noise)
    total_variation = TotalVariation(lattice)
    state = evaluate(xp.full(len(lattice.body_index), guess, complex), None, 1e-2)
    history: dict[str, list[float]] = {"data": [], "object": [], "step": [], "variation": []}
    pairs: list[tuple[Any, Any]] = []
    before: tuple[Any, Any] | None = None
    step, stalled, stopped = 1.0, 0, "iterations"
    for iteration in range(iterations + 1):
        residual = math.sqrt(state.data)
        for name, value in (
            ("data", residual),
            ("object", state.object),
            ("step", step),
            ("variation", total_variation.mean(state.contrast)),
        ):
            history[name].append(float(value))
        report(
            ContrastStep(
                stage="iteration",
                step=iteration,
                steps=iterations,
                residual=residual,
                tolerance=tolerance,
                object_residual=state.object,
            )
        )
        if residual <= tolerance or stalled == 2 or iteration == iterations:
            stopped = "tolerance" if residual <= tolerance else "stalled" if stalled == 2 else stopped
            break
        slope = data_gradient(lattice, term, state)
        if before is not None:
            s, y = state.contrast - before[0], slope - before[1]
            if _dot(s, y) > 0:
                pairs = [*pairs, (s, y)][-MEMORY:]
        before = state.contrast, slope
        delta = edge * float(xp.sqrt((abs(state.contrast) ** 2).mean()))
        penalty = total_variation.at(state.contrast, delta)
        excess = max(state.data - noise**2, misfit**2 + NOISE_SHARE * noise**2)
        weight = strength * excess
        curvature = _curvature(lattice, term, state, pairs)
        direction = _conjugate_gradients(_sum(curvature, weight, penalty.normal), -(slope + weight * penalty.slope))
        goal = max(object_tolerance, 0.03 * residual)
        step, found = 1.0, None
        while step >= LEAST_STEP:
            trial = evaluate(physical(state.contrast + step * direction), state.w, goal)
            gain = (state.data - trial.data) / excess - strength * (penalty.value(trial.contrast) - 1)
            if gain > 0:
                found = trial
                break
            step /= 2
            goal = max(object_tolerance, 0.5 * goal)
        if found is None:
            if not pairs:
                stopped = "stalled"
                break
            pairs, before, step, stalled = [], None, 0.0, stalled + 1  # forget the past and try once more
            continue
        state, stalled = found, stalled + 1 if gain < LEAST_GAIN else 0
    return state, history, stopped


def told_converged(residuals: Sequence[float], tolerance: float, stopped: str) -> bool:
    """Whether the data are explained: the residual at its tolerance, or steady within :data:`NEAR` of it; else warns.

    A line search that finds no way down, or a change too small to see, tells nothing while the residual is large.

    Parameters
    ----------
    residuals : sequence of float
        Relative data residual of every iteration.
    tolerance : float
        What noise and grid leave.
    stopped : str
        "tolerance", "stalled" or "iterations".
    """
    last, steps = residuals[-1], len(residuals) - 1
    steady = steps > 1 and residuals[-3] - last <= 2 * LEAST_GAIN * residuals[-3]
    if last <= tolerance or (stopped == "stalled" and steady and last <= NEAR * tolerance):
        return True
    why = {"stalled": "stalled", "iterations": "not at its end"}.get(stopped, stopped)
    warnings.warn(
        f"contrast-source inversion {why} after {steps} iterations: data residual {last:.2g}, from "
        f"{residuals[0]:.2g}, wanted {tolerance:.2g}; it has not converged, and its voxels carry the flag FAILED",
        EmdoseWarning,
        stacklevel=3,
    )
    return False


def data_gradient(lattice: ScatteringOperators, term: DataTerm, state: State, tolerance: float = 3e-3) -> Any:
    """Gradient of F_D / 2 with respect to the contrast of the voxels, the sources following the object equation."""
    chi = lattice.on_edges(state.contrast).astype(lattice.dtype)
    back = lattice.solve_adjoint(chi, lattice.magnetic_adjoint(term.gradient(state.b)), tolerance)
    return lattice.on_edges_adjoint((state.E.conj() * back).sum(0).astype(complex))


def physical(contrast: Any) -> Any:
    """The nearest contrast with eps_r >= 1 and sigma >= 0."""
    return contrast.real.clip(0, None) + 1j * contrast.imag.clip(None, 0)


class TotalVariation:
    """Differences of the contrast between neighbours of the body.

    Parameters
    ----------
    lattice : ScatteringOperators
        The body.
    """

    def __init__(self, lattice: ScatteringOperators) -> None:
        self.lattice = lattice
        xp = lattice.be.xp
        inside = lattice.body.astype(float)
        # A difference counts where both voxels are in the body.
        self.pairs = xp.zeros((3, *lattice.voxels))
        for a in range(3):
            low = tuple(slice(0, -1) if i == a else slice(None) for i in range(3))
            high = tuple(slice(1, None) if i == a else slice(None) for i in range(3))
            self.pairs[a][low] = inside[low] * inside[high]
        self.count = len(lattice.body_index)

    def differences(self, contrast: Any) -> Any:
        """(3, nx, ny, nz) forward differences."""
        return gradient(self.lattice.volume(contrast)) * self.pairs

    def mean(self, contrast: Any) -> float:
        """Mean of the length of the differences."""
        return float(self.lattice.be.xp.sqrt((abs(self.differences(contrast)) ** 2).sum(0)).sum() / self.count)

    def at(self, contrast: Any, delta: float) -> _Penalty:
        """F_R around a contrast."""
        return _Penalty(self, contrast, delta)


class _Penalty:
    def __init__(self, variation: TotalVariation, contrast: Any, delta: float) -> None:
        self.variation, self.delta = variation, delta
        self.weight = 1 / ((abs(variation.differences(contrast)) ** 2).sum(0) + delta**2)
        self.slope = self.normal(contrast)

    def normal(self, x: Any) -> Any:
        v = self.variation
        back = gradient_adjoint(self.weight * v.differences(x) * v.pairs)
        return back.ravel()[v.lattice.body_index] / v.count

    def value(self, contrast: Any) -> float:
        v = self.variation
        part = self.weight * ((abs(v.differences(contrast)) ** 2).sum(0) + self.delta**2)
        return float(part.ravel()[v.lattice.body_index].mean())


def _curvature(
    lattice: ScatteringOperators, term: DataTerm, state: State, pairs: list[tuple[Any, Any]]
) -> Callable[[Any], Any]:
    """The structured BFGS matrix of F_D / 2, as a function."""

    def born(x: Any) -> Any:
        b = lattice.magnetic((state.E * lattice.on_edges(x)).astype(lattice.dtype))
        back = lattice.magnetic_adjoint(term.normal(state.b, b))
        return lattice.on_edges_adjoint((state.E.conj() * back).sum(0).astype(complex))

    images = [born(s) for s, _ in pairs]
    tau = max(1.0, _dot(pairs[-1][0], pairs[-1][1]) / _dot(pairs[-1][0], images[-1])) if pairs else 1.0
    updates: list[tuple[Any, Any, float, float]] = []

    def corrected(x: Any, image: Any) -> Any:
        out = tau * image
        for y, a, ys, sa in updates:
            out = out + y * (_dot(y, x) / ys) - a * (_dot(a, x) / sa)
        return out

    for (s, y), image in zip(pairs, images, strict=True):
        a = corrected(s, image)
        updates.append((y, a, _dot(y, s), _dot(s, a)))
    return lambda x: corrected(x, born(x))


def _sum(first: Callable[[Any], Any], weight: float, second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: first(x) + weight * second(x)


def _conjugate_gradients(apply: Callable[[Any], Any], right: Any) -> Any:
    """An approximate solution of a real-linear, symmetric and positive definite system."""
    x, r, p = 0 * right, right, right
    first = rho = _dot(r, r)
    for _ in range(INNER):
        q = apply(p)
        bend = _dot(p, q)
        if rho <= 1e-4 * first or bend <= 0:
            break
        x = x + (rho / bend) * p
        r = r - (rho / bend) * q
        rho, last = _dot(r, r), rho
        p = r + (rho / last) * p
    return x


def _dot(a: Any, b: Any) -> float:
    return float((a.real * b.real + a.imag * b.imag).sum())
