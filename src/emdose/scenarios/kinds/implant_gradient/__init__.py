"""Scenarios of kind ``implant-gradient``: metal in switched gradient fields, and how warm it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios.kinds.implant_gradient.job import ImplantJob
    from emdose.scenarios.kinds.implant_gradient.result.result import ImplantResult
    from emdose.scenarios.kinds.implant_gradient.schema import ImplantScenario
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

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Residual and energy of the eddy currents, spectrum that was dropped or extrapolated."""
        from emdose.scenarios.kinds.implant_gradient.measures import measures

        return measures(summary)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Power and rise of every exposure."""
        from emdose.scenarios.kinds.implant_gradient import terminal

        terminal.summary(console, summary)


KIND = ImplantGradientKind()
