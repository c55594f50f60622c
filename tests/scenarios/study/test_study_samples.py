"""What a study makes of its samples: their grid, their pages, the part of a run's own stratum. Oracles: the runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.scenarios import load
from emdose.scenarios.study_pages import write_group_page, write_study_page, write_study_pages

BALL = """
[scenario]
kind = "rf"
name = "ball"
[phantom]
type = "sphere"
radius_m = 0.04
spacing_m = 0.01
tissue = "muscle"
[coil]
type = "birdcage"
rungs = 8
[exposure]
frequency_Hz = 64e6
[normalise]
b1plus_rms_T = 1e-6
"""


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    path = tmp_path / "ball.toml"
    path.write_text(BALL)
    return path


def test_a_grid_that_is_too_coarse_to_be_valid_is_not_used(ball: Path) -> None:
    """At 400 MHz 10 mm are 9.5 cells a wavelength in muscle; oracle: the study on the scenario's own grid."""
    text = BALL.replace("64e6", "400e6").replace("0.01", "0.005")
    ball.write_text(text)
    study = em.Study(ball).vary("phantom.tissues.muscle.conductivity", em.Normal(relative=0.05), name="sigma")
    own, coarse = (
        study.run(["whole_body_sar"], method="budget", spacing_m=s, out=ball.parent / str(s)) for s in ("own", "auto")
    )
    assert any("which gave none: the samples are on the grid of the scenario" in note for note in coarse.notes)
    assert coarse.std["whole_body_sar"] == pytest.approx(own.std["whole_body_sar"], rel=1e-3)
    assert len(coarse.failed) == 1


def test_a_run_has_the_uncertainty_of_its_own_stratum(ball: Path) -> None:
    """Oracle: the same study without the other case."""
    table = """
[uncertainty]
outputs = ["whole_body_sar"]
method = "monte-carlo"
runs = {runs}
[[uncertainty.inputs]]
path = "phantom.tissues.muscle.conductivity"
relative = 0.05
{strata}
"""
    strata = '[[uncertainty.strata]]\npath = "phantom.tissue"\nvalues = ["fat", "muscle"]'
    found = {}
    for name, told in (("alone", table.format(runs=4, strata="")), ("split", table.format(runs=8, strata=strata))):
        path = ball.parent / f"{name}.toml"
        path.write_text(BALL + told.replace("muscle.conductivity", "*.conductivity"))
        found[name] = em.run_scenario(path, ball.parent / name).summary
    alone, split = (found[n]["quantities"]["whole_body_sar"]["uncertainty"] for n in ("alone", "split"))
    assert split["expanded"] == pytest.approx(alone["expanded"], rel=1e-2)
    assert "muscle alone, 4 samples" in found["split"]["uncertainty"]["study"]["notes"][0]


def test_a_study_alone_shows_its_maps_on_the_body_of_its_scenario(ball: Path) -> None:
    """Oracle: the viewer's data are on the page; the scenario lies in the folder and is the one that was studied."""
    study = em.Study(ball).vary("phantom.tissues.muscle.conductivity", em.Normal(relative=0.05))
    result = study.run(["psSAR10g"], runs=4, degree=1, maps=["SAR_10g_W_kg", "abs_B1plus_uT"], out=ball.parent / "s")
    page = write_study_page(result).read_text(encoding="utf-8")
    assert "Map of the standard deviation" in page
    assert "SAR 10g: sd / mean" in page
    assert "|B1+|: sd / mean" in page
    assert load(ball.parent / "s" / "scenario.lock.toml").sha256 == load(ball).sha256


def test_every_sample_of_a_group_leads_to_a_scenario_that_gives_its_numbers(ball: Path) -> None:
    """Oracle: the scenario that a sample links to, run by itself; a study goes on beside its pages."""
    folder = ball.parent / "s"
    study = (
        em.Study(ball)
        .vary("phantom.translate_m[2]", em.Normal(sd=2e-3), name="z")
        .strata("phantom.tissue", ["muscle", "fat"], name="tissue")
    )
    result = study.run(["whole_body_sar"], method="monte-carlo", runs=4, out=folder)
    page, group = write_study_pages(result)
    assert 'href="runs.html"' in page.read_text(encoding="utf-8")
    assert group is not None
    text = group.read_text(encoding="utf-8")
    links = re.findall(r'href="(runs/[^"]+\.toml)"', text)
    assert len(links) == 4
    assert text.index("Percentiles</h2>") < text.index("Distributions</h2>")
    assert "whatever its law (order statistics)" in text
    voxels = result.cases[0].about["uncertainty"]["whole_body_sar"]["expanded"] / result.cases[0].value[0]
    assert f"U = {100 * voxels:.0f} % of Whole body SAR." in text
    alone = em.run_scenario(folder / links[2], ball.parent / "alone").summary
    expected = float(result.cases[1].Y[0, 0])
    assert alone["quantities"]["whole_body_sar"]["value"] == pytest.approx(expected, rel=1e-3)
    again = study.run(["whole_body_sar"], method="monte-carlo", runs=4, out=folder)
    assert again.cached == again.samples


def test_the_samples_of_a_function_have_no_scenarios(tmp_path: Path) -> None:
    study = em.Study(_double).vary("a", em.Normal(mean=1, sd=0.1)).run(runs=8, out=tmp_path / "f")
    assert ".toml" not in write_group_page(study).read_text(encoding="utf-8").partition("</script>")[2]
    assert not (tmp_path / "f" / "runs").exists()
    assert json.loads((tmp_path / "f" / "study.json").read_text())["samples"] >= 8


def _double(a: float) -> float:
    return 2 * a


def test_intervals_of_quantiles_hold_the_truth_as_often_as_they_say() -> None:
    """Oracle: 800 repeated sets of 72 samples of an exponential law, whose quantiles are -log(1 - q)."""
    from emdose.uncertainty import quantile_interval

    rng = np.random.default_rng(1)
    for q in (0.05, 0.5, 0.95):
        ends = np.array([quantile_interval(rng.exponential(size=72), q) for _ in range(800)])
        assert np.isfinite(ends).all()
        held = np.mean((ends[:, 0] <= -np.log(1 - q)) & (-np.log(1 - q) <= ends[:, 1]))
        assert 0.935 < held < 0.99
    low, high = quantile_interval(rng.exponential(size=30), 0.95)
    assert np.isfinite(low)
    assert np.isinf(high)
    for bad in (0.0, 1.0, -1):
        with pytest.raises(em.InputError):
            quantile_interval(np.ones(3), bad)
    with pytest.raises(em.InputError):
        quantile_interval(np.ones(0), 0.5)
