"""Scenarios of kind ``body-gradient``: what switched gradients induce in a body, and whether it stimulates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.compute.shared import Shared
    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
    from emdose.scenarios.kinds.body_gradient.job import BodyGradientJob
    from emdose.scenarios.kinds.body_gradient.result import BodyGradientResult
    from emdose.scenarios.kinds.body_gradient.schema import BodyGradientScenario
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.validity import Measure


class BodyGradientKind(Kind["BodyGradientResult"]):
    """E in tissues, the limits of nerve and cardiac stimulation, and the slew rate that just passes."""

    name = "body-gradient"

    def schema(self) -> type[BodyGradientScenario]:
        """The tables."""
        from emdose.scenarios.kinds.body_gradient.schema import BodyGradientScenario

        return BodyGradientScenario

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """A table of a built-in metal is like that metal, unless it says otherwise."""
        from emdose.scenarios.shared.implants.building import completed_metals

        return completed_metals(raw)

    def job(self, scenario: LoadedScenario, device: str = "auto") -> BodyGradientJob:
        """Fields of all sources, then tissues and limits."""
        from emdose.scenarios.kinds.body_gradient.job import BodyGradientJob

        return BodyGradientJob(scenario, device)

    def sharing_job(self, scenario: LoadedScenario, device: str, shared: Shared) -> BodyGradientJob:
        """The same with the voxels that its neighbours have handed on, and on one grid."""
        from emdose.scenarios.kinds.body_gradient.job import BodyGradientJob

        return BodyGradientJob(scenario, device, shared)

    def read(self, folder: Path, summary: dict[str, Any]) -> BodyGradientResult:
        """Maps and fields."""
        from emdose.scenarios.kinds.body_gradient.result import read_result

        return read_result(folder, summary)

    def page(self, result: BodyGradientResult) -> str:
        """Limits, maps, tissues, waveforms."""
        from emdose.scenarios.kinds.body_gradient.page import render

        return render(result)

    def maps(self, result: BodyGradientResult) -> MapSet:
        """Largest E over time of every exposure."""
        from emdose.scenarios.kinds.body_gradient.page import maps

        return maps(result)

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.body_gradient.words import methods

        return methods(summary)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Quantities and limits."""
        from emdose.scenarios.kinds.body_gradient.words import tell

        tell(console, summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Residual and balance of the currents, and what voxels lose of the implant."""
        from emdose.scenarios.shared.induced.parts import measures

        return measures(summary)

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables, the tissues of the body at the frequency, and where the body lies."""
        from emdose.scenarios.kinds.body_gradient.inputs import inputs

        return {**inputs(scenario), **super().inputs(scenario)}

    def default_laws(self, scenario: LoadedScenario) -> list[dict[str, Any]]:
        """Those of conductivities, one by one, of place and of gradients."""
        from emdose.scenarios.kinds.body_gradient.inputs import default_laws

        return default_laws(scenario, self.inputs(scenario))

    def spacing_m(self, scenario: LoadedScenario) -> float:
        """Edge of the voxels of the body."""
        from emdose.scenarios.shared.bodies import body_spacing_m

        return body_spacing_m(scenario.tables.phantom, scenario.file)

    def on_grid(self, scenario: LoadedScenario, spacing_m: float) -> dict[str, Any]:
        """Voxels of the body of another size."""
        from emdose.scenarios.shared.bodies import scaled_body

        plain, factor = scenario.values(), spacing_m / self.spacing_m(scenario)
        scaled_body(plain["phantom"], scenario.tables.phantom, factor, scenario.file)
        return plain


KIND = BodyGradientKind()
