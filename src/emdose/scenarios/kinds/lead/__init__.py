"""Scenarios of kind ``lead``: Tier 3 of a lead, its transfer function along many paths in the field of a coil."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
    from emdose.scenarios.kinds.lead.job import LeadJob
    from emdose.scenarios.kinds.lead.result import LeadResult
    from emdose.scenarios.kinds.lead.schema import LeadScenario
    from emdose.scenarios.shared.scenario import LoadedScenario


class LeadKind(Kind["LeadResult"]):
    """The quantity at the tip of a lead, over paths and drives, beside the bound of tier 1."""

    name = "lead"
    part = "solved port"

    def schema(self) -> type[LeadScenario]:
        """The tables."""
        from emdose.scenarios.kinds.lead.schema import LeadScenario

        return LeadScenario

    def job(self, scenario: LoadedScenario, device: str = "auto") -> LeadJob:
        """Fields of the body without the lead, then the lead."""
        from emdose.scenarios.kinds.lead.job import LeadJob

        return LeadJob(scenario, device)

    def read(self, folder: Path, summary: dict[str, Any]) -> LeadResult:
        """Transfer function, paths and what they give."""
        from emdose.scenarios.kinds.lead.result import read_result

        return read_result(folder, summary)

    def page(self, result: LeadResult) -> str:
        """Percentiles, transfer function, tangential fields, paths."""
        from emdose.scenarios.kinds.lead.page import render

        return render(result)

    def maps(self, result: LeadResult) -> MapSet:
        """The field without the lead."""
        from emdose.scenarios.kinds.lead.page import maps

        return maps(result)

    def spacing_m(self, scenario: LoadedScenario) -> float:
        """Edge of the voxels of the body; a finished run has its own."""
        from emdose.errors import InputError
        from emdose.scenarios.shared.bodies import body_spacing_m

        if scenario.tables.phantom is None:
            raise InputError("the fields of a finished run cannot be refined", file=scenario.file, field="fields.run")
        return body_spacing_m(scenario.tables.phantom, scenario.file)

    def on_grid(self, scenario: LoadedScenario, spacing_m: float) -> dict[str, Any]:
        """Voxels of the body."""
        from emdose.scenarios.shared.bodies import scaled_body

        plain, factor = scenario.values(), spacing_m / self.spacing_m(scenario)
        scaled_body(plain["phantom"], scenario.tables.phantom, factor, scenario.file)
        return plain

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.lead.words import methods

        return methods(summary)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """The headline numbers, and case by case."""
        from emdose.scenarios.kinds.lead.words import tell

        tell(console, summary)


KIND = LeadKind()
