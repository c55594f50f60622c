"""Run a ``lead`` scenario: fields without the lead, then its transfer function along all paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.leads.tangential import TangentialE, tangential_E
from emdose.dosimetry.leads.tier3 import Tier3Result, tier3
from emdose.dosimetry.leads.tiers import tier1
from emdose.errors import InputError
from emdose.io.field_arrays import fields_arrays, fields_of_arrays
from emdose.models.exposure import Exposure
from emdose.models.leads import fit_two_waves
from emdose.scenarios.kinds.lead import build, result
from emdose.scenarios.kinds.lead.quantities import quantities
from emdose.scenarios.kinds.lead.result import LeadOutcome
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.coils import coil, vie
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.driving.drive_tables import DriveTable
from emdose.scenarios.shared.driving.drives import drive_of, place_of, require_tissue, scaled
from emdose.scenarios.shared.driving.field_runs import FieldRun, read_field_run
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.uncertainty.lead_budget import tier3_budget

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.running import Checkpoint, ProgressCallback

GIVEN = "given"
"""Name of the drive of a finished run."""


class LeadJob(BaseJob):
    """A ``lead`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        super().__init__(scenario, device)
        file, tables = scenario.file, scenario.tables
        self.lead = build.lead(tables.lead, file)
        self.run: FieldRun | None = None
        self.drives: dict[str, Any] = {}
        if tables.fields is not None:
            with blamed_on(file, "fields.run"):
                self.run = read_field_run(tables.fields.run)
            self.body, self.source = self.run.phantom, self.run.source
            self.frequency_Hz = self.run.fields.frequency_Hz
        else:
            with self.timed("phantom"):
                self.body = phantom(tables.phantom, file, None, scenario.identity.get("files"))
            self.coil: Any = coil(tables.coil, file, tables.scenario.accept)
            self.source, self.frequency_Hz = self.coil.name, tables.exposure.frequency_Hz
            given = tables.drives or {"": DriveTable()}
            for name, table in given.items():
                found = drive_of(table, self.coil, f"{file}: drives.{name}" if name else file)
                self.drives[name or (found if isinstance(found, str) else "drive")] = found
            self.place, self.place_name = place_of(tables.normalise.over, self.body, None, file)
            if "b1plus_rms_T" in tables.normalise.target:
                require_tissue(self.place, self.body, tables.scenario.accept, file)
            with blamed_on(file, ""):
                self.exposure = Exposure(self.body, self.coil, frequency_Hz=self.frequency_Hz)
            if not self.body.grid.is_cubic:
                raise InputError(
                    "the volume integral needs cubic voxels",
                    file=file,
                    field="phantom.spacing_m",
                    found=self.body.spacing_m,
                    expected="resample_spacing_m = one number",
                )
            with blamed_on(file, "solver"):
                self.solver = vie(tables.solver)
        with self.timed("transfer function"):
            self.transfer_function = build.transfer(tables, self.lead, self.frequency_Hz, file)
        with self.timed("paths"):
            self.paths = build.paths(tables, self.lead, self.body, file)

    def solution_key(self) -> str:
        """Hash of body, coil, frequency and solver."""
        return self.scenario.part_sha256(*self.tables.source_tables, without=("solver.max_iterations",))

    def solution_arrays(self, solution: Fields) -> dict[str, np.ndarray]:
        """The fields of all ports."""
        return fields_arrays(solution)

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> Fields:
        """The fields of all ports."""
        return fields_of_arrays(arrays, self.body)

    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""
        if self.run is not None:
            return JobPlan(device=self.device, then="a lead in the fields of a finished run")
        return JobPlan(device=self.device, solution=self.solver.plan(self.exposure, self.device), then="the lead")

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        tf = self.transfer_function
        return [
            f"lead: {self.lead.name}, {1e3 * self.lead.length_m:.4g} mm",
            f"transfer function: {tf.quantity}, {len(tf.distance_m)} points, medium {tf.permittivity:g} and "
            f"{tf.conductivity_S_m:g} S/m, {tf.time_convention}",
            f"phantom: {self.body.name}; source: {self.source} at {self.frequency_Hz / 1e6:g} MHz",
            f"paths: {len(self.paths)}; drives: {', '.join(self.drives or [GIVEN])}",
        ]

    def solve(self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None) -> Fields:
        """Fields of all ports without the lead, or those of the finished run.

        Raises
        ------
        ConvergenceError, ResourceError, DeviceError
            As the solver; the ``partial`` fields of the first can still be given to :meth:`evaluate`.
        """
        if self.run is not None:
            return self.run.fields
        with self.timed("solve"):
            return self.solver.solve(self.exposure, self.device, progress=progress, checkpoint=checkpoint)

    def evaluate(self, solution: Fields, progress: ProgressCallback | None = None) -> LeadOutcome:  # noqa: ARG002
        """Scale every drive, and take the lead along all paths."""
        tf, file = self.transfer_function, self.scenario.file
        driven = self._driven(solution)
        with self.timed("tier 3"), blamed_on(file, "lead.path_m"):
            found = tier3(tf, driven, self.paths)
            along = {name: tangential_E(one, self.paths[0], beside=True) for name, one in driven.items()}
        first = next(iter(driven.values()))
        with self.timed("tier 1"):
            bounds = {name: tier1(tf, one, self.body) for name, one in driven.items()}
            E_rms = np.sqrt(0.5) * np.sqrt(np.sum(np.abs(first.E_centre()[0]) ** 2, axis=0))
        budget = None
        if self.tables.budget is not None:
            at, case = _nearest_to(found, found.percentile(95))
            with blamed_on(file, "budget"):
                told = self.tables.budget.model_dump()
                budget = tier3_budget(tf, driven[case], self.paths[at], **told)
        unconverged = not all(r <= self._tolerance(solution) for r in np.atleast_1d(solution.residual))
        rows = quantities(found, bounds, budget)
        power = {name: one.power.power() for name, one in driven.items()}
        summary = {
            "quantities": rows,
            "checks": [],
            "check_inputs": {},
            "convergence": solver_convergence(solution, self._tolerance(solution)),
            "power_balance": next(iter(power.values())),
            "provenance": {**solution.provenance, "lead_sha256": self.lead.hash()},
            "lead": {
                "about": self._about(),
                "cases": _cases(found, bounds, along),
                "worst_path": found.worst[1],
                "quantity": found.name,
                "unit": found.unit,
                "budget": None if budget is None else budget.to_dict(),
            },
        }
        warnings = ["the fields have not converged"] if unconverged else []
        return LeadOutcome(self.body, E_rms, tf, self.paths, found, along, summary, warnings)

    def write(self, stage: Stage, outcome: LeadOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5, tier3.csv and transfer-function.csv into a stage."""
        result.write_result(stage, outcome, summary["provenance"])

    def _driven(self, solution: Fields) -> dict[str, Fields]:
        if self.run is not None:
            return {GIVEN: solution}
        accept, target = self.tables.scenario.accept, self.tables.normalise.target
        with self.timed("scale"), blamed_on(self.scenario.file, "normalise"):
            return {
                name: scaled(solution, drive, target, self.place, self.place_name, accept)
                for name, drive in self.drives.items()
            }

    def _tolerance(self, solution: Fields) -> float:
        return float(dict(solution.convergence).get("tolerance", self.tables.solver.tolerance))

    def _about(self) -> dict[str, Any]:
        tf = self.transfer_function
        try:
            waves: dict[str, Any] | None = None
            fit = fit_two_waves(tf)
            waves = {
                "k_per_m": [fit.k_per_m.real, fit.k_per_m.imag],
                "reflection": [abs(fit.reflection), float(np.angle(fit.reflection))],
                "misfit": fit.misfit,
            }
        except InputError:  # too few points
            waves = None
        return {
            "name": self.lead.name,
            "length_m": self.lead.length_m,
            "source": self.source,
            "body": self.body.name,
            "frequency_Hz": self.frequency_Hz,
            "paths": len(self.paths),
            "transfer_function": {
                "computed": self.tables.transfer_function.file is None,
                "quantity": tf.quantity,
                "permittivity": tf.permittivity,
                "conductivity_S_m": tf.conductivity_S_m,
                "time_convention": tf.time_convention,
                "normalisation": tf.normalisation,
                "scale": tf.scale,
                "scale_unit": tf.scale_unit,
                "field_amplitude": tf.field_amplitude,
                "calibration": tf.calibration,
                "ends": tf.ends,
                "length_m": tf.length_m,
                "two_waves": waves,
            },
        }


def _nearest_to(found: Tier3Result, value: float) -> tuple[int, str]:
    """Path and case whose quantity is nearest to a value."""
    at = np.unravel_index(int(np.abs(found.quantity - value).argmin()), found.quantity.shape)
    return int(at[0]), found.cases[int(at[1])]


def _cases(found: Tier3Result, bounds: Mapping[str, Any], along: Mapping[str, TangentialE]) -> list[dict[str, Any]]:
    rows = []
    for n, (name, bound) in enumerate(bounds.items()):
        values, one = found.quantity[:, n], along[name]
        E = np.sqrt(0.5) * np.abs(one.E[0])
        spread = 0.0 if one.spread is None else float(np.sqrt(np.mean(one.spread[0] ** 2)) / np.sqrt(2))
        rows.append(
            {
                "name": name,
                "nominal": float(values[0]),
                "median": float(np.median(values)),
                "p95": float(np.percentile(values, 95)),
                "worst": float(values.max()),
                "worst_path": int(values.argmax()),
                "tier1": bound.value,
                "tier1_E_rms_V_m": bound.E_rms_V_m,
                "tier1_location_m": list(bound.location_m),
                "E_tan_rms_V_m": float(np.sqrt(np.average(E**2, weights=one.step_m))),
                "E_tan_spread_V_m": spread,
            }
        )
    return rows
