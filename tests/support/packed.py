"""What pages carry, read back as their scripts do."""

from __future__ import annotations

import base64

import numpy as np


def unpacked_runs(text: str) -> np.ndarray:
    """Integers from their runs."""
    pairs = np.frombuffer(base64.b64decode(text), "<u2").reshape(-1, 2)
    return np.repeat(pairs[:, 0], pairs[:, 1])
