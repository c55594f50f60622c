"""Run a ``label`` scenario: moments, heat in the worst direction, forces, and the sheet of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.mechanics.field_map import StaticFieldPoint
from emdose.mechanics.moments import moment_tensor, rest_frequency
from emdose.mechanics.rigid import rigid_body
from emdose.mechanics.switched import worst_torque
from emdose.mechanics.table import COVERAGE, force_table
from emdose.models.bodies import gel_box
from emdose.models.gradients.presets import preset
from emdose.models.gradients.windings import whole_body_gradients
from emdose.scenarios.kinds.label import result, sheet
from emdose.scenarios.kinds.label.rf_runs import pose_notes, read_rf_run, rf_rows
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.implants.eddy_job import EddyJob, eddy_solver, solved_frequencies
from emdose.scenarios.shared.implants.magnet_tables import materials
from emdose.scenarios.shared.job import JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.heat.solver import Bioheat
from emdose.solvers.results.power_tensor import UNIFORM

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.results.power_tensor import PowerTensor
    from emdose.solvers.running import ProgressCallback

COARSER = 1.5
"""The heat is solved on voxels that much larger as well; the difference is the uncertainty of its voxels."""


@dataclass(frozen=True, eq=False)
class LabelOutcome:
    """What a ``label`` run computed, before it is written.

    Parameters
    ----------
    implant : Implant
        The metal.
    rows : list of SheetRow
        The sheet.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    implant: Implant
    rows: list[sheet.SheetRow]
    summary: dict[str, Any]
    warnings: list[str]


