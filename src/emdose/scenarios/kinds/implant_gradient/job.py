"""Run an ``implant-gradient`` scenario: power tensor, power of every exposure, heat, and everything for the summary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.io.kept_arrays import arrays_of, fingerprint, of_arrays
from emdose.models.gradients.waveform import Waveform
from emdose.models.implants import voxels as implant_voxels
from emdose.scenarios.kinds.implant_gradient import build
from emdose.scenarios.kinds.implant_gradient.heat_plan import heat_plan
from emdose.scenarios.kinds.implant_gradient.possible import require_harmonics, require_heat
from emdose.scenarios.kinds.implant_gradient.quantities import body, comparison, conditions, per_frequency, quantities
from emdose.scenarios.kinds.implant_gradient.result import result
from emdose.scenarios.kinds.implant_gradient.result.result import ExposureMaps
from emdose.scenarios.kinds.implant_gradient.worst.bore import (
    BoreMap,
    at_worst_place,
    bore_map,
    bore_places,
    require_clear,
)
from emdose.scenarios.kinds.implant_gradient.worst.poses import Poses
from emdose.scenarios.kinds.implant_gradient.worst.power import power_of
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.implants.eddy_job import EddyJob, eddy_solver
from emdose.scenarios.shared.implants.exposures import BuiltExposure, exposures, frequencies
from emdose.scenarios.shared.implants.rf_heating import rf_heating
from emdose.scenarios.shared.job import JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.heat.near_metal import metal_body
from emdose.solvers.heat.rise import HeatSolution, heat
from emdose.solvers.results.orientations import power_form
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.solvers.running import ProgressCallback, silent

if TYPE_CHECKING:
    from emdose.io.disk import atomic
    from emdose.models.bodies import Phantom
    from emdose.models.gradients.spectrum import Spectrum
    from emdose.models.grids.grid import Grid
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.heat.options import HeatPlan
    from emdose.solvers.heat.problem import HeatMaps

SHOWN_SAMPLES, SHOWN_HARMONICS, SHOWN_PERIODS = 600, 80, 2
LONGEST_SHOWN_s = 0.1
FIELD_POINTS = 120
"""Metal voxels over which the terms of the coils' field are fitted."""


