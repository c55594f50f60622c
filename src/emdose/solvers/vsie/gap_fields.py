"""What the coupled solver found for the gaps of a coil, and the fields of any circuit around them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError
from emdose.models.coils.circuit import CircuitCoil
from emdose.solvers.cosimulation import GapDrive, pair_power
from emdose.solvers.results.discretisation import cells_across
from emdose.solvers.results.fields import Fields, PowerBalance, phantom_told
from emdose.solvers.running import Begin, Done, Iteration, ProgressCallback
from emdose.solvers.vie.fields import add_body
from emdose.solvers.vsie.driven import AGREE, Driven, drive_gaps
from emdose.solvers.vsie.potentials.coupling import Sources
from emdose.solvers.vsie.potentials.far_field import radiated_power
from emdose.solvers.vsie.potentials.whole_grid import metal_field
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.exposure import Exposure
    from emdose.solvers.vsie.options import VsieOptions
    from emdose.solvers.vsie.ports import GapSolution
    from emdose.solvers.vsie.setup import Coupled

MEANING = (
    "residual is that of the coupled equations in the body; E_error_estimate is the relative L2 error of E that the "
    "unfinished iteration leaves; voxels and mesh add their own, which only finer ones show"
)
BETTER = 4
"""Times that a network is made better by the currents of its drives."""


@dataclass(frozen=True, eq=False)
class CoupledGaps:
    """The gaps of metal around a body.

    Parameters
    ----------
    exposure : Exposure
        The question.
    options : VsieOptions
        Options.
    parts : Coupled
        Metal and body.
    solution : GapSolution
        What was found.
    clock : mapping of str to float
        Seconds that the parts took.
    tell : callable
        Gets events.
    be : Backend
        Device.
    about : mapping
        More for the provenance.
    """

    exposure: Exposure
    options: VsieOptions
    parts: Coupled
    solution: GapSolution
    clock: Mapping[str, float]
    tell: ProgressCallback
    be: Backend
    about: Mapping[str, Any]

    @property
    def frequency_Hz(self) -> float:
        """Frequency of the exposure [Hz]."""
        return self.exposure.frequency_Hz

    @property
    def residual(self) -> float:
        """Residual of the trial currents of the network, whose error is of the order of its square."""
        return self.solution.residual

    def fields(self, coil: CircuitCoil, drive: GapDrive, again: Callable[[np.ndarray], GapDrive]) -> Fields:
        """Fields of every feed per volt of its source.

        Where their currents differ from those of the network, what was found for them makes a better network.

        Raises
        ------
        ConvergenceError
            When the coupled equations miss the tolerance; ``partial`` holds the fields nevertheless.
        """
        start = time.perf_counter()
        solution = self.solution
        state = drive_gaps(solution, drive, self.options, self._heard(coil))
        for _ in range(BETTER):
            if (state.apart <= AGREE).all():
                break
            solution = solution.within(solution.space.joined(state.space, len(drive.voltages_V)))
            drive = again(solution.admittance)
            before, state = state, drive_gaps(solution, drive, self.options, self._heard(coil))
            state.iterations += before.iterations
            state.products += before.products
            state.history = [a + b for a, b in zip(before.history, state.history, strict=True)]
        self.tell(Begin(stage="fields"))
        driven = time.perf_counter()
        out = self._assembled(coil, drive, state, {"driven": driven - start, "until": driven})
        self.tell(Done(residual=float(state.residual.max()), tolerance=self.options.tolerance))
        if not state.met(self.options).all() or (state.apart > AGREE).any():
            raise ConvergenceError(
                f"metal and body: residual {state.residual.max():.2g} after {state.rounds} rounds misses the tolerance "
                f"{self.options.tolerance:g} or E_error = {self.options.E_error:g}, or currents of the gaps differ by "
                f"{100 * state.apart.max():.2g} % from those of the network, where {100 * AGREE:g} % may be; lower "
                "network_tolerance, raise max_iterations, or accept a larger tolerance (what was reached is kept)",
                partial=out,
            )
        return out

    def _heard(self, coil: CircuitCoil) -> Callable[[int, int, float], None]:
        names = coil.ports

        def tell(port: int, step: int, residual: float) -> None:
            limits = {"steps": self.options.max_iterations, "tolerance": self.options.tolerance}
            where = {"name": names[port], "index": port, "count": len(names)}
            self.tell(Iteration(stage="port", step=step, residual=residual, **where, **limits))  # type: ignore[arg-type]

        return tell

    def _power(self, drive: GapDrive, state: Driven) -> tuple[PowerBalance, dict[str, Any]]:
        amperes = (self.parts.metal.incidence.T @ state.currents).T
        into = pair_power(drive.voltages_V, amperes)
        parts = self.parts.metal.loss_W(state.currents)
        conductor = parts.sum(axis=0)
        lumped = drive.accepted_W - drive.structure_W
        body = self.parts.body
        absorbed = body.absorbed(state.body_currents)
        radiated = radiated_power(self.parts.metal, state.currents, body, state.body_currents)
        told = {
            "conductor_W": {
                name: np.real(np.diag(m)).tolist() for name, m in zip(self.parts.metal.mesh.parts, parts, strict=True)
            },
            "lumped_W": np.real(np.diag(lumped)).tolist(),
            "network_error": float(state.apart.max()),
        }
        lost = {**dict(zip(self.parts.metal.mesh.parts, parts, strict=True)), "elements": lumped}
        return PowerBalance(absorbed, into + lumped, radiated, conductor + lumped, lost), told

    def _assembled(self, coil: CircuitCoil, drive: GapDrive, state: Driven, clock: dict[str, float]) -> Fields:
        exposure, body = self.exposure, self.parts.body
        phantom, f = exposure.phantom, exposure.frequency_Hz
        power, losses = self._power(drive, state)
        step, dtype = self.parts.coupling.lattice.step, body.dtype
        E, B = metal_field(
            Sources.of(self.parts.metal), state.currents, phantom.grid, step, 2 * np.pi * f, self.be, dtype
        )
        add_body(E, B, body, state.body_currents)
        E, B = self.be.to_numpy(E), self.be.to_numpy(B)
        end = time.perf_counter()
        factors = state.error_per_residual
        return Fields(
            grid=phantom.grid,
            frequency_Hz=f,
            E=owned(E),
            B=owned(B),
            body=np.asarray(phantom.body, bool),
            body_mass_kg=float(phantom.mass_kg),
            power=power,
            ports=tuple(coil.ports),
            drives=dict(coil.drives),
            drive_unit=coil.drive_unit,
            residual=state.residual,
            convergence={
                "method": "vsie",
                "tolerance": self.options.tolerance,
                "E_error": self.options.E_error,
                "dtype": str(dtype),
                "iterations": state.iterations.tolist(),
                "products": state.products.tolist(),
                "history": state.history,
                "rounds": state.rounds,
                "network_products": self.solution.products,
                "network_residual": self.solution.residual,
                "network_error": losses["network_error"],
                "E_error_per_residual": factors.tolist(),
                "E_error_estimate": (factors * state.residual).tolist(),
                "meaning": MEANING,
                "cells_per_wavelength": body.cells_per_wavelength,
                "cells_across_tissue": cells_across(phantom.labels, phantom.spacing_m),
                "unknowns": len(body.index),
                "metal_unknowns": self.parts.metal.n,
            },
            provenance={
                "engine": "Vsie",
                "options": asdict(self.options),
                "phantom": phantom_told(phantom, f),
                "coil": {"name": coil.name, **coil.parameters},
                "frequency_Hz": f,
                "losses": losses,
                **self.about,
                "device": self.be.describe(),
                "timing_s": {**self.clock, "driven": clock["driven"], "fields": end - clock["until"]},
            },
        )
