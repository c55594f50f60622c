"""Run an ``rf`` scenario: fields, SAR, averages, checks, and everything that goes into its summary."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose import resources
from emdose.compliance import require_circumstances
from emdose.compute.shared import Shared
from emdose.dosimetry.averaging.average import shared_averaging_plan
from emdose.errors import ConvergenceError, InputError
from emdose.io.field_arrays import fields_arrays, fields_of_arrays
from emdose.models.exposure import Exposure
from emdose.scenarios.kinds.rf import limit_rows, thermal
from emdose.scenarios.kinds.rf.circuits import second_mesh
from emdose.scenarios.kinds.rf.evaluation import (
    Circumstances,
    RfOutcome,
    averaging_masses,
    check_arguments,
    evaluated,
    require_heavy_enough,
    run_of,
)
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.coils import coil, handed_to_vie, vsie
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.driving.drives import drive_of, place_of, require_tissue, scaled
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.metal_coils.engines import CODE, engine, require_on_grid, tuned_by
from emdose.scenarios.shared.tables import blamed_on
from emdose.scenarios.shared.transmitting.transmit import Transmit
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Begin, Checkpoint, ProgressCallback, silent

if TYPE_CHECKING:
    from emdose.io.disk import atomic
    from emdose.scenarios.shared.scenario import LoadedScenario

NO_MATTER = ("solver.max_iterations", "solver.max_periods", "solver.checkpoint_s", "solver.second_mesh")
"""Options that decide when a solver gives up or what is solved besides, not what it finds."""

EASIER = 5.0
"""Times the tolerance that a second mesh of the metal is solved to: a difference of some 0.1 % is enough."""


class RfJob(BaseJob):
    """An ``rf`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto", shared: Shared | None = None) -> None:
        super().__init__(scenario, device, shared)
        file, tables = scenario.file, scenario.tables
        with self.timed("phantom"):
            self.body = phantom(tables.phantom, file, shared, scenario.identity.get("files"))
        self.coil: Any = coil(tables.coil, file, tables.scenario.accept)
        self.drive = drive_of(tables.drive, self.coil, file)
        with blamed_on(file, "checks"):
            limit_rows.limit_rows(tables.checks)
            check_arguments(tables.checks, self.body)
        self.place, self.place_name = place_of(tables.normalise.over, self.body, tables.checks.head, file)
        if "b1plus_rms_T" in tables.normalise.target:
            require_tissue(self.place, self.body, tables.scenario.accept, file)
        with blamed_on(file, ""):
            self.exposure = Exposure(self.body, self.coil, frequency_Hz=tables.exposure.frequency_Hz)
        require_on_grid(tables.coil, tables.solver, self.body, file)
        with blamed_on(file, "solver"):
            # A study wants numbers, no curves.
            self.solver = engine(tables.coil, tables.solver, tables.tuning, band=shared is None)
        if tables.thermal is not None:
            with blamed_on(file, "phantom.tissues"):
                thermal.require_data(self.body)
            with blamed_on(file, "thermal"):
                thermal.solver(tables.thermal, tables.checks)
        self._plans: dict[float, Any] = {}
        self.masses_kg = averaging_masses(tables.dosimetry.masses_kg)
        if tables.solver.type in ("vie", "vsie") and not self.body.grid.is_cubic:
            raise InputError(
                "the volume integral needs cubic voxels",
                file=file,
                field="phantom.spacing_m",
                found=self.body.spacing_m,
                expected='resample_spacing_m = one number, or solver = "fdtd"',
            )
        require_heavy_enough(self.body, self.masses_kg, file)

    def solution_key(self) -> str:
        """Hash of body, coil, frequency, solver and tuning: what the fields of the ports depend on."""
        code = resources.code_sha256(*CODE)
        tables = ("phantom", "coil", "exposure", "solver", "tuning")
        return self.scenario.part_sha256(*tables, without=NO_MATTER, also={"code": code})

    def solution_arrays(self, solution: Fields) -> dict[str, np.ndarray]:
        """The fields of all ports."""
        return fields_arrays(solution)

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> Fields:
        """The fields of all ports."""
        return fields_of_arrays(arrays, self.body)

    def plan(self) -> JobPlan:
        """Memory, time and size of the solution; raises ResourceError when it does not fit."""
        try:
            then = "the same on a second mesh of the metal" if self._has_second_mesh() else ""
            return JobPlan(device=self.device, solution=self.solver.plan(self.exposure, self.device), then=then)
        except InputError as error:  # a solver learns late that its options do not fit the exposure
            table = "solver" if error.field in type(self.tables.solver).model_fields else ""
            with blamed_on(self.scenario.file, table):
                raise

    def prepare(self) -> None:
        """Plans of the averages, and a look at all that checks and heat would refuse."""
        file, tables = self.scenario.file, self.tables
        with blamed_on(file, "checks"):
            require_circumstances(self.body, **check_arguments(tables.checks, self.body))
        if tables.thermal is not None:
            with blamed_on(file, "thermal"):
                thermal.require_possible(tables.thermal, tables.checks, self.body, self.device)
        with self.timed("averaging plans"), blamed_on(file, "dosimetry.masses_kg"):
            self.averaging()

    def averaging(self) -> dict[float, Any]:
        """The plan of every average by its mass: it depends on the body alone."""
        for mass in self.masses_kg:
            if mass not in self._plans:
                density, spacing_m = self.body.density, self.body.spacing_m
                self._plans[mass] = shared_averaging_plan(self.shared, density, spacing_m, mass, self.device)
        return self._plans

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        low, high = self.body.grid.bounds_m
        size = " x ".join(f"{1e3 * (b - a):.0f}" for a, b in zip(low, high, strict=True))
        drive = self.drive if isinstance(self.drive, str) else "amplitudes and phases"
        matter = f"{self.body.mass_kg:.4g} kg of {len(self.body.tissue_mass())} tissues"
        return [
            f"phantom: {self.body.name}, {matter} in {size} mm, voxels of {1e3 * self.body.spacing_m[0]:g} mm",
            f"coil: {self.coil.name}, ports {len(self.coil.ports)}, drive {drive}",
            f"frequency: {self.exposure.frequency_Hz / 1e6:g} MHz",
            f"scaled to: {', '.join(f'{k} = {v:g}' for k, v in self.tables.normalise.target.items())}",
        ]

    def solve(self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None) -> Fields:
        """Fields of all ports; of the drive alone for a job that shares solutions with others, which keeps none.

        Raises
        ------
        ConvergenceError, ResourceError, DeviceError
            As the solver; the ``partial`` fields of the first can still be given to :meth:`evaluate`.
        """
        with self.timed("solve"):
            fields: Fields = self.solver.solve(
                self.exposure, self.device, progress=progress, checkpoint=checkpoint, **self._handed_on()
            )
        return fields

    def _handed_on(self) -> dict[str, Any]:
        """What the solver gets from the jobs before: a volume integral also their solutions, and its drive."""
        found = handed_to_vie(self.shared) if self.tables.solver.type == "vie" else {}
        return {**found, "drive": self.drive} if "basis" in found else found

    def evaluate(self, solution: Fields, progress: ProgressCallback | None = None) -> RfOutcome:
        """Scale fields of all ports, average, check and summarise."""
        tell, accept = progress or silent, self.tables.scenario.accept
        tell(Begin(stage="averages"))
        target = self.tables.normalise.target
        with self.timed("scale"), blamed_on(self.scenario.file, "normalise"):
            driven = scaled(solution, self.drive, target, self.place, self.place_name, accept)
        how = Circumstances(
            rule=self.tables.dosimetry.rule,
            checks=self.tables.checks,
            thermal=self.tables.thermal,
            accept=accept,
            device=self.device,
        )
        outcome = evaluated(
            driven,
            self.body,
            self.coil,
            how,
            plans=self.averaging,
            convergence=solver_convergence(solution, self.tables.solver.tolerance),
            tell=tell,
            timed=self.timed,
            kept=self.kept,
        )
        if self._has_second_mesh() and outcome.summary["quantities"]:
            self._second_mesh(outcome, how, tell)
        return outcome

    def transmit(self, solution: Fields) -> Transmit:
        """The coil in its drive; B1+ holds where it is scaled."""
        tables = self.tables
        arguments = check_arguments(tables.checks, self.body)
        return Transmit(
            solution,
            self.body,
            self.coil,
            self.drive,
            self.place,
            self.place_name,
            tables.dosimetry.rule,
            arguments,
            tuple(tables.scenario.accept),
        )

    def _has_second_mesh(self) -> bool:
        """Whether the coil is solved on a second mesh: not in the runs of a study."""
        return self.shared is None and getattr(self.tables.solver, "second_mesh", None) is not None

    def _second_mesh(self, outcome: RfOutcome, how: Circumstances, tell: ProgressCallback) -> None:
        """Enter what the numbers are with the coil on a coarser mesh into an outcome."""
        factor = self.tables.solver.second_mesh
        table = self.tables.solver.model_copy(update={"tolerance": min(self.tables.solver.tolerance * EASIER, 0.1)})
        solver = tuned_by(vsie(table, factor), self.tables.tuning, band=False)

        def solved() -> Fields:
            with self.timed("second mesh"):
                return solver.solve(self.exposure, self.device, progress=tell)

        try:
            back = self.kept(
                f"second-mesh-{factor:g}", solved, fields_arrays, lambda arrays: fields_of_arrays(arrays, self.body)
            )
        except ConvergenceError as error:
            outcome.warnings.append(f"the coil on a second mesh: {error}; the uncertainty holds nothing of the mesh")
            return
        target, accept = self.tables.normalise.target, how.accept
        driven = scaled(back, self.drive, target, self.place, self.place_name, accept)
        other = evaluated(
            driven,
            self.body,
            self.coil,
            replace(how, thermal=None),
            plans=self.averaging,
            convergence=solver_convergence(back, self.tables.solver.tolerance),
            tell=silent,
            timed=lambda _stage: nullcontext(),
            kept=lambda _name, make, *_: make(),
        )
        second_mesh.enter(outcome.summary, other.summary, factor)

    def study_maps(self, outcome: RfOutcome) -> dict[str, np.ndarray]:
        """|B1+|, SAR, its averages, and the rise of temperature where there is one; NaN outside of the body."""
        return {name: np.where(outcome.body.body, values, np.nan) for name, values in _maps(outcome).items()}

    def write(self, stage: atomic.Stage, outcome: RfOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5 and fields.vti into a stage."""
        output = self.tables.output
        run = run_of(outcome, summary)
        run.write_files(stage, keep_fields=output.fields, paraview=output.paraview)


def _maps(outcome: RfOutcome) -> dict[str, np.ndarray]:
    maps = {
        "abs_B1plus_uT": (1e6 * np.abs(outcome.fields.b1plus()[0])).astype(np.float32),
        "SAR_W_kg": outcome.sar.value.astype(np.float32),
    }
    maps |= {f"SAR_{name}_W_kg": np.nan_to_num(a.value).astype(np.float32) for name, a in outcome.averages.items()}
    if outcome.thermal is not None:
        maps["temperature_rise_K"] = outcome.thermal.rise.astype(np.float32)
    E = np.sqrt(np.sum(np.abs(outcome.fields.E_centre()[0]) ** 2, axis=0))
    return {**maps, "abs_E_peak_V_m": E.astype(np.float32)}
