"""Studies beside the model, and peaks of maps in budgets. Oracles: closed forms, and the polynomial of the maximum."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_ball import LOOP_BALL

import emdose as em
from emdose.scenarios.loading import from_tables
from emdose.scenarios.study.findings.budgets import stated
from emdose.scenarios.study_pages import write_study_page


def bent(a: float = 1.0, b: float = 2.0) -> dict[str, float]:
    return {"smooth": math.exp(0.3 * a) + b, "kinked": abs(a - 1.0) + 0.01 * b}


def of_bent() -> em.Study:
    return em.Study(bent).vary("a", em.Normal(sd=0.5)).vary("b", em.Uniform(1.5, 2.5))


def test_trials_of_the_model_stand_beside_the_polynomial(tmp_path: Path) -> None:
    """Smooth: the polynomial is good, and its leave-one-out error is what the trials measure. Kinked: it is not."""
    found = of_bent().run(runs=64, degree=4, trials=300, out=tmp_path / "s")
    for one in (found, em.read_study(tmp_path / "s")):
        checks = one.compare()
        smooth, kinked = checks["smooth"], checks["kinked"]
        assert (smooth.trials, smooth.agrees) == (300, True)
        assert smooth.loo < 1e-3
        assert smooth.measured < 2e-3
        assert kinked.loo > 0.05
        assert kinked.measured == pytest.approx(kinked.loo, rel=0.5)
        assert [r.name for r in smooth.rows] == ["mean", "sd", "2.5 %", "50 %", "97.5 %"]
    page = write_study_page(found).read_text(encoding="utf-8")
    assert "The polynomial beside the model: they agree" in page
    assert smooth.words in page


def test_a_monte_carlo_study_of_the_same_inputs_is_compared_as_well(tmp_path: Path) -> None:
    """It has the samples of the trials of the same seed: they are computed once, and both comparisons are one."""
    found = of_bent().run(runs=64, degree=4, trials=100, out=tmp_path / "s")
    again = of_bent().run(method="monte-carlo", runs=100, out=tmp_path / "s")
    assert again.cached == 101  # with the nominal values
    np.testing.assert_array_equal(again.cases[0].Y, found.cases[0].trials_Y)
    assert found.compare(again) == found.compare()
    with pytest.raises(em.InputError, match="trials of something else"):
        found.compare(em.Study(bent).vary("a", em.Normal(sd=0.4)).run(method="monte-carlo", runs=20))
    with pytest.raises(em.InputError, match="no trials"):
        of_bent().run(runs=16).compare()
    with pytest.raises(em.InputError, match="without polynomials"):
        again.compare()
    with pytest.raises(em.InputError, match="trials beside no polynomial"):
        of_bent().run(method="budget", trials=10)


def two_spots(a: float = 0.0) -> dict[str, Any]:
    """A map whose two hot spots swap at a = 0: linear in every voxel, its peak 1 + |a| is not."""
    spots = np.array([[1 + a, 0.2, 1 - a]])
    return {"peak": float(spots.max()), "somewhere else": 2 * a, "map": spots}


def no_map(a: float = 0.0) -> dict[str, Any]:
    return {"peak": two_spots(a)["peak"]}


def test_a_peak_that_moves_comes_from_the_polynomials_of_its_map(tmp_path: Path) -> None:
    """1 + |a|, a uniform over -1 to 1, is uniform over 1 to 2; the polynomial of the maximum smooths its kink."""
    law = em.Uniform(-1.0, 1.0)
    run = em.Study(two_spots).vary("a", law).run(runs=32, degree=2, trials=100, out=tmp_path / "s")
    wrong = em.Study(no_map).vary("a", law).run(runs=32, degree=2)
    for found in (run, em.read_study(tmp_path / "s")):
        assert found.mean["peak"] == pytest.approx(1.5, abs=1e-3)
        assert found.std["peak"] == pytest.approx(1 / math.sqrt(12), rel=2e-3)
        assert found.quantile(0.025)["peak"] == pytest.approx(1.025, abs=2e-3)
        assert found.quantile(0.975)["peak"] == pytest.approx(1.975, abs=2e-3)
        assert found.loo["peak"] < 1e-10
        budget = found.budget("peak", numerical=False)
        assert budget.combined == pytest.approx(1 / math.sqrt(12), rel=2e-3)
        assert "peak of the polynomials of the map map, 32 samples" in budget.uncertainty()["basis"]
        assert stated(found, "peak", budget)["interval"] == pytest.approx([1.025, 1.975], abs=3e-3)
        assert found.sobol["peak"]["total"]["a"] > 0.9
        assert found.std["somewhere else"] == pytest.approx(2 / math.sqrt(3), rel=1e-3)
        assert found.compare()["peak"].agrees
        assert found.compare()["peak"].measured < 1e-5
    assert any("peak of the polynomials of the map" in note for note in run.notes)
    # It matters: without the map the lower end lies a sixth of the whole range off, and the error is told.
    assert wrong.quantile(0.025)["peak"] == pytest.approx(1 + 3 / 16, abs=0.03)
    assert math.sqrt(wrong.loo["peak"]) > 0.2


def test_leaving_out_a_sample_of_a_map_tells_the_error_of_its_peak() -> None:
    """Oracle: the polynomials fitted without each sample in turn."""
    from emdose.scenarios.study.findings.peaks import map_peak, peak_outputs
    from emdose.uncertainty.chaos import fit

    inputs = em.Inputs([em.Input("a", em.Uniform(-1.0, 1.0)), em.Input("b", em.Uniform(-1.0, 1.0))])
    X = np.asarray(inputs.of_uniform(np.random.default_rng(0).random((24, 2))))
    Y = np.stack([np.exp(X[:, 0]), np.exp(-X[:, 0]) + 0.3 * X[:, 1], np.full(24, 0.5)], axis=1)
    found = map_peak(fit(inputs, X, Y, degree=2), X, Y, X[:3])
    keep = ~np.eye(24, dtype=bool)
    without = [fit(inputs, X[k], Y[k], degree=2).predict(X[i]).max() for i, k in enumerate(keep)]
    error = np.mean((np.array(without) - Y.max(axis=1)) ** 2)
    assert found.loo == pytest.approx(error / found.values.var(ddof=1), rel=1e-9)
    assert len(found.predicted) == 3
    assert peak_outputs(["p", "q"], np.stack([Y.max(axis=1), Y[:, 0]], axis=1), {"m": Y}) == {"p": "m"}


def test_peaks_of_sar_are_found_among_the_maps_of_a_scenario(tmp_path: Path) -> None:
    """Oracle: what the names say."""
    study = em.Study(from_tables(LOOP_BALL, Path("ball.toml"))).vary("coil.position_m[2]", em.Uniform(half_width=0.01))
    maps = ["SAR_10g_W_kg", "SAR_1g_W_kg"]
    found = study.run(
        runs=4, degree=1, maps=maps, outputs=["psSAR10g", "psSAR1g", "whole_body_sar"], out=tmp_path / "s"
    )
    assert {k: v["map"] for k, v in found.cases[0].peaks.items()} == {
        "psSAR10g": "SAR_10g_W_kg",
        "psSAR1g": "SAR_1g_W_kg",
    }
