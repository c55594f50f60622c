"""Run a ``motion`` scenario: some motions are solved for, then time courses, tissues and limits of every trajectory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose import resources
from emdose.compute.shared import Shared
from emdose.errors import InputError
from emdose.io.disk.run_files import to_json
from emdose.models.implants.implanted_body import implanted
from emdose.models.induction.sources import RigidMotion
from emdose.scenarios.kinds.motion import build, evaluation, metal, result
from emdose.scenarios.kinds.motion.setting import MotionSetting, MovedMetal, SolvedPart
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.induced.handed_on import handed_on, renewed, same_fields
from emdose.scenarios.shared.induced.kept_field import induced_arrays, induced_of_arrays
from emdose.scenarios.shared.induced.metal_effect import implanted_or_none, metal_of
from emdose.scenarios.shared.induced.second_grid import on_larger_voxels
from emdose.scenarios.shared.induced.solver_table import SECOND_GRID, quasistatic, whole_solutions
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.moving.field import MotionField
from emdose.solvers.moving.reduced import VoxelSample
from emdose.solvers.moving.solver import Moving
from emdose.solvers.running import PartsFrom

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.models.bodies import Phantom
    from emdose.models.induction.trajectories import Trajectory
    from emdose.scenarios.kinds.motion.evaluation import MotionOutcome
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.results.induced import InducedField
    from emdose.solvers.running import Checkpoint, Progress, ProgressCallback

LOWEST_HZ = 10.0
"""Where tables of tissues begin; movements are slower."""
CODE = ("scenarios/kinds/motion/build.py", "scenarios/shared/induced", "solvers/moving")
PARTS = 1000
"""Numbers of finished motions in a checkpoint that each of a job's solutions has."""
MOTION = ("velocity_m_s", "turn_rad_s", "rotation", "shift_m", "centre_m")
SAMPLE = ("index", "weights", "labels")


