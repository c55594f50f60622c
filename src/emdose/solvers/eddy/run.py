"""One run of the eddy current solver: engines, frequencies, and the power tensor that they make together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.shared import key_of
from emdose.errors import ConvergenceError, InputError
from emdose.models.implants.implant import Implant
from emdose.models.implants.voxels import VoxelImplant, voxelise
from emdose.solvers.eddy.engines import (
    GOOD,
    VOXEL_ERROR,
    ThinSkin,
    choose,
    deposit,
    fine_spacing,
    nearest_cells,
    skin_depth,
)
from emdose.solvers.eddy.plan import KEPT, estimate, plan
from emdose.solvers.eddy.spacing import MOST_VOXELS
from emdose.solvers.eddy.voxels.branches import BranchNetwork, branch_network
from emdose.solvers.eddy.voxels.modes import Modes, find_modes
from emdose.solvers.eddy.voxels.operator import EddyOperator
from emdose.solvers.eddy.voxels.resolution import left_out
from emdose.solvers.eddy.voxels.solution import EddySolution
from emdose.solvers.eddy.voxels.sources import Source, sources_of
from emdose.solvers.results.power_errors import PARTS, worst_shares
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.solvers.running import Begin, Checkpoint, Iteration, ProgressCallback, Setup
from emdose.validity import Measure, judge
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.compute.shared import Shared
    from emdose.solvers.eddy.options import EddyOptions

RESOLVED = 3.0
"""Skin depths over step below which a voxel result carries a warning."""
MAGNETIC = 1.05
"""Relative permeability above which a metal counts as magnetic."""
AHEAD = 1.3
"""Modes that are handed on reach up to so many times the highest frequency, for better conductors."""
FINE_STEPS = 10_000
"""Number of the first step of the fine voxels in the checkpoint."""


class EddyRun:
    """One run: engines for every frequency, and the power tensor that they make together.

    Parameters
    ----------
    solver : EddyOptions
        Options with a spacing in metres.
    implant : Implant or VoxelImplant
        The metal.
    frequencies_Hz : (f,) ndarray
        Frequencies that grow [Hz].
    sources : str, callable, object with vector_potential(points), or sequence of these
        As in :func:`~emdose.solvers.eddy.voxels.sources.sources_of`.
    be : Backend
        Device.
    report : callable
        Told what happens.
    checkpoint : Checkpoint or None
        Keeps finished steps.
    first_step : int
        Number of the first step in the checkpoint.
    shared : Shared, optional
        Hands on the modes of metals that differ by a factor of their conductivity.
    """

    def __init__(
        self,
        solver: EddyOptions,
        implant: Implant | VoxelImplant,
        frequencies_Hz: np.ndarray,
        sources: Any,
        be: Backend,
        report: ProgressCallback,
        checkpoint: Checkpoint | None,
        first_step: int = 0,
        shared: Shared | None = None,
    ) -> None:
        self.solver, self.implant, self.frequencies_Hz = solver, implant, frequencies_Hz
        self.be, self.report, self.checkpoint, self.first_step = be, report, checkpoint, first_step
        self.shared = shared
        self.sources = sources_of(sources, middle(implant))
        self.thin = None
        if isinstance(implant, Implant):
            self.thin = ThinSkin(implant, frequencies_Hz, self.sources, be)
        self.notes: list[str] = []
        self.engine = ["voxel"] * len(frequencies_Hz)
        self.facts: dict[str, Any] = {"engines": {}}
        self.clock: dict[str, float] = {}

    def tensor(self) -> PowerTensor:
        """The power tensor; ConvergenceError with it as ``partial`` where a tolerance is missed."""
        start = time.perf_counter()
        solver, f, n = self.solver, self.frequencies_Hz, len(self.sources)
        if solver.engine != "thin-skin":
            plan(solver, self.implant, f, n, self.be)
        net = branch_network(voxels_of(solver, self.implant))
        ratio = skin_depth(f, float(net.conductivity.max())) / max(net.grid.spacing_m)
        names = self.names = choose(self._engine(), VOXEL_ERROR / ratio**2, self.thin)
        cells = np.argwhere(net.cells).astype(np.int32)
        out = _Parts(len(f), n, len(cells))
        failure: ConvergenceError | None = None
        self.clock["setup"] = time.perf_counter() - start
        for name in ("voxel", "fine voxel"):
            these = np.flatnonzero([engine == name for engine in names])
            if not len(these):
                continue
            try:
                if name == "voxel":
                    self._on_voxels(net, these, out, lambda loss: loss)
                else:
                    self._on_fine_voxels(net, these, out)
            except ConvergenceError as error:
                failure = error
        these = np.flatnonzero([engine == "thin-skin" for engine in names])
        if len(these):
            self._on_surface(net, these, out)
        parts = self._errors(out)
        self._judge(parts, net.grid.spacing_m)
        self.clock["all"] = time.perf_counter() - start
        result = PowerTensor(
            frequencies_Hz=f,
            sources=tuple(s.name for s in self.sources),
            matrix=out.matrix,
            grid=net.grid,
            cells=cells,
            loss=owned(out.loss),
            engine=tuple(self.engine),
            residual=out.residual,
            identity=out.identity,
            skin_depth_over_step=ratio,
            left_out=out.left_out,
            metals=tuple(getattr(self.implant, "metals", ())),
            source_units=tuple(s.unit for s in self.sources),
            warnings=tuple(self.notes),
            provenance={
                "solver": "EddyCurrent",
                "options": asdict(solver),
                "implant": str(getattr(self.implant, "name", "voxels")),
                "voxels": len(cells),
                "reference_point_m": middle(self.implant),
                "device": self.be.describe(),
                "timing_s": self.clock,
                "error_estimate": {name: [float(e) for e in parts[name]] for name in PARTS},
                **self.facts,
            },
        )
        if failure is not None:
            raise ConvergenceError(str(failure), partial=result)
        return result

    def _engine(self) -> str:
        magnetic = [m for m in getattr(self.implant, "metals", ()) if m.relative_permeability > MAGNETIC]
        if magnetic and self.solver.engine != "thin-skin":
            raise InputError(
                "the voxel engine takes metals without magnetisation",
                field="metal",
                found=f"{magnetic[0].name} with mu_r = {magnetic[0].relative_permeability:g}",
                expected=f'mu_r <= {MAGNETIC:g}, or engine="thin-skin"',
            )
        if self.solver.engine == "thin-skin" and self.thin is None:
            raise InputError(
                "the thin-skin engine needs surfaces", field="implant", found="voxels", expected="an Implant"
            )
        return self.solver.engine

    def _on_voxels(self, net: BranchNetwork, these: np.ndarray, out: _Parts, place: Any, name: str = "voxel") -> None:
        """Frequencies ``these`` on one network; ``place`` turns losses of its cells into those of the result."""
        begin, failure = time.perf_counter(), None
        f = self.frequencies_Hz[these]
        try:
            solution = solve_network(
                self.solver,
                net,
                self.sources,
                float(f[-1]),
                self.be,
                self.report,
                self.checkpoint,
                first_step=self.first_step + (FINE_STEPS if name == "fine voxel" else 0),
                shared=self.shared,
            )
        except ConvergenceError as error:
            if not isinstance(error.partial, EddySolution):
                raise
            failure, solution = error, error.partial
        self.clock["modes"] = self.clock.get("modes", 0.0) + time.perf_counter() - begin
        ratio = skin_depth(f, float(net.conductivity.max())) / max(net.grid.spacing_m)
        for k, index in enumerate(these):
            self._tell_frequency(int(index))
            currents = solution.currents(float(f[k]))
            out.matrix[index], work = solution.power(currents)
            size = np.abs(out.matrix[index]).max()
            out.identity[index] = np.abs(out.matrix[index] - work).max() / (size if size > 0 else 1.0)
            out.residual[index] = solution.modes.residual(float(f[k]))
            out.skin[index] = VOXEL_ERROR / ratio[k] ** 2
            out.left_out[index] = left_out(solution.operator, self.sources, currents)
            out.loss[index] = place(self.be.to_numpy(solution.density(currents)))
        # The reduced model judges itself at every frequency; at the highest one the equations do.
        out.residual[these[-1]] = max(out.residual[these[-1]], solution.true_residual(currents, float(f[-1])))
        self.be.synchronize()
        self.facts["engines"][name] = {
            "spacing_m": list(net.grid.spacing_m),
            "branches": len(net.branches),
            "steps": len(solution.modes.basis),
            "products": solution.operator.products,
            "resumed_steps": solution.modes.resumed,
        }
        if failure is not None:
            raise failure

    def _on_fine_voxels(self, net: BranchNetwork, these: np.ndarray, out: _Parts) -> None:
        """Frequencies between the engines: smaller voxels as far as memory allows, else the engine that errs less."""
        assert self.thin is not None
        surfaces = self.thin.implant
        spacing = np.array(net.grid.spacing_m)
        sigma, top = float(net.conductivity.max()), these[-1]

        def fits(step: np.ndarray) -> bool:
            planned = estimate(self.solver, surfaces, step, self.frequencies_Hz[these], len(self.sources), self.be)
            return bool(
                planned.bytes < KEPT * self.be.memory_free_bytes()
                and planned.voxels < max(MOST_VOXELS[self.be.name], 1.5 * net.cells.sum())
            )

        step = fine_spacing(spacing, float(skin_depth(self.frequencies_Hz[top], sigma)), fits)
        fine = net
        if step is not None:
            fine = branch_network(voxelise(surfaces, tuple(step.tolist()), check_walls=False))
        found = np.array(
            [
                VOXEL_ERROR * max(fine.grid.spacing_m) ** 2 / skin_depth(self.frequencies_Hz[i], sigma) ** 2
                for i in these
            ]
        )
        # Where smaller voxels do not get there, the thin skin may err less, however little the geometry promises.
        better = np.zeros(len(these), bool)
        short = found > GOOD * (1 + 1e-6)
        if short.any():
            better[short] = self.thin.errors(these[short]) < found[short]
        if better.any():
            self._on_surface(net, these[better], out)
        if better.all():
            return
        rest = these[~better]
        if fine is net:
            self._on_voxels(net, rest, out, lambda loss: loss, "fine voxel")
            return
        where = np.argwhere(fine.cells)
        centres = np.stack([fine.grid.centres(a)[where[:, a]] for a in range(3)], axis=1)
        cell = nearest_cells(centres, net.grid, net.cells)
        share = fine.grid.voxel_volume_m3 / net.grid.voxel_volume_m3

        def place(loss: np.ndarray) -> np.ndarray:
            coarse = np.zeros((*loss.shape[:2], int(net.cells.sum())), np.complex64)
            for i, j in np.ndindex(*loss.shape[:2]):
                coarse[i, j].real = np.bincount(cell, loss[i, j].real, coarse.shape[2]) * share
                coarse[i, j].imag = np.bincount(cell, loss[i, j].imag, coarse.shape[2]) * share
            return coarse

        self._on_voxels(fine, rest, out, place, "fine voxel")

    def _on_surface(self, net: BranchNetwork, these: np.ndarray, out: _Parts) -> None:
        assert self.thin is not None
        self.thin.errors(these)
        missing = [self.frequencies_Hz[i] for i in these if int(i) not in self.thin.results]
        if missing:
            raise ConvergenceError(f"thin skin: no solution of the surface currents at {missing[0]:g} Hz")
        thin = self.thin.results[int(these[0])][0]
        shares = deposit(thin, net.grid, net.cells)
        n, volume = len(self.sources), net.grid.voxel_volume_m3
        for index in these:
            self._tell_frequency(int(index))
            thin, k = self.thin.results[int(index)]
            self.engine[index] = "thin-skin"
            out.matrix[index] = thin.matrix[k]
            power = (thin.surface_loss[k] * thin.areas).reshape(n * n, -1)
            out.loss[index] = (shares @ power.T).T.reshape(n, n, -1) / volume
            out.residual[index], out.skin[index] = thin.residual, thin.error_estimate[k]
        self.facts["engines"]["thin-skin"] = {
            "triangles": len(thin.areas),
            "holes": thin.handles,
            "inner_field": thin.inner_field,
        }

    def _tell_frequency(self, index: int) -> None:
        f = self.frequencies_Hz
        self.report(Begin(stage="frequency", name=f"{f[index]:g} Hz", index=index, count=len(f)))

    def _errors(self, out: _Parts) -> dict[str, np.ndarray]:
        """Parts of the estimated error of the power, (f,) each."""
        on_voxels = np.array([e == "voxel" for e in self.engine])
        return {
            "iteration": out.residual**2 + np.where(on_voxels, out.identity, 0.0),
            "skin_depth": out.skin,
            "discretisation": worst_shares(out.matrix, out.left_out, tuple(s.name for s in self.sources)),
        }

    def _judge(self, error: dict[str, np.ndarray], spacing_m: tuple[float, float, float]) -> None:
        """Say where numbers are weak."""
        f = self.frequencies_Hz
        on_voxels = np.array([e == "voxel" for e in self.engine])
        weak = np.where(on_voxels, error["skin_depth"], 0.0)
        ratio = np.sqrt(VOXEL_ERROR / np.maximum(weak, 1e-30))
        if ratio.min() < RESOLVED and weak.max() > GOOD * (1 + 1e-6):
            self.notes.append(
                f"skin depth is {ratio.min():.2g} voxels at {f[np.argmin(ratio)]:g} Hz: below {RESOLVED:g} the power "
                f"on voxels may be off by {100 * weak.max():.1g} %; use a smaller spacing_m"
            )
        lacking = float(error["discretisation"].max())
        if not judge([Measure("eddy_error", lacking)]).is_valid:
            good = 1e3 * min(spacing_m) * np.sqrt(GOOD / lacking)
            self.notes.append(
                f"voxels are coarse for the metal: they may leave out {100 * lacking:.3g} % of the power in the worst "
                f"orientation of the field; a spacing_m of {good:.2g} mm would leave out 1 %"
            )
        weak = np.where(on_voxels, 0.0, error["skin_depth"])
        if weak.max() > 2 * GOOD:
            self.notes.append(
                f"the skin is not thin at {f[np.argmax(weak)]:g} Hz: the power of the thin-skin engine may be off by "
                f"{100 * weak.max():.1g} %"
            )


class _Parts:
    """What the engines fill in."""

    def __init__(self, frequencies: int, sources: int, cells: int) -> None:
        self.matrix = np.zeros((frequencies, sources, sources), complex)
        self.loss = np.zeros((frequencies, sources, sources, cells), np.complex64)
        self.left_out = np.zeros((frequencies, sources, sources))
        self.identity, self.residual, self.skin = np.zeros((3, frequencies))


def solve_network(
    solver: EddyOptions,
    net: BranchNetwork,
    sources: tuple[Source, ...],
    highest_Hz: float,
    be: Backend,
    report: ProgressCallback,
    checkpoint: Checkpoint | None,
    *,
    first_step: int = 0,
    shared: Shared | None = None,
) -> EddySolution:
    """Currents of one network for frequencies up to one; ConvergenceError with them as ``partial``."""
    report(Setup())
    # The conduction problems must not be what limits the residual; single precision ends near the floor.
    floor = 2e-6 if solver.dtype == "float32" else 1e-13
    operator = EddyOperator(net, be, solver.dtype, max(0.02 * solver.tolerance, floor))
    emf = operator.emf(sources)
    # Rounding and the conduction problems add to the residual of the reduced model: it stops a little below.
    tolerance = 0.7 * solver.tolerance

    def tell(step: int, residual: float) -> None:
        report(
            Iteration(stage="modes", step=step, steps=solver.max_steps, residual=residual, tolerance=solver.tolerance)
        )

    def found(highest_Hz: float) -> Modes:
        return find_modes(
            operator,
            emf,
            highest_Hz,
            tolerance=tolerance,
            max_steps=solver.max_steps,
            report=tell,
            checkpoint=checkpoint,
            first_step=first_step,
        )

    try:
        modes = (
            found(highest_Hz) if shared is None else shared_modes(shared, operator, emf, highest_Hz, tolerance, found)
        )
    except ConvergenceError as error:
        if hasattr(error.partial, "basis"):
            error.partial = EddySolution(operator, error.partial, sources, emf, highest_Hz)
        raise
    return EddySolution(operator, modes, sources, emf, highest_Hz)


def shared_modes(
    shared: Shared,
    operator: EddyOperator,
    emf: Any,
    highest_Hz: float,
    tolerance: float,
    find: Callable[[float], Modes],
) -> Modes:
    """Modes of a metal of the same shape, scaled to the conductivity of this one; found where there are none.

    Currents depend on the product of conductivity and frequency only, so that modes serve other conductivities as long
    as their residual meets the tolerance at the highest frequency.
    """
    net = operator.network
    top = float(net.conductance.max())
    shape = (net.conductance / top).astype(np.float32)  # the last bits depend on the conductivity
    key = key_of(
        "eddy modes",
        (net.grid.shape, net.grid.spacing_m, net.grid.origin_m, operator.be.name, str(operator.real), tolerance),
        shape,
        net.offset,
        operator.be.to_numpy(emf),
    )
    for _ in range(2):
        then, modes = shared.get(key, lambda: (top, find(highest_Hz * (AHEAD if shared.reduced else 1.0))))
        factor = top / then
        scaled = modes if factor == 1 else modes.scaled(factor)
        if scaled.residual(highest_Hz) <= tolerance or not scaled.coupling.size:
            return scaled
        shared.drop(key)
    return find(highest_Hz)


def voxels_of(solver: EddyOptions, implant: Implant | VoxelImplant) -> VoxelImplant:
    """The implant on voxels of the solver's spacing, a resolved one; voxels stay as they are."""
    if not isinstance(implant, Implant):
        return implant
    return voxelise(implant, solver.edges_m, check_walls=False)


def middle(implant: Implant | VoxelImplant) -> tuple[float, float, float]:
    """Middle of the box around an implant [m]."""
    low, high = implant.bounds_m if isinstance(implant, Implant) else implant.grid.bounds_m
    return tuple(0.5 * (a + b) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]
