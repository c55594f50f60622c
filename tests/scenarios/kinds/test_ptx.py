"""Scenarios of kind ``ptx``: a coarse head in four channels, its page, its files, and one line for bad input.

Oracles: em.check and SAR maps of the driven fields themselves, em.shim and em.worst_drive, matrices read back, the
convention told by the power matrix.
"""

from __future__ import annotations

import copy
import io
import itertools
import re
import tomllib
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import emdose as em
from emdose.cli import main
from emdose.compute.shared import Shared
from emdose.errors import InputError
from emdose.scenarios import kinds, loading
from emdose.scenarios.kinds.ptx import limits as room
from emdose.scenarios.shared import toml

ARRAY = {
    "scenario": {"kind": "ptx", "name": "four"},
    "phantom": {"type": "layered-head", "spacing_m": 0.01},
    "coil": {"type": "loop-array", "elements": 4, "radius_m": 0.15, "length_m": 0.16},
    "exposure": {"frequency_Hz": 128e6},
    "target": {"b1plus_rms_T": 4e-6, "over": "slice"},
    "solver": {"tolerance": 1e-3},
    "limits": {"peak_amplitude_A": 20.0},
    "tradeoff": {"points": 4},
    "checks": {"patient_mass_kg": 75.0, "duty_cycle": 0.5, "duty_cycle_10s": 0.8},
}


def changed(**tables):
    found = copy.deepcopy(ARRAY)
    for name, keys in tables.items():
        found[name] = {**found.get(name, {}), **keys} if isinstance(keys, dict) else keys
    return found


def code_of(*arguments):
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return end.value.code


def loaded(tables):
    return loading.from_tables(tables, "four.toml")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("ptx")
    found = em.run_scenario(ARRAY, out=place / "result", device="cpu", progress=False)
    return em.read_result(found.folder)


@pytest.fixture(scope="module")
def fields(run):
    """Fields of all channels, solved once more."""
    array = em.LoopArray(4, radius_m=0.15, length_m=0.16)
    exposure = em.Exposure(run.phantom, array, frequency_Hz=128e6)
    return em.Vie(tolerance=1e-3).solve(exposure, "cpu", progress=False)


def test_numbers_of_every_drive_are_those_of_its_fields(run, fields) -> None:
    """Oracles: SAR map and 10 g average of the driven fields, B1+ of the sum of all channels."""
    assert run.validity.is_valid
    rows = {one["name"]: one for one in run.summary["ptx"]["drives"]}
    assert list(rows) == ["circular", "phase-only", "unlimited", "homogeneous", "efficient"]
    for name, v in run.drives.items():
        driven = fields.drive(v)
        sar = em.point_sar(driven, run.phantom)
        average = em.mass_average(sar, sar.density, run.phantom.spacing_m, 0.01)
        assert rows[name]["sar_10g_W_kg"] == pytest.approx(em.peak(average.value, run.phantom).value, rel=1e-4)
        b1 = np.abs(driven.b1plus()[0])[run.target]
        assert rows[name]["b1plus_T"] == pytest.approx(b1.mean(), rel=1e-4)
        assert rows[name]["variation"] == pytest.approx(b1.std() / b1.mean(), rel=1e-3)
        start = "" if name == "homogeneous" else f"{name}: "
        assert run.quantities[f"{start}psSAR10g"]["value"] == pytest.approx(rows[name]["sar_10g_W_kg"], rel=1e-4)
    for name in ("circular", "phase-only", "unlimited"):
        assert rows[name]["b1plus_T"] == pytest.approx(4e-6)
    assert np.ptp(rows["phase-only"]["amplitudes"]) < 1e-9
    assert rows["unlimited"]["rms_error"] <= min(rows["circular"]["rms_error"], rows["phase-only"]["rms_error"])
    for name in ("homogeneous", "efficient"):
        assert rows[name]["used"] <= 1 + 1e-6
        assert max(rows[name]["amplitudes"]) <= 20 * (1 + 1e-6)
        assert rows[name]["gap"] < 1e-4
    assert rows["efficient"]["b1plus_T"] >= rows["homogeneous"]["b1plus_T"]
    for entry in run.quantities.values():
        assert entry["uncertainty"]["expanded"] > 0


