"""What is solved is not solved again: the key of a solution is apart from all that is made of it."""

from __future__ import annotations

import errno
import json
import os
import shutil

import h5py
import numpy as np
import pytest

from emdose import resources, scenarios
from emdose.compute import machine
from emdose.errors import EmdoseWarning, InputError, OutputError, ResourceError
from emdose.io.disk import atomic, run_files
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.scenarios.kinds.rf.job import RfJob
from emdose.scenarios.results import read_result
from emdose.solvers.vie import problem as vie_problem
from emdose.solvers.vie.solver import Vie


def run(file, out, **options):
    return scenarios.run(file, out, device="cpu", **options)


@pytest.fixture
def mine(finished, tmp_path):
    """A folder like the finished one that a test may change."""
    shutil.copytree(finished, tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def unsolvable(monkeypatch):
    """From here on nothing may be solved."""
    monkeypatch.setattr(Vie, "solve", lambda *_, **__: pytest.fail("solved again"))


CHANGES = {
    "name": {"scenario": {"name": "another name"}},
    "accept": {"scenario": {"accept": ["closure"]}},
    "normalisation": {"normalise": {"b1plus_rms_T": 1e-6, "over": "body"}},
    "another target": {"normalise": {"b1plus_rms_T": None, "absorbed_power_W": 1.0}},
    "drive": {"drive": {"name": "anti-quadrature"}, "normalise": {"b1plus_rms_T": None, "input_power_W": 1.0}},
    "checks": {"checks": {"duty_cycle": 0.5, "edition": "2010+A2:2015"}},
    "averaging": {"dosimetry": {"masses_kg": [5e-3], "rule": "linear"}},
    "output": {"output": {"paraview": False}},
    "patience": {"solver": {"type": "vie", "max_iterations": 2000}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_made_of_a_solution_can_change(change, mine, small, write, tmp_path, monkeypatch):
    # Oracle: a run of the changed scenario in a folder of its own, which has solved everything itself.
    for table, keys in CHANGES[change].items():
        small[table] = {k: v for k, v in ({**small.get(table, {}), **keys}).items() if v is not None}
    file = write(small)
    anew = run(file, tmp_path / "anew")
    monkeypatch.setattr(Vie, "solve", lambda *_, **__: pytest.fail("solved again"))
    again = run(file, mine)
    assert (anew.state, again.state) == ("new", "evaluated")
    assert again.summary["quantities"]
    keys = ("quantities", "checks", "power_balance", "convergence", "thermal", "validity", "scenario")
    assert told(again, keys) == told(anew, keys)
    with h5py.File(mine / "result.h5") as one, h5py.File(tmp_path / "anew" / "result.h5") as two:
        for name in ("sar/value", "fields/b1plus", "averages/10g/value"):
            assert np.array_equal(one[name], two[name])
    assert {p.name for p in mine.iterdir()} == {p.name for p in (tmp_path / "anew").iterdir()}
    assert run(file, mine).state == "finished"


def told(outcome, keys):
    found = json.loads(run_files.to_json({k: outcome.summary.get(k) for k in keys}))
    found["scenario"]["scenario"].pop("sha256")
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"phantom": {"radius_m": 0.045}},
        {"phantom": {"tissues": {"head_liquid": {"density_kg_m3": 900.0}}}},
        {"coil": {"rungs": 12}},
        {"exposure": {"frequency_Hz": 128e6}},
        {"solver": {"tolerance": 1e-3}},
    ],
)
def test_what_the_solver_is_given_cannot(change, mine, small, write, unsolvable):
    # Oracle: the tables that describe the problem; the folder stays as it was.
    before = {p: p.stat().st_mtime_ns for p in mine.rglob("*")}
    for table, keys in change.items():
        small[table] = small.get(table, {}) | keys
    with pytest.raises(InputError, match=r"another scenario.*another --out, or --force"):
        run(write(small), mine)
    assert before == {p: p.stat().st_mtime_ns for p in mine.rglob("*")}


