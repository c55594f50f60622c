"""Seconds of the stages of a job."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Timed:
    """Base of the jobs: ``timing`` holds the seconds of every stage that went through to its end."""

    def __init__(self) -> None:
        self.timing: dict[str, float] = {}

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timing[stage] = time.perf_counter() - start
