"""Scenarios of kind ``label``: what the label of an implant is written from, on one sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios.kinds.label.job import LabelJob
    from emdose.scenarios.kinds.label.result import LabelResult
    from emdose.scenarios.kinds.label.schema import LabelScenario
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.validity import Measure


class LabelKind(Kind["LabelResult"]):
    """Allowed exposures, scan times and ratios of forces, each with U; what was not computed says so."""

    name = "label"
    part = "eddy-current step"
    stages = MappingProxyType({"modes": "eddy currents", "frequency": "moments", "step": "heat"})

    def schema(self) -> type[LabelScenario]:
        """The tables."""
        from emdose.scenarios.kinds.label.schema import LabelScenario

        return LabelScenario

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """A table of a built-in metal is like that metal, unless it says otherwise."""
        from emdose.scenarios.shared.implants.building import completed_metals

        return completed_metals(raw)

    def job(self, scenario: LoadedScenario, device: str = "auto") -> LabelJob:
        """Moments, heat, forces, then the sheet."""
        from emdose.scenarios.kinds.label.job import LabelJob

        return LabelJob(scenario, device)

    def read(self, folder: Path, summary: dict[str, Any]) -> LabelResult:
        """Implant and sheet."""
        from emdose.scenarios.kinds.label.result import read_result

        return read_result(folder, summary)

    def page(self, result: LabelResult) -> str:
        """The sheet, made to be printed."""
        from emdose.scenarios.kinds.label.page import render

        return render(result)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """The rows of the sheet."""
        from emdose.scenarios.kinds.label.page import tell

        tell(console, summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Eddy currents and heat."""
        from emdose.scenarios.kinds.label.sheet import measures

        return measures(summary)


KIND = LabelKind()
