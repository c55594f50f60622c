"""A matrix of cases: each beside a solution of its own, kept parts, pages, classes, and one line for bad input."""

from __future__ import annotations

import copy
import csv
import json

import numpy as np
import pytest
from command_line import call, one_line

import emdose as em
from emdose.constants import GAMMA_BAR_PROTON
from emdose.models.bodies import gel_box
from emdose.models.gradients import epi
from emdose.models.gradients.windings import whole_body_gradients
from emdose.scenarios.shared.implants import tensor_files
from emdose.scenarios.sweep import cases, rf, run_sweep
from emdose.scenarios.sweep.bundled import sweep_file, sweep_names
from emdose.scenarios.sweep.cases import rise_class
from emdose.scenarios.sweep.schema import read_sweep
from emdose.scenarios.sweep.sites import check_sites

EPI = {"type": "epi", "echo_spacing_s": 1e-3, "echoes": 4, "repetition_s": 8e-3}
SWEEP = {
    "sweep": {"name": "balls", "fields_T": [1.5, 3.0], "duration_s": 60.0, "classes_K": [1e-3, 1.0]},
    "implants": {
        "ball": {"site_m": [0.1, 0.0, 0.1], "implant": {"type": "sphere", "radius_m": 0.012}},
    },
    "sequences": {"EPI": EPI, "EPI z": {**EPI, "readout": "z"}},
    "regions": {"head": {"height_m": 0.794}, "pelvis": {"height_m": 0.1}},
    "solver": {"spacing_m": 2.4e-3, "engine": "voxel", "frequencies_Hz": [400.0, 4000.0]},
    "thermal": {"spacing_m": 6e-3, "margin_m": 0.018},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "cache_folder", lambda: place / "cache" / "kernels")
        yield place


@pytest.fixture(scope="module")
def found(folder):
    return run_sweep(copy.deepcopy(SWEEP), folder / "out", device="cpu")


def test_every_case_is_there_and_torque_grows_with_the_field(found) -> None:
    assert len(found.cases) == 2 * 2 * 2
    assert not found.failed
    names = {(c["implant"], c["sequence"], c["region"], c["field_T"]): c for c in found.cases}
    for (implant, sequence, region, field), case in names.items():
        twin = names[implant, sequence, region, 3.0 if field == 1.5 else 1.5]
        assert case["rise_K"] == twin["rise_K"]
        assert case["torque_rms_N_m"] / field == pytest.approx(twin["torque_rms_N_m"] / twin["field_T"], rel=1e-12)


def test_a_case_is_what_its_own_solution_says(found) -> None:
    """Tensor and heat of one case by the library: power to the fit over frequency, rise by its power."""
    ball = em.implants.sphere(0.012)
    solver = em.EddyCurrent(spacing_m=2.4e-3, engine="voxel")
    tensor = solver.solve(ball, [50.0, 500.0, 1500.0, 4000.0], progress=False, device="cpu")
    place = np.array([0.1, 0.0, 0.1 - 0.794])
    matrix = whole_body_gradients().uniform_matrix(place.tolist())
    wave = epi(**{k: v for k, v in EPI.items() if k != "type"})
    rate = wave.harmonics(max_frequency_Hz=4000.0).through(matrix)
    case = next(c for c in found.cases if (c["implant"], c["sequence"], c["region"]) == ("ball", "EPI", "head"))
    assert case["power_W"] == pytest.approx(tensor.average_power(rate), rel=5e-3)
    gel = gel_box(6e-3, (0.06, 0.06, 0.06))
    heat = em.Bioheat(edges="insulated", perfusion="none").solve(gel, ball, tensor, 60.0, progress=False, device="cpu")
    per_watt = heat.worst(1.0)[0].rise_K / heat.worst_power(1.0)[0]
    assert case["rise_K"] == pytest.approx(per_watt * case["power_W"], rel=0.15)