class MotionJob(BaseJob):
    """A ``motion`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto", shared: Shared | None = None) -> None:
        super().__init__(scenario, device, shared)
        file, tables = scenario.file, scenario.tables
        with self.timed("phantom"):
            self.body = phantom(tables.phantom, file, shared, scenario.identity.get("files"))
        self.magnet = build.magnet(tables.magnet, file)
        self.movements = [build.movement(name, t, self.body, file) for name, t in tables.trajectories.items()]
        self.parts = {one.part: build.part_of(self.body, one.part) for one in self.movements}
        for one in self.movements:
            build.require_room(self.magnet, one, self.parts, file)
        self.frequency_Hz = tables.solver.tissue_frequency_Hz or LOWEST_HZ
        with blamed_on(file, "solver"):
            self.solver = Moving(
                quasistatic(tables.solver), tolerance=tables.solver.left_out, most=tables.solver.most_motions
            )
        self.coarse: dict[str, Phantom] = {}
        if tables.solver.second_grid and self.shared is None:
            larger = on_larger_voxels(tables.phantom, self.body, SECOND_GRID, file)
            self.coarse = {part: build.part_of(larger, part) for part in self.parts}
        self.metal = self._metal()

    def _metal(self) -> MovedMetal | None:
        """The implant, which has to lie in the body; in its head alone it may be or not."""
        file, implant = self.scenario.file, metal_of(self.tables, self.scenario.file)
        if implant is None:
            return None
        with blamed_on(file, "implant"):
            bodies = {build.BODY: implanted(self.body, [implant])}
        head = implanted_or_none(self.parts.get(build.HEAD), implant)
        bodies = {part: one for part, one in (*bodies.items(), (build.HEAD, head)) if one and part in self.parts}
        if not bodies:
            raise InputError(
                "no trajectory moves what the implant is in",
                file=file,
                field="implant",
                found=", ".join(f"{one.name}: {one.part}" for one in self.movements),
                expected='part = "body"',
            )
        larger = {part: implanted_or_none(self.coarse.get(part), implant) for part in bodies}
        return MovedMetal(implant, bodies, {part: one for part, one in larger.items() if one is not None})

    def solution_key(self) -> str:
        """Hash of body, magnet, trajectories and solver."""
        also = {
            "code": resources.code_sha256(
                "scenarios/kinds/motion/build.py", "scenarios/shared/induced", "solvers/moving"
            ),
            "study": self.shared is not None,
        }
        parts = ("phantom", "magnet", "trajectories", "solver", "implant", "metals")
        return self.scenario.part_sha256(*parts, also=also)

    def solution_arrays(self, solution: Mapping[str, SolvedPart]) -> dict[str, np.ndarray]:
        """The fields of all solved motions."""
        found: dict[str, np.ndarray] = {}
        for part, one in solution.items():
            field = one.field
            found |= induced_arrays(field.induced, f"{part}_")
            if one.coarse is not None:
                found |= induced_arrays(one.coarse, f"{part}_coarse_")
            if one.implanted is not None:
                found |= induced_arrays(one.implanted, f"{part}_implanted_")
            if one.coarse_implanted is not None:
                found |= induced_arrays(one.coarse_implanted, f"{part}_coarse_implanted_")
            if one.moment is not None:
                found |= metal.moment_arrays(one.moment, f"{part}_moment_")
            sources = field.induced.sources
            found |= {f"{part}_motion_{key}": np.array([getattr(s, key) for s in sources]) for key in MOTION}
            found |= {f"{part}_sample_{key}": np.asarray(getattr(field.sample, key)) for key in SAMPLE}
            found |= {f"{part}_points": np.asarray(field.points_m), f"{part}_rates": np.asarray(field.rates)}
            told = {"names": [s.name for s in sources], "left_out": field.left_out, "about": dict(field.about)}
            found[f"{part}_motions"] = np.array(to_json(told, exact=True))
        return found

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> dict[str, SolvedPart]:
        """The fields of all solved motions."""
        found = {}
        for part, body in self.parts.items():
            told = json.loads(str(np.asarray(arrays[f"{part}_motions"])))
            rows = zip(*(np.asarray(arrays[f"{part}_motion_{key}"]) for key in MOTION), told["names"], strict=True)
            sources = tuple(RigidMotion(self.magnet, *row) for row in rows)
            sample = VoxelSample(*(np.asarray(arrays[f"{part}_sample_{key}"]) for key in SAMPLE))
            field = MotionField(
                self.magnet,
                induced_of_arrays(arrays, body, sources, f"{part}_"),
                np.asarray(arrays[f"{part}_points"]),
                np.asarray(arrays[f"{part}_rates"]),
                told["left_out"],
                sample,
                told["about"],
            )
            coarse = None
            if f"{part}_coarse_E" in arrays and part in self.coarse:
                coarse = induced_of_arrays(arrays, self.coarse[part], sources, f"{part}_coarse_")
            both = []
            for name, bodies in (("implanted", "bodies"), ("coarse_implanted", "coarse")):
                held = None if self.metal is None else getattr(self.metal, bodies).get(part)
                made = None
                if f"{part}_{name}_E" in arrays and held is not None:
                    made = induced_of_arrays(arrays, held.phantom, sources, f"{part}_{name}_")
                both.append(None if made is None else replace(made, implanted=held))
            moment = metal.moment_of_arrays(arrays, f"{part}_moment_")
            found[part] = SolvedPart(field, coarse, both[0], both[1], moment)
        return found

    def plan(self) -> JobPlan:
        """Memory, time and size for the motions of the part that takes most; raises ResourceError."""
        plans = []
        with blamed_on(self.scenario.file, "solver"):
            for part, body in self.parts.items():
                metal = [self.metal.implant] if self.metal is not None and part in self.metal.bodies else []
                plans.append(
                    self.solver.plan(body, self.magnet, self._paths(part), self.frequency_Hz, self.device, metal)
                )
        largest = max(plans, key=lambda plan: plan.bytes)
        return JobPlan(device=self.device, solution=largest, then="time courses and limits")

    def _paths(self, part: str) -> list[Trajectory]:
        return [one.trajectory for one in self.movements if one.part == part]

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        lines = [
            f"phantom: {self.body.name}, {self.body.mass_kg:.4g} kg of {len(self.body.tissue_mass())} tissues, "
            f"voxels of {1e3 * self.body.spacing_m[0]:g} mm",
            f"magnet: {self.magnet.name}",
        ]
        for one in self.movements:
            path = one.trajectory
            lines.append(f"trajectory {one.name}: {one.part}, {len(path.times_s)} poses in {path.duration_s:.3g} s")
        if self.metal is not None:
            lines.append(f"implant: {self.metal.implant.name}")
        return [*lines, f"tissue properties at {self.frequency_Hz:g} Hz"]

    def solve(
        self,
        checkpoint: Checkpoint | None = None,
        progress: ProgressCallback | None = None,
    ) -> dict[str, SolvedPart]:
        """Fields of the motions that all poses are sums of, on a coarser grid as well.

        Raises
        ------
        InputError
            When nothing is induced, or the tolerance takes more motions than are allowed.
        ConvergenceError, ResourceError, DeviceError
            As the solver.
        """
        found, tell = {}, progress or False

        def parts(number: int) -> PartsFrom | None:
            return None if checkpoint is None else PartsFrom(checkpoint, number * PARTS)

        # What motions impress is the same with and without metal.
        memo = self.shared if self.shared is not None else Shared()
        with self.timed("solve"), whole_solutions(), blamed_on(self.scenario.file, "solver"):
            for n, part in enumerate(self.parts):
                field = self._moved(part, tell, parts(4 * n), memo)
                more: Any = (field.induced.sources, self.frequency_Hz, self.device, tell)
                coarse = None
                if part in self.coarse:
                    coarse = self.solver.solver.solve(self.coarse[part], *more, checkpoint=parts(4 * n + 1))
                beside = both = moment = None
                if self.metal is not None and part in self.metal.bodies:
                    beside = self._beside(part, field.induced.sources, tell, parts(4 * n + 2), memo)
                    if part in self.metal.coarse:
                        given: dict[str, Any] = {"implants": [self.metal.implant], "checkpoint": parts(4 * n + 3)}
                        both = self.solver.solver.solve(self.coarse[part], *more, **given)
                    moment = metal.moment(self.metal.implant, self.device, progress, self.shared)
                found[part] = SolvedPart(field, coarse, beside, both, moment)
        return found

    def _moved(self, part: str, tell: Progress, checkpoint: PartsFrom | None, memo: Shared) -> MotionField:
        """The motions of a part of the body; in a study those of another sample where they are the same."""
        body, f = self.parts[part], self.frequency_Hz

        def make() -> MotionField:
            given: dict[str, Any] = {"checkpoint": checkpoint, "shared": memo}
            return self.solver.solve(body, self.magnet, self._paths(part), f, self.device, tell, **given)

        if self.shared is None:
            return make()
        found = self.shared.get(same_fields(body, f, [part, self._told]), make)
        return replace(found, magnet=self.magnet, induced=renewed(found.induced, body, f))

    def _beside(
        self, part: str, sources: Any, tell: Progress, checkpoint: PartsFrom | None, memo: Shared
    ) -> InducedField:
        """The same motions with the implant."""
        assert self.metal is not None
        body, f, implants = self.parts[part], self.frequency_Hz, [self.metal.implant]

        def make() -> InducedField:
            given: dict[str, Any] = {"implants": implants, "checkpoint": checkpoint, "shared": memo}
            return self.solver.solver.solve(body, sources, f, self.device, tell, **given)

        return handed_on(self.shared, body, f, [part, "implant", self._told], make)

    @property
    def _told(self) -> str:
        """Hash of what the motions depend on beside the body."""
        return self.scenario.part_sha256("magnet", "trajectories", "solver", "implant", "metals")

    def evaluate(
        self,
        solution: Mapping[str, SolvedPart],
        progress: ProgressCallback | None = None,  # noqa: ARG002
    ) -> MotionOutcome:
        """Time courses, tissues and limits of every trajectory."""
        with self.timed("evaluate"):
            coarse = next(iter(self.coarse.values()), None)
            setting = MotionSetting(
                self.tables,
                self.scenario.file,
                self.body,
                self.magnet,
                self.movements,
                self.frequency_Hz,
                None if coarse is None else float(coarse.spacing_m[0]),
                self.device,
                self.metal,
                self.shared is not None,
            )
            return evaluation.evaluated(setting, solution)

    def study_maps(self, outcome: MotionOutcome) -> dict[str, np.ndarray]:
        """Largest |E| over time of every trajectory."""
        return {f"E peak {name} V_m": values for name, values in outcome.maps.items()}

    def write(self, stage: Stage, outcome: MotionOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5 and fields.vti into a stage."""
        result.write_result(stage, outcome, summary["provenance"])
