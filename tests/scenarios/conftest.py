from __future__ import annotations

import copy
from pathlib import Path

import pytest
from run_server import RunServer

from emdose import scenarios
from emdose.scenarios.shared import toml

SMALL = {
    "scenario": {"kind": "rf", "name": "small"},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 12.5e-3},
    "coil": {"type": "birdcage", "rungs": 8},
    "exposure": {"frequency_Hz": 127.74e6},
    "normalise": {"b1plus_rms_T": 2e-6},
}
"""A ball of 900 unknowns in a birdcage: solved in a tenth of a second."""


@pytest.fixture
def small():
    return copy.deepcopy(SMALL)


@pytest.fixture
def write(tmp_path):
    """Write tables as a scenario file and give its path."""

    def write(tables, name="small.toml"):
        path = tmp_path / name
        path.write_text(toml.dump(tables), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished small run; tests must not change it."""
    folder = tmp_path_factory.mktemp("finished")
    file = folder / "small.toml"
    file.write_text(toml.dump(SMALL), encoding="utf-8")
    return scenarios.run(file, folder / "result", device="cpu").folder


@pytest.fixture(scope="module")
def server():
    """A process that runs commands and can be killed at any moment."""
    with RunServer() as server:
        yield server
