"""Scenarios of kind implant-gradient: numbers against closed forms, files, resuming, and the cache."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from made_up_implant import tensor_of

from emdose import scenarios
from emdose.errors import EmdoseWarning
from emdose.models.implants import metals, shapes
from emdose.report.wording import MINUS
from emdose.scenarios.kinds.implant_gradient.heating import directions, orientations
from emdose.scenarios.kinds.implant_gradient.page import closed_form
from emdose.scenarios.kinds.implant_gradient.page.content import solver_rows
from emdose.scenarios.kinds.implant_gradient.result.result import ImplantResult
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.implants import tensor_files
from emdose.solvers.eddy import solver
from emdose.solvers.heat.directions import PAIRS

BALL = {
    # A tensor up to 4 kHz leaves up to a fifth of the power of the short EPI train out.
    "scenario": {"kind": "implant-gradient", "name": "ball", "accept": ["spectrum_dropped"]},
    "implant": {"type": "sphere", "radius_m": 10e-3, "metal": "Ti6Al4V", "position_m": [0.0, 0.0, 0.01]},
    "solver": {"spacing_m": 1.25e-3, "frequencies_Hz": [270.0, 1000.0, 4000.0]},
    "gradients": {"type": "ideal", "position_m": [0.1, 0.0, 0.19]},
    "exposures": {
        "ISO": {"type": "preset", "duration_s": 120.0},
        "along x": {"type": "sinusoid", "frequency_Hz": 1000.0, "dbdt_rms_T_s": 20.0, "direction": [2.0, 0.0, 0.0]},
        "EPI": {"type": "epi", "echoes": 8, "repetition_s": 0.01, "echo_spacing_s": 1e-3, "duration_s": 60.0},
    },
    "thermal": {
        "spacing_m": 4e-3,
        "margin_m": 0.02,
        "duration_s": 120.0,
        "curve_points": 6,
        "thresholds_K": [0.1, 50.0],
    },
}
"""A ball of titanium, whose power is known."""


def low_frequency_W(rms_T_s):
    """2 pi sigma a^5 (dB/dt rms)^2 / 15."""
    return 2 * np.pi * metals.get("Ti6Al4V").conductivity_S_m * 10e-3**5 * rms_T_s**2 / 15


@pytest.fixture
def ball():
    return copy.deepcopy(BALL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run; tests must not change it."""
    folder = tmp_path_factory.mktemp("ball")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "cache_folder", lambda: folder / "cache" / "kernels")
        (folder / "ball.toml").write_text(toml.dump(BALL), encoding="utf-8")
        outcome = scenarios.run(folder / "ball.toml", folder / "result", device="cpu")
    return outcome.folder


def test_power_of_a_ball(finished):
    """Oracle: the closed form at low frequency; a ball has no orientation; the skin effect at 270 Hz is 1e-4."""
    about = json.loads((finished / "summary.json").read_text())["implant"]["exposures"]
    assert about["ISO"]["power_W"] == pytest.approx(low_frequency_W(42), rel=0.01)
    assert about["ISO"]["worst_W"] == pytest.approx(about["ISO"]["best_W"], rel=2e-3)
    assert about["ISO"]["dbdt_rms_T_s"] == pytest.approx(42)
    assert about["along x"]["power_W"] == pytest.approx(low_frequency_W(20), rel=0.015)
    assert about["along x"]["direction"] == [1, 0, 0]


def test_power_of_an_epi_train(finished):
    """Oracles: dB/dt of ideal gradients, (z Gx, z Gy, x Gx); the power without skin effect is not reached."""
    one = json.loads((finished / "summary.json").read_text())["implant"]["exposures"]["EPI"]
    x, z = 0.1, 0.2  # the ball lies 1 cm above the origin of the scenario
    slew, ramp, blip = 150.0, 30e-3 / 150, 5e-3 / 150
    readout = slew**2 * 8 * 2 * ramp / 0.01
    whole = readout * (x**2 + z**2)
    assert one["dbdt_rms_T_s"] ** 2 == pytest.approx(whole + slew**2 * (7 * 2 * blip + 4 * blip) / 0.01 * z**2, rel=0.1)
    bound = low_frequency_W(one["dbdt_rms_T_s"])
    assert 0.75 * bound < one["power_W"] < bound
    assert one["power_W"] + one["missing_W"] < 1.05 * bound
    assert one["harmonics"]["count"] == 40
    assert one["direction"] is None


