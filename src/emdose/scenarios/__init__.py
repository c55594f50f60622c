"""Scenarios: TOML text, checked by a schema, built into models and a solver, run into a folder.

:class:`Kind` and what stands beside it here is what a kind of scenario of your own is made of.
"""

from emdose.io.disk.run_files import new_result, opened_result, put_map
from emdose.scenarios.comparison import Comparison, Difference, compare
from emdose.scenarios.evaluation import evaluate
from emdose.scenarios.group import write_group
from emdose.scenarios.kinds import get as kind
from emdose.scenarios.kinds import names as kind_names
from emdose.scenarios.loading import bundled, bundled_names, load
from emdose.scenarios.results import read_result, write_report
from emdose.scenarios.run import RunOutcome, run
from emdose.scenarios.shared import tables
from emdose.scenarios.shared.job import BaseJob, JobPlan, Outcome
from emdose.scenarios.shared.kind import Kind, Result
from emdose.scenarios.shared.results.run import Run
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.scenarios.shared.tables import Header, Table

__all__ = [
    "BaseJob",
    "Comparison",
    "Difference",
    "Header",
    "JobPlan",
    "Kind",
    "LoadedScenario",
    "Outcome",
    "Result",
    "Run",
    "RunOutcome",
    "Table",
    "bundled",
    "bundled_names",
    "compare",
    "evaluate",
    "kind",
    "kind_names",
    "load",
    "new_result",
    "opened_result",
    "put_map",
    "read_result",
    "run",
    "tables",
    "write_group",
    "write_report",
]
