"""What a run tells of inputs that move a little, and of its voxels. Oracles: runs of moved scenarios, power laws."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from emdose.models.implants import metals, shapes
from emdose.scenarios import kinds
from emdose.scenarios.kinds.implant_gradient.moved import NearbyImplant
from emdose.scenarios.loading import from_tables
from emdose.scenarios.study.paths import Paths
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.results.conductivity import of_conductivity

ROD = {
    "scenario": {"kind": "implant-gradient", "name": "rod", "accept": ["spectrum_dropped"]},
    "implant": {"type": "cylinder", "radius_m": 6e-3, "length_m": 30e-3, "metal": "CoCrMo"},
    "gel": {"perfusion_mL_min_kg": 20.0},
    "solver": {"spacing_m": 1.5e-3, "frequencies_Hz": [500.0, 2000.0, 8000.0], "cache": False},
    "gradients": {"type": "ideal", "position_m": [0.1, 0.05, 0.19]},
    "exposures": {
        "askew": {"type": "sinusoid", "frequency_Hz": 2000.0, "dbdt_rms_T_s": 40.0, "direction": [1.0, 0.0, 1.0]},
        "EPI": {"type": "epi", "echoes": 8, "repetition_s": 0.01, "echo_spacing_s": 1e-3, "duration_s": 60.0},
    },
    "thermal": {"spacing_m": 3e-3, "margin_m": 0.02, "duration_s": 120.0, "curve_points": 8, "thresholds_K": [0.1]},
}
ALONG, EPI = "askew", "EPI"
KIND = kinds.get("implant-gradient")


ALL = {
    "metals.CoCrMo.conductivity_S_m": 1.03 * metals.get("CoCrMo").conductivity_S_m,
    "gel.thermal_conductivity_W_m_K": 0.60,
    "gel.perfusion_mL_min_kg": 30.0,
    "exposures.askew.dbdt_rms_T_s": 42.0,
    "exposures.EPI.slew_T_m_s": 160.0,
    "exposures.EPI.gradient_T_m": 32e-3,
    "gradients.position_m[0]": 0.11,
    "implant.position_m[1]": 0.01,
    "implant.rotate_deg[1]": 90.0,
}


@pytest.fixture(scope="module")
def rod(tmp_path_factory):
    """The scenario, its job, solution and summary."""
    scenario = from_tables(copy.deepcopy(ROD), tmp_path_factory.mktemp("rod") / "rod.toml")
    job = KIND.job(scenario, "cpu")
    solution = job.solve()
    return scenario, job, solution, job.evaluate(solution).summary


def test_moved_inputs_are_told_as_a_run_has_them(rod) -> None:
    """All of them at once, on the voxels of the run: turned by 90 degrees, so that voxels of metal turn into voxels."""
    scenario, job, solution, summary = rod
    nearby = NearbyImplant(job, solution, summary["implant"]["exposures"], factor=1.0)
    other = from_tables(Paths(scenario).tables(ALL), scenario.file)
    told = nearby(other, list(ALL))
    again = KIND.job(other, "cpu")
    run, before = again.evaluate(again.solve()).summary["quantities"], summary["quantities"]
    assert told is not None
    for name, value in told.items():
        assert value == pytest.approx(run[name]["value"], rel=5e-3), name
    for name in ("power: EPI", "peak rise: EPI", "peak rise: askew", "worst power: EPI"):
        assert abs(run[name]["value"] / before[name]["value"] - 1) > 0.03


def test_rises_and_doses_go_with_the_square_of_dbdt(rod) -> None:
    """Power and rise times 1.1^2, exactly."""
    scenario, job, solution, summary = rod
    nearby = KIND.nearby(job, solution, summary)
    other = from_tables(Paths(scenario).tables({"exposures.askew.dbdt_rms_T_s": 44.0}), scenario.file)
    start, told = nearby(scenario, ()), nearby(other, ["exposures.askew.dbdt_rms_T_s"])
    for name in ("power", "worst power", "peak rise", "worst peak rise", "best peak rise"):
        assert told[f"{name}: {ALONG}"] == pytest.approx(1.21 * start[f"{name}: {ALONG}"], rel=1e-4)
        assert told[f"{name}: {EPI}"] == start[f"{name}: {EPI}"]


def test_what_takes_a_run_is_not_told(rod) -> None:
    """The size of the implant, and voxels."""
    scenario, job, solution, summary = rod
    nearby = KIND.nearby(job, solution, summary)
    for path, value in (("implant.radius_m", 7e-3), ("thermal.spacing_m", 4e-3), ("exposures.EPI.duration_s", 61.0)):
        other = from_tables(Paths(scenario).tables({path: value}), scenario.file)
        assert nearby(other, [path]) is None


def test_every_headline_number_has_what_its_voxels_leave(rod) -> None:
    """Powers, rises, doses and times; of the same heat on voxels of two thirds the size no rise leaves its interval."""
    scenario, _, _, summary = rod
    numbers = summary["quantities"]
    without = {n for n, e in numbers.items() if e["uncertainty"] is None and e["value"] is not None}
    assert without == {n for n in numbers if n.startswith("skin depth")} | {"residual", "power identity"}
    finer = from_tables(Paths(scenario).tables({"thermal.spacing_m": 2e-3}), scenario.file)
    job = KIND.job(finer, "cpu")
    run = job.evaluate(job.solve()).summary["quantities"]
    for name in (n for n in numbers if "rise" in n):
        expanded = numbers[name]["uncertainty"]["expanded"]
        assert abs(run[name]["value"] - numbers[name]["value"]) < expanded < 0.5 * numbers[name]["value"], name


def test_conductivity_and_frequency_enter_by_their_product() -> None:
    """Beside a ball of twice the conductivity solved itself."""
    ball = shapes.sphere(8e-3, metals.get("Ti6Al4V"))
    better = shapes.sphere(8e-3, metals.get("Ti6Al4V").replace(conductivity_S_m=2 * 0.58e6))
    assert metals.get("Ti6Al4V").conductivity_S_m == pytest.approx(0.58e6, rel=0.1)
    factor = 2 * 0.58e6 / metals.get("Ti6Al4V").conductivity_S_m
    solver = EddyCurrent(spacing_m=1.6e-3, tolerance=1e-6, dtype="float64", engine="voxel")
    told = of_conductivity(solver.solve(ball, [2000.0 * factor, 6000.0 * factor], device="cpu"), factor)
    run = solver.solve(better, [2000.0, 6000.0], device="cpu")
    assert told.frequencies_Hz == pytest.approx(run.frequencies_Hz)
    assert told.matrix == pytest.approx(run.matrix, rel=1e-5, abs=1e-7 * float(np.abs(run.matrix).max()))
    assert told.loss == pytest.approx(run.loss, rel=1e-4, abs=1e-5 * float(np.abs(run.loss).max()))
