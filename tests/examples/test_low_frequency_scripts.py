"""The scripts of the gallery on fields at low frequencies, checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np


def test_displacement_currents_hardly_matter_when_moving(run: Any) -> None:
    """Oracle: the change grows with the ratio of displacement to conduction current, 0.06 at 1 Hz and 0.36 at 10 Hz."""
    change = run("40_displacement_currents.py")["change"]
    assert 0.03 < change[1.0].max() < 0.3
    assert 3 < change[10.0].max() / change[1.0].max() < 12


def test_a_head_of_surfaces_beside_one_of_voxels(run: Any) -> None:
    """Oracle: the other engine: the same spread of E, but for the rough skin of voxels."""
    got = run("43_surfaces_beside_voxels.py")
    E = np.linalg.norm(got["voxels"].E[0], axis=0)
    assert np.median(got["found"].residual) < 1e-6
    assert 0.6 * np.percentile(E, 99) < np.percentile(got["skin"], 99) < 1.4 * np.percentile(E, 99)
