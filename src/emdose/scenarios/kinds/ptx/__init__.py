"""Scenarios of kind ``ptx``: an array of channels around a body, its matrices, and drives within limits of SAR."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.compute.shared import Shared
    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
    from emdose.scenarios.kinds.ptx.job import PtxJob
    from emdose.scenarios.kinds.ptx.result import PtxResult
    from emdose.scenarios.kinds.ptx.schema import PtxScenario
    from emdose.scenarios.shared.scenario import LoadedScenario


class PtxKind(Kind["PtxResult"]):
    """Matrices, virtual observation points, shims under limits, worst cases, ways of supervising power."""

    name = "ptx"
    part = "solved channel"
    transmits = True
    stages = MappingProxyType(
        {
            "matrices": "making and compressing matrices",
            "drives": "finding drives",
            "checks": "checking limits",
        }
    )

    def schema(self) -> type[PtxScenario]:
        """The tables."""
        from emdose.scenarios.kinds.ptx.schema import PtxScenario

        return PtxScenario

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """With a solver that has a type: its name alone will do; the default is "vie"."""
        solver = raw.get("solver")
        if isinstance(solver, str):
            return {**raw, "solver": {"type": solver}}
        if isinstance(solver, Mapping):
            return {**raw, "solver": {"type": "vie", **solver}}
        return raw

    def job(self, scenario: LoadedScenario, device: str = "auto") -> PtxJob:
        """Fields of all channels, then matrices, drives and limits."""
        from emdose.scenarios.kinds.ptx.job import PtxJob

        return PtxJob(scenario, device)

    def sharing_job(self, scenario: LoadedScenario, device: str, shared: Shared) -> PtxJob:
        """The same with what its neighbours have handed on; drives must be given."""
        from emdose.scenarios.kinds.ptx.job import PtxJob

        return PtxJob(scenario, device, shared)

    def read(self, folder: Path, summary: dict[str, Any]) -> PtxResult:
        """Maps, drives, matrices."""
        from emdose.scenarios.kinds.ptx.result import read_result

        return read_result(folder, summary)

    def page(self, result: PtxResult) -> str:
        """Drives, maps, trade-off, worst cases, limits."""
        from emdose.scenarios.kinds.ptx.page import render

        return render(result)

    def maps(self, result: PtxResult) -> MapSet:
        """B1+ and 10 g SAR of every drive."""
        from emdose.scenarios.kinds.ptx.page_maps import maps

        return maps(result)

    def canvas(self, scenario: LoadedScenario) -> MapSet:
        """The body."""
        from emdose.report.maps.map_set import MapSet
        from emdose.scenarios.shared.bodies import phantom

        body = phantom(scenario.tables.phantom, scenario.file, None, scenario.identity.get("files"))
        return MapSet(body.grid, body.labels, {n: t.name for n, t in enumerate(body.tissues)}, ())

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.ptx.words import methods

        return methods(summary)

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Drives, limits, power balance."""
        from emdose.scenarios.kinds.ptx.words import tell

        tell(console, summary)

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables, the tissues of the body at the frequency, and where the body lies."""
        from emdose.scenarios.shared.bodies import body_inputs

        tables = scenario.tables
        body = body_inputs(tables.phantom, tables.exposure.frequency_Hz, scenario.file)
        return {**body, **super().inputs(scenario)}

    def default_laws(self, scenario: LoadedScenario) -> list[dict[str, Any]]:
        """Those of tissues, of the place of the body, and of the amplitudes and phases of given drives."""
        from emdose.uncertainty.defaults import default_entries

        rows = default_entries(self.inputs(scenario), without=("size", "thermal", "perfusion"))
        dropped = ("phantom.rotate_deg", "coil.position_m")
        return [dict(row) for row in rows if not str(row["path"]).startswith(dropped)]

    def spacing_m(self, scenario: LoadedScenario) -> float:
        """Edge of the voxels of the body."""
        from emdose.scenarios.shared.bodies import body_spacing_m

        return body_spacing_m(scenario.tables.phantom, scenario.file)

    def on_grid(self, scenario: LoadedScenario, spacing_m: float) -> dict[str, Any]:
        """Voxels of the body, and with them the cells of finite differences in time."""
        from emdose.scenarios.shared.bodies import scaled, scaled_body

        plain, factor = scenario.values(), spacing_m / self.spacing_m(scenario)
        scaled_body(plain["phantom"], scenario.tables.phantom, factor, scenario.file)
        for key in ("spacing_m", "finest_m", "coarsest_m"):
            if plain["solver"].get(key) is not None:
                plain["solver"][key] = scaled(plain["solver"][key], factor)
        return plain

    def recheck(self, result: PtxResult, changes: Mapping[str, Any], device: str = "auto") -> dict[str, Any]:
        """The limits of the chosen drive for changed keys of the table [checks]."""
        from emdose.scenarios.kinds.ptx.limits import recheck

        return recheck(result, changes, device)


KIND = PtxKind()