def test_limits_of_drives_are_the_rows_they_are_compared_with(run, fields) -> None:
    """Oracle: em.check of the drive at the edge of its limits: one row of the normal mode is reached, none passed."""
    about = run.summary["ptx"]
    rows = [r for r in run.summary["checks"] if r["mode"] == "normal" and r["counted"] and r["ratio"] is not None]
    assert max(r["ratio"] for r in rows) <= 1 + 1e-6
    told = {one["label"]: one for one in about["limits"]}
    assert told["local SAR"]["of_standard"] == 10
    assert told["local SAR"]["limit"] == pytest.approx(min(10 / 0.5, 20 / 0.8))
    efficient = next(one for one in about["drives"] if one["name"] == "efficient")
    v = np.asarray(run.drives["efficient"]) * efficient["largest_factor"]
    driven = fields.drive(v).scale(b1plus_rms_T=efficient["largest_b1plus_T"], over=run.target)
    array = em.LoopArray(4, radius_m=0.15, length_m=0.16)
    checks = em.check(
        driven, run.phantom, coil=array, coil_type="array", patient_mass_kg=75.0, duty_cycle=0.5, duty_cycle_10s=0.8
    )
    normal = [r for r in checks.rows if r.limit.mode == "normal" and r.counted and r.ratio is not None]
    of_forms = [r.ratio for r in normal if "slab" not in r.region]
    if efficient["binds"] == "peak amplitude":
        assert max(of_forms) <= 1 + 1e-4
    else:
        assert max(of_forms) == pytest.approx(1.0, rel=1e-4)


def test_matrices_bounds_and_files_of_a_run(run, tmp_path) -> None:
    """Oracles: the certificate rerun on what was read back; the power matrix tells the convention."""
    q, vops, parts = run.q_matrices(), run.vops(), run.global_matrices()
    told = run.summary["ptx"]["matrices"]
    assert (len(q.matrices), len(vops)) == (told["matrices"], told["points"])
    assert vops.certify(q) > 0
    assert told["least_ratio"] >= 1 - 1e-9
    assert told["requires_global_limit"]
    assert vops.requires_global_limit
    assert told["map_misfit"] < 1e-5
    assert em.power_consistency(parts).difference < 1e-3
    v = np.asarray(run.drives["homogeneous"])
    assert q.sar(v).max() <= vops.peak(v) * (1 + 1e-6)
    for name in ("vops.npz", "vops.mat"):
        again = em.io.read_vops(run.folder / name)
        np.testing.assert_allclose(again.matrices, vops.matrices, rtol=1e-6, atol=1e-12 * vops.largest)
        assert (again.drive_unit, again.frequency_Hz) == ("A", 128e6)
    held = tomllib.loads((run.folder / "drives.toml").read_text())["drives"]["held-homogeneous"]
    back = np.asarray(held["amplitudes"]) * np.exp(1j * np.radians(held["phases_deg"]))
    np.testing.assert_allclose(back, v, rtol=1e-9)
    assert held["scaled"] is False
    assert set(run.to_xarray()) >= {"SAR_10g_homogeneous", "abs_B1plus_circular", "label"}
    copied = run.save(tmp_path / "copy")
    assert em.read_result(copied.folder).drives["circular"].shape == (4,)


