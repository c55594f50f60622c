"""Scenarios of kind ``ept``: conductivity and permittivity from B1+ maps, measured or of a digital reference object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios.kinds.ept.job import EptJob
    from emdose.scenarios.kinds.ept.result import EptResult
    from emdose.scenarios.kinds.ept.schema import EptScenario
    from emdose.scenarios.shared.scenario import LoadedScenario


class EptKind(Kind["EptResult"]):
    """Reconstructions, and how close they come."""

    name = "ept"
    part = "solved port"
    stages = MappingProxyType({"method": "reconstructing", "judge": "comparing with the truth"})

    def schema(self) -> type[EptScenario]:
        """The tables."""
        from emdose.scenarios.kinds.ept.schema import EptScenario

        return EptScenario

    def job(self, scenario: LoadedScenario, device: str = "auto") -> EptJob:
        """B1+ maps, reconstructions, metrics."""
        from emdose.scenarios.kinds.ept.job import EptJob

        return EptJob(scenario, device)

    def read(self, folder: Path, summary: dict[str, Any]) -> EptResult:
        """Data, truth and the maps of every method."""
        from emdose.scenarios.kinds.ept.result import read_result

        return read_result(folder, summary)

    def page(self, result: EptResult) -> str:
        """The methods side by side."""
        from emdose.scenarios.kinds.ept.page import render

        return render(result)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Means per tissue and method, and what each method did."""
        from emdose.scenarios.kinds.ept import terminal

        terminal.summary(console, summary)


KIND = EptKind()
