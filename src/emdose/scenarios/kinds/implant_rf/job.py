"""Run an ``implant-rf`` scenario: the body without and with its metal, averages, power in the metal, heat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.models.exposure import Exposure
from emdose.models.implants.implanted_body import implants_hash
from emdose.scenarios.kinds.implant_rf import build, evaluation, result
from emdose.scenarios.kinds.implant_rf.heat import heated_site, site_of
from emdose.scenarios.kinds.implant_rf.real_metal import SOLVED, RealMetal, first_order
from emdose.scenarios.kinds.implant_rf.switched import SwitchedHeat, switched_heat
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.coils import coil
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.heat.near_metal import metal_body
from emdose.solvers.running import Begin, Checkpoint, ProgressCallback, silent
from emdose.solvers.vie.solver import Vie

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.scenarios.kinds.implant_rf.heat import Site
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.results.fields import Fields


@dataclass(frozen=True, eq=False)
class ImplantRfSolution:
    """Fields of one drive, without and with the metal.

    Parameters
    ----------
    without, beside : Fields
        Of the body after surgery without metal, and with the metal, on the fine grid where there is one.
    switched : SwitchedHeat, optional
        Losses of the metal in a switched gradient field.
    real : RealMetal, optional
        With real metal, where it was solved for beside the perfect conductor.
    """

    without: Fields
    beside: Fields
    switched: SwitchedHeat | None = None
    real: RealMetal | None = None


@dataclass(frozen=True, eq=False)
class ImplantRfOutcome:
    """What an ``implant-rf`` run computed, before it is written.

    Parameters
    ----------
    site : Site
        Body, SAR and heat around the implant.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    site: Site
    summary: dict[str, Any]
    warnings: list[str]