def test_trade_off_and_worst_cases(run) -> None:
    """Oracles: each point is within its limit, a looser one is no worse; em.worst_drive of the matrices."""
    about, q = run.summary["ptx"], run.q_matrices()
    curve = about["tradeoff"]
    assert [r["factor"] for r in curve] == pytest.approx(np.geomspace(0.1, 4, 4))
    assert all(r["sar_10g_W_kg"] <= r["limit_W_kg"] * (1 + 1e-6) for r in curve)
    errors = [r["rms_error"] for r in curve]
    assert all(b <= a * (1 + 1e-3) for a, b in itertools.pairwise(errors))
    worst = about["worst"]
    v = np.asarray(run.drives["homogeneous"])
    found = em.worst_drive(q, np.abs(v))
    assert worst["phases_upper_W_kg"] == pytest.approx(found.upper, rel=1e-4)
    assert worst["phases_lower_W_kg"] >= worst["nominal_W_kg"]
    faults = em.channel_faults(q, v, 20.0)
    np.testing.assert_allclose(worst["stuck_W_kg"], faults.stuck, rtol=1e-4)
    rows = {r["name"]: r for r in about["modes"]["rows"]}
    for name in run.drives:
        b1 = [rows[m]["drives"][name]["b1plus_T"] for m in ("power of each channel", "amplitudes", "all matrices")]
        assert all(b >= a * (1 - 1e-9) for a, b in itertools.pairwise(b1))
        assert all(r["drives"][name]["used"] <= 1 + 1e-6 for r in rows.values())
    assert "own" not in rows["amplitudes"]
    assert all(r["own"]["used"] <= 1 + 1e-6 for r in rows.values() if "own" in r)


def test_page_words_and_maps(run) -> None:
    kind = kinds.get("ptx")
    page = run.page()
    for text in ("What each way of supervising power allows", "Worst cases of 10 g SAR", "virtual observation points"):
        assert text in page
    assert not re.search(r"\d uT", page)
    told = str(kind.methods(run.summary))
    assert "v^H Q v" in told
    console = Console(file=io.StringIO(), width=160)
    kind.tell(console, run.summary)
    assert "certificate checked" in console.file.getvalue()
    kind.tell(console, kind.withheld(run.summary))
    assert len(kind.maps(run).layers) == 10
    assert len(kind.canvas(loaded(ARRAY)).layers) == 0


def test_limits_again_and_beside_itself(run, tmp_path, capsys) -> None:
    """`emdose check`, `report` and `compare` of a run: SAR over the duty cycle, no difference from itself."""
    before = {(r["quantity"], r["region"], r["window_s"], r["mode"]): r for r in run.summary["checks"]}
    again = kinds.get("ptx").recheck(run, {"duty_cycle": 0.25, "duty_cycle_10s": 0.25}, "cpu")["checks"]
    halved = [r for r in again if r["window_s"] == 360 and r["value"] is not None]
    for r in halved:
        assert r["value"] == pytest.approx(0.5 * before[r["quantity"], r["region"], 360, r["mode"]]["value"], rel=1e-5)
        assert r["uncertainty"] > 0
    assert halved
    with pytest.raises(InputError, match="duty_cycle"):
        kinds.get("ptx").recheck(run, {"duty_cycle": 2.0})
    assert code_of("report", run.folder) == 0
    assert code_of("check", run.folder, "--duty-cycle", "0.25") in (0, 3)
    assert code_of("compare", run.folder, run.folder, "--out", tmp_path / "both.html") == 0
    capsys.readouterr()


def test_a_kept_solution_and_held_drives_give_the_same(run, fields) -> None:
    """Oracle: the run itself; a drive of its drives.toml is held as it is, and the study's inputs know it."""
    held = tomllib.loads((run.folder / "drives.toml").read_text())["drives"]["held-homogeneous"]
    tables = changed(drives={"held": held}, shim={"drives": "none"}, tradeoff={"points": 0})
    kind = kinds.get("ptx")
    job = kind.sharing_job(loaded(tables), "cpu", Shared(0))
    outcome = job.evaluate(job.solution_of(job.solution_arrays(fields)))
    numbers = outcome.summary["quantities"]
    for name in ("psSAR10g", "b1plus_rms", "whole_body_sar"):
        assert numbers[name]["value"] == pytest.approx(run.quantities[name]["value"], rel=1e-4)
    assert outcome.summary["ptx"]["tradeoff"] == []
    maps = job.study_maps(outcome)
    assert set(maps) == {"held abs_B1plus_uT", "held SAR_10g_W_kg"}
    assert np.nanmax(maps["held SAR_10g_W_kg"]) == pytest.approx(numbers["psSAR10g"]["value"], rel=1e-4)
    names = set(kind.inputs(job.scenario))
    assert {"phantom.translate_m[0]", toml.dotted(("drives", "held", "amplitudes", 1))} <= names
    assert [law["path"] for law in kind.default_laws(job.scenario)]
    assert kind.on_grid(job.scenario, 0.008)["phantom"]["spacing_m"] == 0.008