def test_a_mended_solver_solves_again(mine, small, write, monkeypatch):
    # Oracle: the hash of the solvers' code, changed by this test: nothing stale is given out, the old result stays
    # until there is another.
    real = resources.code_sha256
    monkeypatch.setattr(resources, "code_sha256", lambda *rooms, **more: "x" + real(*rooms, **more))
    solved = []
    plain = Vie.solve

    def solve(*args, **more):
        solved.append((mine / "summary.json").exists())
        return plain(*args, **more)

    monkeypatch.setattr(Vie, "solve", solve)
    outcome = run(write(small), mine)
    assert (outcome.state, solved) == ("new", [True])
    assert outcome.summary["provenance"]["code_sha256"].startswith("x")


def test_mended_evaluation_evaluates_again(mine, small, write, unsolvable, monkeypatch):
    # Oracle: the hash of the whole code changes, that of the solvers does not.
    real = resources.code_sha256
    monkeypatch.setattr(resources, "code_sha256", lambda *r, **m: real(*r, **m) if r else "other")
    assert run(write(small), mine).state == "evaluated"
    assert run(write(small), mine).state == "finished"


def test_force_solves_again(mine, small, write):
    # Oracle: the words of --force.
    assert run(write(small), mine, force=True).state == "new"


def test_an_evaluation_that_fails_costs_nothing(small, write, tmp_path, monkeypatch):
    # Oracle: the solver is called once, though the evaluation fails the first time.
    file, out = write(small), tmp_path / "out"
    plain = RfJob.evaluate
    monkeypatch.setattr(RfJob, "evaluate", lambda *_: (_ for _ in ()).throw(InputError("no harmonic")))
    with pytest.raises(InputError, match="no harmonic"):
        run(file, out)
    assert {p.name for p in out.iterdir()} == {"scenario.lock.toml", "solution"}
    monkeypatch.setattr(RfJob, "evaluate", plain)
    monkeypatch.setattr(Vie, "solve", lambda *_, **__: pytest.fail("solved again"))
    assert run(file, out).state == "resumed"


def test_a_full_disk_leaves_the_earlier_result(mine, small, write, unsolvable, monkeypatch):
    # Oracle: every file that is written fails once, as on a full disk; the earlier run is whole, and read back.
    small["checks"] = {"duty_cycle": 0.25}
    file, before = write(small), (mine / "summary.json").read_bytes()
    (mine / "report.html").write_text("the page of the earlier run")
    real = atomic._flush
    for name in ("result.h5", "fields.vti", "scenario.lock.toml", "summary.json"):

        def flush(path, flags, name=name):
            if path.name.startswith(f".{name}."):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(path, flags)

        monkeypatch.setattr(atomic, "_flush", flush)
        with pytest.raises(OutputError, match="No space left on device"):
            run(file, mine)
        assert (mine / "summary.json").read_bytes() == before
        assert read_result(mine).summary["scenario"]["checks"]["duty_cycle"] == 1.0
        assert (mine / "report.html").exists()
        assert not [p.name for p in mine.iterdir() if p.name.endswith(atomic.PART)]
    monkeypatch.setattr(atomic, "_flush", real)
    assert run(file, mine).state == "evaluated"
    assert not (mine / "report.html").exists()  # it showed the earlier run


@pytest.mark.parametrize("damage", ["cut", "scaled", "bit", "empty"])
def test_a_damaged_solution_is_not_used(damage, mine, small, write, finished):
    # Oracle: the numbers of the run that nobody has touched; the fields that this test multiplies by 0.01 give others.
    small["scenario"]["name"] = "evaluated"
    path = mine / "solution" / "solved.npz"
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "bit":
        path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    else:
        with np.load(path) as file:
            arrays = {k: file[k] for k in file.files}
        arrays["E"] = arrays["E"] * np.float32(0.01)
        np.savez(path, **arrays)
    with pytest.warns(EmdoseWarning, match=r"damaged.*solved again"):
        outcome = run(write(small), mine)
    assert outcome.state == "new"
    here = json.loads((finished / "summary.json").read_text())["quantities"]["psSAR10g"]["value"]
    assert outcome.summary["quantities"]["psSAR10g"]["value"] == here