def test_heat_of_a_ball(finished):
    """Oracles: energy: without losses the metal cannot exceed P t / (m c); the rise grows with the square of dB/dt."""
    summary = json.loads((finished / "summary.json").read_text())
    one, x = (summary["implant"]["exposures"][n] for n in ("ISO", "along x"))
    body = summary["implant"]["body"]
    titanium = metals.get("Ti6Al4V")
    adiabatic = one["power_W"] * 120 / (body["mass_kg"] * titanium.heat_capacity_J_kg_K)
    assert 0.05 * adiabatic < one["rise_K"] < adiabatic
    assert x["rise_K"] == pytest.approx(one["rise_K"] * x["power_W"] / one["power_W"], rel=0.02)
    assert one["worst_rise_K"] == pytest.approx(one["rise_K"], rel=0.02)
    assert one["best_rise_K"] == pytest.approx(one["rise_K"], rel=0.02)
    assert one["hot_spot_in"] == "Ti6Al4V"
    assert np.linalg.norm(np.array(one["hot_spot_m"]) - [0, 0, 0.01]) < 9e-3
    assert one["time_to_K"]["50"] is None
    assert 0 < one["time_to_K"]["0.1"] < 120
    assert one["cem43_min"] == pytest.approx(2 * 0.25**6, rel=0.5)  # two minutes slightly above 37 degC
    assert one["cem43_baseline_min"] == pytest.approx(2 * 0.25**6, rel=1e-9)
    assert one["cem43_excess_min"] == pytest.approx(one["cem43_min"] - one["cem43_baseline_min"])
    # Doses of small rises go with the rise: the field along x is weaker.
    assert x["cem43_excess_min"] / one["cem43_excess_min"] == pytest.approx(x["rise_K"] / one["rise_K"], rel=0.1)
    assert "the baseline of 37 degC by itself counts" in summary["quantities"]["CEM43 over the baseline: ISO"]["note"]
    assert summary["provenance"]["heat"]["balance_error"] < 0.01


def test_coarse_voxels_of_the_heat_are_split_or_not_valid(ball, tmp_path):
    """Oracle: the row of the table; 10 mm in voxels of 10 mm are 2 across, and 4 when split once."""
    ball["exposures"] = {"ISO": {"type": "preset", "duration_s": 30.0}}
    ball["solver"] |= {"spacing_m": 2.5e-3, "frequencies_Hz": [270.0], "cache": False}
    ball["thermal"] = {"spacing_m": 10e-3, "margin_m": 0.03, "duration_s": 30.0, "curve_points": 2}
    found = {}
    for across in (0.0, 4.0):
        ball["thermal"]["cells_across"] = across
        (tmp_path / "ball.toml").write_text(toml.dump(ball), encoding="utf-8")
        found[across] = scenarios.run(tmp_path / "ball.toml", tmp_path / f"{across:g}", device="cpu").summary
    reasons = [f["name"] for f in found[0.0]["validity"]["findings"] if f["level"] == "not valid"]
    assert (found[0.0]["validity"]["state"], reasons) == ("not valid", ["heat_cells_across"])
    assert "peak rise: ISO" not in found[0.0]["quantities"]
    assert "heat_cells_across" not in [f["name"] for f in found[4.0]["validity"]["findings"]]
    assert found[4.0]["quantities"]["peak rise: ISO"]["value"] > 0
    assert found[4.0]["provenance"]["heat"]["split"] == [2, 2, 2]


