"""Scenarios of kind ``force``: torque, force, vibration and motion of metal in a scanner, beside its weight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.report.pages.methods import Methods
    from emdose.scenarios.kinds.force.job import ForceJob
    from emdose.scenarios.kinds.force.result import ForceResult
    from emdose.scenarios.kinds.force.schema import ForceScenario
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.validity import Measure


class ForceKind(Kind["ForceResult"]):
    """Ratios of forces to weight and of torques to weight times length; never a verdict."""

    name = "force"
    part = "eddy-current step"
    stages = MappingProxyType({"modes": "eddy currents", "frequency": "moments"})

    def schema(self) -> type[ForceScenario]:
        """The tables."""
        from emdose.scenarios.kinds.force.schema import ForceScenario

        return ForceScenario

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """A table of a built-in metal is like that metal, unless it says otherwise."""
        from emdose.scenarios.shared.implants.building import completed_metals

        return completed_metals(raw)

    def job(self, scenario: LoadedScenario, device: str = "auto") -> ForceJob:
        """Moments, then the table."""
        from emdose.scenarios.kinds.force.job import ForceJob

        return ForceJob(scenario, device)

    def read(self, folder: Path, summary: dict[str, Any]) -> ForceResult:
        """Implant and moments."""
        from emdose.scenarios.kinds.force.result import read_result

        return read_result(folder, summary)

    def page(self, result: ForceResult) -> str:
        """The table, the place in the scanner, spectra of vibration."""
        from emdose.scenarios.kinds.force.page import render

        return render(result)

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.force.words import methods

        return methods(summary)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """The table."""
        from emdose.scenarios.kinds.force.words import tell

        tell(console, summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Residual, energy and discretisation of the eddy currents, and the spectrum that was left out."""
        from emdose.scenarios.kinds.force.evaluation import measures

        return measures(summary)

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables, and properties of the metals."""
        from emdose.scenarios.kinds.force.build import inputs

        return {**inputs(scenario), **super().inputs(scenario)}

    def default_laws(self, scenario: LoadedScenario) -> list[dict[str, Any]]:
        """Those of metal, pose and gradients."""
        from emdose.uncertainty.defaults import default_entries

        return list(default_entries(self.inputs(scenario)))


KIND = ForceKind()
