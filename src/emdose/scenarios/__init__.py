"""Scenarios: TOML text, checked by a schema, built into models and a solver, run into a folder."""

from emdose.scenarios.loading import LoadedScenario, bundled, bundled_names, load
from emdose.scenarios.run import RunOutcome, run
from emdose.scenarios.run import run as run_scenario  # its name at the front door, where "run" alone says too little

__all__ = ["LoadedScenario", "RunOutcome", "bundled", "bundled_names", "load", "run", "run_scenario"]
