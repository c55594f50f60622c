"""Run a ``ptx`` scenario: fields of all channels, then matrices, drives, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose import resources
from emdose.compute.shared import Shared
from emdose.dosimetry.averaging.average import shared_averaging_plan
from emdose.dosimetry.transmission.covers import MOST_CHANNELS
from emdose.errors import InputError
from emdose.io import read_vops
from emdose.io.field_arrays import fields_arrays, fields_of_arrays
from emdose.models.exposure import Exposure
from emdose.scenarios.kinds.ptx import drives, evaluation, result
from emdose.scenarios.kinds.ptx.limits import arguments, sar_limits
from emdose.scenarios.kinds.ptx.matrices import MatrixPlan, planned
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.circuit_tables import is_circuit
from emdose.scenarios.shared.coils import coil, handed_to_vie
from emdose.scenarios.shared.driving.drives import place_of, require_tissue
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.metal_coils.engines import CODE, engine, require_on_grid
from emdose.scenarios.shared.tables import blamed_on
from emdose.scenarios.shared.transmitting.transmit import Transmit
from emdose.solvers.results.fields import region_mask
from emdose.solvers.running import silent

if TYPE_CHECKING:
    from emdose.dosimetry.transmission.vops import VirtualObservationPoints
    from emdose.io.disk.atomic import Stage
    from emdose.scenarios.kinds.ptx.evaluation import PtxOutcome
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.running import Checkpoint, ProgressCallback

NO_MATTER = ("solver.max_iterations", "solver.max_periods", "solver.checkpoint_s")
"""Options that decide when a solver gives up, not what it finds."""


class PtxJob(BaseJob):
    """A ``ptx`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto", shared: Shared | None = None) -> None:
        super().__init__(scenario, device, shared)
        file, tables = scenario.file, scenario.tables
        _require_held(scenario, shared is not None)
        with self.timed("phantom"):
            self.body = phantom(tables.phantom, file, shared, scenario.identity.get("files"))
        self.coil: Any = coil(tables.coil, file, tables.scenario.accept)
        channels = len(self.coil.ports)
        if not 2 <= channels <= MOST_CHANNELS:
            expected = f"2 to {MOST_CHANNELS} channels"
            raise InputError("not an array of channels", file=file, field="coil", found=channels, expected=expected)
        self.drives = drives.given(tables, self.coil, file)
        try:
            self.place, self.place_name = place_of(tables.target.over, self.body, tables.checks.head, file)
            require_tissue(self.place, self.body, tables.scenario.accept, file)
        except InputError as error:
            raise error.at(file=file, field="target.over") from None
        with blamed_on(file, "target"):
            self.mask = self._mask()
        with blamed_on(file, "checks"):
            sar_limits(self.body, self.coil, tables.checks, tables.limits)
        with blamed_on(file, ""):
            self.exposure = Exposure(self.body, self.coil, frequency_Hz=tables.exposure.frequency_Hz)
        require_on_grid(tables.coil, tables.solver, self.body, file)
        with blamed_on(file, "solver"):
            self.solver = engine(tables.coil, tables.solver, tables.tuning, band=shared is None)
        if not self.body.grid.is_cubic:
            raise InputError(
                "10 g averages need cubic voxels",
                file=file,
                field="phantom.spacing_m",
                found=self.body.spacing_m,
                expected="resample_spacing_m = one number",
            )
        if self.body.mass_kg < evaluation.MASS_10g:
            raise InputError(
                "the body is lighter than the averaging mass",
                file=file,
                field="phantom",
                found=f"{self.body.mass_kg:.4g} kg",
                expected=f"at least {evaluation.MASS_10g:g} kg",
            )
        self.bounds = self._held_bounds()
        self._plan: Any = None

    def _held_bounds(self) -> VirtualObservationPoints | None:
        """Bounds of another run that this one is held against."""
        name, file = self.tables.matrices.bounds, self.scenario.file
        if name is None:
            return None
        found = read_vops(name, ports=self.coil, frequency_Hz=self.exposure.frequency_Hz)
        expected = {
            "rule": self.tables.matrices.rule,
            "averaging_mass_kg": evaluation.MASS_10g,
            "unit": "W/kg",
            "drive_unit": "V" if is_circuit(self.tables.coil) else "A",
            "frequency_Hz": self.exposure.frequency_Hz,
        }
        for key, value in expected.items():
            if getattr(found, key) != value:
                raise InputError(
                    f"bounds of another {key}",
                    file=file,
                    field="matrices.bounds",
                    found=str(getattr(found, key)),
                    expected=str(value),
                )
        return found

    def _mask(self) -> np.ndarray:
        """Tissue where B1+ counts."""
        mask = region_mask(self.body.grid, self.body.body, self.place) & self.body.body
        if not mask.any():
            raise InputError(
                "no tissue where B1+ is to count", field="over", found=self.place_name, expected="a place in the body"
            )
        return mask

    def solution_key(self) -> str:
        """Hash of body, array, frequency and solver: what the fields of the channels depend on."""
        also = {"code": resources.code_sha256("scenarios/kinds/ptx/job.py", *CODE)}
        tables = ("phantom", "coil", "exposure", "solver", "tuning")
        return self.scenario.part_sha256(*tables, without=NO_MATTER, also=also)

    def solution_arrays(self, solution: Fields) -> dict[str, np.ndarray]:
        """The fields of all channels."""
        return fields_arrays(solution)

    def solution_of(self, arrays: Mapping[str, np.ndarray]) -> Fields:
        """The fields of all channels."""
        return fields_of_arrays(arrays, self.body)

    def plan(self) -> JobPlan:
        """Memory, time and size of the solution; raises ResourceError when it does not fit."""
        try:
            solution = self.solver.plan(self.exposure, self.device)
        except InputError as error:  # a solver learns late that its options do not fit the exposure
            table = "solver" if error.field in type(self.tables.solver).model_fields else ""
            with blamed_on(self.scenario.file, table):
                raise
        return JobPlan(device=self.device, solution=solution, evaluation=self._matrix_plan())

    def evaluation_plan(self) -> JobPlan:
        """The matrices; raises ResourceError when they do not fit."""
        return replace(super().evaluation_plan(), evaluation=self._matrix_plan())

    def _matrix_plan(self) -> MatrixPlan:
        return planned(self.body, len(self.coil.ports))

    def prepare(self) -> None:
        """The averaging plan."""
        with self.timed("averaging plans"), blamed_on(self.scenario.file, "phantom"):
            self.averaging()

    def averaging(self) -> Any:
        """The plan of the 10 g average: it depends on the body alone."""
        if self._plan is None:
            density, spacing_m, mass = self.body.density, self.body.spacing_m, evaluation.MASS_10g
            self._plan = shared_averaging_plan(self.shared, density, spacing_m, mass, self.device)
        return self._plan

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        tables, body = self.tables, self.body
        names = [*self.drives, *tables.shim.names]
        return [
            f"phantom: {body.name}, {body.mass_kg:.4g} kg of {len(body.tissue_mass())} tissues, voxels of "
            f"{1e3 * body.spacing_m[0]:g} mm",
            f"array: {self.coil.name}, {len(self.coil.ports)} channels at {self.exposure.frequency_Hz / 1e6:g} MHz",
            f"target: B1+ of {1e6 * tables.target.b1plus_rms_T:g} uT over {self.place_name}, {int(self.mask.sum())} "
            "voxels",
            f"drives: {', '.join(names)}; limits of the {tables.limits.mode} mode",
        ]

    def solve(self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None) -> Fields:
        """Fields of all channels.

        Raises
        ------
        ConvergenceError, ResourceError, DeviceError
            As the solver; the ``partial`` fields of the first can still be given to :meth:`evaluate`.
        """
        before = handed_to_vie(self.shared) if self.tables.solver.type == "vie" else {}
        with self.timed("solve"):
            fields: Fields = self.solver.solve(
                self.exposure, self.device, progress=progress, checkpoint=checkpoint, **before
            )
        return fields

    def evaluate(self, solution: Fields, progress: ProgressCallback | None = None) -> PtxOutcome:
        """Matrices, virtual observation points, drives, worst cases, limits."""
        return evaluation.evaluated(self, solution, progress or silent)

    def transmit(self, solution: Fields) -> Transmit:
        """The array in its first drive; B1+ holds where it counts."""
        return Transmit(
            solution,
            self.body,
            self.coil,
            next(iter(self.drives.values())),
            self.mask,
            self.place_name,
            self.tables.matrices.rule,
            arguments(self.tables.checks),
            tuple(self.tables.scenario.accept),
        )

    def study_maps(self, outcome: PtxOutcome) -> dict[str, np.ndarray]:
        """|B1+| and 10 g SAR of every drive; NaN outside of the body."""
        found: dict[str, np.ndarray] = {}
        b1 = outcome.array.fields.b1plus()
        for name, v in outcome.drives.items():
            maps = {"abs_B1plus_uT": 1e6 * np.abs(np.tensordot(v, b1, 1)), "SAR_10g_W_kg": outcome.averages[name]}
            found |= {f"{name} {k}": np.where(self.body.body, m, np.nan).astype(np.float32) for k, m in maps.items()}
        return found

    def write(self, stage: Stage, outcome: PtxOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5, fields.vti, the virtual observation points and the drives into a stage."""
        result.write_result(stage, outcome, summary)


def _require_held(scenario: LoadedScenario, in_study: bool) -> None:
    """Raise InputError for a study of drives that each sample would find anew.

    What is uncertain about a patient is not known to who finds a drive: found again for every sample, a drive would
    keep its limits in all of them, and the study would say that nothing is uncertain.
    """
    names = scenario.tables.shim.names
    if names and (in_study or scenario.uncertainty is not None):
        raise InputError(
            "a study of drives that every sample would find anew",
            file=scenario.file,
            field="shim.drives",
            found=list(names),
            expected='"none", and tables [drives.NAME] with the amplitudes that a run without [uncertainty] has found '
            "(its drives.toml)",
        )
