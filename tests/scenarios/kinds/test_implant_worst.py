"""Implants in the fields of gradient coils: nothing of the field is left out in silence, and the worst is the worst."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

import emdose as em
from emdose import scenarios
from emdose.models.gradients.coils import GradientSet
from emdose.models.implants import shapes
from emdose.models.implants.implant import rotation_matrix
from emdose.scenarios.kinds.implant_gradient.worst.poses import Poses
from emdose.scenarios.kinds.implant_gradient.worst.power import missing_W
from emdose.scenarios.kinds.implant_gradient.worst.turns import TurnedLoss, TurnedRises
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.implants import tensor_files
from emdose.solvers.results.orientations import rotations, turned_matrices

pytestmark = pytest.mark.filterwarnings("ignore:voxels are coarse")
ACCEPTED = ["eddy_error", "heat_cells_across", "spectrum_dropped"]
"""Voxels are coarse, and a tenth of the power of the short train lies above 8 kHz."""
ROD = {
    "scenario": {"kind": "implant-gradient", "name": "rod", "accept": ACCEPTED},
    "implant": {"type": "cylinder", "radius_m": 6e-3, "length_m": 0.06, "metal": "Ti6Al4V"},
    "solver": {"spacing_m": 3e-3, "frequencies_Hz": [500.0, 2000.0, 8000.0]},
    "gradients": {"type": "ideal", "position_m": [0.0, 0.0, 0.0]},
    "exposures": {"EPI": {"type": "epi", "echoes": 8, "repetition_s": 0.01, "echo_spacing_s": 1e-3}},
    "thermal": {
        "spacing_m": 6e-3,
        "margin_m": 0.02,
        "duration_s": 60.0,
        "curve_points": 4,
        "thresholds_K": [1e-5, 50.0],
        "cells_across": 0,
    },
    "output": {"paraview": False},
}


def run(folder, tables, name="rod"):
    (folder / f"{name}.toml").write_text(toml.dump(tables), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "cache_folder", lambda: folder / "cache" / "kernels")
        return scenarios.run(folder / f"{name}.toml", folder / name, device="cpu")


@pytest.fixture
def rod():
    return copy.deepcopy(ROD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rod")


@pytest.fixture(scope="module")
def in_bore(folder):
    """A rod off the isocentre, with the bore mapped; tests must not change it."""
    tables = copy.deepcopy(ROD)
    tables["gradients"] |= {
        "position_m": [0.05, 0.0, 0.1],
        "bore": {"radius_m": 0.1, "length_m": 0.2, "step_m": 0.1},
    }
    return run(folder, tables, "bore")


def test_an_implant_at_the_isocentre_is_heated(rod, folder, in_bore):
    """Oracle: in the field B = S r of ideal gradients the rod's own voxels, solved with their vector potential."""
    outcome = run(folder, rod, "isocentre")
    one = outcome.summary["implant"]["exposures"]["EPI"]
    assert one["dbdt_rms_T_s"] == pytest.approx(0, abs=1e-12)
    exact = em.EddyCurrent(spacing_m=3e-3).solve(
        shapes.cylinder(6e-3, 0.06, "Ti6Al4V"), [500.0, 2000.0, 8000.0], sources=list(GradientSet().sources)
    )
    wave = em.waveforms.epi(echoes=8, repetition_s=0.01, echo_spacing_s=1e-3)
    power = exact.average_power(wave.harmonics(max_frequency_Hz=8e3))
    assert one["power_W"] == pytest.approx(power, rel=0.01)
    assert one["worst_W"] >= power * 0.99
    assert one["worst_rise_K"] > 0
    assert one["field_left_out"] < 1e-9
    assert outcome.summary["validity"]["state"] != "not valid"


@pytest.mark.slow
def test_terms_that_are_left_out_by_name_are_a_reason(rod, folder):
    """Oracle: at the isocentre uniform terms leave all of the field out."""
    rod["solver"]["linear_terms"] = False
    outcome = run(folder, rod, "uniform")
    validity = outcome.summary["validity"]
    assert validity["state"] == "not valid"
    (finding,) = [f for f in validity["findings"] if f["name"] == "field_variation"]
    assert finding["value"] == pytest.approx(1.0)
    assert "power: EPI" not in {k for k, q in outcome.summary["quantities"].items() if q.get("value") is not None}


