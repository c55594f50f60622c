"""Run a ``force`` scenario: moments of the metal, the table of forces, loads of gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.mechanics.loads import LorentzLoad, lorentz_load, on_surface
from emdose.mechanics.moments import moment_tensor, rest_frequency
from emdose.mechanics.rigid import rigid_body
from emdose.mechanics.table import force_table
from emdose.scenarios.kinds.force import build, evaluation, result
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.implants.eddy_job import EddyJob, eddy_solver, solved_frequencies
from emdose.scenarios.shared.implants.exposures import exposures, frequencies
from emdose.scenarios.shared.implants.magnet_tables import materials
from emdose.scenarios.shared.job import JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.results import power_errors

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.results.power_tensor import PowerTensor
    from emdose.solvers.running import ProgressCallback

ALLOY = 0.05
"""Relative half width of the conductivity of an alloy, as in the default laws of a study."""


@dataclass(frozen=True, eq=False)
class ForceOutcome:
    """What a ``force`` run computed, before it is written.

    Parameters
    ----------
    implant, tensor
        As in :class:`~emdose.scenarios.kinds.force.result.ForceResult`.
    loads : mapping of str to LorentzLoad
        On the surface, by exposure.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    implant: Implant
    tensor: PowerTensor
    loads: Mapping[str, LorentzLoad]
    summary: dict[str, Any]
    warnings: list[str]