class LabelJob(EddyJob):
    """A ``label`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        super().__init__(scenario, device)
        file, tables = scenario.file, scenario.tables
        with self.timed("implant"):
            self.implant = building.implant(tables, file)
            self.body = rigid_body(self.implant)
        self.materials = materials(tables, self.implant, file)
        own = tables.implant.model_dump(mode="json")
        self.rf = {}
        for name, one in tables.rf.items():
            with blamed_on(file, f"rf.{name}"):
                self.rf[one.field_T, one.landmark] = read_rf_run(one.file, own, 60 * tables.sheet.scan_min)
        with blamed_on(file, "reference"):
            self.exposure = preset(tables.reference.preset)
        told = tables.reference.frequency_Hz is not None
        self.frequency_Hz = tables.reference.frequency_Hz if told else self.exposure.frequency_Hz
        self.reference_T_s = tables.reference.dbdt_rms_T_s if told else self.exposure.dbdt_rms_T_s
        rest = min(float(f"{rest_frequency(self.implant):.4g}"), 0.5 * self.frequency_Hz)
        self.frequencies = (rest, self.frequency_Hz)
        with blamed_on(file, "solver"):
            self.solver = eddy_solver(tables.solver)
            self.solver.resolved(self.implant, self.frequencies, self.sources, device)

    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""
        solution = self.solver.plan(self.implant, self.frequencies, self.sources, self.device)
        seconds = 60 * self.tables.sheet.longest_min
        heat = self._bioheat(1.0).plan(self._gel(1.0), self.implant, duration_s=seconds, device=self.device)
        return JobPlan(device=self.device, solution=solution, evaluation=heat)

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        table = self.tables.sheet
        size = " x ".join(f"{1e3 * s:.0f}" for s in self.implant.size_m)
        metals = ", ".join(dict.fromkeys(p.metal.name for p in self.implant.parts))
        return [
            f"implant: {self.implant.name}, {1e3 * self.body.mass_kg:.3g} g of {metals}, {size} mm",
            f"fields: {', '.join(f'{f:g}' for f in table.fields_T)} T; landmarks: {', '.join(table.landmarks)}",
            f"reference: {self.reference_T_s:g} T/s rms at {self.frequency_Hz:g} Hz",
        ]

    def evaluate(self, solution: PowerTensor, progress: ProgressCallback | None = None) -> LabelOutcome:
        """The rows."""
        table = self.tables.sheet
        error = float(solution.error([self.frequency_Hz], self._strongest(solution))["total"])
        with self.timed("heat"):
            times, rise, told = self._curve(solution, 1.0, progress)
            _, coarse, _ = self._curve(solution, COARSER, progress)
        scan = 60 * table.scan_min
        fine, rough = (float(np.interp(scan, times, r)) for r in (rise, coarse))
        curve = sheet.HeatingCurve(times, rise, sheet.relative_rise(error, abs(rough / fine - 1)))
        coils = whole_body_gradients()
        fields = {
            name: coils.uniform_matrix(sheet.place(name, table.site, table.site_offset_m).tolist())
            for name in table.landmarks
        }
        left_out = {(one.field_T, one.landmark): one.reason for one in self.tables.left_out.values()}
        rows = rf_rows(table, self.rf, left_out)
        rows += sheet.gradient_rows(curve, self.reference_T_s, self.frequency_Hz, table, fields)
        notes = pose_notes(self.rf)
        notes += [
            f"no RF heating at {f:g} T with {mark} at the isocentre: {why}" for (f, mark), why in left_out.items()
        ]
        assumed = self.tables.forces.products_T2_m is None
        for n, B0 in enumerate(table.fields_T):
            product = sheet.product_of(B0) if assumed else self.tables.forces.products_T2_m[n]
            found, more = self._forces(solution, B0, product, error)
            rows += found
            notes += more
        if assumed:
            told_products = ", ".join(f"{sheet.product_of(b):g} T2/m at {b:g} T" for b in table.fields_T)
            notes.append(
                f"B |grad B| was assumed: {told_products}; the scanner's own belongs into [forces] products_T2_m"
            )
        rows = sheet.with_binding(rows, table.fields_T)
        summary = self._summary(solution, rows, curve, error, told, list(dict.fromkeys(notes)), rough / fine - 1)
        return LabelOutcome(self.implant, rows, summary, list(solution.warnings))

    def write(self, stage: Stage, outcome: LabelOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5, label.csv and label.json into a stage."""
        result.write_result(stage, outcome.implant, outcome.rows, summary)

    def _forces(
        self, tensor: PowerTensor, B0: float, product: float, error: float
    ) -> tuple[list[sheet.SheetRow], tuple[str, ...]]:
        moments = moment_tensor(tensor, tensor.matrix[0, :3, :3].real)
        forces = self.tables.forces
        found = force_table(
            self.implant,
            B0,
            moments=moments,
            force_at=StaticFieldPoint(B0, product / B0),
            materials=self.materials,
            turn_rad_s=forces.turn_rad_s,
            relative_conductivity=sheet.CONDUCTIVITY,
            body=self.body,
        )
        peak = math.sqrt(2) * worst_torque(moments, self.frequency_Hz, self.reference_T_s, B0)
        ratio = peak / (self.body.weight_N * self.body.longest_m)
        relative = COVERAGE * math.hypot(error, sheet.CONDUCTIVITY) / math.sqrt(3)
        words = f"{self.reference_T_s:g} T/s rms at {self.frequency_Hz:g} Hz"
        place = f"B |grad B| of {product:g} T2/m; in proportion to it"
        return sheet.force_rows(B0, found, place, ratio, relative, words), found.notes

    def _curve(
        self, tensor: PowerTensor, factor: float, progress: ProgressCallback | None
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Times [s], largest rise at the reference exposure [K], and how far the heat can be trusted."""
        table = self.tables.sheet
        last = 60 * table.longest_min
        times = np.unique(np.concatenate([last * np.linspace(0, 1, 25)[1:] ** 2, [60 * table.scan_min]]))
        found = self._bioheat(factor).solve(
            self._gel(factor),
            self.implant,
            tensor.select(UNIFORM),
            last,
            frequencies_Hz=self.frequency_Hz,
            times_s=times.tolist(),
            device=self.device,
            progress=progress or False,
        )
        _, hottest = found.worst()
        _, strongest = found.worst_power()
        curves = [found.heating_curve(self.reference_T_s * u) for u in (hottest, strongest)]
        told = {"balance_error": found.balance_error, "time_error": found.time_error}
        if found.cells_across is not None:
            told["cells_across"] = found.cells_across
        return curves[0][0], np.maximum(curves[0][1], curves[1][1]), told

    def _strongest(self, tensor: PowerTensor) -> np.ndarray:
        return np.asarray(tensor.worst(self.frequency_Hz)[1])[None]

    def _bioheat(self, factor: float) -> Bioheat:
        return Bioheat(spacing_m=factor * self.tables.thermal.spacing_m, edges="insulated", perfusion="none")

    def _gel(self, factor: float) -> Phantom:
        thermal = self.tables.thermal
        step = factor * thermal.spacing_m
        low, high = (np.asarray(b) for b in self.implant.bounds_m)
        size = step * np.ceil((high - low + 2 * thermal.margin_m) / step - 1e-9)
        return gel_box(step, tuple(size)).translate(tuple(0.5 * (low + high)))

    def _summary(
        self,
        tensor: PowerTensor,
        rows: list[sheet.SheetRow],
        curve: sheet.HeatingCurve,
        error: float,
        heat: Mapping[str, Any],
        notes: list[str],
        voxels: float,
    ) -> dict[str, Any]:
        quantities = {row.key: result.entry(row) for row in rows if row.value is not None}
        return {
            "quantities": quantities,
            "checks": [],
            "check_inputs": {},
            "convergence": self.convergence(tensor),
            "power_balance": {},
            "provenance": {**tensor.provenance, "implant_sha256": self.implant.hash()},
            "label": {
                "body": {
                    "name": self.implant.name,
                    "mass_kg": self.body.mass_kg,
                    "size_m": self.implant.size_m,
                    "longest_m": self.body.longest_m,
                    "metals": list(dict.fromkeys(p.metal.name for p in self.implant.parts)),
                },
                "rows": [result.row_dict(row) for row in rows],
                "curve": {"times_s": curve.times_s, "rise_K": curve.rise_K, "relative": curve.relative},
                "reference": {"dbdt_rms_T_s": self.reference_T_s, "frequency_Hz": self.frequency_Hz},
                "eddy_error": {"reference": error},
                "heat": dict(heat),
                "heat_voxels": voxels,
                "frequencies": solved_frequencies(tensor),
                "notes": notes,
            },
        }
