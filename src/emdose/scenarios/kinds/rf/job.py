"""Run an ``rf`` scenario: fields, SAR, averages, checks, and everything that goes into its summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose import resources
from emdose.checks import unknown
from emdose.compliance import Checks, check, require_circumstances
from emdose.compute.reduced.basis import ReducedBasis
from emdose.compute.shared import Shared, from_shared, key_of
from emdose.dosimetry.averaging.average import averaging_plan
from emdose.dosimetry.power import power_report
from emdose.dosimetry.sar import point_sar
from emdose.errors import InputError
from emdose.io import touchstone
from emdose.io.disk import run_files
from emdose.io.field_arrays import fields_arrays, fields_of_arrays
from emdose.io.maps import vtk
from emdose.models.exposure import Exposure
from emdose.report import limit_words
from emdose.scenarios.kinds.rf import build, limit_rows, thermal
from emdose.scenarios.kinds.rf.quantities import average_name, quantities
from emdose.scenarios.kinds.rf.result import result as rf_result
from emdose.scenarios.kinds.rf.result.result import CoilSummary
from emdose.scenarios.kinds.rf.tuned import NETWORK, as_started, network_of
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.coils import coil
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Begin, Checkpoint, ProgressCallback, silent
from emdose.validity import judge

if TYPE_CHECKING:
    from emdose.dosimetry.averaging.cubes import MassAverage
    from emdose.dosimetry.sar import SarMap
    from emdose.io.disk import atomic
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.rf.result.thermal_maps import ThermalMaps
    from emdose.scenarios.kinds.rf.schema import ChecksTable
    from emdose.scenarios.shared.scenario import LoadedScenario

REQUIRED_MASSES_KG = (1e-3, 1e-2)
NO_MATTER = ("solver.max_iterations", "solver.max_periods", "solver.checkpoint_s")
"""Options that decide when a solver gives up, not what it finds."""


@dataclass(frozen=True)
class RfOutcome:
    """What an ``rf`` run computed, before it is written.

    Parameters
    ----------
    body, coil, fields, sar, averages : Phantom, CoilSummary, Fields, SarMap, dict of MassAverage
        The scaled drive in full.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    thermal : ThermalMaps or None
        Temperatures, when the scenario has a table [thermal].
    """

    body: Phantom
    coil: CoilSummary
    fields: Fields
    sar: SarMap
    averages: dict[str, MassAverage]
    summary: dict[str, Any]
    warnings: list[str]
    thermal: ThermalMaps | None = None


class RfJob(BaseJob):
    """An ``rf`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto", shared: Shared | None = None) -> None:
        super().__init__(scenario, device, shared)
        file, tables = scenario.file, scenario.tables
        with self.timed("phantom"):
            self.body = phantom(tables.phantom, file, shared, scenario.identity.get("files"))
        self.coil: Any = coil(tables.coil, file, tables.scenario.accept)
        self.drive = build.drive_of(tables.drive, self.coil, file)
        with blamed_on(file, "checks"):
            limit_rows.limit_rows(tables.checks)
            check_arguments(tables.checks, self.body)
        self.place, self.place_name = build.place_of(tables.normalise.over, self.body, tables.checks.head, file)
        if "b1plus_rms_T" in tables.normalise.target:
            build.require_tissue(self.place, self.body, tables.scenario.accept, file)
        with blamed_on(file, ""):
            self.exposure = Exposure(self.body, self.coil, frequency_Hz=tables.exposure.frequency_Hz)
        build.require_on_grid(tables, self.body, file)
        with blamed_on(file, "solver"):
            self.solver = build.solver(tables)
        if tables.thermal is not None:
            with blamed_on(file, "phantom.tissues"):
                thermal.require_data(self.body)
            with blamed_on(file, "thermal"):
                thermal.solver(tables.thermal, tables.checks)
        self._plans: dict[float, Any] = {}
        masses = (*tables.dosimetry.masses_kg, *REQUIRED_MASSES_KG)
        self.masses_kg = sorted({average_name(m): m for m in masses}.values())
        if tables.solver.type == "vie" and not self.body.grid.is_cubic:
            raise InputError(
                "the volume integral needs cubic voxels",
                file=file,
                field="phantom.spacing_m",
                found=self.body.spacing_m,
                expected='resample_spacing_m = one number, or solver = "fdtd"',
            )
        if self.body.mass_kg < max(self.masses_kg):
            least = f"at least {max(self.masses_kg):g} kg"
            raise InputError(
                "the body is lighter than an averaging mass",
                file=file,
                field="phantom",
                found=f"{self.body.mass_kg:.4g} kg",
                expected=least,
            )

    def solution_key(self) -> str:
        """Hash of body, coil, frequency, solver and tuning: what the fields of the ports depend on."""
        code = resources.code_sha256(*(f"scenarios/kinds/rf/{name}.py" for name in ("build", "tuned")))
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
            return JobPlan(device=self.device, solution=self.solver.plan(self.exposure, self.device))
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
                self._plans[mass] = self._plan_of(mass)
        return self._plans

    def _plan_of(self, mass_kg: float) -> Any:
        density, spacing_m = self.body.density, self.body.spacing_m
        return from_shared(
            self.shared,
            lambda: key_of("averaging plan", density, spacing_m, mass_kg, self.device),
            lambda: averaging_plan(density, spacing_m, mass_kg, device=self.device),
        )

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
        shared = self.shared
        if shared is None or self.tables.solver.type != "vie":
            return {}
        if not shared.reduced:
            return {"shared": shared}
        limit = max(shared.limit_bytes // 2, 1)
        folder = None if shared.folder is None else shared.folder / "reduced basis"
        basis = shared.get("reduced basis", lambda: ReducedBasis(limit, folder), bytes=limit)
        return {"shared": shared, "basis": basis, "drive": self.drive}

    def evaluate(self, solution: Fields, progress: ProgressCallback | None = None) -> RfOutcome:
        """Scale fields of all ports, average, check and summarise."""
        tell, accept = progress or silent, self.tables.scenario.accept
        tell(Begin(stage="averages"))
        with self.timed("sar"):
            target = self.tables.normalise.target
            with blamed_on(self.scenario.file, "normalise"):
                driven = build.scaled(solution, self.drive, target, self.place, self.place_name, accept)
            sar = point_sar(driven, self.body, self.tables.dosimetry.rule)
        averages: dict[str, MassAverage] = {}
        with self.timed("averages"):
            for mass, plan in self.averaging().items():
                averages[average_name(mass)] = plan.apply(sar.value)
        tell(Begin(stage="checks"))
        with self.timed("checks"):
            power = power_report(driven, self.body, sar)
            numbers: dict[str, Any] = {}
            table: dict[str, Any] = {"checks": [], "check_inputs": {}}
            # What is not valid has no numbers, so that nothing is compared with a limit either.
            valid = judge(driven.measures(), accept).is_valid
            if valid:
                checks = check(
                    driven,
                    self.body,
                    coil=self.coil,
                    sar=sar,
                    average_10g=averages["10g"],
                    device=self.device,
                    accept=accept,
                    **check_arguments(self.tables.checks, self.body),
                )
                numbers = quantities(driven, self.body, self.coil, sar, averages, power, checks)
                table = checks_summary(checks)
        summary = {
            "quantities": numbers,
            **table,
            "convergence": solver_convergence(solution, self.tables.solver.tolerance),
            "power_balance": power.to_dict(),
            "provenance": {**driven.provenance, "phantom_sha256": self.body.hash()},
        }
        network = summary["provenance"].pop(NETWORK, None)
        if network is not None:
            summary[NETWORK] = network
            summary["provenance"].pop("cosimulation", None)  # the same in other words
        maps = None
        if self.tables.thermal is not None and valid:
            with self.timed("heat"):
                maps, summary["thermal"], more = thermal.temperatures(
                    self.tables.thermal, self.tables.checks, self.body, sar, self.device, tell, self.kept
                )
            numbers |= more
        limit_words.refresh(summary)
        return RfOutcome(self.body, self._coil_summary(driven), driven, sar, averages, summary, [], maps)

    def study_maps(self, outcome: RfOutcome) -> dict[str, np.ndarray]:
        """|B1+|, SAR, its averages, and the rise of temperature where there is one; NaN outside of the body."""
        maps = {k: v for k, v in _maps(outcome).items() if k != "label"}
        return {name: np.where(outcome.body.body, values, np.nan) for name, values in maps.items()}

    def write(self, stage: atomic.Stage, outcome: RfOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5 and fields.vti into a stage."""
        output = self.tables.output
        rf_result.write_result(
            stage,
            phantom=outcome.body,
            coil=outcome.coil,
            fields=outcome.fields,
            sar=outcome.sar,
            averages=outcome.averages,
            provenance=summary["provenance"],
            keep_fields=output.fields,
            thermal=outcome.thermal,
        )
        if NETWORK in summary:
            network = network_of(summary[NETWORK])
            name = f"{run_files.file_stems([self.scenario.name])[self.scenario.name]}.s{network.size}p"
            stage.path(name).write_text(touchstone.touchstone_text(network), encoding="utf-8")
        if output.paraview:
            stage.path(run_files.FIELDS_FILE).write_bytes(vtk.vti_bytes(outcome.body.grid, _maps(outcome)))

    def _coil_summary(self, driven: Fields) -> CoilSummary:
        weights = np.array([complex(*w) for w in driven.provenance["drive"]["weights"]])
        weights = weights * driven.provenance["scale"]["factor"]
        outline = getattr(self.coil, "outline", np.zeros((0, 2, 3)))
        segments = np.asarray(getattr(self.coil, "segments", outline), float)
        # The currents of a circuit coil flow on the edges of the grid and are not kept.
        per_port = np.asarray(getattr(self.coil, "currents", np.zeros((len(weights), len(segments)))), complex)
        parameters = as_started(self.coil.parameters, driven.provenance.get(NETWORK))
        return CoilSummary(self.coil.name, segments, weights @ per_port, self.coil.drive_unit, parameters)


def _maps(outcome: RfOutcome) -> dict[str, np.ndarray]:
    maps = {
        "abs_B1plus_uT": (1e6 * np.abs(outcome.fields.b1plus()[0])).astype(np.float32),
        "SAR_W_kg": outcome.sar.value.astype(np.float32),
    }
    maps |= {f"SAR_{name}_W_kg": np.nan_to_num(a.value).astype(np.float32) for name, a in outcome.averages.items()}
    if outcome.thermal is not None:
        maps["temperature_rise_K"] = outcome.thermal.rise.astype(np.float32)
    E = np.sqrt(np.sum(np.abs(outcome.fields.E_centre()[0]) ** 2, axis=0))
    return {**maps, "abs_E_peak_V_m": E.astype(np.float32), "label": outcome.body.labels}


def check_arguments(table: ChecksTable, body: Phantom) -> dict[str, Any]:
    """Arguments of :func:`emdose.check` for the table [checks]; raises InputError for parts the body does not have."""
    values = table.model_dump(exclude={"exposed_z_m", "extremities", "extremities_z_m", "verified_by_file"})
    values |= {"verified_by": limit_rows.readings(table), "use_values": table.use_values or ()}
    heads = [n for n in body.regions if n.lower().startswith("head")]
    if table.head is not None and table.head not in heads:
        raise unknown("unknown head region", table.head, heads, field="head")
    for key in ("exposed", "extremities"):
        if getattr(table, f"{key}_z_m") is not None:
            values[key] = _slab(body, f"{key}_z_m", *getattr(table, f"{key}_z_m"))
    if table.extremities is not None:
        values["extremities"] = np.any([_region(body, name) for name in table.extremities], axis=0)
    return values


def _slab(body: Phantom, field: str, low: float, high: float) -> np.ndarray:
    """What lies between two heights."""
    z = body.grid.centres(2)
    mask = np.broadcast_to((z >= low) & (z <= high), body.grid.shape)
    if not (mask & body.body).any():
        filled = z[body.body.any(axis=(0, 1))]
        raise InputError(
            "no tissue between these heights",
            field=field,
            found=[low, high],
            expected=f"heights of the body, {filled[0]:.4g} to {filled[-1]:.4g} m",
        )
    return mask


def _region(body: Phantom, name: str) -> np.ndarray:
    """A region of the phantom that is named as an extremity."""
    known = [n for n, m in body.regions.items() if (m & body.body).any()]
    if name not in known:
        also = "" if known else "extremities_z_m: the phantom has no regions"
        raise unknown("unknown region", name, known, field="extremities", also=also)
    return np.asarray(body.regions[name])


def checks_summary(checks: Checks) -> dict[str, Any]:
    """The rows and the rest of a table of checks as two entries of summary.json."""
    table = checks.to_dict()
    rows = table.pop("rows")
    return {"checks": rows, "check_inputs": {**table, "text": checks.table()}}
