"""Scenarios of kind ``motion``: bodies that move in the field of a magnet."""

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
    from emdose.scenarios.kinds.motion.job import MotionJob
    from emdose.scenarios.kinds.motion.result import MotionResult
    from emdose.scenarios.kinds.motion.schema import MotionScenario
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.validity import Measure


class MotionKind(Kind["MotionResult"]):
    """Time courses of B and E along trajectories, indices, and limits for staff, patients and the public."""

    name = "motion"

    def schema(self) -> type[MotionScenario]:
        """The tables."""
        from emdose.scenarios.kinds.motion.schema import MotionScenario

        return MotionScenario

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """A table of a built-in metal is like that metal, unless it says otherwise."""
        from emdose.scenarios.shared.implants.building import completed_metals

        return completed_metals(raw)

    def job(self, scenario: LoadedScenario, device: str = "auto") -> MotionJob:
        """Some motions, then time courses, tissues and limits of every trajectory."""
        from emdose.scenarios.kinds.motion.job import MotionJob

        return MotionJob(scenario, device)

    def sharing_job(self, scenario: LoadedScenario, device: str, shared: Shared) -> MotionJob:
        """The same with the voxels that its neighbours have handed on, and on one grid."""
        from emdose.scenarios.kinds.motion.job import MotionJob

        return MotionJob(scenario, device, shared)

    def read(self, folder: Path, summary: dict[str, Any]) -> MotionResult:
        """Maps and time courses."""
        from emdose.scenarios.kinds.motion.result import read_result

        return read_result(folder, summary)

    def page(self, result: MotionResult) -> str:
        """Limits, time courses, maps, tissues."""
        from emdose.scenarios.kinds.motion.page import render

        return render(result)

    def maps(self, result: MotionResult) -> MapSet:
        """Largest E over time of every trajectory."""
        from emdose.scenarios.kinds.motion.page import maps

        return maps(result)

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.motion.words import methods

        return methods(summary)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Quantities and limits."""
        from emdose.scenarios.kinds.motion.words import tell

        tell(console, summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Residual and balance of the currents, and what voxels lose of the implant."""
        from emdose.scenarios.shared.induced.parts import measures

        return measures(summary)

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables, and the tissues of the body at the frequency."""
        from emdose.scenarios.kinds.motion.evaluation import inputs

        return {**inputs(scenario), **super().inputs(scenario)}

    def default_laws(self, scenario: LoadedScenario) -> list[dict[str, Any]]:
        """Those of conductivities, one by one: a factor of all of them changes no field."""
        from emdose.scenarios.shared.induced.conductivity_of_tissues import conductivity_laws
        from emdose.uncertainty.defaults import default_entries

        nominal = self.inputs(scenario)
        # A test object is of one tissue: its conductivity stands there, and changes nothing.
        plain = default_entries(nominal, without=("size", "thermal", "perfusion", "position", "density"))
        return conductivity_laws(scenario, nominal) or list(plain)

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


KIND = MotionKind()
