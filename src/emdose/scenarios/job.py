"""What the jobs of all kinds of scenario have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emdose.compute import backend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emdose.scenarios.loading import LoadedScenario

Progress = Callable[[dict[str, Any]], None]


class BaseJob:
    """A scenario and the device it runs on; ``timing`` holds the seconds of every stage that went through to its end.

    Parameters
    ----------
    scenario : LoadedScenario
        What to run.
    device : str
        "auto", "cpu" or "cuda".

    Raises
    ------
    InputError
        From the kinds of scenario, when their tables make no sense together; nothing has been computed then.
    DeviceError
        When the device is not there.
    """

    def __init__(self, scenario: LoadedScenario, device: str = "auto") -> None:
        self.scenario, self.tables = scenario, scenario.tables
        self.device = backend.get(device).name
        self.timing: dict[str, float] = {}

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timing[stage] = time.perf_counter() - start