class ImplantRfJob(BaseJob):
    """An ``implant-rf`` scenario made ready to run; see :class:`~emdose.scenarios.shared.job.BaseJob`."""

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        super().__init__(scenario, device)
        file, tables = scenario.file, scenario.tables
        with self.timed("phantom"):
            self.whole = phantom(tables.phantom, file, None, scenario.identity.get("files"))
        self.coil: Any = coil(tables.coil, file, tables.scenario.accept)
        self.drive = build.drive_name(tables.drive.name, self.coil, file)
        with self.timed("implant"):
            self.implant = build.beside_wall(building.implant(tables, file), tables.phantom, tables.test)
        with blamed_on(file, ""):
            self.surgery = build.surgery(tables.surgery)
            frequency = tables.exposure.frequency_Hz
            self.exposure = Exposure(self.whole, self.coil, frequency, implants=[self.implant], surgery=self.surgery)
            assert self.exposure.implanted is not None
            self.implanted = self.exposure.implanted
            self.body = self.implanted.refilled(self.whole) if self.surgery is not None else self.whole
            self.alone = Exposure(self.body, self.coil, frequency)
        with blamed_on(file, "solver"):
            self.solver = build.engine(tables.solver)
        self.both = tables.dosimetry.metal == "both"
        with blamed_on(file, "subdomain"):
            self.fine = build.subdomain(tables.subdomain)
        if self.fine is None and not np.asarray(self.implanted.metal).any():
            raise InputError(
                "no voxel is metal",
                file=file,
                field="implant",
                found=f"voxels of {1e3 * max(self.body.spacing_m):g} mm",
                expected=f"{self.implanted.measures()[0].hint}, or a table [subdomain]",
            )
        self.exposure_fine = None if self.fine is None else replace(self.alone, implants=[self.implant])
        with blamed_on(file, "normalise.over"):
            if "b1plus_rms_T" in tables.normalise.target and isinstance(tables.normalise.over, tuple):
                self.body.grid.index_of(tables.normalise.over)
        if tables.solver.type == "vie" and not self.body.grid.is_cubic:
            raise InputError(
                "the volume integral needs cubic voxels",
                file=file,
                field="phantom.spacing_m",
                found=self.body.spacing_m,
                expected='one number, or solver = "fdtd"',
            )
        if self.body.mass_kg < 1e-2:
            raise InputError("the body is lighter than 10 g", file=file, field="phantom", found=self.body.mass_kg)
        with blamed_on(file, "thermal"):
            self.site = site_of(self.body, self.implant, tables.thermal)
            self.heated = metal_body(self.site, self.implant, tables.thermal.cells_across)
            self.heated.maps(tables.thermal.surface_W_m2_K, tables.thermal.edges)  # refuses tissue without data

    def plan(self) -> JobPlan:
        """Memory, time and size of the body; raises ResourceError when it does not fit."""
        what = "the implant on its fine grid and the heat" if self.fine is not None else "the same with the implant"
        return JobPlan(device=self.device, solution=self.solver.plan(self.alone, self.device), then=what)

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        size = " x ".join(f"{1e3 * s:.0f}" for s in self.implant.size_m)
        metals = ", ".join(dict.fromkeys(p.metal.name for p in self.implant.parts))
        gone = ", ".join(f"{1e3 * kg:.3g} g of {name}" for name, kg in self.implanted.replaced_kg.items())
        fine = "the body's voxels" if self.fine is None else f"cells of {1e3 * self.fine.spacing_m:g} mm"
        return [
            f"phantom: {self.whole.name}, {self.whole.mass_kg:.4g} kg, voxels of {1e3 * self.whole.spacing_m[0]:g} mm",
            f"implant: {self.implant.name}, {metals}, {size} mm, on {fine}; replaces {gone or 'nothing'}",
            f"coil: {self.coil.name}, {self.drive} drive, {self.exposure.frequency_Hz / 1e6:g} MHz",
            f"scaled to: {', '.join(f'{k} = {v:g}' for k, v in self.tables.normalise.target.items())}",
        ]

    def solve(
        self, checkpoint: Checkpoint | None = None, progress: ProgressCallback | None = None
    ) -> ImplantRfSolution:
        """Fields of the drive without and with the metal.

        Raises
        ------
        ConvergenceError, ResourceError, DeviceError
            As the solvers.
        """
        tell = progress or silent
        with self.timed("body"):
            without = self._driven(self.solver, self.alone, lambda e: tell(e.within("the body")), checkpoint)

        def inner(event: Any) -> None:
            tell(event.within("the implant"))

        real: RealMetal | None = None
        with self.timed("implant"):
            if self.fine is not None:
                assert self.exposure_fine is not None
                beside = self.fine.solve(self.exposure_fine, without, self.device, progress=inner)
                if self.both:
                    real = first_order(self.fine, self.exposure_fine, without, beside, self.device, inner)
            elif self.both and isinstance(self.solver, Vie):
                beside = self._driven(replace(self.solver, metal="perfect"), self.exposure, inner)
                real = RealMetal(self._driven(replace(self.solver, metal="real"), self.exposure, inner), SOLVED)
            else:
                beside = self._driven(self.solver, self.exposure, inner)
        with self.timed("eddy currents"):
            switched = switched_heat(
                self.implant, self.tables.gradients, self.device, lambda e: tell(e.within("gradients"))
            )
        return ImplantRfSolution(without, beside, switched, real)

    def _driven(
        self, solver: Any, exposure: Exposure, tell: ProgressCallback, checkpoint: Checkpoint | None = None
    ) -> Fields:
        """Fields of the drive alone: one right-hand side where the solver can, else all ports and their sum."""
        if isinstance(solver, Vie):
            return solver.solve(exposure, self.device, progress=tell, checkpoint=checkpoint, drive=self.drive)
        return solver.solve(exposure, self.device, progress=tell, checkpoint=checkpoint).drive(self.drive)

    def evaluate(self, solution: ImplantRfSolution, progress: ProgressCallback | None = None) -> ImplantRfOutcome:
        """Averages beside metal, power in it, heat, and the summary."""
        tell, tables = progress or silent, self.tables
        tell(Begin(stage="averages"))
        with self.timed("averages"), blamed_on(self.scenario.file, "normalise"):
            found = evaluation.evaluated(
                solution.without,
                solution.beside,
                self.body,
                self.implant,
                tables.normalise,
                tables.dosimetry.rule,
                tables.scenario.accept,
                self.device,
                solution.real,
            )
        with self.timed("heat"), blamed_on(self.scenario.file, "thermal"):
            site, numbers, thermal = heated_site(
                found,
                self.site,
                self.heated,
                self.implant,
                tables.thermal,
                self.coil.name,
                self.device,
                lambda event: tell(event.within("heat")),
                solution.switched,
            )
        told = solver_convergence(solution.beside, self._tolerance(self.fine))
        alone = solver_convergence(solution.without, self._tolerance(None))
        drive = {**alone["ports"][0], "name": "without the implant"} if alone["ports"] else {}
        ports = [{**p, "name": "with the implant"} for p in told["ports"]]
        residuals = [*ports, drive]
        convergence = {**told, "converged": told["converged"] and alone["converged"], "ports": ports}
        closures = {"body": solution.without.power.power()["closure"]}
        if "scattered_closure" in solution.beside.convergence:
            closures["implant"] = float(solution.beside.convergence["scattered_closure"])
        else:
            closures["implant"] = solution.beside.power.power()["closure"]
        summary = {
            "quantities": {**found.numbers, **numbers},
            "checks": [],
            "check_inputs": {},
            "convergence": convergence,
            "power_balance": {**found.power, "closure": max(closures.values()), "closures": closures},
            "thermal": thermal,
            "provenance": {
                **solution.beside.provenance,
                "scale": found.without.provenance.get("scale"),
                "body": {k: v for k, v in found.without.provenance.items() if k in ("engine", "options", "phantom")},
                "phantom_sha256": self.whole.hash(),
                "implants_sha256": implants_hash([self.implant]),
            },
            "implant_rf": {
                **found.about,
                "implant": {
                    "name": self.implant.name,
                    "metals": list(dict.fromkeys(p.metal.name for p in self.implant.parts)),
                    "size_m": self.implant.size_m,
                    "mass_kg": self.implant.mass_kg,
                    "volume_m3": self.implant.volume_m3,
                },
                "replaced": [
                    {"tissue": r.tissue, "reason": r.reason, "material": r.material, "mass_kg": r.mass_kg}
                    for r in self.implanted.replaced
                ],
                "body": self.whole.name,
                "coil": self.coil.name,
                "drive": self.drive,
                "frequency_Hz": self.exposure.frequency_Hz,
                "body_residual": residuals[-1].get("residual") if residuals[-1] else None,
                "body_tolerance": alone.get("tolerance"),
            },
        }
        return ImplantRfOutcome(site, summary, found.notes)

    def _tolerance(self, fine: Any) -> float:
        return float(fine.tolerance if fine is not None else self.tables.solver.tolerance)

    def write(self, stage: Stage, outcome: ImplantRfOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5 into a stage."""
        result.write_result(stage, outcome.site, summary["provenance"])