def test_what_was_solved_is_kept_and_what_changed_is_not(found, folder) -> None:
    said: list[str] = []
    again = run_sweep(copy.deepcopy(SWEEP), folder / "out", device="cpu", tell=said.append)
    assert again.kept == 1
    assert all("kept" in text for text in said)
    assert list(again.cases) == list(found.cases)


def test_table_json_and_page(found) -> None:
    with (found.folder / "sweep.csv").open() as file:
        table = list(csv.DictReader(file))
    told = json.loads((found.folder / "sweep.json").read_text())
    assert len(table) == len(told["cases"]) == 8
    assert float(table[3]["rise_K"]) == told["cases"][3]["rise_K"]
    assert sum(told["classes"].values()) == 4  # a scanner's field changes no heat
    page = (found.folder / "group.html").read_text()
    assert "RF heating is not in these numbers" in page
    assert sum(found.classes.values()) == 4
    assert not found.rf_classes


@pytest.mark.parametrize(
    ("rise", "words"), [(0.5, "below 1 K"), (1.0, "1 to 2 K"), (3.0, "2 to 5 K"), (7.0, "5 K and more")]
)
def test_classes(rise, words) -> None:
    assert rise_class(rise, (1.0, 2.0, 5.0)) == words


def test_the_bundled_sweep_is_four_prostheses_in_two_fields_seven_sequences_and_seven_regions() -> None:
    assert sweep_names() == ["prostheses"]
    tables = read_sweep(sweep_file("prostheses"))
    assert tables.cases == 4 * 2 * 7 * 7
    assert tables.rf is not None
    assert tables.cases + 4 * 7 * 7 == 588  # RF in every field, gradients once for both
    regions = {name: tables.regions[name] for name in ("head", "knee")}
    check_sites(tables.model_copy(update={"regions": regions}))  # every implant lies in tissue


def test_an_implant_outside_the_body_is_refused_before_anything_is_solved(folder) -> None:
    tables = copy.deepcopy(SWEEP) | copy.deepcopy(RF) | {"regions": PLACES}
    tables["implants"]["ball"]["site_m"] = [0.17, 0.0, 0.1]
    with pytest.raises(em.InputError, match=r"implants.ball: site_m: implant outside .* in air") as caught:
        run_sweep(tables, folder / "outside", device="cpu")
    assert "\n" not in str(caught.value)
    assert not (folder / "outside").exists()


def test_no_turn_of_an_implant_is_worse_than_the_worst() -> None:
    """Oracle: random turns; the worst is reached by a field along one direction."""
    draw = np.random.default_rng(0)
    six = np.abs(draw.normal(size=(12, 5))) + np.repeat([3.0, 3.0, 3.0, 0.0, 0.0, 0.0], 2)[:, None]
    T = cases._matrices(six)
    b = draw.normal(size=(2, 4, 3))
    W = np.einsum("shi,shj->sij", b, b)
    worst = cases.worst_over_turns(W, np.linalg.eigvalsh(T))
    for _ in range(200):
        turn, _ = np.linalg.qr(draw.normal(size=(3, 3)))
        assert np.einsum("sij,scij->c", turn @ W @ turn.T, T).max() <= worst * (1 + 1e-12)
    one = np.einsum("i,j->ij", b[0, 0], b[0, 0])[None]
    most = max(np.linalg.eigvalsh(m)[-1] for m in T[0])
    assert cases.worst_over_turns(one, np.linalg.eigvalsh(T[:1])) == pytest.approx(most * (b[0, 0] @ b[0, 0]))


RF = {"rf": {"b1plus_rms_T": {"EPI": 1e-6, "EPI z": 2e-6}, "spacing_m": 20e-3, "implant_m": 6e-3, "heat_m": 6e-3}}
PLACES = {"head": {"height_m": 0.794, "landmark": "head"}, "pelvis": {"height_m": 0.1, "landmark": "pelvis"}}