def test_summary_and_files(finished):
    """Oracles: the list of files, units of all quantities, and the rows of the document."""
    summary = json.loads((finished / "summary.json").read_text())
    assert {"result.h5", "fields.vtu", "temperature.vti", "summary.json"} <= {p.name for p in finished.iterdir()}
    assert all({"value", "unit"} <= set(q) for q in summary["quantities"].values())
    for name in (
        "power: ISO",
        "worst power: ISO",
        "peak rise: ISO",
        "CEM43: ISO",
        "time to 0.1 K: ISO",
        "residual",
        "power identity",
        "skin depth over step: 270 Hz",
    ):
        assert name in summary["quantities"]
    rows = {r["quantity"]: r for r in summary["implant"]["conditions"]}
    assert rows["dB/dt, rms"]["value"] == pytest.approx(rows["dB/dt, rms"]["level"])
    assert rows["duration"]["value"] == 120
    assert rows["duration"]["level"] == 1800
    assert not any(r["verified"] for r in rows.values())
    assert all(r["source"] for r in rows.values())
    assert summary["convergence"]["converged"]
    assert "compliant" not in json.dumps(summary).lower()


def test_result_reads_back(finished):
    """Oracle: what was written: the power tensor, its loss and the maps agree with the summary."""
    result = read_result(finished)
    assert isinstance(result, ImplantResult)
    about = result.summary["implant"]["exposures"]["ISO"]
    power = result.tensor.power([42, 0, 0], 270.0)
    assert power == pytest.approx(about["power_W"], rel=2e-3)
    volume = result.tensor.grid.voxel_volume_m3
    assert result.exposures["ISO"].loss.sum() * volume == pytest.approx(about["power_W"], rel=1e-3)
    assert result.exposures["ISO"].rise.max() == pytest.approx(about["rise_K"], rel=1e-5)
    assert result.exposures["ISO"].peak_rise_K[-1] == pytest.approx(about["rise_K"], rel=1e-5)
    assert result.fraction.sum() * volume == pytest.approx(result.implant.volume_m3, rel=1e-3)
    assert result.heat_grid.shape == result.exposures["EPI"].rise.shape
    assert result.implant.hash() == result.summary["implant"]["body"]["sha256"]


def test_lock_runs_again_to_the_same_numbers(finished, tmp_path, monkeypatch):
    """Oracle: the first run."""
    monkeypatch.setattr(tensor_files, "cache_folder", lambda: tmp_path / "cache" / "kernels")
    again = scenarios.run(finished / "scenario.lock.toml", tmp_path / "again", device="cpu").summary
    first = json.loads((finished / "summary.json").read_text())
    for name, value in first["quantities"].items():
        wanted = value["value"] if value["value"] is None else pytest.approx(value["value"], rel=1e-4)
        assert again["quantities"][name]["value"] == wanted, name


def test_cache_serves_other_waveforms(ball, tmp_path, monkeypatch):
    """Oracle: the solver is not called again for the same implant, and is for another one."""
    monkeypatch.setattr(tensor_files, "cache_folder", lambda: tmp_path / "cache" / "kernels")
    ball["exposures"] = {"ISO": {"type": "preset", "duration_s": 20.0}}
    ball["solver"]["frequencies_Hz"] = [270.0]
    calls = []
    solve = solver.EddyCurrent.solve
    monkeypatch.setattr(solver.EddyCurrent, "solve", lambda *a, **k: calls.append(1) or solve(*a, **k))

    def run(name):
        (tmp_path / f"{name}.toml").write_text(toml.dump(ball), encoding="utf-8")
        return scenarios.run(tmp_path / f"{name}.toml", tmp_path / name, device="cpu").summary

    first = run("first")
    ball["exposures"] = {"other": {"type": "sinusoid", "frequency_Hz": 270.0, "dbdt_rms_T_s": 21.0, "duration_s": 20.0}}
    second = run("second")
    assert len(calls) == 1
    powers = [first["quantities"]["power: ISO"]["value"], second["quantities"]["power: other"]["value"]]
    assert powers[1] == pytest.approx(powers[0] / 4)
    ball["implant"]["metal"] = "CoCrMo"
    run("third")
    assert len(calls) == 2


