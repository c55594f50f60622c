"""Steps of grids, for the tests."""

from __future__ import annotations

import numpy as np


def worst_ratio(nodes: np.ndarray) -> float:
    """Largest ratio of neighbouring steps."""
    d = np.diff(nodes)
    return float(np.maximum(d[1:] / d[:-1], d[:-1] / d[1:]).max(initial=1.0))
