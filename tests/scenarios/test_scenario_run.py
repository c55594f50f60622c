"""A run leaves a folder that is complete, true to itself, and can be read again; or it leaves nothing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

import emdose as em
from emdose import scenarios
from emdose.errors import ConvergenceError, EmdoseWarning, InputError, OutputError, ResourceError
from emdose.io.disk import atomic, run_files
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.io.disk.claim import FolderClaim, InUseError
from emdose.scenarios.kinds.rf import job
from emdose.scenarios.kinds.rf.recheck import recheck
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml
from emdose.solvers.vie import problem as vie_problem
from emdose.solvers.vie.solver import Vie

FILES = {"result.h5", "summary.json", "fields.vti", "scenario.lock.toml", "solution"}


def run(file, out, **options):
    return scenarios.run(file, out, device="cpu", **options)


@contextlib.contextmanager
def held(path):
    claim = FolderClaim(path)
    claim.acquire()
    yield
    claim.release()


def names(folder):
    return {p.name for p in folder.iterdir()}


@pytest.fixture(scope="module")
def result(finished):
    return read_result(finished)


def test_folder_is_complete(finished):
    # Oracle: the list of files in the documentation.
    assert names(finished) == FILES


def test_target_is_met(result):
    # Oracle: the scenario asks for 2 uT at the isocentre.
    i = result.phantom.grid.index_of((0, 0, 0))
    assert abs(result.b1plus[i]) == pytest.approx(2e-6, rel=1e-5)
    assert result.summary["quantities"]["b1plus_isocentre"]["value"] == pytest.approx(2e-6, rel=1e-5)


def test_summary_agrees_with_the_maps(result):
    # Oracle: the numbers computed anew from what result.h5 holds.
    q = result.summary["quantities"]
    sar, phantom = result.sar, result.phantom
    mass = phantom.density.astype(float) * phantom.grid.voxel_volume_m3
    power = float((sar.value * mass).sum())
    assert q["absorbed_power"]["value"] == pytest.approx(power, rel=1e-4)
    assert q["whole_body_sar"]["value"] == pytest.approx(power / mass.sum(), rel=1e-4)
    assert q["point_sar_max"]["value"] == pytest.approx(sar.value.max(), rel=1e-5)
    for name in ("1g", "10g"):
        assert q[f"psSAR{name}"]["value"] == pytest.approx(result.averages[name].value[phantom.body].max(), rel=1e-5)
        at = phantom.grid.index_of(q[f"psSAR{name}"]["location_m"])
        assert result.averages[name].value[at] == pytest.approx(q[f"psSAR{name}"]["value"], rel=1e-5)
    assert all({"value", "unit", "uncertainty"} <= set(entry) for entry in q.values())


def test_every_headline_number_says_how_uncertain_voxels_leave_it(result):
    # Oracle: the curve of discretisation, evaluated for these fields; what was asked for is met whatever the voxels.
    q, voxels = result.summary["quantities"], result.fields.discretisation()
    for name, entry in q.items():
        stated = entry["uncertainty"]
        assert (stated["k"], stated["kind"]) == (2, "discretisation"), name
        assert (stated["expanded"] == 0) == (name in {"b1plus_rms", "b1plus_isocentre"}), name
    numbers = {
        "whole_body_sar": "power",
        "absorbed_power": "power",
        "psSAR10g": "10 g SAR",
        "psSAR1g": "1 g SAR",
        "point_sar_max": "point SAR",
        "E_peak": "E peak",
        "scattered_power": "scattered power",
        "b1plus_slice": "B",
    }
    for name, number in numbers.items():
        expected = voxels.expanded(number) * q[name]["value"]
        assert q[name]["uncertainty"]["expanded"] == pytest.approx(expected, rel=1e-6), name


def test_b1_per_root_of_power(result):
    # Oracle: definition, and that it does not depend on the scaling: the same from B1+ and power at the isocentre.
    q = result.summary["quantities"]
    efficiency, b1, power = (q[n] for n in ("b1plus_per_sqrt_W", "b1plus_isocentre", "absorbed_power"))
    assert efficiency["unit"] == "T/sqrt(W)"
    assert efficiency["value"] == pytest.approx(b1["value"] / power["value"] ** 0.5, rel=1e-5)
    share = power["uncertainty"]["expanded"] / power["value"]
    assert efficiency["uncertainty"]["expanded"] == pytest.approx(0.5 * share * efficiency["value"], rel=1e-6)


def test_power_balance_and_residual_are_told(result):
    # Oracle: conservation of power, and the tolerance of the solver.
    assert result.summary["power_balance"]["closure"] < 1e-3
    assert result.summary["convergence"]["converged"] is True
    assert all(p["residual"] <= 1e-4 for p in result.summary["convergence"]["ports"])
    assert result.summary["warnings"] == []


def test_the_same_in_python(finished, result, small):
    # Oracle: the same physics through the public names, without scenario.
    phantom = em.phantoms.sphere(0.05, 12.5e-3)
    exposure = em.Exposure(phantom, em.Birdcage(rungs=8), frequency_Hz=127.74e6)
    fields = em.Vie().solve(exposure, device="cpu").drive("quadrature").scale(b1plus_rms_T=2e-6)
    sar = em.point_sar(fields, phantom)
    average = em.mass_average(sar, phantom.density, phantom.spacing_m, mass_kg=10e-3, device="cpu")
    assert np.allclose(result.sar.value, sar.value, rtol=1e-5)
    assert result.summary["quantities"]["psSAR10g"]["value"] == pytest.approx(average.peak, rel=1e-5)


def test_result_is_read_back(finished, result):
    # Oracle: the phantom's own hash, and the fields' own functions.
    assert result.phantom.hash() == em.phantoms.sphere(0.05, 12.5e-3).hash()
    assert result.summary["provenance"]["phantom_sha256"] == result.phantom.hash()
    assert np.allclose(result.fields.b1plus()[0], result.b1plus)
    assert np.allclose(em.point_sar(result.fields, result.phantom).value, result.sar.value, rtol=1e-6)
    assert result.fields.power.power()["absorbed_W"] == pytest.approx(
        result.summary["power_balance"]["absorbed_W"], rel=1e-9
    )
    assert result.coil.extent_m == em.Birdcage(rungs=8).extent_m
    assert result.coil.parameters["rungs"] == 8


def test_currents_of_the_scaled_drive(result):
    # Oracle: quadrature rung currents all have the same amplitude, the scaling factor [A].
    factor = result.summary["provenance"]["scale"]["factor"]
    along_z = np.abs(np.diff(result.coil.segments, axis=1)[:, 0, 2]) > 0
    assert np.allclose(np.abs(result.coil.currents[along_z]), factor, rtol=1e-9)


def test_provenance_is_there(result):
    # Oracle: the list in the documentation.
    p = result.summary["provenance"]
    assert p["emdose"] == em.__version__
    assert p["versions"]["numpy"] == np.__version__
    assert {"date", "scenario_sha256", "databases_sha256", "device", "platform", "phantom_sha256"} <= set(p)
    assert result.summary["scenario"]["solver"]["tolerance"] == 1e-4
    assert result.summary["timing_s"]["total"] > 0


def test_summary_is_strict_json(finished):
    # Oracle: RFC 8259 knows neither NaN nor Infinity.
    def refuse(name):
        raise AssertionError(name)

    json.loads((finished / "summary.json").read_text(), parse_constant=refuse)
    assert run_files.to_json({"a": np.float32("nan"), "b": [1 + 2j], "c": np.arange(2)}) == (
        '{"a": null, "b": [[1.0, 2.0]], "c": [0, 1]}'
    )


def test_paraview_file(finished, result):
    # Oracle: VTK's reader.
    pyvista = pytest.importorskip("pyvista")
    image = pyvista.read(finished / "fields.vti")
    sar = image.cell_data["SAR_W_kg"].reshape(result.sar.value.shape, order="F")
    inside = result.phantom.body  # what belongs to tissue is NaN outside of it
    assert np.array_equal(np.isfinite(sar), inside)
    assert np.allclose(sar[inside], result.sar.value[inside], rtol=1e-6)
    assert {"abs_B1plus_uT", "SAR_10g_W_kg", "label"} <= set(image.cell_data)


def test_lock_reproduces(finished, tmp_path, result):
    # Oracle: the lock file is the scenario.
    again = run(finished / "scenario.lock.toml", tmp_path / "again")
    assert (tmp_path / "again" / "scenario.lock.toml").read_text() == (finished / "scenario.lock.toml").read_text()
    assert again.summary["quantities"]["psSAR10g"]["value"] == result.summary["quantities"]["psSAR10g"]["value"]


def test_second_run_is_a_cache_hit(finished, monkeypatch):
    # Oracle: the solver must not be called.
    monkeypatch.setattr(Vie, "solve", lambda *_, **__: pytest.fail("solved again"))
    before = {p: p.stat().st_mtime_ns for p in finished.iterdir()}
    assert run(finished.parent / "small.toml", finished).state == "finished"
    assert run(finished.parent / "small.toml", finished, resume=True).state == "finished"
    assert before == {p: p.stat().st_mtime_ns for p in finished.iterdir()}


def test_another_scenario_is_refused(finished, small, write):
    # Oracle: the frequency that this test changed is named, and nothing is touched.
    small["exposure"]["frequency_Hz"] = 64e6
    with pytest.raises(
        InputError, match=r"another scenario.*frequency_Hz = 127740000.0 there, 64000000.0 here.*--force"
    ):
        run(write(small), finished)
    with pytest.raises(InputError, match="has changed, cannot resume"):
        run(write(small), finished, resume=True)
    assert names(finished) == FILES


def test_force_replaces(finished, tmp_path, small, write):
    # Oracle: the new scenario's name in the summary.
    shutil.copytree(finished, tmp_path / "r")
    small["scenario"]["name"] = "other"
    assert run(write(small), tmp_path / "r", force=True).summary["scenario"]["scenario"]["name"] == "other"


def test_strange_folder_is_left_alone(small, write, tmp_path):
    # Oracle: the files that this test put there.
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(InputError, match=r"not a result folder.*thesis\.tex"):
            run(write(small), tmp_path / "mine", force=force)
    assert names(tmp_path / "mine") == {"thesis.tex"}
    with pytest.raises(InputError, match="this is a file"):
        run(write(small), tmp_path / "mine" / "thesis.tex")


def test_damaged_lock_is_not_ours_to_judge(finished, tmp_path):
    # Oracle: a lock that cannot be read says nothing about the result beside it.
    shutil.copytree(finished, tmp_path / "r")
    (tmp_path / "r" / "scenario.lock.toml").write_text("[[[")
    shutil.rmtree(tmp_path / "r" / "solution")
    with pytest.raises(InputError, match="cannot be read"):
        run(finished.parent / "small.toml", tmp_path / "r")


def test_nothing_stays_of_a_run_that_fails_early(small, write, tmp_path, monkeypatch):
    # Oracle: the disk before and after.
    file = write(small)

    def too_big(*_, **__):
        raise ResourceError("needs 900 GiB; a spacing of 7 mm would fit")

    monkeypatch.setattr(Vie, "plan", too_big)
    with pytest.raises(ResourceError, match="900 GiB"):
        run(file, tmp_path / "a" / "b")
    assert names(tmp_path) == {"small.toml"}


@pytest.mark.parametrize("name", ["scenario.lock.toml", "result.h5", "summary.json", "port-0000.npz"])
def test_full_disk(small, write, tmp_path, monkeypatch, name):
    # Oracle: fsync fails as on a full disk when it is this file's turn; no result may appear.
    file, out = write(small), tmp_path / "out"
    real = atomic._flush

    def flush(path, flags):
        if path.name.startswith(f".{name}."):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, flags)

    monkeypatch.setattr(atomic, "_flush", flush)
    with pytest.raises(OutputError, match="No space left on device"):
        run(file, out)
    left = names(out) if out.exists() else set()
    assert not left & {"summary.json", "result.h5", "fields.vti"}
    assert not [n for n in left if n.endswith(atomic.PART)]
    monkeypatch.undo()
    assert run(file, out, resume=True).state in ("new", "resumed")
    assert names(out) == FILES


class StopError(Exception):
    """Stands for anything that ends a run between two ports."""


@pytest.fixture
def one_by_one(monkeypatch):
    """Ports that are solved for together are done together: between them a run cannot end."""
    monkeypatch.setattr(vie_problem, "TOGETHER", 1)


def stop_after(port):
    def progress(event):
        if event.stage == "port" and event.index > port:
            raise StopError

    return progress


def test_resume_solves_only_what_is_missing(small, write, tmp_path, result, one_by_one):
    # Oracle: the result of a run that was never stopped, and the solver's own account of what it solved.
    file, out = write(small), tmp_path / "out"
    with pytest.raises(StopError):
        run(file, out, progress=stop_after(0))
    assert names(out) == {"scenario.lock.toml", "checkpoint"}
    with pytest.raises(InputError, match=r"unfinished run is here.*--resume"):
        run(file, out)
    outcome = run(file, out, resume=True)
    assert outcome.state == "resumed"
    assert [p["resumed"] for p in outcome.summary["convergence"]["ports"]] == [True, False]
    assert names(out) == FILES
    value = outcome.summary["quantities"]["psSAR10g"]["value"]
    assert value == pytest.approx(result.summary["quantities"]["psSAR10g"]["value"], rel=1e-5)


def test_resume_with_a_damaged_checkpoint(small, write, tmp_path, one_by_one):
    # Oracle: the port is solved again, with a warning that also stands in the summary.
    file, out = write(small), tmp_path / "out"
    with pytest.raises(StopError):
        run(file, out, progress=stop_after(0))
    (out / "checkpoint" / "port-0000.npz").write_bytes(b"PK garbage")
    with pytest.warns(EmdoseWarning, match="solved again"):
        outcome = run(file, out, resume=True)
    assert [p["resumed"] for p in outcome.summary["convergence"]["ports"]] == [False, False]
    assert "damaged" in outcome.summary["warnings"][0]


def test_force_forgets_the_checkpoint(small, write, tmp_path, one_by_one):
    # Oracle: the solver's account.
    file, out = write(small), tmp_path / "out"
    with pytest.raises(StopError):
        run(file, out, progress=stop_after(0))
    outcome = run(file, out, force=True)
    assert [p["resumed"] for p in outcome.summary["convergence"]["ports"]] == [False, False]


def test_stale_temporary_files_go(small, write, tmp_path):
    # Oracle: leftovers of a killed run, made by hand.
    file, out = write(small), tmp_path / "out"
    run(file, out)
    (out / f".result.h5.abc{atomic.PART}").write_text("half")
    (out / ".running").write_text("999999999")
    (out / "summary.json").unlink()
    run(file, out)
    assert names(out) == FILES


def test_two_runs_in_one_folder(small, write, tmp_path):
    # Oracle: the lock that this test holds stands for the other emdose; every other start is refused, in one line.
    file, out = write(small), tmp_path / "out"
    run(file, out)
    with held(out / ".running"), pytest.raises(InUseError, match=rf"process {os.getpid()}\) is running"):
        run(file, out, force=True)
    assert names(out) == FILES


def test_missed_tolerance_saves_what_there_is(small, write, tmp_path):
    # Oracle: two iterations cannot reach 1e-4; the residual that was reached must be told.
    small["solver"] = {"max_iterations": 2}
    outcome = run(write(small), tmp_path / "out")
    convergence = outcome.summary["convergence"]
    assert convergence["converged"] is False
    assert max(p["residual"] for p in convergence["ports"]) > 1e-4
    assert "misses the tolerance" in outcome.summary["warnings"][0]
    assert names(tmp_path / "out") == FILES - {"solution"}


def test_missed_tolerance_without_fields_is_an_error(small, write, tmp_path, monkeypatch):
    # Oracle: nothing to save.
    def solve(*_, **__):
        raise ConvergenceError("no")

    monkeypatch.setattr(Vie, "solve", solve)
    with pytest.raises(ConvergenceError):
        run(write(small), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_closure_is_loud(small, write, tmp_path, monkeypatch):
    # Oracle: a fifth of the power that the source gives is made to vanish.
    plain = Vie.solve

    def solve(*args, **more):
        fields = plain(*args, **more)
        return replace(fields, power=replace(fields.power, extinction_W=fields.power.extinction_W * 1.364))

    monkeypatch.setattr(Vie, "solve", solve)
    outcome = run(write(small), tmp_path / "out")
    assert outcome.summary["validity"]["state"] == "not valid"
    assert "power that is unaccounted for is 26.7 %" in outcome.summary["validity"]["findings"][0]["sentence"]
    assert outcome.summary["quantities"] == {}


def test_warnings_are_passed_on_and_kept(small, write, tmp_path):
    # Oracle: 800 MHz has four cells per wavelength here, of which the solver warns.
    small["exposure"]["frequency_Hz"] = 800e6
    small["solver"] = {"tolerance": 1e-2}
    with pytest.warns(EmdoseWarning, match="cells per wavelength"):
        outcome = run(write(small), tmp_path / "out")
    assert any("cells per wavelength" in w for w in outcome.summary["warnings"])


def test_without_fields_and_paraview(small, write, tmp_path):
    # Oracle: the table [output].
    small["output"] = {"fields": False, "paraview": False}
    out = run(write(small), tmp_path / "out").folder
    assert names(out) == FILES - {"fields.vti"}
    result = read_result(out)
    assert result.fields is None
    with pytest.raises(InputError, match="did not keep its fields"):
        recheck(result, {})


def test_recheck_agrees_with_the_run(result):
    # Oracle: the rows of the run itself, and SAR proportional to the duty cycle.
    same = recheck(result, {}, device="cpu")
    for new, old in zip(same["checks"], result.summary["checks"], strict=True):
        assert (
            new["value"] == pytest.approx(old["value"], rel=1e-5) if old["value"] is not None else new["value"] is None
        )
        assert new["limit"] == pytest.approx(old["limit"], rel=1e-5) if old["limit"] is not None else True
    tenth = recheck(result, {"duty_cycle": 0.1}, device="cpu")
    assert tenth["checks"][0]["value"] == pytest.approx(0.1 * same["checks"][0]["value"], rel=1e-9)
    for key, value in [("duty_cycle", 7), ("edition", "1999"), ("head", "nose"), ("standard", "IEC 1")]:
        with pytest.raises(InputError, match=key):
            recheck(result, {key: value}, device="cpu")


def test_a_drive_of_the_other_sense_is_refused_or_accepted_by_name(small, write, tmp_path):
    # Oracle: without the name one line; with it the exposure is scaled as asked, and the result says so.
    small["drive"] = {"name": "anti-quadrature"}
    with pytest.raises(InputError, match="in the sense of B1") as error:
        run(write(small), tmp_path / "refused")
    assert error.value.field == "normalise.over"
    small["scenario"]["accept"] = ["b1plus_share"]
    result = run(write(small), tmp_path / "out")
    assert result.summary["validity"]["state"] == "questionable"
    assert [f["name"] for f in result.summary["validity"]["findings"] if f["accepted"]] == ["b1plus_share"]
    assert result.summary["provenance"]["scale"]["b1plus_share"] < 0.01


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"coil": {"type": "birdcage", "radius_m": 0.04}}, "coil"),
        ({"drive": {"name": "linea"}}, "drive.name"),
        ({"drive": {"amplitudes": [1, 2, 3]}}, "drive.amplitudes"),
        ({"normalise": {"b1plus_rms_T": 1e-6, "over": "head"}}, "normalise.over"),
        ({"normalise": {"b1plus_rms_T": 1e-6, "over": [0.5, 0, 0]}}, "normalise.over"),
        ({"normalise": {"b1plus_rms_T": 1e-6, "over": [0.045, 0.045, 0.045]}}, "normalise.over"),  # a voxel of air
        ({"checks": {"edition": "1999"}}, "checks.edition"),
        ({"checks": {"head": "nose"}}, "checks.head"),
        ({"phantom": {"type": "sphere", "radius_m": 0.05, "tissue": "muscel"}}, "phantom.tissue"),
        ({"phantom": {"type": "sphere", "radius_m": 0.012}}, "phantom"),
        ({"phantom": {"type": "layered-sphere", "radii_m": [0.05, 0.04], "layers": ["fat"] * 2}}, "phantom.radii_m"),
        ({"phantom": {"type": "sphere", "radius_m": 0.05, "tissues": {"liver": {}}}}, "phantom.tissues.liver"),
        (
            {"phantom": {"type": "sphere", "radius_m": 0.05, "resample_spacing_m": [0.01, 0.01, 0.02]}},
            "phantom.spacing_m",
        ),
        ({"coil": {"type": "plane-wave", "polarisation": [0, 0, 1]}}, "coil.polarisation"),
        ({"coil": {"type": "birdcage", "shield_length_m": 1.0}}, "coil.shield_length_m"),
        ({"solver": {"dtype": "complex64", "tolerance": 1e-9}}, "solver.tolerance"),
    ],
)
def test_what_only_the_models_can_refuse(small, write, tmp_path, change, field):
    # Oracle: the key that this test spoilt; the error names the scenario file too, and nothing is left behind.
    small.update(change)
    file = write(small)
    with pytest.raises(InputError) as error:
        run(file, tmp_path / "out")
    assert error.value.field == field
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)
    assert names(tmp_path) == {"small.toml"}


def test_drives_and_regions(small, write, tmp_path):
    # Oracle: amplitudes and phases of the quadrature drive (1, -j) are the quadrature drive.
    small["drive"] = {"amplitudes": [1.0, 1.0], "phases_deg": [0.0, -90.0]}
    small["normalise"] = {"b1plus_rms_T": 2e-6, "over": [0.0, 0.0, 0.0]}
    outcome = run(write(small), tmp_path / "a")
    reference = run(write(small | {"drive": {"name": "quadrature"}}), tmp_path / "b")
    for name in ("psSAR10g", "b1plus_slice", "absorbed_power"):
        one, two = (o.summary["quantities"][name]["value"] for o in (outcome, reference))
        assert one == pytest.approx(two, rel=1e-6)


def test_head_region(write, tmp_path):
    # Oracles: the mean of abs(B1+) over the head mask is the target; the local limits of the extremities look at the
    # largest 10 g average below the height that was given, those of head and trunk above it.
    tables = {
        "scenario": {"kind": "rf", "name": "head"},
        "phantom": {"type": "layered-head", "spacing_m": 10e-3},
        "coil": {"type": "loop-array", "elements": 2, "radius_m": 0.16},
        "exposure": {"frequency_Hz": 64e6},
        "normalise": {"b1plus_rms_T": 1e-6, "over": "head"},
        "checks": {
            "coil_type": "local",
            "patient_mass_kg": 70.0,
            "exposed_z_m": [-0.1, 0.1],
            "extremities_z_m": [-1.0, -0.05],
        },
        "solver": {"tolerance": 1e-2},
    }
    outcome = run(write(tables), tmp_path / "a")
    result = read_result(outcome.folder)
    name = result.summary["provenance"]["scale"]["over"]
    assert name.startswith("head")
    mask = result.phantom.regions[name] & result.phantom.body
    assert np.abs(result.b1plus[mask]).mean() == pytest.approx(1e-6, rel=1e-4)
    heads = [k for k in outcome.summary["quantities"] if k.startswith("head_sar: ")]
    assert len(heads) >= 2
    assert outcome.summary["quantities"]["head_sar"]["value"] > 0
    assert any(r["region"].startswith("exposed part (given)") for r in outcome.summary["checks"])
    below = np.broadcast_to(result.phantom.grid.centres(2) <= -0.05, result.phantom.grid.shape)
    average = np.where(result.phantom.body, result.averages["10g"].value, 0)
    local = [r for r in outcome.summary["checks"] if r["quantity"] == "local SAR"]
    assert {r["region"] for r in local} > {"extremities"}
    for row in local:
        part = average[below] if row["region"] == "extremities" else average[~below]
        assert row["value"] == pytest.approx(part.max(), rel=1e-6)


@pytest.mark.parametrize(
    ("checks", "field", "words"),
    [
        ({"extremities": ["arms"]}, "checks.extremities", "unknown region; found 'arms'; expected .*legs"),
        ({"extremities_z_m": [5, 6]}, "checks.extremities_z_m", "no tissue between these heights"),
        ({"exposed_z_m": [5, 6]}, "checks.exposed_z_m", "no tissue between these heights"),
        ({"extremities": ["legs"]}, None, ""),
    ],
)
def test_extremities_of_the_phantom(write, checks, field, words):
    # Oracle: the regions and heights of the body, looked at before anything is computed.
    tables = {
        "scenario": {"kind": "rf", "name": "adult"},
        "phantom": {"type": "stylised-adult", "spacing_m": 20e-3},
        "coil": {"type": "birdcage", "radius_m": 0.35, "length_m": 0.6},
        "exposure": {"frequency_Hz": 64e6},
        "normalise": {"b1plus_rms_T": 1e-6},
        "checks": {"coil_type": "local", **checks},
    }
    scenario = scenarios.loading.load(write(tables))
    if field is None:
        body = scenarios.kind(scenario.kind).job(scenario, "cpu").body
        mask = job.check_arguments(scenario.tables.checks, body)["extremities"]
        assert np.array_equal(mask, body.regions["legs"])
    else:
        with pytest.raises(InputError, match=words) as error:
            scenarios.kind(scenario.kind).job(scenario, "cpu")
        assert error.value.field == field


def test_phantom_from_file(small, write, tmp_path):
    # Oracle: the same body made in Python.
    body = em.phantoms.sphere(0.05, 10e-3, "muscle")
    em.write_phantom(body, tmp_path / "body.nii.gz")
    small["phantom"] = {
        "type": "file",
        "file": "body.nii.gz",
        "tissues": {"muscle": {"density_kg_m3": 1100.0}},
        "rotate_deg": [0, 0, 90],
        "crop_margin_m": 0.02,
        "translate_m": [0.0, 0.0, 0.01],
    }
    outcome = run(write(small), tmp_path / "out")
    result = read_result(outcome.folder)
    assert result.phantom.tissue_volume()["muscle"] == pytest.approx(body.volume_m3)
    assert result.phantom.mass_kg == pytest.approx(1100.0 * body.volume_m3)
    assert result.phantom.grid.shape == (14, 14, 14)
    centre = 0.5 * np.add(*result.phantom.grid.bounds_m)
    assert np.allclose(centre, [0, 0, 0.01], atol=1e-6)


@pytest.mark.parametrize(
    "damage", ["no summary", "bad summary", "other summary", "cut h5", "no h5", "other h5", "group"]
)
def test_damaged_result(finished, tmp_path, damage):
    # Oracle: every kind of damage that this test makes is one InputError.
    folder = tmp_path / "r"
    shutil.copytree(finished, folder)
    h5, summary = folder / "result.h5", folder / "summary.json"
    if damage == "no summary":
        summary.unlink()
    elif damage == "bad summary":
        summary.write_text(summary.read_text()[:100])
    elif damage == "other summary":
        summary.write_text("[]")
    elif damage == "cut h5":
        h5.write_bytes(h5.read_bytes()[:5000])
    elif damage == "no h5":
        h5.unlink()
    else:
        import h5py

        with h5py.File(h5, "a") as file:
            if damage == "map":
                del file["sar/value"]
            else:
                file.attrs["format_version"] = 99
    with pytest.raises(InputError) as error:
        read_result(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_checkpoint_is_keyed_by_what_is_solved(small, write, tmp_path, one_by_one):
    # Oracle: solved ports of another problem must not be used, even in the right folder.
    file, out = write(small), tmp_path / "out"
    with pytest.raises(StopError):
        run(file, out, progress=stop_after(0))
    mine = FolderCheckpoint(out / "checkpoint", "")
    kept = FolderCheckpoint(out / "checkpoint", mine.stored_key).load("port-0000")
    FolderCheckpoint(out / "checkpoint", "other").save("port-0000", kept)
    with pytest.raises(InputError, match="unfinished run of another version"):
        run(file, out, resume=True)
    assert FolderCheckpoint(out / "checkpoint", "other").load("port-0000").keys() == {"J", "told", "history"}
    assert toml.read(out / "scenario.lock.toml")["scenario"]["sha256"] == scenarios.load(file).sha256
