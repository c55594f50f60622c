"""Scenarios of kind ``body-gradient``, from TOML to page.

Oracle: E = r x dB/dt / 2 in a sphere, limits computed by :func:`emdose.compliance.gradients.check_gradients`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.models.implants.implanted_body import implanted
from emdose.scenarios import loading
from emdose.scenarios.kinds.body_gradient import KIND
from emdose.scenarios.kinds.body_gradient.build import corners
from emdose.scenarios.shared.induced.metal_effect import told_numbers
from emdose.uncertainty.discretisation import refinement

BALL = """
[scenario]
kind = "body-gradient"
name = "ball"

[phantom]
type = "sphere"
radius_m = 0.08
spacing_m = 8e-3

[gradients]
type = "ideal"
position_m = [0.0, 0.0, 0.3]

[checks]
coil_type = "whole-body"

[exposures.EPI]
type = "epi"
readout = "z"
phase = "x"
gradient_T_m = 20e-3
slew_T_m_s = 80.0
echo_spacing_s = 0.8e-3
echoes = 4

[exposures.uniform]
type = "sinusoid"
frequency_Hz = 1000.0
dbdt_rms_T_s = 10.0
direction = [0.0, 0.0, 1.0]

[exposures.worst]
type = "sinusoid"
frequency_Hz = 1000.0
dbdt_rms_T_s = 10.0
"""


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> em.Run:
    folder = tmp_path_factory.mktemp("ball")
    (folder / "ball.toml").write_text(BALL)
    return em.run_scenario(folder / "ball.toml", folder / "out", progress=False).result


def test_a_uniform_field_gives_the_closed_form(ball: em.Run) -> None:
    peak = ball.peaks["uniform"]  # type: ignore[attr-defined]
    x, y = np.meshgrid(*(ball.phantom.grid.centres(a) for a in (0, 1)), indexing="ij")  # type: ignore[attr-defined]
    exact = np.broadcast_to(0.5 * np.sqrt(2.0) * 10.0 * np.hypot(x, y)[..., None], peak.shape)
    r = np.sqrt((x**2 + y**2)[..., None] + ball.phantom.grid.centres(2) ** 2)  # type: ignore[attr-defined]
    deep = (r < 0.06) & np.isfinite(peak)
    assert np.abs(peak - exact)[deep].max() < 0.03 * exact.max()
    assert (
        ball.quantities["worst: E 99.9 % in 2 mm"]["value"]
        >= 0.999 * (ball.quantities["uniform: E 99.9 % in 2 mm"]["value"])
    )


def test_every_headline_number_states_what_voxels_leave_uncertain(ball: em.Run) -> None:
    for name in ("EPI", "uniform", "worst"):
        entry = ball.quantities[f"{name}: E 99.9 % in 2 mm"]
        assert 0 < entry["uncertainty"]["expanded"] < 2 * entry["value"]
        assert entry["uncertainty"]["kind"] == "discretisation"


def test_limits_of_gradients_are_looked_at_and_those_of_uniform_fields_are_not(ball: em.Run) -> None:
    quantities = {row["quantity"] for row in ball.checks}
    assert {
        "gradient dB/dt, nerve stimulation",
        "nerve impulse response",
        "gradient E, nerve stimulation",
    } <= quantities
    assert all(row["region"].startswith("EPI: ") for row in ball.checks)
    passes = ball.quantities["EPI: factor that just passes, normal"]["value"]
    counted = [r["ratio"] for r in ball.checks if r["counted"] and r["mode"] == "normal"]
    assert passes == pytest.approx(1 / max(counted))


def test_page_and_maps_are_there(ball: em.Run) -> None:
    page = ball.page()
    for words in ("Electric field in the body", "Values beside their limits", "What just passes", "nerve response"):
        assert words in page
    assert ball.to_xarray()["E_peak_EPI"].attrs["units"] == "V/m"
    again = em.read_result(ball.folder)  # type: ignore[arg-type]
    assert np.array_equal(again.peaks["EPI"], ball.peaks["EPI"], equal_nan=True)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:Gabriel")
def test_conductivities_are_varied_one_by_one_by_default(tmp_path: Path) -> None:
    """A factor common to all tissues changes no induced field."""
    text = BALL.replace('type = "sphere"\nradius_m = 0.08\nspacing_m = 8e-3', 'type = "layered-head"\nspacing_m = 0.01')
    (tmp_path / "head.toml").write_text(text)
    scenario = loading.load(tmp_path / "head.toml")
    rows = KIND.default_laws(scenario)
    tissues = [r["path"] for r in rows if str(r["path"]).endswith("conductivity_S_m")]
    assert len(tissues) > 3
    assert not any("*" in path for path in tissues)
    assert all(r["source"] for r in rows)


def test_corners_bound_every_drive_between() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(60, 3))
    E = rng.normal(size=(200, 3, 3))
    found = corners(points)
    of_all = np.linalg.norm(np.einsum("ns,vsc->nvc", points, E), axis=2).max(axis=0)
    of_some = np.linalg.norm(np.einsum("ns,vsc->nvc", found, E), axis=2).max(axis=0)
    assert len(found) < 60
    assert np.allclose(of_all, of_some)
    flat = np.array([[1.0, 0, 0], [-2.0, 0, 0], [0.5, 0, 0]])
    assert np.allclose(np.abs(corners(flat)), [[2, 0, 0]])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('type = "ideal"\nposition_m = [0.0, 0.0, 0.3]', "", "gradients"),
        ('coil_type = "whole-body"', 'coil_type = "head"', "whole-body gradient coils only"),
        ('type = "epi"', 'type = "preset"', "tests of implants"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = BALL.replace(old, new).replace("[gradients]\n\n", "")
    if "preset" in new:
        text = text.split("[exposures.EPI]")[0] + '[exposures.EPI]\ntype = "preset"\n'
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(em.InputError, match=words):
        em.run_scenario(tmp_path / "bad.toml", tmp_path / "out", progress=False)


def test_a_ball_of_metal_in_tissue_raises_the_field_beside_it(tmp_path: Path) -> None:
    text = (
        BALL.split("[exposures.uniform]")[0].replace("spacing_m = 8e-3", "spacing_m = 6e-3")
        + """
