"""The gate of scenarios: what is not valid is withheld everywhere, and only by name let through.

Oracles: the rule, and for implants the closed form of a ball.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import emdose as em
from emdose import scenarios
from emdose.cli import main
from emdose.errors import InputError, NotValidError
from emdose.io.disk import run_files
from emdose.scenarios import gate, results
from emdose.scenarios.shared.implants import tensor_files
from emdose.solvers.results.bounds import relaxation_bounds
from emdose.solvers.vie.solver import Vie

WITHHELD = {"quantities": {}, "checks": [], "check_inputs": {}}
BALL = {
    "scenario": {"kind": "implant-gradient", "name": "ball"},
    "implant": {"type": "sphere", "radius_m": 10e-3, "metal": "Ti6Al4V"},
    "solver": {"spacing_m": 2e-3, "frequencies_Hz": [1000.0], "cache": False},
    "exposures": {"tone": {"type": "sinusoid", "frequency_Hz": 250.0, "dbdt_rms_T_s": 20.0}},
    "thermal": {"spacing_m": 5e-3, "margin_m": 0.015, "duration_s": 60.0, "curve_points": 3},
}


@pytest.fixture
def stopped(small):
    """A scenario whose solver stops early: the residual is far above its tolerance."""
    small["solver"] = {"max_iterations": 2}
    return small


@pytest.fixture
def lossy(monkeypatch):
    """26.7 % of the power that the source gives vanish."""
    plain = Vie.solve

    def solve(*arguments, **more):
        fields = plain(*arguments, **more)
        return replace(fields, power=replace(fields.power, extinction_W=fields.power.extinction_W / (1 - 0.267)))

    monkeypatch.setattr(Vie, "solve", solve)


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def run(file, out, **options):
    return scenarios.run(file, out, device="cpu", **options)


def told(summary) -> str:
    console = Console(width=300, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    results.tell(console, summary)
    return console.export_text()


def withheld(summary) -> bool:
    return all(summary[k] == v for k, v in WITHHELD.items())


def test_a_good_run_is_valid_and_keeps_its_numbers(finished):
    summary = run_files.read_summary(finished)
    assert summary["validity"]["state"] == "valid"
    assert {m["name"] for m in summary["validity"]["measures"]} >= {"residual", "E_error", "closure"}
    assert summary["quantities"]
    assert "VALID" not in told(summary)


def test_check_refuses_a_stopped_run(stopped, write, tmp_path, capsys):
    out = run(write(stopped), tmp_path / "out").folder
    code, printed, err = command(capsys, "check", out)
    assert (code, printed) == (1, "")
    assert "not valid: The residual over the tolerance" in err
    assert "below limit" not in err
    with pytest.raises(NotValidError) as error:
        results.recheck(out, {})
    assert error.value.file == out
    result = em.read_result(out)
    with pytest.raises(NotValidError):
        em.check(result.fields, result.phantom)


def test_nothing_of_a_stopped_run_looks_like_a_result(stopped, write, tmp_path):
    out = run(write(stopped), tmp_path / "out").folder
    summary = run_files.read_summary(out)
    assert withheld(summary)
    assert summary["validity"]["state"] == "not valid"
    assert summary["convergence"]["ports"][0]["history"]
    assert "closure" in summary["power_balance"]
    lines = told(summary).splitlines()
    assert lines[0] == "NOT VALID: numbers, limits and verdicts are withheld"
    assert "W/kg" not in "".join(lines)
    page = results.write_report(out).read_text(encoding="utf-8")
    first = re.search(r'<div class="banner (\w+)"[^>]*>(.*?)</div>', page, re.S)
    assert (first.group(1), first.group(2)[:10]) == ("bad", "Not valid.")
    assert not re.search(r'class="tile ?"|W/kg|id="limits"', page)


def test_a_folder_that_is_not_valid_is_solved_again(stopped, write, tmp_path, monkeypatch):
    file, out = write(stopped), tmp_path / "out"
    solved = []
    plain = Vie.solve
    monkeypatch.setattr(Vie, "solve", lambda *a, **k: solved.append(1) or plain(*a, **k))
    assert [run(file, out).state for _ in range(2)] == ["new", "new"]
    assert len(solved) == 2


def test_unaccounted_power_ends_with_code_1_also_from_the_folder(small, write, tmp_path, capsys, lossy):
    file, out = write(small), tmp_path / "out"
    for _ in range(2):
        code, printed, err = command(capsys, "run", file, "--out", out, "--no-report")
        assert code == 1
        assert "run before" not in printed
        assert "unaccounted for is 26.7 %" in err.splitlines()[-1]
    assert withheld(run_files.read_summary(out))
    assert command(capsys, "check", out)[0] == 1


def test_accepted_by_name_it_is_shown_with_the_name(small, write, tmp_path, capsys, lossy):
    small["scenario"]["accept"] = ["closure"]
    code, printed, _ = command(capsys, "run", write(small), "--out", tmp_path / "out")
    assert code == 0
    assert printed.startswith("QUESTIONABLE")
    assert "accepted by name" in printed
    assert "whole_body_sar" in printed
    summary = run_files.read_summary(tmp_path / "out")
    assert summary["validity"]["accepted"] == ["closure"]
    assert summary["quantities"]
    assert "Accepted. The power that is unaccounted" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    code, printed, _ = command(capsys, "check", tmp_path / "out", "--duty-cycle", "0.5")
    assert code == 0
    assert "accepted by name" in printed
    assert command(capsys, "run", write(small), "--out", tmp_path / "out")[0] == 0


def test_what_is_accepted_in_vain_is_shown_too(small, write, tmp_path, capsys):
    small["scenario"]["accept"] = ["E_error"]
    code, printed, _ = command(capsys, "run", write(small), "--out", tmp_path / "out")
    words = "Accepted by name, though nothing was beyond: E_error"
    assert (code, words in printed) == (0, True)
    assert words in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_name_that_no_threshold_has_is_refused(small, write):
    small["scenario"]["accept"] = ["closures"]
    with pytest.raises(InputError, match=r"scenario\.accept.*did you mean 'closure'"):
        scenarios.load(write(small))


def test_accepting_nothing_leaves_the_hash_of_a_scenario_alone(small, write):
    """Oracle: folders of versions that did not know the key still belong to their scenarios."""
    plain = scenarios.load(write(small)).sha256
    small["scenario"]["accept"] = []
    assert scenarios.load(write(small)).sha256 == plain
    small["scenario"]["accept"] = ["closure"]
    assert scenarios.load(write(small)).sha256 != plain


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "valid"),
        ({"residual": 0.48}, "not valid"),
        ({"E_error_estimate": 76.0}, "not valid"),
        ({"E_error_estimate": 0.05}, "questionable"),
        ({"residual": None}, "not valid"),
    ],
)
def test_old_folders_are_judged_by_what_they_hold(finished, tmp_path, change, state, capsys):
    old = shutil.copytree(finished, tmp_path / "old")
    summary = run_files.read_summary(old)
    del summary["validity"], summary[run_files.SUMS]
    summary["convergence"].pop("cells_per_wavelength")
    summary["convergence"]["ports"][0] |= change
    (old / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert gate.validity(summary).state == state
    result = em.read_result(old)
    assert result.summary["validity"]["state"] == state
    assert withheld(result.summary) is (state == "not valid")
    assert command(capsys, "check", old)[0] == (1 if state == "not valid" else 0)
    assert command(capsys, "report", old)[0] == 0


@pytest.mark.parametrize(
    "broken", [{"convergence": 3}, {"convergence": {"ports": [7]}}, {"validity": {"measures": [7]}}]
)
def test_a_summary_that_cannot_be_judged_is_refused_in_one_line(finished, broken):
    summary = run_files.read_summary(finished)
    del summary["validity"]
    with pytest.raises(InputError, match="cannot be judged"):
        gate.gated(summary | broken, "a/summary.json")


# ---- implants ------------------------------------------------------------------------------------------------------
def run_ball(write, folder, monkeypatch, **tables):
    monkeypatch.setattr(tensor_files, "cache_folder", lambda: folder / "cache" / "kernels")
    ball = copy.deepcopy(BALL)
    for key, more in tables.items():
        ball[key] = {**ball.get(key, {}), **more} if key != "exposures" else more
    return run(write(ball, "ball.toml"), folder / "out").summary


def names_of(summary):
    return [f["name"] for f in summary["validity"]["findings"] if f["level"] == "not valid"]


@pytest.mark.filterwarnings("ignore::emdose.errors.EmdoseWarning")
def test_power_far_below_the_only_solved_frequency(write, tmp_path, monkeypatch):
    summary = run_ball(write, tmp_path, monkeypatch)
    assert names_of(summary) == ["extrapolation"]
    assert withheld(summary)
    assert summary["implant"] == {}


@pytest.mark.filterwarnings("ignore::emdose.errors.EmdoseWarning")
def test_a_spectrum_that_is_nearly_all_dropped(write, tmp_path, monkeypatch):
    epi = {"EPI": {"type": "epi", "echoes": 8, "repetition_s": 0.01, "echo_spacing_s": 1e-3, "duration_s": 60.0}}
    ideal = {"type": "ideal", "position_m": [0.1, 0.0, 0.19]}
    summary = run_ball(write, tmp_path, monkeypatch, exposures=epi, gradients=ideal, solver={"frequencies_Hz": [300.0]})
    assert "spectrum_dropped" in names_of(summary)
    found = {m["name"]: m["value"] for m in summary["validity"]["measures"]}
    assert found["spectrum_dropped"] > 0.9


def test_an_exposure_at_a_solved_frequency_is_valid(write, tmp_path, monkeypatch):
    solver = {"spacing_m": 1.5e-3, "frequencies_Hz": [250.0, 1000.0]}  # 13 voxels across: 1.4 % are left out
    summary = run_ball(write, tmp_path, monkeypatch, solver=solver)
    assert summary["validity"]["state"] == "valid"
    power = summary["implant"]["exposures"]["tone"]["power_W"]
    sigma = em.metals.get("Ti6Al4V").conductivity_S_m
    assert power == pytest.approx(2 * np.pi * sigma * 10e-3**5 * 20.0**2 / 15, rel=0.03)


def test_bounds_of_relaxations_hold_their_sum():
    """Oracle: sums of relaxations with positive weights, at random; flat ones are bounded tightly."""
    generator = np.random.default_rng(3)
    solved = np.array([300.0, 1000.0, 4000.0])
    for n in (1, 2, 3):
        for _ in range(200):
            weights, corners = generator.uniform(0, 1, 4), 10 ** generator.uniform(1, 6, 4)

            def power(f, a=weights, c=corners):
                return (a / (1 + (np.asarray(f)[:, None] / c) ** 2)).sum(1)

            f = np.array([30.0, 290.0, 5000.0, 5e4])
            used = solved[:n]
            at = f[(f < used[0]) | (f > used[-1])]
            low, high = relaxation_bounds(used, np.repeat(power(used)[:, None], len(at), 1), at)
            assert np.all(low <= power(at) * (1 + 1e-9))
            assert np.all(power(at) <= high * (1 + 1e-9))
    low, high = relaxation_bounds(solved, np.ones((3, 1)), np.array([30.0]))
    assert (low[0], high[0]) == pytest.approx((1.0, 1.0))
