"""Scenarios of kind ``induction``: a ball of tissue in a uniform magnetic field along z that changes in time."""

from __future__ import annotations

from typing import ClassVar

from emdose.scenarios import Kind


class Induction(Kind["InductionResult"]):
    """The electric field on circles about z, and the power it leaves."""

    name = "induction"
    part = "circle"
    stages: ClassVar = {"circles": "closing the circles"}

    def schema(self):
        """The tables."""
        from emdose_toy.schema import InductionScenario

        return InductionScenario

    def job(self, scenario, device="auto"):
        """How it runs."""
        from emdose_toy.job import InductionJob

        return InductionJob(scenario, device)

    def read(self, folder, summary):
        """What it has left."""
        from emdose_toy.result import read_result

        return read_result(folder, summary)

    def page(self, result):
        """Its page."""
        from emdose_toy.page import render

        return render(result)

    def tell(self, console, summary):
        """Its words on the terminal."""
        from emdose.report import terminal

        terminal.quantities(console, summary["quantities"])
        console.print()
        terminal.checks(console, summary["checks"], summary["check_inputs"])
        terminal.warnings(console, summary)

    def recheck(self, result, changes, device="auto"):
        """Its limit under other circumstances."""
        from emdose_toy.job import checks

        return checks(result.summary, **changes)


KIND = Induction()