class ForceJob(EddyJob):
    """A ``force`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        super().__init__(scenario, device)
        file, tables = scenario.file, scenario.tables
        with self.timed("implant"):
            self.implant = building.implant(tables, file)
            self.body = rigid_body(self.implant)
        self.materials = materials(tables, self.implant, file)
        self.place, self.map = build.places(tables.magnet, file)
        self.B0 = build.static_field(tables.magnet)
        low, high = (np.asarray(b) for b in self.implant.bounds_m)
        self.coils = building.gradients(tables.gradients, file)
        self.exposures = exposures(tables, self.coils, 0.5 * (low + high), False, 1.0, file)
        rest = float(f"{rest_frequency(self.implant):.4g}")
        wanted = tables.solver.frequencies_Hz or (frequencies(self.exposures) if self.exposures else ())
        self.frequencies = tuple(sorted({rest, *(f for f in wanted if f > 2 * rest)}))
        with blamed_on(file, "solver"):
            self.solver = eddy_solver(tables.solver)
            self.solver.resolved(self.implant, self.frequencies, self.sources, device)

    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""
        solution = self.solver.plan(self.implant, self.frequencies, self.sources, self.device)
        return JobPlan(device=self.device, solution=solution, then="forces and torques")

    def prepare(self) -> None:
        """An exposure that has nothing at the frequencies that are solved is refused here."""
        for one in self.exposures:
            with blamed_on(self.scenario.file, f"exposures.{one.name}"):
                one.harmonics(float(self.frequencies[-1]))

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        size = " x ".join(f"{1e3 * s:.0f}" for s in self.implant.size_m)
        metals = ", ".join(dict.fromkeys(p.metal.name for p in self.implant.parts))
        return [
            f"implant: {self.implant.name}, {1e3 * self.body.mass_kg:.3g} g of {metals}, {size} mm",
            f"static field: {self.tables.magnet.B0_T:g} T; forces at {self.place}",
            *(f"exposure {e.name}: {e.title}" for e in self.exposures),
            f"frequencies: {', '.join(f'{f:g}' for f in self.frequencies)} Hz",
        ]

    def evaluate(self, solution: PowerTensor, progress: ProgressCallback | None = None) -> ForceOutcome:  # noqa: ARG002
        """Forces, torques and loads."""
        moments = moment_tensor(solution, solution.matrix[0, :3, :3].real)
        motion = self.tables.motion
        table = force_table(
            self.implant,
            self.tables.magnet.B0_T,
            moments=moments,
            force_at=self.place,
            materials=self.materials,
            turn_rad_s=motion.turn_rad_s,
            speed_m_s=motion.speed_m_s,
            relative_conductivity=ALLOY,
            body=self.body,
        )
        # Along the axis of the magnet, where a long body lies; div B = 0.
        slope = self.place.gradient_T_m * np.diag([-0.5, -0.5, 1.0])
        quantities = {row.label: evaluation.entry(row) for row in table}
        shown, loads = {}, {}
        with self.timed("loads"):
            for one in self.exposures:
                rows, about, rate = evaluation.exposure(one, moments, solution, self.body, self.B0, slope, ALLOY)
                quantities |= {row.name: evaluation.entry(row) for row in rows}
                shown[one.name] = about
                if self.tables.output.loads:
                    loads[one.name] = self._load(rate, about["strongest_Hz"])
        told = solution.provenance.get("error_estimate") or {}
        errors = power_errors.total(told) if told else [0.0]
        summary = {
            "quantities": quantities,
            "checks": [],
            "check_inputs": {},
            "convergence": self.convergence(
                solution, meaning="the error of the moment is about the square of the residual"
            ),
            "power_balance": {},
            "provenance": {**solution.provenance, "implant_sha256": self.implant.hash()},
            "force": {
                "body": self._about_body(),
                "field": self._about_field(),
                "materials": {n: _about(m) for n, m in self.materials.items()},
                "rows": [row.label for row in table],
                "exposures": shown,
                "error_at_rest": float(errors[0]),
                "at_rest": {"matrix": moments.at_rest, "frequency_Hz": self.frequencies[0], "unit": "W/(T/s)^2"},
                "frequencies": solved_frequencies(solution),
                "notes": list(table.notes),
            },
        }
        return ForceOutcome(self.implant, solution, loads, summary, list(solution.warnings))

    def write(self, stage: Stage, outcome: ForceOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5, and loads where they were asked for, into a stage."""
        result.write_result(stage, outcome.implant, outcome.tensor, outcome.loads, summary["provenance"])

    def _load(self, rate: Any, frequency_Hz: float) -> LorentzLoad:
        """J x B0 of one harmonic on the surface."""
        solution = self.solver.currents(self.implant, frequency_Hz, self.sources, self.device, progress=False)
        n = int(np.argmin(np.abs(rate.frequencies_Hz - frequency_Hz)))
        return on_surface(lorentz_load(solution, frequency_Hz, rate.amplitudes[n, :3], self.B0), self.implant)

    def _about_body(self) -> dict[str, Any]:
        inertia, axes = self.body.principal
        return {
            "name": self.implant.name,
            "mass_kg": self.body.mass_kg,
            "volume_m3": self.body.volume_m3,
            "weight_N": self.body.weight_N,
            "longest_m": self.body.longest_m,
            "size_m": self.implant.size_m,
            "centre_m": self.body.centre_m,
            "principal_inertia_kg_m2": inertia,
            "principal_axes": axes,
            "metals": list(dict.fromkeys(p.metal.name for p in self.implant.parts)),
        }

    def _about_field(self) -> dict[str, Any]:
        table = self.tables.magnet
        about: dict[str, Any] = {
            "type": table.type,
            "B0_T": self.B0,
            "B_T": self.place.B_T,
            "gradient_T_m": self.place.gradient_T_m,
            "product_T2_m": self.place.product_T2_m,
            "place": str(self.place),
        }
        if self.map is not None:
            about["largest_gradient"] = str(self.map.largest_gradient)
            about["largest_field"] = str(self.map.largest_field)
            about["places"] = len(self.map.B_T)
        return about


def _about(material: Any) -> dict[str, Any]:
    low, high = material.span
    return {
        "chi": material.chi,
        "chi_low": low,
        "chi_high": high,
        "saturation_T": material.saturation_T,
        "anisotropy": material.anisotropy,
        "source": material.source,
    }