@pytest.mark.parametrize("door", ["scaled", "one bit", "cut short", "of another key", "open to all"])
def test_a_cached_tensor_that_is_not_what_was_kept_is_not_served(tmp_path, door):
    """Oracle: the tensor that was kept; nothing is served in its place."""
    ball = shapes.sphere(radius_m=5e-3)
    tensor, _ = tensor_of(ball, 2e-3)
    cache = tensor_files.TensorCache(tmp_path / "cache")
    cache.save("key", tensor)
    kept = cache.load("key")
    np.testing.assert_array_equal(kept.matrix, tensor.matrix)
    np.testing.assert_array_equal(kept.loss, tensor.loss)
    (file,) = (tmp_path / "cache").iterdir()
    data, wanted = file.read_bytes(), "key"
    if door == "scaled":
        with np.load(file) as arrays:
            np.savez(file, **{k: 0.01 * arrays[k] if k in ("matrix", "loss") else arrays[k] for k in arrays.files})
    elif door == "one bit":
        file.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
    elif door == "cut short":
        file.write_bytes(data[: len(data) // 2])
    elif door == "of another key":
        wanted = "other"
        file.rename(file.with_name(file.name.replace("key", "other")))
    else:
        file.chmod(0o666)
    with pytest.warns(EmdoseWarning, match="solved anew"):
        assert cache.load(wanted) is None
    cache.save(wanted, tensor)
    np.testing.assert_array_equal(cache.load(wanted).matrix, tensor.matrix)


def test_stopped_run_resumes(ball, tmp_path, monkeypatch):
    """Oracle: what is kept is not solved again, and the result is that of a run in one go."""
    ball["solver"] |= {"cache": False, "frequencies_Hz": [270.0, 1000.0]}
    ball["exposures"] = {"ISO": {"type": "preset", "duration_s": 20.0}}
    (tmp_path / "ball.toml").write_text(toml.dump(ball), encoding="utf-8")
    seen = []

    def stop(event):
        seen.append(event.stage)
        if event.stage == "heat":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scenarios.run(tmp_path / "ball.toml", tmp_path / "out", device="cpu", progress=stop)
    assert "modes" in seen
    seen.clear()
    outcome = scenarios.run(
        tmp_path / "ball.toml",
        tmp_path / "out",
        device="cpu",
        resume=True,
        progress=lambda event: seen.append(event.stage),
    )
    assert outcome.state == "resumed"
    assert "modes" not in seen
    whole = scenarios.run(tmp_path / "ball.toml", tmp_path / "whole", device="cpu").summary
    for name in ("power: ISO", "peak rise: ISO"):
        wanted = whole["quantities"][name]["value"]
        assert outcome.summary["quantities"][name]["value"] == pytest.approx(wanted, rel=1e-5)
    assert not (tmp_path / "out" / "checkpoint").exists()


def test_rf_and_gradients_together(ball, tmp_path):
    """Oracles: heat is linear: the peak of both lies between the larger and the sum of what each heats alone."""
    rf = {
        "scenario": {"kind": "rf", "name": "gel"},
        "phantom": {"type": "gel-box", "size_m": [0.1, 0.1, 0.1], "spacing_m": 12.5e-3},
        "coil": {"type": "birdcage", "rungs": 8},
        "exposure": {"frequency_Hz": 63.87e6},
        "normalise": {"whole_body_sar_W_kg": 2.0},
    }
    (tmp_path / "rf.toml").write_text(toml.dump(rf), encoding="utf-8")
    scenarios.run(tmp_path / "rf.toml", tmp_path / "rf", device="cpu")
    ball["solver"] |= {"cache": False, "frequencies_Hz": [1000.0]}
    ball["implant"]["position_m"] = [0.02, 0.0, 0.0]
    ball["exposures"] = {"x": ball["exposures"]["along x"]}
    ball["thermal"] |= {"margin_m": 0.015, "spacing_m": 5e-3}
    ball["rf"] = {"file": "rf/result.h5", "duty_cycle": 0.5}
    (tmp_path / "ball.toml").write_text(toml.dump(ball), encoding="utf-8")
    outcome = scenarios.run(tmp_path / "ball.toml", tmp_path / "both", device="cpu")
    one = outcome.summary["implant"]["exposures"]["x"]
    alone = one["gradient_rise_K"], one["rf_rise_K"]
    assert min(alone) > 0
    assert max(alone) * (1 - 1e-5) <= one["rise_K"] <= sum(alone) * (1 + 1e-5)
    assert one["worst_rise_K"] >= one["rise_K"] * 0.999
    about = outcome.summary["implant"]["rf"]
    # 2 W/kg half of the time: the rise of gel that loses nothing is 1 W/kg t / c.
    assert one["rf_rise_K"] < 5 * 120 / 4150
    assert 0 < about["power_W"] < 1.0
    assert any("without the implant" in w for w in outcome.summary["warnings"])
    curves = read_result(outcome.folder).exposures["x"].curves
    assert set(curves) == {"worst orientation", "gradients alone", "RF alone"}


def test_orientations_against_brute_force():
    """Oracle: the peak over all voxels for many directions."""
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(200, 3, 3)) * rng.uniform(0.1, 1, 200)[:, None, None]
    T = np.einsum("mij,mkj->mik", roots, roots)
    six = np.stack([T[:, i, j] for i, j in PAIRS]).reshape(6, 10, 5, 4)
    base = rng.uniform(0, 0.5, (10, 5, 4))
    peaks, (worst, direction), place, best, lowest = orientations(six, base, directions())
    many = rng.normal(size=(20_000, 3))
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    brute = (np.einsum("ni,mij,nj->nm", many, T, many) + base.ravel()).max(1)
    assert brute.max() <= worst * (1 + 1e-9)
    assert worst == pytest.approx(brute.max(), rel=0.01)
    assert lowest == pytest.approx(brute.min(), rel=0.02)
    at = T.reshape(10, 5, 4, 3, 3)[place]
    assert direction @ at @ direction + base[place] == pytest.approx(worst)
    assert np.linalg.norm(best) == pytest.approx(1)
    np.testing.assert_allclose(peaks, (np.einsum("ni,mij,nj->nm", directions(), T, directions()) + base.ravel()).max(1))


def test_objects_in_its_tables_tell_the_same(finished, ball, tmp_path, monkeypatch):
    """Oracle: the run of the same ball and the same train by their numbers."""
    import emdose as em

    monkeypatch.setattr(tensor_files, "cache_folder", lambda: tmp_path / "cache" / "kernels")
    ball["implant"] = shapes.sphere(10e-3, metals.get("Ti6Al4V")).placed((0.0, 0.0, 0.01))
    ball["exposures"]["EPI"] = em.waveforms.epi(echoes=8, repetition_s=0.01, echo_spacing_s=1e-3)
    for one in ("ISO", "along x"):
        del ball["exposures"][one]
    run = em.run_scenario(ball, tmp_path / "out", device="cpu").result
    assert isinstance(run, em.Run)
    other = json.loads((finished / "summary.json").read_text())["implant"]["exposures"]["EPI"]
    assert run.summary["implant"]["exposures"]["EPI"]["power_W"] == pytest.approx(other["power_W"], rel=1e-4)
    names = {f.name for f in run.to_nifti(tmp_path / "maps")}
    assert "rise EPI_K.nii.gz" in names
    assert {f.name for f in run.to_csv(tmp_path)} >= {"quantities.csv", "checks.csv"}


def test_a_ball_stands_beside_its_closed_form(finished):
    # Oracle: the limit of low frequencies, 2 pi sigma a^5 / 15, for a ball of the volume of the surface.
    result = read_result(finished)
    rows = solver_rows(result)
    radius = closed_form.ball_radius_m(result.implant)
    assert radius == pytest.approx(10e-3, rel=5e-3)
    assert float(rows[0]["exact"]) == pytest.approx(1e3 * low_frequency_W(1.0) * (radius / 10e-3) ** 5, rel=5e-3)
    mean = np.mean(result.summary["implant"]["frequencies"][0]["axes_W"])
    off = float(rows[0]["off"].removesuffix(" %").replace(MINUS, "-"))
    (exact,) = closed_form.powers_W(result.implant, [270.0])
    assert off == pytest.approx(100 * (mean / exact - 1), abs=0.01)
    assert abs(off) < 5
    rod = shapes.cylinder(5e-3, 40e-3, "Ti6Al4V")
    assert closed_form.powers_W(rod, [270.0]) == [None]
