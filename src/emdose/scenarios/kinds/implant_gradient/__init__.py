"""Scenarios of kind ``implant-gradient``: metal in switched gradient fields, and how warm it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
    from emdose.scenarios.kinds.implant_gradient.job import ImplantJob
    from emdose.scenarios.kinds.implant_gradient.moved import NearbyImplant
    from emdose.scenarios.kinds.implant_gradient.result.result import ImplantResult
    from emdose.scenarios.kinds.implant_gradient.schema import ImplantScenario
    from emdose.scenarios.shared.job import BaseJob
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.validity import Measure


class ImplantGradientKind(Kind["ImplantResult"]):
    """Power in the metal and temperature around it, for every exposure."""

    name = "implant-gradient"
    part = "eddy-current step"
    stages = MappingProxyType({"modes": "eddy currents", "frequency": "power", "power": "power of the exposures"})

    def schema(self) -> type[ImplantScenario]:
        """The tables."""
        from emdose.scenarios.kinds.implant_gradient.schema import ImplantScenario

        return ImplantScenario

    def job(self, scenario: LoadedScenario, device: str = "auto") -> ImplantJob:
        """Power tensor, exposures, heat."""
        from emdose.scenarios.kinds.implant_gradient.job import ImplantJob

        return ImplantJob(scenario, device)

    def read(self, folder: Path, summary: dict[str, Any]) -> ImplantResult:
        """Implant, power tensor and temperatures."""
        from emdose.scenarios.kinds.implant_gradient.result.result import read_result

        return read_result(folder, summary)

    def page(self, result: ImplantResult) -> str:
        """Power over frequency and direction, heating, pictures."""
        from emdose.scenarios.kinds.implant_gradient.page.page import render

        return render(result)

    def maps(self, result: ImplantResult) -> MapSet:
        """Temperature rise of every exposure."""
        from emdose.scenarios.kinds.implant_gradient.page import content

        return content.maps(result)

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.implant_gradient.page import methods as page_methods

        return page_methods.written(summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Residual and energy of the eddy currents, spectrum that was dropped or extrapolated."""
        from emdose.scenarios.kinds.implant_gradient.result.measures import measures

        return measures(summary)

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """A table of a built-in metal is like that metal, unless it says otherwise."""
        from emdose.scenarios.shared.implants.building import completed_metals

        return completed_metals(raw)

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables, the properties of the metals, and those of what surrounds them."""
        from emdose.scenarios.kinds.implant_gradient.inputs import inputs

        return {**inputs(scenario), **super().inputs(scenario)}

    def default_laws(self, scenario: LoadedScenario) -> list[dict[str, Any]]:
        """Those of pose, gradients, metal and heat."""
        from emdose.scenarios.kinds.implant_gradient.inputs import default_laws

        return default_laws(scenario, self.inputs(scenario))

    def nearby(self, job: BaseJob, solution: Any, summary: Mapping[str, Any]) -> NearbyImplant | None:
        """Powers by the power tensor, rises by heat on larger voxels in the orientations that were found."""
        from emdose.scenarios.kinds.implant_gradient.job import ImplantJob
        from emdose.scenarios.kinds.implant_gradient.moved import NearbyImplant

        if not isinstance(job, ImplantJob) or job.rf is not None:
            return None
        return NearbyImplant(job, solution, summary["implant"]["exposures"])

    def spacing_m(self, scenario: LoadedScenario) -> float:
        """Edge of the voxels of the heat."""
        return float(scenario.tables.thermal.spacing_m)

    def on_grid(self, scenario: LoadedScenario, spacing_m: float) -> dict[str, Any]:
        """Voxels of the heat and, unless they choose their size themselves, those of the metal."""
        from emdose.scenarios.shared.bodies import scaled

        plain, factor = scenario.values(), spacing_m / self.spacing_m(scenario)
        plain["thermal"]["spacing_m"] = scaled(plain["thermal"]["spacing_m"], factor)
        if not isinstance(plain["solver"]["spacing_m"], str):
            plain["solver"]["spacing_m"] = scaled(plain["solver"]["spacing_m"], factor)
        return plain

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Power and rise of every exposure."""
        from emdose.scenarios.kinds.implant_gradient.page import terminal

        terminal.summary(console, summary)


KIND = ImplantGradientKind()
