"""What an implant run measures about itself, by its summary alone. Oracle: numbers put in by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from made_up_implant import made_up_implant

from emdose.scenarios.kinds.implant_gradient.result.measures import measures
from emdose.validity import judge


@pytest.fixture(scope="module")
def made():
    return made_up_implant(spacing_m=4e-3).summary


@pytest.fixture
def summary(made):
    return copy.deepcopy({k: dict(v) if isinstance(v, dict) else v for k, v in made.items()})


def found(summary):
    return {m.name: (m.value, m.where) for m in measures(summary)}


def one_tone(summary, frequency_Hz, power_W=1.0):
    """All exposures as a single frequency."""
    about = dict(summary["implant"])
    about["exposures"] = {
        "tone": {
            "power_W": power_W,
            "missing_W": 0.0,
            "harmonics": {"dropped": 0.0},
            "spectrum": {"frequencies_Hz": [frequency_Hz], "power_W": [power_W]},
        }
    }
    summary["implant"] = about
    return about


def test_errors_of_frequencies_count_by_the_power_near_them(summary):
    about = one_tone(summary, 1.0)
    solved = [r["frequency_Hz"] for r in about["frequencies"]]
    about["exposures"]["tone"]["spectrum"] = {"frequencies_Hz": [solved[0], solved[-1]], "power_W": [3.0, 1.0]}
    told = [0.0] * len(solved)
    told[-1] = 0.2
    summary["provenance"] = {**summary["provenance"], "error_estimate": told}
    assert found(summary)["eddy_error"] == (pytest.approx(0.05), "tone")
    summary["provenance"]["error_estimate"] = [0.11] * len(solved)
    assert judge(measures(summary)).state == "not valid"


def test_error_of_the_exposures_own_direction_comes_first_and_names_a_spacing(summary):
    """Oracle: the rule; voxels of 1 mm that leave out 16 % leave out 1 % at a quarter of it."""
    about = one_tone(summary, 1000.0)
    told = {"iteration": [0.0], "skin_depth": [0.3], "discretisation": [0.9]}
    summary["provenance"] = {
        **summary["provenance"],
        "error_estimate": told,
        "runs": [{"spacing_m": [2e-3, 1e-3, 1e-3]}],
    }
    parts = {"iteration": 0.01, "skin_depth": 0.02, "discretisation": 0.16, "total": 0.17}
    about["exposures"]["tone"]["power_error"] = parts
    assert found(summary)["eddy_error"] == (0.17, "tone; spacing_m = 0.00025 would leave out 1 %")
    about["exposures"]["tone"]["power_error"] = parts | {"skin_depth": 0.2}
    assert found(summary)["eddy_error"] == (0.17, "tone")
    # A folder that states only the parts of its frequencies.
    del about["exposures"]["tone"]["power_error"]
    about["frequencies"] = about["frequencies"][:1]
    assert found(summary)["eddy_error"] == (pytest.approx(0.9), "tone")


def test_what_is_dropped_is_a_share_of_the_power_with_it(summary):
    about = one_tone(summary, 1000.0)
    about["exposures"]["tone"] |= {"missing_W": 0.25, "power_W": 0.75}
    assert found(summary)["spectrum_dropped"] == (pytest.approx(0.25), "tone")


@pytest.mark.parametrize(("frequency_Hz", "valid"), [(1000.0, True), (250.0, False)])
def test_a_folder_that_does_not_state_its_extrapolation(summary, frequency_Hz, valid):
    """Oracle: one solved frequency says little about a quarter of it, whatever the fit took."""
    about = one_tone(summary, frequency_Hz)
    unit = np.eye(3).tolist()
    about["matrix"] = {"frequencies_Hz": [1000.0], "real": [unit], "imag": [np.zeros((3, 3)).tolist()]}
    assert (found(summary)["extrapolation"][0] < 0.02) is valid
    about["exposures"]["tone"]["harmonics"]["extrapolated"] = 0.007
    assert found(summary)["extrapolation"][0] == 0.007


def test_residuals_of_the_thin_skin_are_no_residuals_of_voxels(summary):
    about = dict(summary["implant"])
    about["frequencies"] = [{**r, "residual": 1.0, "engine": "thin-skin"} for r in about["frequencies"]]
    summary["implant"] = about
    assert "residual" not in found(summary)
    about["frequencies"][0]["engine"] = "voxel"
    assert found(summary)["residual"][0] == pytest.approx(1.0 / summary["convergence"]["tolerance"])