@pytest.mark.slow
def test_frequencies_that_do_not_cover_a_field_of_linear_terms(rod, folder):
    """Oracle: at 300 Hz alone almost all of an EPI train is dropped, at the isocentre as elsewhere."""
    rod["solver"]["frequencies_Hz"] = [300.0]
    rod["scenario"]["accept"] = ACCEPTED[:2]
    validity = run(folder, rod, "few").summary["validity"]
    assert validity["state"] == "not valid"
    assert {"spectrum_dropped"} <= {f["name"] for f in validity["findings"]}


def test_extrapolation_of_the_linear_terms(folder):
    """Oracle: of a tensor at 1 kHz alone little is known about 250 Hz, for linear fields as for uniform ones."""
    tensor = em.EddyCurrent(spacing_m=3e-3).solve(shapes.cylinder(6e-3, 0.06), 1e3, sources="uniform+linear")
    terms = GradientSet().matrix((0.0, 0.0, 0.0))
    for f, least in ((250.0, 0.5), (1e3, 0.0)):
        spectrum = em.waveforms.Sinusoid(f, (1.0, 0.0, 0.0), "T/m").harmonics().through(terms)
        share = tensor.extrapolated(spectrum)
        assert (share > 0.02) is (f < 1e3)
        assert share >= least
    # What is dropped is bounded by what the highest frequency would make of it.
    wave = em.waveforms.epi(echoes=8, repetition_s=0.01, echo_spacing_s=1e-3)
    few, all_ = wave.harmonics(max_frequency_Hz=1e3), wave.harmonics(max_frequency_Hz=60e3)
    above = all_.frequencies_Hz > 1e3
    b = (all_.amplitudes[above] / np.sqrt(2)) @ terms.T
    flat = float(np.einsum("hi,ij,hj->", b.conj(), tensor.matrix[0], b).real)
    assert flat <= missing_W(tensor, few, terms) * (1 + 1e-3)


def test_worst_is_the_worst_in_power_and_temperature(in_bore):
    """Oracle: the pose of the scenario is one of all orientations; the worst orientation has its own solution."""
    for one in in_bore.summary["implant"]["exposures"].values():
        assert one["worst_W"] >= one["power_W"] >= one["best_W"] >= 0
        assert one["worst_rise_K"] >= one["rise_K"] * (1 - 1e-3)
        assert one["worst_rise_K"] >= one["worst_tissue_rise_K"] * (1 - 1e-6)
        assert one["worst_tissue_rise_K"] >= one["tissue_rise_K"] * (1 - 0.02)
        assert one["worst_search_error"] < 0.02
        assert one["worst_time_to_K"]["1e-05"] <= one["time_to_K"]["1e-05"]
        assert max(one["rise_quantiles_K"]) <= one["worst_rise_K"] * 1.02


@pytest.mark.slow
def test_the_stated_pose_run_as_a_scenario(rod, folder, in_bore):
    """Oracle: a scenario with the stated rotate_deg and position_m has the stated power and rise."""
    one = in_bore.summary["implant"]["exposures"]["EPI"]
    pose = one["worst_rise_pose"]
    rod["gradients"]["position_m"] = [0.05, 0.0, 0.1]
    rod["implant"] |= {"rotate_deg": pose["rotate_deg"], "position_m": pose["position_m"]}
    turned = run(folder, rod, "turned").summary["implant"]["exposures"]["EPI"]
    assert turned["rise_K"] == pytest.approx(one["worst_rise_K"], rel=0.1)  # other voxels
    assert turned["worst_W"] == pytest.approx(one["worst_W"], rel=0.1)
    assert turned["power_W"] <= one["worst_W"] * 1.1


def test_the_bore_is_mapped(in_bore, folder):
    """Oracle: the exposure with the implant at the worst place, which is computed by itself; the map reads back."""
    about = in_bore.summary["implant"]["exposures"]
    bore = about["EPI"]["bore"]
    there = about["EPI, worst place"]
    assert there["worst_W"] == pytest.approx(bore["worst_W"], rel=2e-3)
    assert bore["worst_W"] >= about["EPI"]["worst_W"]
    assert there["worst_rise_K"] > about["EPI"]["worst_rise_K"]
    assert bore["places"] == 5 * 3
    maps = read_result(in_bore.folder).exposures["EPI"].bore
    assert maps.worst.max() == pytest.approx(bore["worst_W"])
    assert np.all(maps.worst >= maps.pose)
    np.testing.assert_allclose(maps.places_m[maps.worst_place], bore["worst_place_m"])
    # Ideal gradients: the field at -r is that at r with the sign turned, and the rod is its own mirror image.
    back = [int(np.argmin(np.linalg.norm(maps.places_m + p, axis=1))) for p in maps.places_m]
    np.testing.assert_allclose(maps.worst[back], maps.worst, rtol=0.02)
    page = (
        (in_bore.folder / "report.html").read_text(encoding="utf-8")
        if (in_bore.folder / "report.html").exists()
        else ""
    )
    assert "worst power in the bore: EPI" in json.loads((in_bore.folder / "summary.json").read_text())["quantities"]
    assert not page or "worst place of the bore" in page