[implant]
type = "sphere"
radius_m = 0.02
metal = "Ti6Al4V"
position_m = [0.04, 0.0, 0.0]
"""
    )
    (tmp_path / "metal.toml").write_text(text)
    run = em.run_scenario(tmp_path / "metal.toml", tmp_path / "out", progress=False).result
    assert run.quantities["EPI: with over without the implant, within 10 mm"]["value"] > 1.2
    share = {k: v["uncertainty"]["expanded"] / v["value"] for k, v in run.quantities.items() if "uncertainty" in v}
    for name in ("E 99.9 % in 2 mm with the implant", "E 99.9 % within 10 mm of the metal, with"):
        assert share[f"EPI: {name}"] >= 0.999 * share["EPI: E 99.9 % in 2 mm"]
    assert "EPI: with over without the implant, within 10 mm" in share
    assert "with the implant" in run.page()
    ball = em.implants.sphere(0.02, "Ti6Al4V").moved((0.04, 0.0, 0.0))
    (lost,) = implanted(run.phantom, [ball]).measures()  # type: ignore[attr-defined]
    (told,) = [m for m in KIND.measures(run.summary) if m.name == "metal_volume"]
    assert told.value == pytest.approx(lost.value, rel=1e-6)
    assert told in run.validity.measures
    # A rod between the voxels would be named: its judgement reads what the summary tells.
    gone = {**run.summary["convergence"], "metal": [{"name": "metal_volume", "value": 1.0, "where": "rod", "hint": ""}]}
    assert any(m.value == 1.0 and m.where == "rod" for m in KIND.measures({**run.summary, "convergence": gone}))


def test_numbers_beside_metal_state_what_two_grids_with_it_differ_by() -> None:
    """Oracle: three times the change to smaller voxels by first order, at least that of the field without metal."""
    fine, coarse = {"a": (3.0, "V/m"), "b": (2.0, "1"), "c": (1.0, "V/m")}, {"a": (2.0, "V/m"), "b": (2.0, "1")}
    found = told_numbers(fine, coarse, 0.1, [4e-3, 6e-3])
    own = refinement([4e-3, 6e-3], [3.0, 2.0]).relative
    assert own > 0.5
    assert found["a"]["uncertainty"]["expanded"] == pytest.approx(3 * own)
    assert found["b"]["uncertainty"]["expanded"] == pytest.approx(0.2)
    assert "uncertainty" not in found["c"]
    assert not any("uncertainty" in entry for entry in told_numbers(fine, None, 0.1, [4e-3]).values())
