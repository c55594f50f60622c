"""A checkpoint without files, for tests that interrupt a solver."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class Memory:
    """A :class:`emdose.solvers.running.Checkpoint` in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, np.ndarray]] = {}

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """Arrays as saved."""
        return dict(self.kept[name]) if name in self.kept else None

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep copies."""
        assert all(isinstance(v, np.ndarray | np.generic) for v in arrays.values())
        self.kept[name] = {k: np.array(v) for k, v in arrays.items()}
