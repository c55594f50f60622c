"""The scripts of the gallery that use Fdtd, checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.mark.slow
def test_two_engines_on_one_head(run: Any) -> None:
    """Oracle: the other engine, which shares nothing but the voxels."""
    got = run("10_vie_beside_fdtd.py")
    assert got["difference"] < 0.01
    peaks = [got["sar"][n].peak for n in ("Vie", "Fdtd")]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.01)


@pytest.mark.slow
def test_tuned_birdcage(run: Any) -> None:
    """Oracles: what tuning and matching mean, reciprocity, and conservation of power."""
    got = run("11_tuned_birdcage.py")
    near = min(got["tuned"].modes(), key=lambda m: abs(m.frequency_Hz - 127.74e6))
    assert abs(near.frequency_Hz - 127.74e6) < 0.5 * near.frequency_Hz / near.quality
    assert np.abs(np.diag(got["s"])).max() < 1e-2
    assert got["s"][0, 1] == pytest.approx(got["s"][1, 0], abs=1e-6)
    assert got["fields"].power.power()["closure"] < 0.02
