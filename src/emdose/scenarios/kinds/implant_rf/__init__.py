"""Scenarios of kind ``implant-rf``: metal in a body in the RF field of a coil, and how warm it becomes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind
from emdose.solvers.results.measures import heat_measures
from emdose.validity import Measure

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
    from emdose.scenarios.kinds.implant_rf.job import ImplantRfJob
    from emdose.scenarios.kinds.implant_rf.result import ImplantRfResult
    from emdose.scenarios.kinds.implant_rf.schema import ImplantRfScenario
    from emdose.scenarios.shared.scenario import LoadedScenario


class ImplantRfKind(Kind["ImplantRfResult"]):
    """SAR at the implant's place without and with it, power in the metal, heat."""

    name = "implant-rf"
    part = "solved port"
    stages = MappingProxyType({"averages": "averaging SAR"})

    def schema(self) -> type[ImplantRfScenario]:
        """The tables."""
        from emdose.scenarios.kinds.implant_rf.schema import ImplantRfScenario

        return ImplantRfScenario

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The name of a solver alone will do, "vie" is the default; metals are like the built-in ones of their name."""
        from emdose.scenarios.shared.implants.building import completed_metals

        solver = raw.get("solver")
        if isinstance(solver, str):
            raw = {**raw, "solver": {"type": solver}}
        elif isinstance(solver, Mapping):
            raw = {**raw, "solver": {"type": "vie", **solver}}
        return completed_metals(raw)

    def job(self, scenario: LoadedScenario, device: str = "auto") -> ImplantRfJob:
        """Fields without and with the implant, averages, heat."""
        from emdose.scenarios.kinds.implant_rf.job import ImplantRfJob

        return ImplantRfJob(scenario, device)

    def read(self, folder: Path, summary: dict[str, Any]) -> ImplantRfResult:
        """The maps around the implant."""
        from emdose.scenarios.kinds.implant_rf.result import read_result

        return read_result(folder, summary)

    def page(self, result: ImplantRfResult) -> str:
        """Maps, averages beside metal, power in the metal, heat."""
        from emdose.scenarios.kinds.implant_rf.page import render

        return render(result)

    def maps(self, result: ImplantRfResult) -> MapSet:
        """SAR with and without the implant, and the rise."""
        from emdose.scenarios.kinds.implant_rf import page

        return page.maps(result)

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.implant_rf.words import methods

        return methods(summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Those of the fields with and without the implant, of the metal's voxels, and of the heat."""
        about = summary.get("implant_rf") or {}
        found = super().measures(summary)
        residual, tolerance = about.get("body_residual"), about.get("body_tolerance")
        if tolerance:
            value = math.nan if residual is None else residual / tolerance
            found.append(Measure("residual", value, "the body without the implant"))
        hints = about.get("metal_hint") or {}
        for name, error in (about.get("metal_volume") or {}).items():
            found.append(Measure("metal_volume", math.nan if error is None else error, name, hints.get(name, "")))
        thermal = summary.get("thermal") or {}
        switched = thermal.get("switched") or {}
        for key, name in (("identity", "power_identity"), ("error", "eddy_error")):
            if key in switched:
                value = math.nan if switched[key] is None else float(switched[key])
                found.append(Measure(name, value, "gradients"))
        return [*found, *heat_measures(thermal)]

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """The numbers."""
        from emdose.scenarios.kinds.implant_rf.words import tell

        tell(console, summary)

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables and the tissues of the body at the frequency."""
        from emdose.scenarios.shared.bodies import body_inputs

        tables = scenario.tables
        body = body_inputs(tables.phantom, tables.exposure.frequency_Hz, scenario.file)
        return {**body, **super().inputs(scenario)}

    def spacing_m(self, scenario: LoadedScenario) -> float:
        """Edge of the voxels of the body."""
        from emdose.scenarios.shared.bodies import body_spacing_m

        return body_spacing_m(scenario.tables.phantom, scenario.file)

    def on_grid(self, scenario: LoadedScenario, spacing_m: float) -> dict[str, Any]:
        """Voxels of the body, and with them the fine cells around the implant."""
        from emdose.scenarios.shared.bodies import scaled, scaled_body

        plain, factor = scenario.values(), spacing_m / self.spacing_m(scenario)
        scaled_body(plain["phantom"], scenario.tables.phantom, factor, scenario.file)
        for table in ("subdomain", "solver"):
            if plain.get(table) and plain[table].get("spacing_m") is not None:
                plain[table]["spacing_m"] = scaled(plain[table]["spacing_m"], factor)
        return plain


KIND = ImplantRfKind()
