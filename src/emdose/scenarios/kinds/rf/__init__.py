"""Scenarios of kind ``rf``: a body in the RF field of a coil."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind
from emdose.solvers.results.measures import heat_measures
from emdose.validity import Measure

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.compute.shared import Shared
    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
    from emdose.scenarios.kinds.rf.job import RfJob
    from emdose.scenarios.kinds.rf.result.result import RunResult
    from emdose.scenarios.kinds.rf.schema import RfScenario
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.scenarios.shared.tables import Header


class RfKind(Kind["RunResult"]):
    """SAR, its averages, temperatures and the limits on them."""

    name = "rf"
    part = "solved port"
    transmits = True
    stages = MappingProxyType(
        {
            "metal": "filling the matrix of the metal",
            "gaps": "answers of the body to the gaps",
            "averages": "averaging SAR",
            "checks": "checking limits",
        }
    )

    def schema(self) -> type[RfScenario]:
        """The tables."""
        from emdose.scenarios.kinds.rf.schema import RfScenario

        return RfScenario

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """With a solver that has a type: its name alone will do; the default fits the coil, "vie" or "vsie"."""
        solver, default = raw.get("solver"), _default_solver(raw.get("coil"))
        if isinstance(solver, str):
            return {**raw, "solver": {"type": solver}}
        if isinstance(solver, Mapping):
            return {**raw, "solver": {"type": default, **solver}}
        return raw if solver is not None or default == "vie" else {**raw, "solver": {"type": default}}

    def job(self, scenario: LoadedScenario, device: str = "auto") -> RfJob:
        """Fields, SAR, averages, checks."""
        from emdose.scenarios.kinds.rf.job import RfJob

        return RfJob(scenario, device)

    def solved(self, exposure: Any, found: Any, header: Header, **options: Any) -> RunResult | None:
        """What follows from the fields of an exposure."""
        from emdose.models.exposure import Exposure
        from emdose.scenarios.kinds.rf import python

        return python.solved(exposure, found, header, **options) if isinstance(exposure, Exposure) else None

    def sharing_job(self, scenario: LoadedScenario, device: str, shared: Shared) -> RfJob:
        """Fields, SAR, averages and checks, with what its neighbours have handed on: the voxels of the body too."""
        from emdose.scenarios.kinds.rf.job import RfJob

        return RfJob(scenario, device, shared)

    def read(self, folder: Path, summary: dict[str, Any]) -> RunResult:
        """The maps of a run."""
        from emdose.scenarios.kinds.rf.result.result import read_result

        return read_result(folder, summary)

    def page(self, result: RunResult) -> str:
        """Limits, maps and what they rest on."""
        from emdose.scenarios.kinds.rf.page.page import render

        return render(result)

    def maps(self, result: RunResult) -> MapSet:
        """B1+, SAR and temperature."""
        from emdose.scenarios.kinds.rf.page import content

        return content.maps(result)

    def canvas(self, scenario: LoadedScenario) -> MapSet:
        """The body."""
        from emdose.report.maps.map_set import MapSet
        from emdose.scenarios.shared.bodies import phantom

        body = phantom(scenario.tables.phantom, scenario.file, None, scenario.identity.get("files"))
        return MapSet(body.grid, body.labels, {n: t.name for n, t in enumerate(body.tissues)}, ())

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.rf.page import methods as page_methods

        return page_methods.written(summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Those of the fields, and of the heat where there is a table [thermal]."""
        return [*super().measures(summary), *heat_measures(summary.get("thermal") or {})]

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables, the tissues of the body at the frequency, and where the body lies."""
        from emdose.scenarios.shared.bodies import body_inputs

        tables = scenario.tables
        body = body_inputs(tables.phantom, tables.exposure.frequency_Hz, scenario.file)
        return {**body, **super().inputs(scenario)}

    def default_laws(self, scenario: LoadedScenario) -> list[dict[str, Any]]:
        """Those of body, position, coil and drive; of heat where temperatures are asked for.

        Turned voxels are other voxels, so rotations are left to those who ask for them; so is the size of the body,
        which is known of the one that is computed. A coil that lies elsewhere is a body that lies elsewhere, whose law
        is the wider one. A plane wave has no place that a body could miss.
        """
        from emdose.uncertainty.defaults import default_entries

        tables = scenario.tables
        without = ("size",) if tables.thermal is not None else ("size", "thermal", "perfusion")
        rows = default_entries(self.inputs(scenario), without=without)
        dropped = (
            "phantom.rotate_deg",
            "coil.position_m",
            *(("phantom.translate_m",) if tables.coil.type == "plane-wave" else ()),
        )
        heats = tables.thermal is not None
        thermal = ("heat_capacity_J_kg_K", "thermal_conductivity_W_m_K")
        paths = [(row, str(row["path"])) for row in rows]
        return [row for row, path in paths if not path.startswith(dropped) and (heats or not path.endswith(thermal))]

    def spacing_m(self, scenario: LoadedScenario) -> float:
        """Edge of the voxels of the body."""
        from emdose.scenarios.shared.bodies import body_spacing_m

        return body_spacing_m(scenario.tables.phantom, scenario.file)

    def on_grid(self, scenario: LoadedScenario, spacing_m: float) -> dict[str, Any]:
        """Voxels of the body, and with them the cells of finite differences in time, or of the metal."""
        from emdose.scenarios.shared.bodies import scaled, scaled_body

        plain, factor = scenario.values(), spacing_m / self.spacing_m(scenario)
        scaled_body(plain["phantom"], scenario.tables.phantom, factor, scenario.file)
        for key in ("spacing_m", "finest_m", "coarsest_m"):
            if plain["solver"].get(key) is not None:
                plain["solver"][key] = scaled(plain["solver"][key], factor)
        if plain["solver"]["type"] == "vsie":
            plain["solver"]["refine"] = min(max(plain["solver"]["refine"] / factor, 0.1), 10.0)
            plain["solver"]["second_mesh"] = None  # the other grids say it
        return plain

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Quantities, limits, power balance."""
        from emdose.scenarios.kinds.rf import terminal

        terminal.summary(console, summary)

    def recheck(self, result: RunResult, changes: Mapping[str, Any], device: str = "auto") -> dict[str, Any]:
        """The limits for changed keys of the table [checks]."""
        from emdose.scenarios.kinds.rf.recheck import recheck

        return recheck(result, changes, device)


def _default_solver(coil: Any) -> str:
    """The solver that fits a table [coil] as it was written."""
    if not isinstance(coil, Mapping):
        return "vie"
    from emdose.scenarios.shared.circuit_tables import is_circuit_type

    return "vsie" if is_circuit_type(coil.get("type"), coil.get("gaps")) else "vie"


KIND = RfKind()
