"""Heat of exposures in orientations that are known, without a search, and what voxels leave uncertain of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.io.kept_arrays import fingerprint
from emdose.scenarios.kinds.implant_gradient import build
from emdose.scenarios.kinds.implant_gradient.heating import Heating, envelope_of
from emdose.scenarios.kinds.implant_gradient.worst.fields import (
    BEST,
    HEATED,
    OWN,
    WORST,
    Oriented,
    fields_of,
    oriented,
    quiet,
)
from emdose.solvers.heat.near_metal import MetalBody, metal_body
from emdose.solvers.heat.rise import HeatSolution, heat
from emdose.solvers.running import silent
from emdose.uncertainty.discretisation import KIND, refinement

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.kinds.implant_gradient.schema import ImplantScenario
    from emdose.scenarios.shared.implants.exposures import BuiltExposure
    from emdose.solvers.results.power_tensor import PowerTensor

LARGER = 1.5
"""Voxels of the heat over those of a run, of which the difference tells the uncertainty."""
POWERS = {WORST: "worst power", OWN: "power", BEST: "best power"}
OF_POWER = "estimate of the eddy-current solver: iteration, skin depth and voxels across the metal"


def coarser(tables: ImplantScenario, factor: float) -> ImplantScenario:
    """Tables of the same scenario with voxels of the heat larger by a factor, near the metal too."""
    thermal = tables.thermal
    step, across = factor * thermal.spacing_m, thermal.cells_across / factor
    return tables.model_copy(update={"thermal": thermal.model_copy(update={"spacing_m": step, "cells_across": across})})


def surroundings(tables: ImplantScenario, implant: Implant, file: object = None) -> MetalBody:
    """The metal in what surrounds it, by tables that are not of an RF run."""
    phantom, _ = build.surroundings(tables, implant, file)
    return metal_body(phantom, implant, tables.thermal.cells_across)


class Rises:
    """Rises of all exposures of a job, each in its own, its hottest and its coolest orientation.

    Parameters
    ----------
    job : ImplantJob
        The job.
    tensor : PowerTensor
        For the voxels that the densities are of.
    about : mapping
        What a run has found of every exposure.
    """

    def __init__(self, job: Any, tensor: PowerTensor, about: Mapping[str, Mapping[str, Any]]) -> None:
        self.job, self.tensor, self.about = job, tensor, about
        self._solved: dict[str, HeatSolution] = {}

    def numbers(
        self,
        tables: ImplantScenario,
        metal: MetalBody,
        exposures: Mapping[str, tuple[BuiltExposure, Oriented]],
        factors: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Quantities of the summary that are of heat, by name.

        Parameters
        ----------
        tables : ImplantScenario
            Options of the heat.
        metal : MetalBody
            Metal and what surrounds it, on the cells of the heat.
        exposures : mapping of str to (BuiltExposure, Oriented)
            What heats.
        factors : mapping of str to float, optional
            What the power of an exposure is multiplied with; rises are linear in it.
        """
        heating = Heating(tables.thermal, metal, self.tensor, self.job.device, silent, self.job.poses)
        found: dict[str, float] = {}
        for name, (one, kinds) in exposures.items():
            solution = self._heat(heating, one, kinds, self.about[name].get("time_course"))
            found |= _named(name, heating, _times(solution, (factors or {}).get(name, 1.0)))
        return found

    def _heat(
        self, heating: Heating, one: BuiltExposure, kinds: Oriented, course: Mapping[str, Any] | None
    ) -> HeatSolution:
        metal, duration = heating.metal, one.duration_s
        sources = metal.deposit(
            self.tensor.cells, np.stack([kinds.densities[r] for r in HEATED]), self.tensor.grid, (), "float32"
        )
        times = np.linspace(0, duration, heating.table.curve_points + 1)[1:].tolist()
        envelope = envelope_of(one, course)
        key = fingerprint(heating.maps, sources, duration, times, envelope)
        if key not in self._solved:
            self._solved[key] = heat(
                heating.maps,
                sources,
                duration,
                times_s=times,
                window=heating.window,
                envelope=envelope,
                device=self.job.device,
            )
        return self._solved[key]


def _times(solution: HeatSolution, factor: float) -> HeatSolution:
    """A solution of sources times a factor."""
    if factor == 1.0:
        return solution
    scaled = {k: factor * getattr(solution, k) for k in ("rise", "final", "peaks")}
    return replace(solution, **scaled)


def _named(name: str, heating: Heating, solution: HeatSolution) -> dict[str, float]:
    """The numbers of a solution as the summary calls them."""
    own, hottest, coolest = (heating.told_of(solution, n) for n in range(len(HEATED)))
    found = {
        f"peak rise: {name}": own["rise_K"],
        f"peak rise in tissue: {name}": own.get("tissue_rise_K"),
        f"worst peak rise: {name}": hottest["rise_K"],
        f"worst peak rise in tissue: {name}": hottest.get("tissue_rise_K"),
        f"best peak rise: {name}": coolest["rise_K"],
        f"CEM43: {name}": own["cem43_min"],
        f"CEM43 over the baseline: {name}": own["cem43_excess_min"],
    }
    found |= {f"time to {k} K: {name}": s for k, s in own["time_to_K"].items()}
    found |= {f"time in the worst orientation to {k} K: {name}": s for k, s in hottest["time_to_K"].items()}
    return {k: float(v) for k, v in found.items() if v is not None}


def of_voxels(
    job: Any,
    tensor: PowerTensor,
    exposures: list[BuiltExposure],
    about: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Entries "uncertainty" of powers, rises, times and doses, by the names of quantities.

    Those of power are the estimate of the eddy-current solver. Those of heat are of the heat on larger voxels, in the
    orientations that the run has found, and of the power.

    Parameters
    ----------
    job : ImplantJob
        The job.
    tensor : PowerTensor
        Its solution.
    exposures : list of BuiltExposure
        All that has been heated.
    about : mapping
        What has been found of them, as in ``summary["implant"]["exposures"]``.
    values : mapping of str to mapping
        The quantities.
    """
    found, heated, factors = {}, {}, {}
    for one in exposures:
        fields = fields_of(one, about[one.name], tensor, float(tensor.frequencies_Hz[-1]), np.eye(3))
        with quiet():
            errors = {role: tensor.error(fields[role])["total"] for role in POWERS}
        for role, said in POWERS.items():
            name = f"{said}: {one.name}"
            found[name] = {"expanded": errors[role] * values[name]["value"], "k": 2, "basis": OF_POWER, "kind": KIND}
        if job.rf is None:
            heated[one.name] = one, oriented(fields, tensor)
            factors[one.name] = 1 + max(errors.values())
    if not heated:
        return found
    rises, tables = Rises(job, tensor, about), coarser(job.tables, LARGER)
    metal = surroundings(tables, job.implant, job.scenario.file)
    there = rises.numbers(tables, metal, heated)
    more = rises.numbers(tables, metal, heated, factors)
    steps = [job.tables.thermal.spacing_m, tables.thermal.spacing_m]
    for name, second in there.items():
        first = values.get(name, {}).get("value")
        if first is None:
            continue
        of_heat = refinement(steps, [first, second])
        of_power = abs(first) * abs(more.get(name, second) / second - 1) if second else 0.0
        found[name] = {
            "expanded": math.hypot(of_heat.expanded, of_power),
            "k": 2,
            "basis": f"voxels of the heat: {of_heat.basis}; power: {OF_POWER}",
            "kind": KIND,
        }
    return found