def test_a_study_takes_held_drives_alone() -> None:
    study = {"method": "budget", "inputs": [{"path": "phantom.translate_m[0]", "law": "normal", "sd": 5e-3}]}
    with pytest.raises(InputError, match=r"shim\.drives.*drives\.toml"):
        kinds.get("ptx").job(loaded({**changed(), "uncertainty": study}), "cpu")
    kinds.get("ptx").job(loaded({**changed(shim={"drives": "none"}), "uncertainty": study}), "cpu")


def test_limits_by_mode_body_and_factor() -> None:
    """Oracles: the numbers of the table of limits."""
    head, array = em.phantoms.layered_head(0.01), em.LoopArray(4, radius_m=0.15, length_m=0.16)

    def found(body=head, **tables):
        scenario = loaded(changed(**tables)).tables
        return {one.quantity: one for one in room.sar_limits(body, array, scenario.checks, scenario.limits)}

    once = {"duty_cycle": 1.0, "duty_cycle_10s": 1.0}
    assert found(checks=once)["local SAR"].limit == 10
    assert found(checks=once, limits={"mode": "first level"})["local SAR"].limit == 20
    assert found(checks=once, limits={"safety_factor": 2.0})["head SAR"].limit == pytest.approx(1.6)
    assert found(checks=once, limits={"local_sar_W_kg": 4.0})["local SAR"].limit == 4
    assert found(checks={**once, "duty_cycle": 0.1})["local SAR"].limit == 20  # the worst 10 s bind
    assert set(found(checks={**once, "coil_type": "local"})) == {"local SAR"}
    assert set(found(checks={**once, "coil_type": "volume"})) == {"head SAR", "whole-body SAR", "partial-body SAR"}
    whole = found(checks=once)["whole-body SAR"]
    assert whole.limit == 2
    assert whole.factor == pytest.approx(head.mass_kg / 75)
    knee = found(body=em.phantoms.knee(0.01), checks={**once, "coil_type": "local"})
    assert knee["local SAR"].limit == 20


def test_what_does_not_fit_the_memory_is_refused_before_it_is_solved(monkeypatch) -> None:
    """Oracle: free memory that is made up."""
    job = kinds.get("ptx").job(loaded(ARRAY), "cpu")
    plan = job.evaluation_plan().evaluation
    assert f"{plan.size} matrices of 4 channels" in str(job.plan())
    monkeypatch.setattr("emdose.compute.machine.free_memory_bytes", lambda: plan.bytes - 1)
    with pytest.raises(em.ResourceError, match=r"matrices of 4 channels needs .* would fit"):
        job.evaluation_plan()


@pytest.mark.slow
def test_memory_of_matrices_is_planned(fields) -> None:
    """Oracle: what NumPy allocates at the most while a solution is evaluated."""
    job = kinds.get("ptx").job(loaded(changed(shim={"drives": ["homogeneous"]}, tradeoff={"points": 1})), "cpu")
    job.prepare()
    plan = job.evaluation_plan().evaluation
    tracemalloc.start()
    outcome = job.evaluate(fields)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.4 * plan.bytes < peak < plan.bytes
    assert len(outcome.array.cubes) <= plan.size