def test_sequences_scale_the_rf_of_a_field_and_region(folder, monkeypatch) -> None:
    def run(_tables, _name, field_T, landmark, _device):
        if landmark == "head":
            return {"reason": "too far away"}
        return dict.fromkeys(rf.COLUMNS, field_T)

    monkeypatch.setattr(rf, "_run", run)
    found = run_sweep(copy.deepcopy(SWEEP) | copy.deepcopy(RF) | {"regions": PLACES}, folder / "rf", device="cpu")
    for case in found.cases:
        if case["region"] == "head":
            assert (case["rf_rise_K"], case["rf_class"], case["rf_reason"]) == (None, "not computed", "too far away")
        else:
            more = 4.0 if case["sequence"] == "EPI z" else 1.0
            assert case["rf_rise_K"] == pytest.approx(more * case["field_T"])
    assert found.rf_classes == {"not computed": 4, "1 K and more": 4}
    page = (found.folder / "group.html").read_text()
    assert "too far away" in page
    assert "eak rise by RF" in page


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::emdose.errors.EmdoseWarning")  # its voxels are coarse for the metal
def test_rf_of_a_sweep_is_that_of_a_run(folder) -> None:
    """On Dask workers; oracle: a scenario of kind implant-rf by itself."""
    tables = copy.deepcopy(SWEEP) | copy.deepcopy(RF) | {"regions": {"pelvis": PLACES["pelvis"]}}
    tables["sweep"]["fields_T"] = [1.5]
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as here:
        address = here.scheduler_address.removeprefix("tcp://")
        found = run_sweep(tables, folder / "real", device="cpu", executor_name=f"dask://{address}")
    alone = {
        "scenario": {"kind": "implant-rf", "name": "ball"},
        "phantom": {"type": "stylised-adult", "spacing_m": 20e-3, "landmark": "pelvis"},
        "coil": {"type": "birdcage", "rungs": 16, "radius_m": 0.32, "length_m": 0.60},
        "exposure": {"frequency_Hz": 1.5 * GAMMA_BAR_PROTON},
        "normalise": {"b1plus_rms_T": 1e-6, "over": "slice"},
        "implant": {"type": "sphere", "radius_m": 0.012, "position_m": [0.1, 0.0, 0.0]},
        "subdomain": {"spacing_m": 6e-3},
        "thermal": {"duration_s": 60.0, "spacing_m": 6e-3, "perfusion": False},
    }
    run = em.read_result(em.run_scenario(alone, out=folder / "alone", device="cpu", progress=False).folder)
    once, twice = sorted(found.cases, key=lambda c: c["rf_b1plus_rms_T"])
    assert once["rf_rise_K"] == pytest.approx(run.quantities["rise_max"]["value"], rel=1e-4)
    assert twice["rf_psSAR10g_W_kg"] == pytest.approx(4 * run.quantities["psSAR10g"]["value"], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regions": {}}, "at least one table"),
        ({"sequences": {"ISO": {"type": "preset"}}}, "sequences of gradients"),
        ({"regions": {"head": {"height_mm": 794}}}, "height_m = 0.794"),
        (RF, "regions.head.landmark"),
        (RF | {"regions": {"head": {"height_m": 0.7, "landmark": "head"}}}, "height_m of its landmark"),
        ({"rf": {"b1plus_rms_T": {"EPI": 1e-6}}}, "one B1\\+rms per sequence"),
        ({"implants": {"ball": {"site_m": [0, 0, 0], "implant": {"type": "ball"}}}}, "unknown type"),
    ],
)
def test_bad_sweeps_are_one_line(change, words) -> None:
    with pytest.raises(em.InputError, match=words) as caught:
        read_sweep(copy.deepcopy(SWEEP) | change)
    assert "\n" not in str(caught.value)


def test_the_command_names_the_bundled_ones(capsys) -> None:
    code, _, err = call(capsys, "sweep", "prosthesis")
    assert code == 2
    assert "prostheses" in one_line(err)
