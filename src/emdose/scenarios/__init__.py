"""Scenarios: TOML text, checked by a schema, built into models and a solver, run into a folder."""

from emdose.scenarios.loading import LoadedScenario, bundled, bundled_names, load
from emdose.scenarios.run import RunOutcome, run

__all__ = ["LoadedScenario", "RunOutcome", "bundled", "bundled_names", "load", "run"]