def test_a_body_is_held_against_bounds_of_another_run(run, fields, tmp_path) -> None:
    """Oracles: fields that are 1.2 times as large have 1.44 times the factor; all drives by brute force."""
    own = {"shim": {"drives": ["efficient"]}, "tradeoff": {"points": 0}}
    table = changed(matrices={"bounds": str(run.folder / "vops.npz")}, **own)
    job = kinds.get("ptx").job(loaded(table), "cpu")
    summary = job.evaluate(fields).summary
    one = summary["quantities"]["bounds_factor"]
    assert 0.5 < one["value"] <= 1 + 1e-6  # the matrices that they were made of
    v = np.random.default_rng(1).normal(size=(200, 4, 2)) @ [1, 1j]
    q = run.q_matrices()
    larger = em.bound_factor(run.vops(), replace(q, matrices=1.44 * np.asarray(q.matrices)))
    assert larger == pytest.approx(1.44 * one["value"], rel=1e-3)
    assert all(1.44 * q.sar(w).max() <= larger * run.vops().peak(w) * (1 + 1e-6) for w in v)
    other = replace(run.vops(), rule="linear")
    em.write_vops(other, tmp_path / "linear.npz")
    with pytest.raises(InputError, match=r"matrices\.bounds.*linear"):
        kinds.get("ptx").job(loaded(changed(matrices={"bounds": str(tmp_path / "linear.npz")})), "cpu")
    with pytest.raises(InputError, match=r"matrices\.bounds.*128500000"):
        kinds.get("ptx").job(loaded(changed(matrices=table["matrices"], exposure={"frequency_Hz": 128.5e6})), "cpu")
    with pytest.raises(InputError, match=r"channels differ"):
        kinds.get("ptx").job(
            loaded(changed(matrices={"bounds": str(run.folder / "vops.npz")}, coil={"elements": 5})), "cpu"
        )


