"""One result whatever the route: a scenario, Python, a folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

import emdose as em
from emdose import scenarios
from emdose.errors import InputError, NotValidError

CHECKS = {"patient_mass_kg": 75.0, "coil_type": "volume", "duty_cycle": 0.5}


@pytest.fixture(scope="module")
def result(finished):
    return em.read_result(finished)


@pytest.fixture(scope="module")
def solved():
    ball = em.phantoms.sphere(0.05, 12.5e-3)
    exposure = em.Exposure(ball, em.Birdcage(rungs=8), 127.74e6)
    return exposure, em.Vie().solve(exposure, device="cpu").drive("quadrature").scale(b1plus_rms_T=2e-6)


@pytest.fixture(scope="module")
def run(solved):
    return em.evaluate(*solved, name="small", device="cpu")


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    return run.save(tmp_path_factory.mktemp("python") / "result")


def test_python_and_scenario_tell_the_same(run, result):
    # Oracle: the other route, bit for bit.
    assert isinstance(run, em.Run)
    assert isinstance(result, em.Run)
    for entry in ("quantities", "checks", "power_balance"):
        assert json.loads(json.dumps(run.summary[entry])) == json.loads(json.dumps(result.summary[entry])), entry
    same = {k: v for k, v in run.summary["check_inputs"].items() if k != "text"}
    assert json.loads(json.dumps(same)) == {k: v for k, v in result.summary["check_inputs"].items() if k != "text"}
    assert run.validity.state == result.validity.state
    assert np.array_equal(run.sar.value, result.sar.value)
    average = run.averages["10g"].value.astype(np.float32)  # as it is kept in files
    assert np.array_equal(average, result.averages["10g"].value, equal_nan=True)
    assert dict(run.uncertainty) == dict(result.uncertainty)


def test_what_is_saved_is_a_result_folder(saved, run, tmp_path):
    # Oracle: the readers of result folders.
    back = em.read_result(saved.folder)
    assert json.loads(json.dumps(back.quantities)) == json.loads(json.dumps(run.quantities))
    assert np.array_equal(back.fields.E, run.fields.E)
    again = scenarios.results.recheck(saved.folder, {"duty_cycle": 0.5})
    assert again["checks"]
    comparison = em.compare(saved.folder, run)
    assert all(comparison[name].a == comparison[name].b for name in comparison)
    assert "<html" in saved.report(tmp_path / "page.html").read_text()
    copy = back.save(tmp_path / "copy")
    assert em.read_result(copy.folder).name == "small"


def test_the_folder_holds_a_scenario_that_gives_the_same_again(saved, run, tmp_path):
    # Oracle: the run of the lock file of what Python made.
    outcome = em.run_scenario(saved.folder / "scenario.lock.toml", tmp_path / "again", device="cpu")
    numbers = {k: v["value"] for k, v in outcome.summary["quantities"].items()}
    assert numbers == {k: v["value"] for k, v in run.quantities.items()}


def test_circumstances_are_keywords(solved):
    # Oracle: the rows of em.check for the same circumstances.
    exposure, fields = solved
    run = em.evaluate(exposure, fields, **CHECKS, device="cpu")
    sar = em.point_sar(fields, exposure.phantom)
    table = em.check(fields, exposure.phantom, coil=exposure.coil, sar=sar, device="cpu", **CHECKS)
    assert [r["value"] for r in run.checks] == [r["value"] for r in table.to_dict()["rows"]]


def test_temperatures_of_python_fields(solved):
    # Oracle: the solver of heat, asked directly.
    exposure, fields = solved
    cooled = exposure.phantom.with_tissue(
        exposure.phantom.tissues[1].name,
        heat_capacity_J_kg_K=3600.0,
        thermal_conductivity_W_m_K=0.5,
        perfusion_mL_min_kg=0.0,
        metabolic_heat_W_kg=0.0,
    )
    run = em.evaluate(em.Exposure(cooled, exposure.coil, exposure.frequency_Hz), fields, thermal={"duration_s": 60.0})
    course = em.Bioheat().solve_sar(cooled, em.point_sar(fields, cooled), 60.0)
    assert run.quantities["temperature_rise_max"]["value"] == pytest.approx(course.peaks_K.max(), rel=1e-5)
    assert "temperature_rise" in run.to_xarray().data_vars


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patient_mass": 75.0}, "patient_mass_kg"),
        ({"duty_cycle": 2.0}, "checks.duty_cycle"),
        ({"masses_kg": (5.0,)}, "lighter than an averaging mass"),
        ({"thermal": {"duration": 3.0}}, "thermal.duration"),
        ({"accept": ["nothing"]}, "scenario.accept"),
    ],
)
def test_bad_keywords_are_one_line(solved, change, words):
    with pytest.raises(InputError, match=words):
        em.evaluate(*solved, **change)


def test_fields_of_another_exposure_are_refused(solved):
    exposure, fields = solved
    other = em.Exposure(exposure.phantom, exposure.coil, 64e6)
    with pytest.raises(InputError, match="not those of this exposure"):
        em.evaluate(other, fields)
    fatter = em.Exposure(exposure.phantom.with_tissue("head_liquid", conductivity_S_m=2.0), exposure.coil, 127.74e6)
    with pytest.raises(InputError, match="not those of this exposure"):
        em.evaluate(fatter, fields)
    with pytest.raises(InputError, match=r"\.drive"):
        em.evaluate(exposure, em.Vie().solve(exposure, device="cpu"))


def test_a_wrong_object_is_one_line(solved, tmp_path):
    # Oracle: the promise that nothing a user gets wrong ends in a traceback.
    _, fields = solved
    with pytest.raises(InputError, match=r"Fields.*em\.evaluate"):
        em.write_report(fields, tmp_path / "page.html")
    with pytest.raises(InputError, match="Fields"):
        em.write_touchstone(fields, tmp_path / "coil.s2p")
    assert list(tmp_path.iterdir()) == []


def test_unsaved_runs_need_a_name(run, tmp_path):
    with pytest.raises(InputError, match="no folder"):
        run.report()
    with pytest.raises(InputError, match="no network"):
        run.to_touchstone(tmp_path / "coil.s2p")
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="empty or new folder"):
        run.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_text_and_table(run):
    assert str(run).splitlines()[0] == "RunResult 'small', valid, not saved"
    assert len(str(run).splitlines()) <= 10
    assert "b1plus_rms" in run._repr_html_()
    assert repr(run) == str(run)


# ---- files ----------------------------------------------------------------------------------------------------------
def test_paraview_has_every_map(run, tmp_path):
    # Oracle: VTK's reader, and the fields themselves.
    pyvista = pytest.importorskip("pyvista")
    image = pyvista.read(run.to_vti(tmp_path / "all"))
    shape, body = run.phantom.grid.shape, run.phantom.body

    def of(name):
        values = image.cell_data[name]
        return values.reshape(*shape, *values.shape[1:], order="F")

    E = of("E_real_V_m") + 1j * of("E_imag_V_m")
    assert np.allclose(np.moveaxis(E, -1, 0), run.fields.E_centre()[0], rtol=1e-6)
    B1 = of("B1minus_real_T") + 1j * of("B1minus_imag_T")
    assert np.allclose(B1, run.fields.b1minus()[0], rtol=1e-5, atol=1e-12)
    for name in (
        "SAR_W_kg",
        "SAR_1g_W_kg",
        "SAR_10g_W_kg",
        "conductivity_S_m",
        "relative_permittivity",
        "density_kg_m3",
    ):
        assert np.all(np.isnan(of(name)[~body])), name
        assert np.all(np.isfinite(of(name)[body])), name
    assert np.isfinite(of("abs_B1plus_uT")).all()
    assert [str(w) for w in image.field_data["label_names"]] == [t.name for t in run.phantom.tissues]
    zero = pyvista.read(run.to_vti(tmp_path / "zero.vti", ["SAR"], background=0.0))
    assert set(zero.cell_data.keys()) == {"SAR_W_kg"}
    assert np.isfinite(zero.cell_data["SAR_W_kg"]).all()


def test_nifti_lies_on_the_body(run, tmp_path):
    # Oracle: nibabel, and the grid's own coordinates.
    files = run.to_nifti(tmp_path / "maps")
    names = {f.name for f in files}
    assert {"SAR_W_kg.nii.gz", "SAR_10g_W_kg.nii.gz", "abs_B1plus_uT.nii.gz", "label.nii.gz"} <= names
    image = nibabel.load(tmp_path / "maps" / "SAR_10g_W_kg.nii.gz")
    peak = run.quantities["psSAR10g"]
    index = np.unravel_index(np.nanargmax(image.get_fdata()), image.shape)
    assert np.allclose(nibabel.affines.apply_affine(image.affine, index), 1e3 * np.array(peak["location_m"]))
    one = run.to_nifti(tmp_path / "one.nii", ["SAR"], background=0.0)
    assert nibabel.load(one[0]).get_fdata().min() == 0.0
    with pytest.raises(InputError, match="unknown quantity"):
        run.to_nifti(tmp_path / "two.nii", ["sar"])
    with pytest.raises(InputError, match="several maps"):
        run.to_nifti(tmp_path / "two.nii", ["SAR", "SAR_1g"])


def test_the_coil_for_paraview(run, solved, tmp_path):
    # Oracle: the coil itself, and the drive and scale of the fields; read by VTK.
    import pyvista

    lines = pyvista.read(run.to_vtp(tmp_path / "coil.vtp"))
    coil, fields = solved[0].coil, solved[1]
    weights = np.array([complex(*w) for w in fields.provenance["drive"]["weights"]])
    currents = fields.provenance["scale"]["factor"] * (weights @ coil.currents)
    assert np.allclose(np.asarray(lines.points).reshape(-1, 2, 3), coil.segments, atol=1e-7)
    found = lines.cell_data["current_A"] * np.exp(1j * np.radians(lines.cell_data["phase_deg"]))
    np.testing.assert_allclose(found, currents, atol=1e-9 * np.abs(currents).max())
    wave = em.Exposure(solved[0].phantom, em.PlaneWave(), 127.74e6)
    of_a_wave = em.evaluate(wave, em.Vie().solve(wave, device="cpu").drive("unit").scale(absorbed_power_W=1.0))
    with pytest.raises(InputError, match="no conductors"):
        of_a_wave.to_vtp(tmp_path / "wave.vtp")


@pytest.mark.filterwarnings("ignore::emdose.errors.EmdoseWarning")
def test_maps_of_a_run_that_is_not_valid_go_nowhere(tmp_path):
    # 12.5 mm is far too coarse at 400 MHz; the page says so, maps for other programs could not.
    exposure = em.Exposure(em.phantoms.sphere(0.05, 12.5e-3), em.Birdcage(rungs=8), 400e6)
    run = em.evaluate(exposure, em.Vie().solve(exposure, device="cpu").drive("quadrature").scale(absorbed_power_W=1.0))
    assert run.validity.state == "not valid"
    for export in (lambda: run.to_vti(tmp_path / "a.vti"), lambda: run.to_nifti(tmp_path / "maps"), run.figure):
        with pytest.raises(NotValidError, match="cells per wavelength"):
            export()
    assert list(tmp_path.iterdir()) == []
    assert "withheld" in run.report(tmp_path / "page.html").read_text(encoding="utf-8")


def test_tables_as_csv(run, tmp_path):
    # Oracle: the summary.
    files = {f.stem: f for f in run.to_csv(tmp_path)}
    assert {"quantities", "checks", "tissues", "convergence"} <= set(files)
    with files["quantities"].open() as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert {k: float(v["value"]) for k, v in rows.items()} == {k: v["value"] for k, v in run.quantities.items()}
    assert float(rows["psSAR10g"]["uncertainty.expanded"]) == run.quantities["psSAR10g"]["uncertainty"]["expanded"]
    with files["checks"].open() as stream:
        assert len(list(csv.DictReader(stream))) == len(run.checks)


def test_plot_and_xarray(run):
    assert run.plot("SAR_10g").axes
    assert em.plot(run).axes
    data = run.to_xarray(["SAR_10g", "E"])
    assert data["E"].dims == ("component", "x", "y", "z")
    assert data["SAR_10g"].attrs["units"] == "W/kg"
    assert float(data["SAR_10g"].max()) == pytest.approx(run.quantities["psSAR10g"]["value"])


def test_maps_of_an_oblique_head_lie_over_its_file(tmp_path):
    # Oracle: the affine of the segmentation, which was moved into the coil by the scenario.
    labels = np.zeros((9, 10, 11), np.uint8)
    labels[1:-1, 1:-1, 1:-1] = 1
    affine = np.diag([10.0, 10.0, 10.0, 1.0])
    c, s = np.cos(0.2), np.sin(0.2)
    affine[:3, :3] = affine[:3, :3] @ [[1, 0, 0], [0, c, -s], [0, s, c]]
    affine[:3, 3] = (-200.0, 30.0, 400.0)
    nibabel.save(nibabel.Nifti1Image(labels, affine), tmp_path / "head.nii")
    with pytest.warns(em.EmdoseWarning, match="oblique"):
        head = em.read_phantom(tmp_path / "head.nii", {0: "air", 1: "muscle"})
    centred = head.translate([-0.5 * (a + b) for a, b in zip(*head.grid.bounds_m, strict=True)])
    exposure = em.Exposure(centred, em.Birdcage(rungs=8), 64e6)
    run = em.evaluate(exposure, em.Vie().solve(exposure).drive("quadrature").scale(b1plus_rms_T=1e-6))
    image = nibabel.load(run.to_nifti(tmp_path / "maps", ["SAR", "label"])[0])
    assert np.allclose(image.affine, affine, atol=1e-4)
    assert np.array_equal(np.isfinite(image.get_fdata()), labels > 0)


def test_scale_and_normalise_speak_one_language():
    # Oracle: the signature of the one, the keys of the other; "accept" is that of the table [scenario].
    import inspect

    from emdose.scenarios.kinds.rf.schema import NormaliseTable

    keywords = set(inspect.signature(em.Fields.scale).parameters) - {"self", "accept"}
    assert keywords == set(NormaliseTable.model_fields)


@pytest.mark.parametrize(
    "target",
    [
        {"whole_body_sar_W_kg": 1.0},
        {"absorbed_power_W": 2.0},
        {"input_power_W": 3.0},
        {"b1plus_rms_T": 1e-6, "over": "body"},
        {"b1plus_rms_T": 1e-6, "over": (0.0, 0.01, 0.0)},
    ],
)
def test_every_target_is_the_same_by_both_routes(solved, tmp_path, target):
    # Oracle: the keyword of Python beside the key of the scenario.
    exposure, fields = solved
    run = em.evaluate(exposure, fields.scale(**target), device="cpu")
    told = {k: v for k, v in run.summary["scenario"]["normalise"].items() if v is not None}
    assert {k: list(v) if k == "over" and not isinstance(v, str) else v for k, v in told.items()} == {
        "over": "isocentre",
        **{k: list(v) if isinstance(v, tuple) else v for k, v in target.items()},
    }
    tables = {
        "scenario": {"kind": "rf", "name": "target"},
        "phantom": exposure.phantom,
        "coil": exposure.coil,
        "exposure": {"frequency_Hz": exposure.frequency_Hz},
        "normalise": target,
    }
    other = em.run_scenario(tables, tmp_path / "out", device="cpu").result
    power = {"absorbed_power", "whole_body_sar", "psSAR10g"}
    assert {k: run.quantities[k]["value"] for k in power} == pytest.approx(
        {k: other.quantities[k]["value"] for k in power}, rel=1e-6
    )


def test_figure_for_a_paper(run, tmp_path):
    from matplotlib.figure import Figure

    assert isinstance(run.figure(), Figure)
    run.figure(["axial", "coronal"], "SAR_10g").savefig(tmp_path / "two.svg")
    assert (tmp_path / "two.svg").stat().st_size > 5000
    with pytest.raises(InputError, match="unknown quantity"):
        run.figure("axial", "nothing")


def test_a_coil_without_a_table_is_said(solved, tmp_path):
    # Oracle: the same currents by parameters; the lock file says what it cannot hold.
    exposure, fields = solved
    bird = exposure.coil
    own = em.Coil("mine", bird.segments, bird.currents, bird.ports, bird.drives)
    run = em.evaluate(em.Exposure(exposure.phantom, own, exposure.frequency_Hz), fields, device="cpu")
    saved = run.save(tmp_path / "own")
    assert em.read_result(saved.folder).quantities["psSAR10g"]["value"] == run.quantities["psSAR10g"]["value"]
    assert saved.report().exists()
    text = (saved.folder / "scenario.lock.toml").read_text()
    assert "cannot be run again" in text.splitlines()[0]
    with pytest.raises(InputError, match=r"coil\.type"):
        em.run_scenario(saved.folder / "scenario.lock.toml", tmp_path / "again")


def test_leads_of_an_exposure_are_in_its_run(tmp_path):
    # Oracles: the balance of power, which knows what lies closer to a lead than cells resolve; the file.
    body = em.phantoms.gel_box(0.01, (0.06, 0.06, 0.08))
    lead = em.Lead([[0.002, 0.003, -0.03], [0.002, 0.003, 0.03]], 5e-4, 7.5e-4, bare_tip_m=0.015)
    exposure = em.Exposure(body, em.PlaneWave((1, 0, 0), (0, 0, 1)), 127.74e6, leads=[lead])
    solver = em.Fdtd(margin_m=0.05, cpml_cells=6, tolerance=1e-2)
    fields = solver.solve(exposure, device="cpu").scale(absorbed_power_W=1.0)
    accept = ("cells_per_wavelength", "closure")
    run = em.evaluate(exposure, fields, masses_kg=(1e-3,), accept=accept, device="cpu")
    assert run.sar.power_W() == pytest.approx(1.0, rel=1e-5)
    assert run.quantities["whole_body_sar"]["value"] == pytest.approx(1 / body.mass_kg, rel=1e-5)
    back = em.read_result(run.save(tmp_path / "run").folder)
    assert back.summary["scenario"]["leads"] == [{"name": "lead", "sha256": lead.hash()}]
    assert np.array_equal(back.fields.lead_currents["lead"].near_W, fields.lead_currents["lead"].near_W)
    assert em.point_sar(back.fields, back.phantom).power_W() == pytest.approx(1.0, rel=1e-5)
    assert "<html" in back.report(tmp_path / "page.html").read_text()
    with pytest.raises(InputError, match="leads"):
        em.run_scenario(tmp_path / "run" / "scenario.lock.toml", tmp_path / "again", device="cpu")
    with pytest.raises(InputError, match="not those of this exposure"):
        em.evaluate(replace(exposure, leads=()), fields)
    with pytest.warns(em.errors.EmdoseWarning, match="without the lead"):
        em.tangential_E(fields, lead)