@pytest.mark.parametrize(
    ("gradients", "words"),
    [
        ({"bore": {"radius_m": 0.3, "length_m": 1.0, "step_m": 0.005}}, "too many places"),
        ({"type": "whole-body", "bore": {"radius_m": 0.35, "length_m": 0.6, "step_m": 0.05}}, "would touch the wires"),
    ],
)
def test_a_bore_that_cannot_be_mapped(rod, folder, gradients, words):
    rod["gradients"] |= gradients
    with pytest.raises(em.InputError, match=words) as caught:
        run(folder, rod, "refused")
    assert "\n" not in str(caught.value)
    assert "gradients.bore" in str(caught.value)


def test_poses_are_told_as_keys_of_the_scenario():
    """Oracle: the implant made with these keys is the implant that was turned about its middle."""
    first = [20.0, -30.0, 70.0]
    made = shapes.hip()
    for axis, angle in zip("xyz", first, strict=True):
        made = made.rotated(angle, axis)
    made = made.placed((0.01, 0.02, 0.03))
    middle = 0.5 * np.sum(made.bounds_m, axis=0)
    R = rotation_matrix(55.0, (1.0, 0.3, -0.6))
    told = Poses(made, first).told(R)
    again = shapes.hip()
    for axis, angle in zip("xyz", told["rotate_deg"], strict=True):
        again = again.rotated(angle, axis)
    again = again.placed(tuple(told["position_m"]))
    wanted = made.rotated(R, about_m=tuple(middle))
    np.testing.assert_allclose(again.parts[0].vertices, wanted.parts[0].vertices, atol=1e-9)
    assert told["angle_deg"] == pytest.approx(55.0)


def test_densities_and_rises_of_all_orientations():
    """Oracles: the density of every orientation by itself; the peak of a blurred one by brute force."""
    from scipy.ndimage import gaussian_filter

    tensor = em.EddyCurrent(spacing_m=3e-3).solve(
        shapes.cylinder(6e-3, 0.06).rotated(40.0, "x"), [500.0, 5e3], sources="uniform+linear"
    )
    drive = em.waveforms.epi(echoes=4, repetition_s=0.01).harmonics(max_frequency_Hz=5e3)
    terms = GradientSet().matrix((0.02, 0.01, 0.03))
    loss = TurnedLoss(tensor, lambda R: turned_matrices(terms, R), drive, 3e-3)
    np.testing.assert_allclose(loss.chosen[0], np.eye(3), atol=1e-12)
    some = rotations()[5::97]
    exact = np.stack([tensor.loss_density(drive.through(m)) for m in turned_matrices(terms, some)])
    found = loss.amounts(some) @ loss.densities
    assert np.linalg.norm(found - exact, axis=1).max() < 0.03 * np.linalg.norm(exact, axis=1).max()
    power = tensor.grid.voxel_volume_m3 * found.sum(axis=1)
    np.testing.assert_allclose(power, loss.form(turned_matrices(terms, some)), rtol=0.02)
    np.testing.assert_allclose(loss.amounts(np.eye(3)[None])[0], [1.0, *np.zeros(len(loss.chosen) - 1)], atol=1e-6)

    def warm(density: np.ndarray) -> np.ndarray:
        return gaussian_filter(tensor.on_grid(density), 1.0, axes=(-3, -2, -1), mode="constant")

    everywhere = np.ones(tensor.grid.shape, bool)
    rises = TurnedRises(loss.amounts, warm(loss.densities), None, everywhere)
    extremes = rises.extremes()
    brute = warm(exact).reshape(len(some), -1).max(axis=1)
    np.testing.assert_allclose(rises(some)[brute > 0.9 * brute.max()], brute[brute > 0.9 * brute.max()], rtol=0.02)
    assert brute.max() <= extremes["worst"] * 1.02
    turn = extremes["turn"]
    assert warm(loss.density(tensor, drive, turn)).max() == pytest.approx(extremes["worst"], rel=0.02)
