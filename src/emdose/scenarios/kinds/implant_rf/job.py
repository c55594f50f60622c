"""Run an ``implant-rf`` scenario: the body without and with its metal, averages, power in the metal, heat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.models.exposure import Exposure
from emdose.models.implants.implanted_body import implants_hash
from emdose.scenarios.kinds.implant_rf import build, evaluation, result
from emdose.scenarios.kinds.implant_rf.heat import heated_site
from emdose.scenarios.kinds.implant_rf.poses import GIVEN, PosedImplant, posed_implants
from emdose.scenarios.kinds.implant_rf.real_metal import SOLVED, RealMetal, first_order
from emdose.scenarios.kinds.implant_rf.switched import SwitchedHeat, switched_heat
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.coils import coil
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.job import BaseJob, JobPlan
from emdose.scenarios.shared.tables import blamed_on
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
    without : Fields
        Of the body after surgery without metal.
    beside : tuple of Fields
        With the metal in every pose, on the fine grid where there is one.
    switched : SwitchedHeat, optional
        Losses of the metal in a switched gradient field.
    real : tuple of RealMetal or None
        For every pose with real metal, where it was solved for beside the perfect conductor.
    """

    without: Fields
    beside: tuple[Fields, ...]
    switched: SwitchedHeat | None = None
    real: tuple[RealMetal | None, ...] = (None,)


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


POSE_NUMBERS = ("background_sar", "psSAR10g", "rise_max")
"""What is told of every pose."""


@dataclass(frozen=True, eq=False)
class _Evaluated:
    """What one pose came to: averages, the body around the metal, all quantities, and the entry "thermal"."""

    found: evaluation.BesideMetal
    site: Site
    numbers: dict[str, dict[str, Any]]
    thermal: dict[str, Any]