@pytest.mark.parametrize("damage", ["cut", "scaled", "gone"])
def test_a_damaged_result_is_not_given_out(damage, mine, small, write, unsolvable):
    # Oracle: the hash in the summary; what was solved is evaluated anew, and the result is whole again.
    path = mine / "result.h5"
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:-1000])
    elif damage == "gone":
        path.unlink()
    else:
        with h5py.File(path, "r+") as file:
            file["sar/value"][...] = 0.01 * file["sar/value"][()]
    with pytest.raises(InputError, match=r"result\.h5: (changed or damaged since it was written|no such file)"):
        read_result(mine)
    assert run(write(small), mine).state in ("evaluated", "resumed")
    assert read_result(mine).summary["quantities"]["psSAR10g"]["value"] > 0


@pytest.mark.parametrize(
    ("old", "new"), [('"region"', '"regi\\u00f6n"'), ("psSAR10g", "psSAR1Og"), ('"value": 0.', '"value": 1.')]
)
def test_a_changed_summary_is_not_given_out(old, new, mine, small, write, unsolvable):
    # Oracle: the hash in the summary; a number or a key of it is another, as a disk or an editor would leave it.
    path = mine / "summary.json"
    whole = path.read_text(encoding="utf-8")
    assert old in whole
    path.write_text(whole.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json: changed or damaged since it was written"):
        read_result(mine)
    assert run(write(small), mine).state in ("evaluated", "resumed")
    same = {k: v["value"] for k, v in read_result(mine).summary["quantities"].items()}
    assert same == {k: v["value"] for k, v in json.loads(whole)["quantities"].items()}


def test_a_foreign_solution_is_not_used(mine, small, write):
    # Oracle: the key inside the store; the frequency of this scenario is another.
    small["exposure"]["frequency_Hz"] = 64e6
    assert FolderCheckpoint(mine / "solution", "").stored_key is not None
    outcome = run(write(small), mine, force=True)
    assert outcome.summary["scenario"]["exposure"]["frequency_Hz"] == 64e6
    key = FolderCheckpoint(mine / "solution", "").stored_key
    assert key == outcome.summary["provenance"]["solution_key"]


def test_ports_that_are_done_survive_a_missed_tolerance(small, write, tmp_path, monkeypatch):
    # Oracle: the solver's account: the port that was done before the others missed the tolerance is not solved again.
    monkeypatch.setattr(vie_problem, "TOGETHER", 1)  # ports that share their directions are done together
    out = tmp_path / "out"

    def stop(event):
        if event.stage == "port" and event.index > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(write(small), out, progress=stop)
    small["solver"] = {"type": "vie", "max_iterations": 2}
    assert run(write(small), out, resume=True).summary["convergence"]["converged"] is False
    small["solver"]["max_iterations"] = 500
    again = run(write(small), out, resume=True)
    assert again.summary["convergence"]["converged"] is True
    assert [p["resumed"] for p in again.summary["convergence"]["ports"]] == [True, False]


def test_heat_can_change(small, write, tmp_path, monkeypatch):
    # Oracle: a run that has heated and solved by itself.
    small["phantom"]["tissue"] = "muscle"
    run(write(small), tmp_path / "mine")
    small["thermal"] = {"duration_s": 60.0, "edges": "insulated"}
    anew = run(write(small), tmp_path / "anew")
    monkeypatch.setattr(Vie, "solve", lambda *_, **__: pytest.fail("solved again"))
    again = run(write(small), tmp_path / "mine")
    assert again.state == "evaluated"
    one, two = (told(outcome, ("quantities", "thermal", "scenario")) for outcome in (again, anew))
    one["thermal"].pop("provenance"), two["thermal"].pop("provenance")
    assert one == two


def test_a_solution_larger_than_the_memory_is_refused(mine, small, write, monkeypatch):
    # Oracle: the need of the solution alone, made huge; the folder stays as it was.
    small["scenario"]["name"] = "other"
    before = (mine / "summary.json").read_bytes()
    real = machine.require_memory

    def require(need, what, *more):
        return real(2**60 if what.startswith("the solution") else need, what, *more)

    monkeypatch.setattr(machine, "require_memory", require)
    with pytest.raises(ResourceError, match="the solution that is kept in"):
        run(write(small), mine)
    assert (mine / "summary.json").read_bytes() == before
