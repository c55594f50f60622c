"""The scripts of the gallery that study what is uncertain, checked against an oracle each."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)  # what a script writes stays out of the repository
    monkeypatch.setenv("MPLBACKEND", "agg")
    return lambda name: runpy.run_path(str(EXAMPLES / name), run_name="__main__")


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