def _brief(entry: dict[str, Any]) -> dict[str, Any]:
    """A number with its unit and uncertainty."""
    return {"value": entry["value"], "unit": entry["unit"], "U": (entry["uncertainty"] or {}).get("expanded")}


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
            self.poses = list(posed_implants(tables, file))
            self.implant = self.poses[0].implant
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
        self.exposures_fine = []
        for posed in self.poses if self.fine is not None else ():
            with blamed_on(file, "implant" if posed.name == GIVEN else f"poses.{posed.name}"):
                self.exposures_fine.append(posed.in_body(self.alone))
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
            self.site, self.heated = self.poses[0].site(self.body, tables.thermal)
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
        more = f"; {len(self.poses)} poses" if len(self.poses) > 1 else ""
        return [
            f"phantom: {self.whole.name}, {self.whole.mass_kg:.4g} kg, voxels of {1e3 * self.whole.spacing_m[0]:g} mm",
            f"implant: {self.implant.name}, {metals}, {size} mm, on {fine}; replaces {gone or 'nothing'}{more}",
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

        both, beside, real = self.tables.dosimetry.metal == "both", [], []
        with self.timed("implant"):
            for exposure in self.exposures_fine:
                assert self.fine is not None
                beside.append(self.fine.solve(exposure, without, self.device, progress=inner))
                real.append(first_order(self.fine, exposure, without, beside[-1], self.device, inner) if both else None)
            if self.fine is None and both:
                perfect, own = (replace(self.solver, metal=m) for m in ("perfect", "real"))
                beside.append(self._driven(perfect, self.exposure, inner))
                real.append(RealMetal(self._driven(own, self.exposure, inner), SOLVED))
            elif self.fine is None:
                beside.append(self._driven(self.solver, self.exposure, inner))
                real.append(None)
        with self.timed("eddy currents"):
            switched = switched_heat(
                self.implant, self.tables.gradients, self.device, lambda e: tell(e.within("gradients"))
            )
        return ImplantRfSolution(without, tuple(beside), switched, tuple(real))

    def _driven(
        self, solver: Any, exposure: Exposure, tell: ProgressCallback, checkpoint: Checkpoint | None = None
    ) -> Fields:
        """Fields of the drive alone: one right-hand side where the solver can, else all ports and their sum."""
        if isinstance(solver, Vie):
            return solver.solve(exposure, self.device, progress=tell, checkpoint=checkpoint, drive=self.drive)
        return solver.solve(exposure, self.device, progress=tell, checkpoint=checkpoint).drive(self.drive)

    def evaluate(self, solution: ImplantRfSolution, progress: ProgressCallback | None = None) -> ImplantRfOutcome:
        """Averages beside metal, power in it, heat, and the summary, in the pose that warms most."""
        tell = progress or silent
        tell(Begin(stage="averages"))
        found = []
        for posed, beside, real in zip(self.poses, solution.beside, solution.real, strict=True):
            found.append(self._in_pose(posed, solution, beside, real, tell))
        worst = max(range(len(found)), key=lambda n: found[n].numbers["rise_max"]["value"])
        rows = [
            {**p.told(), "worst": n == worst, **{k: _brief(f.numbers[k]) for k in POSE_NUMBERS}}
            for n, (p, f) in enumerate(zip(self.poses, found, strict=True))
        ]
        return self._outcome(solution, found[worst], self.poses[worst], solution.beside[worst], rows)

    def _in_pose(
        self,
        posed: PosedImplant,
        solution: ImplantRfSolution,
        beside: Fields,
        real: RealMetal | None,
        tell: ProgressCallback,
    ) -> _Evaluated:
        """Averages and heat in one pose."""
        tables = self.tables
        with self.timed("averages"), blamed_on(self.scenario.file, "normalise"):
            found = evaluation.evaluated(
                solution.without,
                beside,
                self.body,
                posed.implant,
                tables.normalise,
                tables.dosimetry.rule,
                tables.scenario.accept,
                self.device,
                real,
            )
        with self.timed("heat"), blamed_on(self.scenario.file, "thermal"):
            first = posed is self.poses[0]
            part, heated = (self.site, self.heated) if first else posed.site(self.body, tables.thermal)
            site, numbers, thermal = heated_site(
                found,
                part,
                heated,
                posed.implant,
                tables.thermal,
                self.coil.name,
                self.device,
                lambda event: tell(event.within("heat")),
                solution.switched,
            )
        return _Evaluated(found, site, {**found.numbers, **numbers}, thermal)

    def _outcome(
        self,
        solution: ImplantRfSolution,
        evaluated: _Evaluated,
        posed: PosedImplant,
        beside: Fields,
        poses: list[dict[str, Any]],
    ) -> ImplantRfOutcome:
        """The summary of one pose, and what the others came to."""
        found, implant = evaluated.found, posed.implant
        in_body = self.implanted if posed is self.poses[0] else posed.in_body(self.alone).implanted
        assert in_body is not None
        told = solver_convergence(beside, self._tolerance(self.fine))
        alone = solver_convergence(solution.without, self._tolerance(None))
        drive = {**alone["ports"][0], "name": "without the implant"} if alone["ports"] else {}
        ports = [{**p, "name": "with the implant"} for p in told["ports"]]
        residuals = [*ports, drive]
        convergence = {**told, "converged": told["converged"] and alone["converged"], "ports": ports}
        closures = {"body": solution.without.power.power()["closure"]}
        if "scattered_closure" in beside.convergence:
            closures["implant"] = float(beside.convergence["scattered_closure"])
        else:
            closures["implant"] = beside.power.power()["closure"]
        summary = {
            "quantities": evaluated.numbers,
            "checks": [],
            "check_inputs": {},
            "convergence": convergence,
            "power_balance": {**found.power, "closure": max(closures.values()), "closures": closures},
            "thermal": evaluated.thermal,
            "provenance": {
                **beside.provenance,
                "scale": found.without.provenance.get("scale"),
                "body": {k: v for k, v in found.without.provenance.items() if k in ("engine", "options", "phantom")},
                "phantom_sha256": self.whole.hash(),
                "implants_sha256": implants_hash([implant]),
            },
            "implant_rf": {
                **found.about,
                "implant": {
                    "name": implant.name,
                    "metals": list(dict.fromkeys(p.metal.name for p in implant.parts)),
                    "size_m": implant.size_m,
                    "mass_kg": implant.mass_kg,
                    "volume_m3": implant.volume_m3,
                },
                "replaced": [
                    {"tissue": r.tissue, "reason": r.reason, "material": r.material, "mass_kg": r.mass_kg}
                    for r in in_body.replaced
                ],
                "pose": posed.told(),
                "poses": poses if len(poses) > 1 else [],
                "body": self.whole.name,
                "coil": self.coil.name,
                "drive": self.drive,
                "frequency_Hz": self.exposure.frequency_Hz,
                "body_residual": residuals[-1].get("residual") if residuals[-1] else None,
                "body_tolerance": alone.get("tolerance"),
            },
        }
        return ImplantRfOutcome(evaluated.site, summary, found.notes)

    def _tolerance(self, fine: Any) -> float:
        return float(fine.tolerance if fine is not None else self.tables.solver.tolerance)

    def write(self, stage: Stage, outcome: ImplantRfOutcome, summary: dict[str, Any]) -> None:
        """Put result.h5 into a stage."""
        result.write_result(stage, outcome.site, summary["provenance"])
