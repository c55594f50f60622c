"""Scenarios of kind ``force``: a ball beside its closed forms, the gate, the page, and one line for bad input."""

from __future__ import annotations

import copy
import io
import math

import numpy as np
import pytest
from rich.console import Console

import emdose as em
from emdose import scenarios
from emdose.constants import MU_0
from emdose.scenarios.shared.implants import tensor_files
from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_moment

A, SIGMA, DENSITY = 0.02, 1.16e6, 8400.0
MAP = "r [m], z [m], B [T], gradB [T/m]\n0, 0, 3.0, 0\n0.3, 0.8, 2.5, 7.2\n0.2, 0.9, 1.5, 9\n"
BALL = {
    "scenario": {"kind": "force", "name": "ball"},
    "implant": {"type": "sphere", "radius_m": A, "metal": "CoCrMo"},
    "magnet": {"type": "map", "B0_T": 3.0, "file": "magnet.csv"},
    "solver": {"spacing_m": 2.5e-3},
    "exposures": {"ISO": {"type": "sinusoid", "frequency_Hz": 270.0, "dbdt_rms_T_s": 42.0}},
    "output": {"loads": True},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("force")
    (place / "magnet.csv").write_text(MAP)
    return place


@pytest.fixture(scope="module")
def run(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "cache_folder", lambda: folder / "cache" / "kernels")
        tables = copy.deepcopy(BALL) | {"magnet": {**BALL["magnet"], "file": str(folder / "magnet.csv")}}
        found = em.run_scenario(tables, out=folder / "result", device="cpu", progress=False)
        return em.read_result(found.folder)


def value(run, name):
    return run.quantities[name]["value"]


def test_a_ball_has_the_forces_of_its_closed_forms(run) -> None:
    """Voxels of an eighth of the radius: 3 % of the moment."""
    M, N = sphere_moment(A, SIGMA, 270.0)
    K = abs(complex(M, -N / (2 * math.pi * 270)))
    assert value(run, "gradient torque, rms: ISO") == pytest.approx(K * 42 * 3, rel=0.03)
    assert value(run, "gradient torque, peak: ISO") == pytest.approx(math.sqrt(2) * K * 42 * 3, rel=0.03)
    assert value(run, "torque against turning the patient") == pytest.approx(1.5549e-3 * 9, rel=0.03)
    mass = DENSITY * 4 / 3 * math.pi * A**3
    ratio = 9.2e-4 * 2.5 * 7.2 / (MU_0 * DENSITY * 9.81 * (1 + 9.2e-4 / 3))
    assert value(run, "force over weight") == pytest.approx(ratio, rel=1e-3)
    assert value(run, "deflection angle") == pytest.approx(math.degrees(math.atan(ratio)), rel=1e-3)
    swing = math.sqrt(2) * K * 42 * 3 / (0.4 * mass * A**2) / (2 * math.pi * 270) ** 2 * A
    # The moment lies across the axis, where the gradient of the field is half of that along it.
    shift = math.sqrt(2) * 42 * K * 3.6 / (mass * (2 * math.pi * 270) ** 2)
    assert 0.97 * (swing + math.sqrt(0.5) * shift) < value(run, "vibration amplitude: ISO") < 1.03 * (swing + shift)


def test_every_number_of_forces_has_an_uncertainty(run) -> None:
    for name, entry in run.quantities.items():
        assert name.startswith("weight") or entry["uncertainty"]["expanded"] >= 0
    assert run.validity.state == "valid"


def test_the_place_is_that_of_the_largest_product(run) -> None:
    field = run.summary["force"]["field"]
    assert (field["B_T"], field["gradient_T_m"]) == (2.5, 7.2)
    assert "1.5 T, 9 T/m" in field["largest_gradient"]


def test_what_it_leaves_is_read_again(run) -> None:
    again = em.read_result(run.folder)
    assert np.array_equal(again.moments.for_motion(), run.moments.for_motion())
    load = np.loadtxt(run.folder / "load-1.csv", delimiter=",", skiprows=2)
    torque = np.cross(load[:, :3], load[:, 3::2] + 1j * load[:, 4::2]).sum(axis=0)
    rms = math.sqrt(0.5 * float((np.abs(torque) ** 2).sum()))
    assert rms == pytest.approx(value(run, "gradient torque, rms: ISO"), rel=0.01)
    page = again.page()
    assert "ASTM F2052" in page
    assert "set no limit" in page
    assert again.to_xarray().metal.max() <= 1
    assert "at rest" not in str(again)


def test_the_terminal_and_the_methods(run) -> None:
    console = Console(file=io.StringIO(), width=200)
    kind = scenarios.kinds.get("force")
    kind.tell(console, run.summary)
    text = console.file.getvalue()
    assert "force over weight" in text
    assert "set no limit" in text
    assert "low enough for motion" in kind.methods(run.summary).paragraph.replace("\n", " ")
    kind.tell(console, {"warnings": ["a reason"], "force": {}, "quantities": {}})


def test_inputs_that_a_study_can_vary(folder) -> None:
    (folder / "ball.toml").write_text(
        '[scenario]\nkind = "force"\n[implant]\ntype = "sphere"\nradius_m = 0.02\n'
        '[magnet]\ntype = "point"\nB0_T = 3.0\nB_T = 2.5\ngradient_T_m = 7.2\n'
    )
    loaded = scenarios.load(folder / "ball.toml")
    inputs = scenarios.kinds.get("force").inputs(loaded)
    assert inputs["metals.CoCrMo.conductivity_S_m"] == SIGMA
    assert inputs["magnet.gradient_T_m"] == 7.2
    laws = scenarios.kinds.get("force").default_laws(loaded)
    assert any("conductivity" in str(law["path"]) for law in laws)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"magnetism": {"CoCrMo": {"chi": 2e-3}}}, "chi of steel without its range"),
        (
            {"implant": {"type": "sphere", "radius_m": A, "metal": "316L"}, "magnetism": {"316L": {"chi": 8e-4}}},
            "chi of steel without its range",
        ),
        ({"magnetism": {"gold": {"chi": -3e-5}}}, "no such metal in this implant"),
        ({"implant": {"type": "sphere", "radius_m": A, "metal": "MP35N"}}, "no susceptibility known"),
        ({"magnet": {"type": "point", "B0_T": 3.0, "B_T": 2.0}}, "gradient_T_m"),
        ({"magnet": {"type": "point", "B0_T": 3.0, "B_T": 2.0, "gradient_G_cm": 5.0}}, "gradient_T_m"),
        ({"magnet": {"type": "point", "B0_T": 3, "B_T": 2, "gradient_T_m": 5, "B0_direction": [0, 0, 0]}}, "direction"),
        ({"exposures": {"EPI": {"type": "epi"}}}, r"table \[gradients\]"),
        ({"motion": {"turn_deg_s": 60}}, "turn_rad_s"),
    ],
)
def test_bad_input_is_one_line(folder, change, words) -> None:
    tables = copy.deepcopy(BALL) | {"magnet": {"type": "product", "B0_T": 3.0, "product_T2_m": 18.0}} | change
    with pytest.raises(em.InputError, match=words) as caught:
        em.run_scenario(tables, out=folder / "bad", device="cpu", progress=False)
    assert "\n" not in str(caught.value)


def test_a_map_without_a_unit_is_refused(folder) -> None:
    (folder / "bare.csv").write_text(MAP.replace("gradB [T/m]", "gradB"))
    tables = copy.deepcopy(BALL) | {"magnet": {"type": "map", "B0_T": 3.0, "file": str(folder / "bare.csv")}}
    with pytest.raises(em.InputError, match="field map without a unit"):
        em.run_scenario(tables, out=folder / "bad", device="cpu", progress=False)
