"""Studies of functions. Oracles: closed forms of mean, variance and shares, and the function itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.scenarios.study.findings.budgets import stated
from emdose.scenarios.study.runner import SampleDone


def plane(a: float = 1.0, b: float = 2.0) -> dict[str, float]:
    """Linear in both."""
    return {"y": 3 * a + b, "product": a * b}


def study() -> em.Study:
    return em.Study(plane).vary("a", em.Normal(1.0, 0.1)).vary("b", em.Normal(relative=0.1))


def test_a_budget_is_the_law_of_propagation() -> None:
    """u^2 = sum (c u)^2 of a linear function is exact (GUM 5.1.2); one run an input."""
    found = study().run(method="budget")
    assert found.samples == 3
    assert found.std["y"] == pytest.approx(math.hypot(0.3, 0.2), rel=1e-9)
    rows = found.budget("y").contributions
    assert {r.source: r.contribution for r in rows} == pytest.approx({"a": 0.3, "b": 0.2}, rel=1e-9)
    assert found.sobol["y"]["first"]["a"] == pytest.approx(0.09 / 0.13, rel=1e-9)
    assert "a (69 %)" in found.words("y")


def test_a_budget_with_enough_runs_has_pairs() -> None:
    """Oracle: the variance of a product of independent inputs; where a sample of a pair fails its part is left out."""

    def product(a: float = 1.0, b: float = 2.0, fail: float = 9.0) -> float:
        if a > 1.0 and b > fail:
            raise ValueError("together")
        return a * b

    study = em.Study(product).vary("a", em.Normal(sd=0.3)).vary("b", em.Normal(sd=0.5))
    few, enough = study.run(method="budget", runs=5), study.run(method="budget", runs=6)
    assert few.std["result"] ** 2 == pytest.approx(4 * 0.3**2 + 0.5**2)
    assert enough.std["result"] ** 2 == pytest.approx(4 * 0.3**2 + 0.5**2 + 0.15**2)
    assert enough.sobol["result"]["first"]["a and b together"] == pytest.approx(0.15**2 / enough.std["result"] ** 2)
    assert sum(enough.sobol["result"]["first"].values()) == pytest.approx(1.0)

    def breaks(a: float = 1.0, b: float = 2.0) -> float:
        return product(a, b, 2.0)

    broken = em.Study(breaks).vary("a", em.Normal(sd=0.3)).vary("b", em.Normal(sd=0.5)).run(method="budget", runs=6)
    assert broken.std["result"] == pytest.approx(few.std["result"])
    assert any("left out of 1 pairs" in note for note in broken.notes)


def test_correlated_inputs_contribute_together() -> None:
    """u^2 = c' C c of a linear function (GUM 5.2.2)."""
    found = study().correlate("a", "b", 0.5).run(method="budget")
    assert found.std["y"] == pytest.approx(math.sqrt(0.09 + 0.04 + 2 * 0.5 * 0.3 * 0.2), rel=1e-9)
    assert found.budget("y").combined == pytest.approx(found.std["y"], rel=1e-9)
    assert sum(found.sobol["y"]["first"].values()) == pytest.approx(1.0, abs=1e-12)


def test_strata_are_a_mixture() -> None:
    """Variance of a mixture: the mean of the variances and the variance of the means."""
    found = em.Study(plane).vary("a", em.Normal(1.0, 0.1)).strata("b", (1.0, 3.0), (1, 3)).run(method="budget")
    assert found.mean["y"] == pytest.approx(0.25 * 4 + 0.75 * 6)
    assert found.std["y"] == pytest.approx(math.sqrt(0.09 + 0.25 * 0.75 * 4), rel=1e-9)
    assert found.sobol["y"]["total"]["strata"] == pytest.approx(0.75 / 0.84, rel=1e-9)


def test_monte_carlo_on_the_model(tmp_path: Path) -> None:
    """Moments of the samples themselves; read back, all is as it was."""
    found = study().run(method="monte-carlo", runs=200, out=tmp_path / "study")
    X, Y = found.cases[0].X, found.cases[0].Y
    np.testing.assert_allclose(Y[:, 0], 3 * X[:, 0] + X[:, 1], rtol=1e-12)
    assert found.std["y"] == pytest.approx(np.std(3 * X[:, 0] + X[:, 1], ddof=1), rel=1e-12)
    assert found.quantile(0.5)["y"] == pytest.approx(np.median(Y[:, 0]))
    again = em.StudyResult(**{k: getattr(em.read_study(tmp_path / "study"), k) for k in found.__dataclass_fields__})
    assert (again.mean, again.std, again.names) == (found.mean, found.std, found.names)
    assert again.quantile(0.9) == found.quantile(0.9)


def test_a_study_that_is_asked_for_more_computes_only_that(tmp_path: Path) -> None:
    calls = []

    def counted(a: float) -> float:
        calls.append(a)
        return a * a

    one = em.Study(counted).vary("a", em.Uniform(0.0, 1.0))
    one.run(method="monte-carlo", runs=20, design="halton", out=tmp_path / "s")
    before = len(calls)
    more = one.run(method="monte-carlo", runs=30, design="halton", out=tmp_path / "s")
    assert (before, len(calls)) == (21, 31)
    assert (more.samples, more.cached) == (31, 21)


