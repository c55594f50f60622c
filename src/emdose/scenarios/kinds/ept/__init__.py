"""Scenarios of kind ``ept``: conductivity and permittivity from B1+ maps, measured or of a digital reference object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emdose.scenarios.shared.kind import Kind
from emdose.validity import Measure

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
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

    def maps(self, result: EptResult) -> MapSet:
        """Conductivity and permittivity of every method."""
        from emdose.scenarios.kinds.ept import page_content as content

        return content.maps(result)

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """What was solved and how, for a paper."""
        from emdose.scenarios.kinds.ept import page_methods

        return page_methods.written(summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """Those of the simulation and the data; voxels with a value, and with an impossible one, of the best method."""
        data = summary["ept"].get("data") or {}
        cause = str(data.get("likely_cause", ""))
        methods = [(name, about) for name, about in summary["ept"]["methods"].items()]
        shares = {n: a["voxels"] / max(a["voxels"] + a["missing"], 1) for n, a in methods}
        odd = {n: a.get("unphysical_share", a["flags"]["UNPHYSICAL"] / a["voxels"]) for n, a in methods if a["voxels"]}
        best = [(name, "ept_coverage", shares) for name in [max(shares, key=lambda n: shares[n])]] if shares else []
        best += [(name, "ept_unphysical", odd) for name in [min(odd, key=lambda n: odd[n])]] if odd else []
        return [
            *super().measures(summary),
            *(Measure(m["name"], m["value"], "data", m["hint"]) for m in data.get("plausibility", [])),
            *(Measure(name, values[n], n, cause if name == "ept_unphysical" else "") for n, name, values in best),
        ]

    def inputs(self, scenario: LoadedScenario) -> dict[str, float]:
        """The numbers of the tables; of a digital reference object also its tissues and where it lies."""
        from emdose.scenarios.shared.bodies import body_inputs

        tables, body = scenario.tables, {}
        if tables.phantom is not None:
            body = body_inputs(tables.phantom, tables.exposure.frequency_Hz, scenario.file)
        return {**body, **super().inputs(scenario)}

    def default_laws(self, scenario: LoadedScenario) -> list[dict[str, Any]]:
        """Where a digital reference object lies in its coil: its tissues are the truth, and known.

        Noise and bias are in what the methods state of their own numbers.
        """
        from emdose.uncertainty.defaults import default_entries

        rows = default_entries(self.inputs(scenario))
        return [row for row in rows if str(row["path"]).startswith("phantom.translate_m")]

    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Means per tissue and method, and what each method did."""
        from emdose.scenarios.kinds.ept import terminal

        terminal.summary(console, summary)


KIND = EptKind()
