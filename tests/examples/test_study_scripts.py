"""The scripts of the gallery that study what is uncertain, checked against an oracle each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


def test_a_head_and_what_is_not_known_about_it(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracles: Sobol indices of a polynomial sum to one; its mean and sd are near those of the samples themselves."""
    got = run("20_head_uncertainty.py")
    result = got["result"]
    (case,) = result.cases
    assert sum(result.sobol["psSAR10g"]["first"].values()) == pytest.approx(1.0, abs=0.05)
    assert result.mean["psSAR10g"] == pytest.approx(case.Y.mean(), rel=0.05)
    assert result.std["psSAR10g"] == pytest.approx(case.Y.std(ddof=1), rel=0.5)
    assert "Of what its inputs make of it" in capsys.readouterr().out
    assert Path("head_uncertainty.png").stat().st_size > 5000


@pytest.mark.slow
def test_a_population_by_landmark(run: Any) -> None:
    """Oracles: the same bodies at both landmarks; more of a heavier body lies in the coil's field at the pelvis."""
    got = run("21_population.py")
    heart, pelvis = got["result"].cases
    np.testing.assert_array_equal(heart.X, pelvis.X)
    assert np.isfinite(heart.Y).all()
    assert (pelvis.Y > 0).all()
    mass, sar = pelvis.X[:, 0], pelvis.Y[:, 0]
    assert sar[mass.argmax()] > sar[mass.argmin()]
    assert Path("population.png").stat().st_size > 5000


@pytest.mark.slow
def test_a_hip_and_what_is_not_known_about_it(run: Any) -> None:
    """Oracles: rise goes with the square of dB/dt, uniform in 2 %: 2 * 0.02 / sqrt 3; the GUM's sum of squares."""
    got = run("22_hip_uncertainty.py")
    rise, budget = got["rise"]["value"], got["budget"]
    rows = {row["source"]: row for row in budget["rows"]}
    assert rows["dB/dt"]["contribution"] == pytest.approx(2 * 0.02 / 3**0.5 * rise, rel=1e-2)
    assert rows["perfusion"]["contribution"] < 0 < rows["conductivity of the metal"]["contribution"]
    total = sum(row["contribution"] ** 2 + row["second_order"] ** 2 for row in budget["rows"])
    assert got["rise"]["uncertainty"]["expanded"] == pytest.approx(budget["k"] * total**0.5, rel=1e-6)
    assert got["summary"]["uncertainty"]["study"]["samples"] == 0
    assert Path("hip_uncertainty.png").stat().st_size > 5000