def test_a_stopped_study_goes_on(tmp_path: Path) -> None:
    """Stopped by the progress callback after five samples: they are not computed again."""
    calls: list[float] = []

    def counted(a: float) -> float:
        calls.append(a)
        return a * a

    def stop(event: Any) -> None:
        if isinstance(event, SampleDone) and event.done == 5:
            raise KeyboardInterrupt

    one = em.Study(counted).vary("a", em.Uniform(0.0, 1.0))
    with pytest.raises(KeyboardInterrupt):
        one.run(method="monte-carlo", runs=10, out=tmp_path / "s", progress=stop)
    half_written = tmp_path / "s" / "samples" / ".key.npz.abc.part"  # as of one that was killed
    half_written.touch()
    found = one.run(method="monte-carlo", runs=10, out=tmp_path / "s")
    assert (found.samples, found.cached, len(calls)) == (11, 5, 11)
    assert not half_written.exists()


def test_a_failed_sample_is_tried_again_and_told() -> None:
    """Nothing is dropped in silence: tried twice, counted, with its inputs."""
    calls: list[float] = []

    def fussy(a: float) -> float:
        calls.append(a)
        if a > 0.9:
            raise ValueError("too much")
        return a

    found = em.Study(fussy).vary("a", em.Uniform(0.0, 1.0)).run(method="monte-carlo", runs=50)
    bad = [o.inputs["a"] for o in found.failed]
    assert min(bad) > 0.9
    assert [calls.count(a) for a in bad] == [2] * len(bad)
    assert found.samples + len(bad) == 51
    assert found.notes[0].startswith(f"{len(bad)} of 51 samples have failed")
    assert "ValueError: too much" in found.failed[0].error


def test_what_cannot_be_is_one_line(tmp_path: Path) -> None:
    def f(radius_m: float, other: float) -> float:
        return radius_m + other

    law = em.Normal(1.0, 0.6)
    good = study()
    good.run(method="budget", out=tmp_path / "s")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    for words, run in {
        "a law that allows values <= 0": lambda: em.Study(f).vary("radius_m", law).vary("other", law).run(),
        "an argument without a value": lambda: em.Study(f).vary("radius_m", em.Normal(1.0, 0.1)).run(),
        "not an argument of this function": lambda: good.vary("c", law).run(),
        "a law without a nominal value": lambda: em.Study(abs).vary("x", em.Normal(relative=0.1)).run(),
        "varied twice": lambda: good.vary("a", law).run(),
        "nothing is uncertain": lambda: em.Study(plane).run(),
        "correlation of an input that is not there": lambda: good.correlate("a", "c", 0.5).run(),
        "no such output; found 'z'": lambda: good.run(["z"], "budget"),
        "fewer samples than a budget takes": lambda: good.run(method="budget", runs=2),
        "unknown method": lambda: good.run(method="guess"),
        "this folder belongs to another study": lambda: good.run(method="budget", seed=9, out=tmp_path / "s"),
        "not a folder of a study": lambda: good.run(method="budget", out=tmp_path / "other"),
        "nothing to study": lambda: em.Study(3),
        "not a law": lambda: good.vary("c", 0.1),  # type: ignore[arg-type]
    }.items():
        with pytest.raises(em.InputError, match=words) as caught:
            run()
        assert "\n" not in str(caught.value)


def test_maps_have_spreads_and_peaks_that_move(tmp_path: Path) -> None:
    """y_v = a c_v + (1 - a) d_v with a uniform over 0 to 1: sd |c - d| / sqrt 12; peak: the larger end."""
    c, d = np.array([[4.0, 1.0]]), np.array([[0.0, 3.0]])

    def mixed(a: float) -> dict[str, Any]:
        return {"a": a, "map": a * c + (1 - a) * d}

    found = em.Study(mixed).vary("a", em.Uniform(0.0, 1.0)).run(runs=12, degree=1, maps=["map"], out=tmp_path / "s")
    for one in (found, em.read_study(tmp_path / "s")):
        np.testing.assert_allclose(one.maps["map"]["sd"], np.abs(c - d) / math.sqrt(12), rtol=1e-6)
        np.testing.assert_allclose(one.maps["map"]["mean"], (c + d) / 2, rtol=1e-6)
    # The two lines meet at a = 1/2: the mean of the maximum is 2.75, above both means (2 and 2).
    assert found.peaks("map").mean() == pytest.approx(2.75, abs=0.01)


def test_a_summary_states_the_interval_of_the_draws() -> None:
    """Of y = a, uniform over 0 to 1, and a sample without anything numerical: quantiles are the probabilities."""

    def same(a: float) -> float:
        return a

    found = em.Study(same).vary("a", em.Uniform(0.0, 1.0)).run(runs=8, degree=1)
    told = stated(found, "result", found.budget("result", numerical=False))
    np.testing.assert_allclose(told["quantiles"]["x"], told["quantiles"]["p"], atol=0.01)
    np.testing.assert_allclose(told["interval"], (0.025, 0.975), atol=0.01)
