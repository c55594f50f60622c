"""The scripts of the gallery on forces, checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.mark.slow
def test_a_hip_turned_and_shaken(run: Any) -> None:
    """Oracles: the torque of the mean square of dB/dt is below the largest singular value of the tensor at rest."""
    got = run("37_turned_in_the_magnet.py")
    bound = 3.0 * np.linalg.eigvalsh(got["rest"])[-1] * np.linalg.norm(got["rate"].rms)
    assert 0.3 * bound < got["torque"].rms < bound


def test_a_plate_falls_four_times_faster_in_half_the_field(run: Any) -> None:
    """Oracle: the overdamped time of the last case, field along the plate."""
    got = run("38_falling_plate.py")
    assert got["fall"].time_s == pytest.approx(95.6, rel=2e-3)