def test_limits_with_value_and_uncertainty(run, fields) -> None:
    """Oracles: value + U of the drive that just keeps the limits, as the table of limits writes it."""
    head, array = run.phantom, em.LoopArray(4, radius_m=0.15, length_m=0.16)

    def found(voxels=fields.discretisation(), **tables):  # noqa: B008
        scenario = loaded(changed(limits={"with_uncertainty": True}, **tables)).tables
        return {one.quantity: one for one in room.sar_limits(head, array, scenario.checks, scenario.limits, voxels)}

    plain = {one["label"].split(",")[0]: one["limit"] for one in run.summary["ptx"]["limits"]}
    of_head = next(name for name in run.quantities if name.startswith("head_sar"))
    own = {"psSAR10g": "local SAR", of_head: "head SAR", "whole_body_sar": "whole-body SAR"}
    for name, quantity in own.items():
        entry = run.quantities[name]
        u = entry["uncertainty"]["expanded"] / entry["value"]
        one = found()[quantity]
        assert one.uncertainty == pytest.approx(u, rel=1e-9)
        assert one.limit * (1 + u) == pytest.approx(plain[quantity], rel=1e-9)
    assert found()["local SAR"].uncertainty > found()["whole-body SAR"].uncertainty > 0
    given = found(checks={"relative_uncertainty": 0.28})
    assert {one.uncertainty for one in given.values()} == {0.28}
    assert given["local SAR"].limit == pytest.approx(plain["local SAR"] / 1.28)
    # The drive of a run under these limits is that under limits which are lower by the same factors.
    tight = loaded(changed(limits={"with_uncertainty": True}, shim={"drives": ["efficient"]}, tradeoff={"points": 0}))
    summary = kinds.get("ptx").job(tight, "cpu").evaluate(fields).summary
    about = summary["ptx"]
    (one,) = (d for d in about["drives"] if d["name"] == "efficient")
    assert one["used"] <= 1 + 1e-6
    rows = [r for r in summary["checks"] if r["mode"] == "normal" and r["counted"] and r["ratio"] is not None]
    u = {e["label"].split(",")[0]: e["uncertainty"] for e in about["limits"]}
    of_forms = [r["ratio"] * (1 + u[r["quantity"]]) for r in rows if "slab" not in r["region"]]
    assert 0.5 < max(of_forms) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"coil": {"elements": 1}}, ("coil", "2 to 32 channels")),
        ({"coil": {"elements": 40}}, ("coil", "2 to 32 channels")),
        ({"coil": {"type": "plane-wave"}}, ("coil.type", "loop-array")),
        ({"target": {"b1plus_rms_T": 0.0}}, ("target.b1plus_rms_T", "tesla")),
        ({"target": {"over": [0.14, 0.0, 0.0]}}, ("target.over",)),
        ({"target": {"over": [5.0, 0.0, 0.0]}}, ("target.over",)),
        ({"phantom": {"translate_m": [0.0, 0.0, 0.4]}, "target": {"over": "slice"}}, ("target.over",)),
        ({"limits": {"local_sar_W_kg": 0.0}}, ("limits.local_sar_W_kg", "> 0")),
        ({"limits": {"forward_power_W": 0.0}}, ("limits.forward_power_W", "> 0")),
        ({"limits": {"safety_factor": 0.5}}, ("limits.safety_factor", "1 to 100")),
        ({"limits": {"mode": "second level"}}, ("limits.mode", "first level")),
        ({"matrices": {"overestimate": 0.0}}, ("matrices.overestimate",)),
        ({"drives": {"mine": {"amplitudes": [1.0, 1.0]}}}, ("drives.mine.amplitudes", "4, one a port")),
        ({"drives": {"mine": {"name": "spiral"}}}, ("drives.mine.name", "circular")),
        ({"drives": {"homogeneous": {"name": "circular"}}}, ("another name",)),
        (
            {"drives": {"mine": {"amplitudes": [1.0, 1.0, 1.0, 30.0], "scaled": False}}},
            ("drives.mine.amplitudes", "the largest in [limits], 20"),
        ),
        ({"shim": {"drives": ["even"]}}, ("shim.drives", "homogeneous")),
        ({"shim": {"drives": "all"}}, ("shim.drives",)),
        ({"checks": {"duty_cycle": 0.9, "duty_cycle_10s": 0.5}}, ("checks", "duty_cycle_10s >= duty_cycle")),
        ({"checks": {"patient_mass_kg": 2.0}}, ("checks.patient_mass_kg", "at least")),
    ],
)
def test_bad_input_is_one_line(tables, words) -> None:
    found = changed(**{k: v for k, v in tables.items() if k != "coil"})
    if "coil" in tables:
        kind = tables["coil"].get("type")
        found["coil"] = {"type": kind} if kind else {**found["coil"], **tables["coil"]}
    with pytest.raises(InputError) as error:
        kinds.get("ptx").job(loaded(found), "cpu")
    text = str(error.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_bad_input_ends_with_code_2(tmp_path, capsys) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(toml.dump(changed(drives={"mine": {"amplitudes": [1.0, 1.0]}})))
    assert code_of("run", path, "--out", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "drives.mine.amplitudes" in line


def test_a_sequence_with_shims(run, tmp_path):
    """Oracle: the matrices of the run itself, for the amplitudes that shims and calibration make of the pulses."""
    pulse = em.RfPulse(np.array([0.0, 1e-3]), np.array([200.0 + 0j]))
    shims = np.array([[1, 1j, 0.5, 0], [0.3, 1, 1, -1]]) + 0j
    rf, durations = np.array([0, -1, 0, -1, 0]), np.array([1e-3, 9e-3, 1e-3, 9e-3, 1e-3])
    sequence = em.PulseSequence("three", durations, rf, (pulse,), np.array([-1, -1, 0, -1, 1]), shims)
    folder, result = run.folder, em.read_result(run.folder)
    sheet = em.sequence_sheet(sequence, folder, tmp_path / "sheet", repeated=False, progress=False)
    circular = result.drives["circular"]
    mode = circular / np.abs(circular).max()
    b1 = result.b1plus[:, result.target].T
    k = 200 / (sequence.gamma_Hz_T * np.abs(b1 @ mode).mean())
    played = [k * mode, k * shims[0], k * shims[1]]
    mean = sum(result.q_matrices().sar(v) for v in played) * 1e-3 / sequence.duration_s
    assert sheet.whole.quantity("10 g").average == pytest.approx(mean.max(), rel=1e-4)
    squares = [np.abs(b1 @ v).mean() ** 2 for v in played]
    assert sheet.whole.quantity("B1+rms").average == pytest.approx(np.sqrt(np.mean(squares) * 3e-3 / 21e-3), rel=1e-4)
    assert {c.limit.quantity for c in sheet.checks.rows if c.counted and c.ratio} >= {"local SAR", "head SAR"}
    assert any("one by one" in text for text in sheet.summary["warnings"])