@dataclass(frozen=True, eq=False)
class ImplantOutcome:
    """What an ``implant-gradient`` run computed, before it is written.

    Parameters
    ----------
    implant, phantom, tensor, fraction, heat_grid, exposures
        As in :class:`~emdose.scenarios.kinds.implant_gradient.result.result.ImplantResult`.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    implant: Implant
    phantom: Phantom
    tensor: PowerTensor
    fraction: np.ndarray
    heat_grid: Grid
    exposures: dict[str, ExposureMaps]
    summary: dict[str, Any]
    warnings: list[str]


class ImplantJob(EddyJob):
    """An ``implant-gradient`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        super().__init__(scenario, device)
        file, tables = scenario.file, scenario.tables
        with self.timed("implant"):
            self.implant = building.implant(tables, file)
        with self.timed("phantom"):
            self.phantom, run = build.surroundings(tables, self.implant, file)
        with blamed_on(file, "implant"):
            self.heated = metal_body(self.phantom, self.implant, tables.thermal.cells_across)
        self.rf = None
        if run is not None:
            with blamed_on(file, ""):
                self.rf = rf_heating(run, self.heated, tables.rf.duty_cycle, self.implant)
        low, high = (np.asarray(b) for b in self.implant.bounds_m)
        self.middle = 0.5 * (low + high)
        self.coils = building.gradients(tables.gradients, file)
        self.linear = build.takes_linear_terms(tables)
        self.exposures = exposures(tables, self.coils, self.middle, self.linear, tables.thermal.duration_s, file)
        self.poses = Poses(self.implant, tables.implant.rotate_deg)
        self.frequencies = tables.solver.frequencies_Hz or frequencies(self.exposures)
        with blamed_on(file, "solver"):
            self.solver = eddy_solver(tables.solver)
            if self.linear:
                self.sources = "uniform+linear"
            begun = self.solver.resolved(self.implant, self.frequencies, self.sources, device)
            self.voxels = implant_voxels.voxelise(self.implant, begun.edges_m, check_walls=False)
        metal = np.argwhere(self.voxels.fraction > 0.5 * self.voxels.fraction.max())
        metal = metal[:: max(1, len(metal) // FIELD_POINTS)]
        self.points = np.stack([self.voxels.grid.centres(a)[metal[:, a]] for a in range(3)], axis=1) - self.middle
        self.exposures = [self.over_metal(e, e.position_m) for e in self.exposures]
        self.places = self._places()
        self.warnings: list[str] = []

    def plan(self) -> JobPlan:
        """Memory, time and size; raises ResourceError when it does not fit."""
        heat = self._heat_plan()
        solution = self.solver.plan(self.implant, self.frequencies, self.sources, self.device)
        return JobPlan(device=self.device, solution=replace(solution, shape=self.voxels.grid.shape), evaluation=heat)

    def evaluation_plan(self) -> JobPlan:
        """The heat; raises ResourceError when it does not fit."""
        return replace(super().evaluation_plan(), evaluation=self._heat_plan())

    def _heat_plan(self) -> HeatPlan:
        places = 0 if self.places is None else sum(one.by_coils for one in self.exposures)
        terms = 8 if self.linear else 3
        losses = len(self.frequencies), terms, int(np.count_nonzero(self.voxels.fraction))
        thermal, rf = self.tables.thermal, self.rf is not None
        return heat_plan(thermal, self.heated, self.exposures, places, losses, self.device, rf)

    def prepare(self) -> None:
        """A look at all that the power of the exposures and the heat would refuse."""
        file = self.scenario.file
        require_harmonics(self.exposures, float(self.frequencies[-1]), file)
        require_heat(self.tables.thermal, self.heated, self.voxels, file)

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        size = " x ".join(f"{1e3 * s:.0f}" for s in self.implant.size_m)
        metals = ", ".join(dict.fromkeys(p.metal.name for p in self.implant.parts))
        lines = [
            f"implant: {self.implant.name}, {1e3 * self.implant.mass_kg:.3g} g of {metals}, {size} mm",
            f"phantom: {self.phantom.name}, {self.phantom.mass_kg:.4g} kg around the implant, voxels of "
            f"{1e3 * self.phantom.spacing_m[0]:g} mm",
        ]
        if self.coils is not None:
            lines.append(f"gradient coils: {self.coils.name}")
        lines += [f"exposure {e.name}: {e.title}, {e.duration_s:g} s" for e in self.exposures]
        return [*lines, f"frequencies: {', '.join(f'{f:g}' for f in self.frequencies)} Hz"]

    def evaluate(self, solution: PowerTensor, progress: ProgressCallback | None = None) -> ImplantOutcome:
        """Power and heat of all exposures, and the summary."""
        from emdose.scenarios.kinds.implant_gradient.heating import Heating
        from emdose.scenarios.kinds.implant_gradient.rises import of_voxels

        tell, tensor = progress or silent, solution
        top = float(tensor.frequencies_Hz[-1])
        found, everyone, bores = {}, list(self.exposures), {}
        if self.places is not None:
            with self.timed("bore"):
                for one in self.exposures:
                    if one.by_coils:
                        bores[one.name] = self._bore(one, tensor, top)
                        everyone.append(self._at_worst_place(one, bores[one.name]))
        with self.timed("power"):
            for one in everyone:
                found[one.name] = self._power(one, tensor, top)
        with self.timed("heat"), blamed_on(self.scenario.file, "thermal"):
            heating = Heating(
                self.tables.thermal, self.heated, tensor, self.device, tell, self.poses, self.rf, self._heat
            )
            maps = heating.run([(one, found[one.name]) for one in everyone])
        for name, bore in bores.items():
            maps[name] = replace(maps[name], bore=bore)
            found[name]["bore"] = self._about_bore(bore)
        kind = self.tables.implant.type
        numbers = quantities({n: _public(a) for n, a in found.items()}, tensor)
        with self.timed("voxels"), blamed_on(self.scenario.file, "thermal"):
            for name, entry in of_voxels(self, tensor, everyone, found, numbers).items():
                numbers[name]["uncertainty"] = entry
        summary = {
            "quantities": numbers,
            "checks": [],
            "check_inputs": {},
            "convergence": self.convergence(
                tensor, "g", meaning="the error of the power is about the square of the residual"
            ),
            "power_balance": {},
            "provenance": {
                **tensor.provenance,
                "heat": heating.provenance,
                "phantom_sha256": self.phantom.hash(),
                "implant_sha256": self.implant.hash(),
            },
            "implant": {
                "body": body(self.implant),
                "frequencies": per_frequency(tensor),
                "matrix": {
                    "frequencies_Hz": tensor.frequencies_Hz,
                    "sources": tensor.sources,
                    "real": tensor.matrix.real,
                    "imag": tensor.matrix.imag,
                    "unit": "W per (unit of source, rms)^2",
                },
                "exposures": {n: _public(a) for n, a in found.items()},
                "conditions": conditions(everyone, found),
                "comparison": comparison(kind, everyone, found),
                "gradients": None
                if self.coils is None
                else {
                    "name": self.coils.name,
                    "position_m": np.asarray(self.tables.gradients.position_m) + self.middle,
                },
                "rf": None if self.rf is None else self.rf.about(),
            },
        }
        voxels = implant_voxels.voxelise(self.implant, grid=tensor.grid, check_walls=False)
        fraction = voxels.fraction[tuple(tensor.cells.T)]
        return ImplantOutcome(
            self.implant, self.phantom, tensor, fraction, self.phantom.grid, maps, summary, self._doubts(tensor)
        )

    def study_maps(self, outcome: ImplantOutcome) -> dict[str, np.ndarray]:
        """Rise of temperature at the end of every exposure, on the voxels of the heat."""
        return {f"rise {name} K": np.asarray(one.rise) for name, one in outcome.exposures.items()}

    def write(self, stage: atomic.Stage, outcome: ImplantOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5, fields.vtu and temperature.vti into a stage."""
        output = self.tables.output
        result.write_result(
            stage,
            implant=outcome.implant,
            phantom=outcome.phantom,
            tensor=outcome.tensor,
            fraction=outcome.fraction,
            heat_grid=outcome.heat_grid,
            exposures=outcome.exposures,
            provenance=summary["provenance"],
            keep_loss=output.loss_maps,
        )
        if output.paraview:
            result.write_paraview(
                stage, outcome.phantom, outcome.tensor, outcome.fraction, outcome.heat_grid, outcome.exposures
            )

    def _heat(
        self, maps: HeatMaps, sources: np.ndarray, duration_s: float, *, progress: Any = None, **options: Any
    ) -> HeatSolution:
        """Rises of temperature, kept by all that they depend on."""
        return self.kept(
            f"heat-{fingerprint(maps, sources, duration_s, options)}",
            lambda: heat(maps, sources, duration_s, progress=progress, **options),
            arrays_of,
            partial(of_arrays, HeatSolution),
        )

    def _power(self, one: BuiltExposure, tensor: PowerTensor, top: float) -> dict[str, Any]:
        """Power, worst and best orientation, and what the page shows of the waveform."""
        pad = np.zeros(len(tensor.sources) - 3)
        found = power_of(one, tensor, top, self.poses)
        spectrum = found["_spectrum"]
        along = np.concatenate([found.get("worst_direction", np.zeros(3)), pad])
        single = found["harmonics"]["count"] == 1
        return {
            "title": one.title,
            "type": self.tables.exposures[one.key or one.name].type,
            "duration_s": one.duration_s,
            "frequency_Hz": float(spectrum.frequencies_Hz[0]) if single else None,
            "power_error": tensor.error(spectrum),
            "field_left_out": _left_out(one, found.get("_turn")),
            "waveform": _shown_waveform(one, along),
            "spectrum": _shown_spectrum(spectrum, tensor),
            "time_course": self._course(one, tensor, top, along),
            **found,
        }

    def _places(self) -> np.ndarray | None:
        """Places of the bore that are mapped, or None."""
        table = self.tables.gradients
        if table is None or table.bore is None or not any(e.by_coils for e in self.exposures):
            return None
        assert self.coils is not None
        with blamed_on(self.scenario.file, "gradients.bore"):
            places = bore_places(table.bore.radius_m, table.bore.length_m, table.bore.step_m)
            corners = np.concatenate([p.vertices for p in self.implant.parts])
            require_clear(self.coils, places, float(np.linalg.norm(corners - self.middle, axis=1).max()))
        return places

    def _bore(self, one: BuiltExposure, tensor: PowerTensor, top: float) -> BoreMap:
        assert self.places is not None
        assert self.coils is not None
        form = power_form(tensor, one.harmonics(top))
        return bore_map(self.coils, self.places, form, self.tables.gradients.bore.step_m, linear=self.linear)

    def _at_worst_place(self, one: BuiltExposure, bore: BoreMap) -> BuiltExposure:
        """The exposure with the implant where the map is largest; it is heated like every other."""
        assert self.coils is not None
        place = bore.places_m[bore.worst_place]
        where = ", ".join(f"{1e3 * x:.0f}" for x in place)
        title = f"{one.title}, implant at ({where}) mm in the scanner: the worst place of the bore"
        return replace(self.over_metal(one, place), name=at_worst_place(one.name), key=one.name, title=title)

    def over_metal(self, one: BuiltExposure, place: np.ndarray | None) -> BuiltExposure:
        """An exposure by coils with the terms that fit their field over the metal; others as they are."""
        if place is None:
            return one
        assert self.coils is not None
        return one.over(self.coils, np.asarray(place), self.points)

    def _about_bore(self, bore: BoreMap) -> dict[str, Any]:
        """The map in numbers; its place is where the middle of the implant is in the scanner."""
        place = bore.places_m[bore.worst_place]
        return {
            **self.tables.gradients.bore.model_dump(),
            "places": len(bore.places_m),
            "worst_place_m": place,
            "worst_position_m": place - self.middle,
            "worst_W": float(bore.worst[bore.worst_place]),
            "largest_in_this_pose_W": float(bore.pose.max()),
        }

    def _course(self, one: BuiltExposure, tensor: PowerTensor, top: float, worst: np.ndarray) -> dict[str, Any] | None:
        if not isinstance(one.waveform, Waveform) or not len(one.waveform.splits_s):
            return None
        matrix = one.matrix_along(worst)
        edges, power = one.waveform.power_course(
            lambda s: tensor.average_power(s.through(matrix)), max_frequency_Hz=top
        )
        return {"edges_s": edges, "power_W": power}

    def _doubts(self, tensor: PowerTensor) -> list[str]:
        found = list(tensor.warnings)
        if self.rf is not None and self.rf.note:
            found.append(self.rf.note)
        return found


def _left_out(one: BuiltExposure, turn: np.ndarray | None) -> float | None:
    """Rms of dB/dt over the metal that the terms leave out, over that of all, in the given and in the worst pose."""
    if one.field is None or turn is None:
        return None
    return max(one.field.left_out(R, one.waveform.rms) for R in (np.eye(3), turn))


def _shown_waveform(one: BuiltExposure, along: np.ndarray) -> dict[str, Any]:
    """dB/dt at the implant over the first periods, or the first part of a long one."""
    period = one.waveform.duration_s
    length = SHOWN_PERIODS * period if period < 0.5 * LONGEST_SHOWN_s else min(period, LONGEST_SHOWN_s)
    times = np.linspace(0, length, SHOWN_SAMPLES)
    if isinstance(one.waveform, Waveform):
        # Corners too, on both sides: rates jump.
        corners = one.waveform.times_s - one.waveform.times_s[0]
        corners = corners[(corners > 0) & (corners < length)][:SHOWN_SAMPLES]
        times = np.unique(np.concatenate([times, corners - 1e-9, corners + 1e-9]))
    rates = one.waveform.rate(times) @ one.matrix_along(along)[:3].T
    what = f"the first {1e3 * length:.3g} ms" if length < period else f"{length / period:.3g} periods"
    what = "one period" if what == "1 periods" else what
    return {"times_s": times, "dbdt_T_s": rates, "caption": f"dB/dt at the implant, {what}."}


def _shown_spectrum(spectrum: Spectrum, tensor: PowerTensor) -> dict[str, Any]:
    """The harmonics with the largest power."""
    b = spectrum.amplitudes / np.sqrt(2)
    power = np.einsum("hi,hij,hj->h", b.conj(), tensor.at(spectrum.frequencies_Hz), b).real
    chosen = np.sort(np.argsort(-power)[:SHOWN_HARMONICS])
    count = len(spectrum.frequencies_Hz)
    which = f"the {len(chosen)} strongest of {count} harmonics" if count > len(chosen) else "every harmonic"
    return {
        "frequencies_Hz": spectrum.frequencies_Hz[chosen],
        "power_W": power[chosen],
        "caption": f"Power of {which}.",
    }


def _public(about: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in about.items() if not k.startswith("_")}
