"""Run a ``body-gradient`` scenario: fields per unit of every source, then tissues, limits and what just passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose import resources
from emdose.compute.shared import Shared
from emdose.models.implants.implanted_body import implanted
from emdose.scenarios.kinds.body_gradient import build, evaluation, result
from emdose.scenarios.kinds.body_gradient.outcome import SolvedBody
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.induced.handed_on import handed_on
from emdose.scenarios.shared.induced.kept_field import induced_arrays, induced_of_arrays
from emdose.scenarios.shared.induced.metal_effect import implanted_or_none, metal_of
from emdose.scenarios.shared.induced.second_grid import on_larger_voxels
from emdose.scenarios.shared.induced.solver_table import SECOND_GRID, quasistatic, whole_solutions
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.running import PartsFrom

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.body_gradient.outcome import GradientOutcome
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.results.induced import InducedField
    from emdose.solvers.running import Checkpoint, ProgressCallback


class BodyGradientJob(BaseJob):
    """A ``body-gradient`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto", shared: Shared | None = None) -> None:
        super().__init__(scenario, device, shared)
        file, tables = scenario.file, scenario.tables
        with self.timed("phantom"):
            self.body = phantom(tables.phantom, file, shared, scenario.identity.get("files"))
        self.coils = building.gradients(tables.gradients, file)
        self.exposures = build.built_exposures(tables, self.coils, file)
        self.drives = build.drives(self.exposures)
        by_coils = any(e.by_coils for e in self.exposures)
        self.sources = build.sources(self.coils, tables, by_coils, not all(e.by_coils for e in self.exposures))
        self.frequency_Hz = build.tissue_frequency(self.exposures, tables.solver.tissue_frequency_Hz)
        self.implant = metal_of(tables, file)
        with blamed_on(file, "solver"):
            self.solver = quasistatic(tables.solver)
        self.implanted = None
        if self.implant is not None:
            with blamed_on(file, "implant"):
                self.implanted = implanted(self.body, [self.implant])
        self.coarse: Phantom | None = None
        if tables.solver.second_grid and self.shared is None:  # a study wants numbers on one grid
            self.coarse = on_larger_voxels(tables.phantom, self.body, SECOND_GRID, file)
        self.coarse_implanted = implanted_or_none(self.coarse, self.implant)

    def solution_key(self) -> str:
        """Hash of body, sources, implant and solver."""
        code = resources.code_sha256("scenarios/kinds/body_gradient/build.py")
        also = {
            "code": code,
            "Hz": self.frequency_Hz,
            "sources": [s.name for s in self.sources],
            "study": self.shared is not None,
        }
        return self.scenario.part_sha256("phantom", "gradients", "solver", "implant", "metals", also=also)

    def solution_arrays(self, solution: SolvedBody) -> dict[str, np.ndarray]:
        """The fields of all sources."""
        found = induced_arrays(solution.body)
        for name in ("coarse", "implanted", "coarse_implanted"):
            one = getattr(solution, name)
            if one is not None:
                found |= induced_arrays(one, f"{name}_")
        return found

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> SolvedBody:
        """The fields of all sources."""
        more = {}
        if "coarse_E" in arrays and self.coarse is not None:
            more["coarse"] = induced_of_arrays(arrays, self.coarse, self.sources, "coarse_")
        for name in ("implanted", "coarse_implanted"):
            held = getattr(self, name)
            if f"{name}_E" in arrays and held is not None:
                made = induced_of_arrays(arrays, held.phantom, self.sources, f"{name}_")
                more[name] = replace(made, implanted=held)
        return SolvedBody(induced_of_arrays(arrays, self.body, self.sources), **more)

    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""
        metal = [] if self.implant is None else [self.implant]
        solution = self.solver.plan(self.body, self.sources, self.frequency_Hz, self.device, metal)
        return JobPlan(device=self.device, solution=solution, then="tissues and limits")

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        lines = [
            f"phantom: {self.body.name}, {self.body.mass_kg:.4g} kg of {len(self.body.tissue_mass())} tissues, "
            f"voxels of {1e3 * self.body.spacing_m[0]:g} mm",
        ]
        if self.coils is not None:
            lines.append(f"gradient coils: {self.coils.name}")
        if self.implant is not None:
            lines.append(f"implant: {self.implant.name}")
        lines += [f"exposure {e.name}: {e.title}" for e in self.exposures]
        return [*lines, f"tissue properties at {self.frequency_Hz:g} Hz"]

    def solve(self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None) -> SolvedBody:
        """Fields per unit of every source, on a coarser grid as well, and with the implant.

        Raises
        ------
        ConvergenceError, ResourceError, DeviceError
            As the solver.
        """

        def solved(number: int, body: Phantom, **more: Any) -> InducedField:
            parts = None if checkpoint is None else PartsFrom(checkpoint, number * len(self.sources))
            f, given = self.frequency_Hz, {"checkpoint": parts, "shared": memo, **more}

            def make() -> InducedField:
                return self.solver.solve(body, self.sources, f, self.device, progress, **given)

            return handed_on(self.shared, body, f, [number, tables, [s.name for s in self.sources]], make)

        # Sources are the same with and without metal.
        memo = self.shared if self.shared is not None else Shared()
        tables = self.scenario.part_sha256("gradients", "solver", "implant", "metals")

        with self.timed("solve"), whole_solutions():
            found = solved(0, self.body)
            coarse = None if self.coarse is None else solved(1, self.coarse)
            implanted = None if self.implant is None else solved(2, self.body, implants=[self.implant])
            both = None
            if self.coarse is not None and self.coarse_implanted is not None:
                both = solved(3, self.coarse, implants=[self.implant])
        return SolvedBody(found, coarse, implanted, both)

    def evaluate(self, solution: SolvedBody, progress: ProgressCallback | None = None) -> GradientOutcome:  # noqa: ARG002
        """Fields in tissues, limits, and the slew rate that just passes."""
        with self.timed("evaluate"):
            return evaluation.evaluated(self, solution)

    def study_maps(self, outcome: GradientOutcome) -> dict[str, np.ndarray]:
        """Largest |E| over time of every exposure."""
        return {f"E peak {name} V_m": values for name, values in outcome.maps.items()}

    def write(self, stage: Stage, outcome: GradientOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5 and fields.vti into a stage."""
        result.write_result(stage, outcome, summary["provenance"])
