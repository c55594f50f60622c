"""Scenarios of kind ept: from maps to a folder of results, and one clear line for whatever is wrong."""

from __future__ import annotations

import json
import shutil

import nibabel
import numpy as np
import pytest

from emdose import scenarios
from emdose.ept import B1Map, Flag, Helmholtz, relative_noise
from emdose.errors import InputError
from emdose.io.disk.run_files import SUMMARY_KEYS
from emdose.models.grids.grid import Grid
from emdose.scenarios.kinds.ept.page import render
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

FREQUENCY_HZ = 127.74e6
CYLINDER = LayeredCylinder([0.016, 0.036], [60.0, 75.0], [0.4, 0.8], FREQUENCY_HZ)
SPACING_M = 2e-3
AFFINE = np.array([[-2.0, 0.0, 0.0, 40.0], [0.0, 2.0, 0.0, -37.0], [0.0, 0.0, 2.0, 12.0], [0.0, 0.0, 0.0, 1.0]])


def cylinder(shape=(38, 38, 9)):
    """Magnitude, transceive phase, mask and layers (1, 2) of the two-layered cylinder, exact."""
    x, y = np.meshgrid(*((np.arange(n) - 0.5 * (n - 1)) * SPACING_M for n in shape[:2]), indexing="ij")
    x, y = (np.repeat(v[..., None], shape[2], axis=2) for v in (x, y))
    transmit, receive = CYLINDER.transmit_and_receive(x, y)
    layer = np.where(CYLINDER.layer(x, y) < 2, CYLINDER.layer(x, y) + 1, 0)
    return np.abs(transmit), np.angle(transmit * receive), layer > 0, layer


def save(path, values, affine=AFFINE):
    nibabel.Nifti1Image(np.asarray(values, np.float32), affine).to_filename(path)
    return path.name


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A folder with the maps of the cylinder as NIfTI (an image whose first axis runs to the left)."""
    folder = tmp_path_factory.mktemp("maps")
    magnitude, phase, mask, layer = cylinder()
    steps = np.linspace(0, 9, len(phase))[:, None, None]  # such as a receiver far away adds
    degrees = np.degrees(np.angle(np.exp(1j * (phase + steps))))
    for name, values in (
        ("mag", magnitude * 1e6),
        ("phase", phase),
        ("mask", mask),
        ("seg", layer),
        ("sigma", np.choose(layer, [0.0, 0.4, 0.8])),
        ("deg", degrees),
        ("odd", 0.7 * degrees),
        ("filled", np.where(mask, np.degrees(phase), np.random.default_rng(0).uniform(-180, 180, mask.shape))),
        ("all", np.ones(mask.shape)),
        ("none", np.zeros(mask.shape)),
        ("nan", np.where(layer == 1, np.nan, phase)),
        ("small", phase[:-1]),
        ("conjugate", -phase),
        ("turns", -phase / (2 * np.pi)),
        ("re", magnitude * np.cos(phase)),
        ("im", magnitude * np.sin(phase)),
    ):
        save(folder / f"{name}.nii.gz", values)
    shifted = AFFINE.copy()
    shifted[2, 3] += 5
    save(folder / "shifted.nii.gz", phase, shifted)
    metres = np.diag([2e-3, 2e-3, 2e-3, 1.0])
    save(folder / "metres.nii.gz", phase, metres)
    (folder / "labels.csv").write_text("label,tissue\n1,white_matter\n2,grey_matter\n")
    return folder


def tables(**data):
    data = {"magnitude": "mag.nii.gz", "phase": "phase.nii.gz", "mask": "mask.nii.gz"} | data
    return {
        "scenario": {"kind": "ept", "name": "cylinder"},
        "exposure": {"frequency_Hz": FREQUENCY_HZ},
        "data": {"type": "files", **{k: v for k, v in data.items() if v is not None}},
        "methods": {"helmholtz": {"type": "helmholtz", "radius": 2}},
    }


def write(maps, content, name="case.toml"):
    path = maps / name
    path.write_text(toml.dump(content), encoding="utf-8")
    return path


FULL = {"segmentation": "seg.nii.gz", "labels": "labels.csv", "true_conductivity": "sigma.nii.gz", "snr": 200.0}


@pytest.fixture(scope="module")
def done(maps):
    content = tables(**FULL)
    content["methods"]["phase only"] = {"type": "helmholtz", "method": "phase", "radius": 3}
    content["methods"]["smooth"] = {"type": "helmholtz", "radius": 2, "filter": {"type": "weighted-mean"}}
    return scenarios.run(write(maps, content), maps / "result", device="cpu")


def test_folder_holds_what_the_documentation_says(done):
    # Oracle: the list of files and keys in the documentation; NIfTI maps keep the affine of the file that was read.
    names = {p.name for p in done.folder.iterdir()}
    assert {"result.h5", "summary.json", "fields.vti", "scenario.lock.toml"} <= names
    maps = {"helmholtz_conductivity", "helmholtz_covariance", "helmholtz_flags", "phase-only_u_conductivity"}
    assert {f"{name}.nii.gz" for name in maps} <= names
    assert set(SUMMARY_KEYS) <= set(json.loads((done.folder / "summary.json").read_text()))
    image = nibabel.load(done.folder / "helmholtz_conductivity.nii.gz")
    np.testing.assert_allclose(image.affine, AFFINE)
    flipped = read_result(done.folder).maps["helmholtz"].conductivity[::-1]
    np.testing.assert_allclose(np.asarray(image.dataobj), flipped, rtol=1e-6)


def test_a_conjugate_phase_withholds_the_numbers_and_names_the_key(maps):
    # Oracle: the closed form; the mean would be -0.8 S/m with an uncertainty of 0.002.
    found = scenarios.run(
        write(maps, tables(phase="conjugate.nii.gz", snr=200.0), "conjugate.toml"), maps / "conjugate", device="cpu"
    )
    told = json.loads((found.folder / "summary.json").read_text())
    assert told["validity"]["state"] == "not valid"
    assert not told["quantities"]
    sentences = [f["sentence"] for f in told["validity"]["findings"]]
    assert {f["name"] for f in told["validity"]["findings"]} == {"ept_sign", "ept_unphysical"}
    assert all("phase_sign=-1" in sentence for sentence in sentences)
    assert sentences[0] in read_result(found.folder).summary["validity"]["findings"][0]["sentence"]


@pytest.mark.parametrize(
    "data",
    [
        {"phase": "conjugate.nii.gz", "phase_sign": -1},
        {"phase": "turns.nii.gz", "phase_sign": -1, "phase_unit": "turns"},
        {"phase": "turns.nii.gz", "phase_sign": -1, "phase_unit": 2 * np.pi},
        {"magnitude": None, "phase": None, "real": "re.nii.gz", "imaginary": "im.nii.gz", "phase_kind": "transceive"},
    ],
    ids=["sign", "turns", "radians per unit", "parts"],
)
def test_keys_of_the_phase(maps, done, data):
    # Oracle: the run with the phase in radians; float32 files.
    content = tables(segmentation="seg.nii.gz", **data)
    found = scenarios.run(write(maps, content, "keys.toml"), maps / "keys", device="cpu", force=True)
    assert found.summary["validity"]["state"] == "valid"
    wanted = read_result(done.folder).maps["helmholtz"].conductivity
    np.testing.assert_allclose(read_result(found.folder).maps["helmholtz"].conductivity, wanted, atol=2e-3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"phase_unit": "grad"}, "radians per unit"),
        ({"phase_sign": 2}, "phase_sign"),
        ({"complex": "mag.nii.gz"}, "either magnitude and phase, or complex"),
        ({"magnitude": None, "phase": None, "real": "re.nii.gz"}, "real and imaginary together"),
        ({"magnitude": None, "phase": None, "complex": "re.nii.gz"}, "phase_kind"),
    ],
)
def test_keys_that_do_not_fit(maps, data, words):
    with pytest.raises(InputError, match=words):
        scenarios.load(write(maps, tables(**data), "bad-keys.toml"))


def test_values_come_close_to_the_cylinder(done):
    # Oracle: the closed form of the layered cylinder: noiseless data, masked fits, 2 mm. The truncation of a quadratic
    # fit with radius 2 is below 1 % there.
    found = done.summary["quantities"]
    for name, sigma in (("white_matter", 0.4), ("grey_matter", 0.8)):
        entry = found[f"conductivity: {name}, helmholtz"]
        assert entry["value"] == pytest.approx(sigma, rel=0.01)
        assert entry["truth"] == pytest.approx(sigma)
        assert entry["uncertainty"]["k"] == 2
    assert done.summary["ept"]["methods"]["helmholtz"]["missing"] == 0


def test_result_equals_the_library(done, maps):
    # Oracle: the same call in Python.
    result = read_result(done.folder)
    b1 = result.b1
    again = Helmholtz(radius=2).reconstruct(
        relative_noise(
            B1Map(
                grid=b1.grid,
                frequency_Hz=FREQUENCY_HZ,
                magnitude=b1.magnitude,
                phase=b1.phase,
                mask=b1.mask,
                labels=np.where(b1.mask, result.labels, 0),
            ),
            1 / 200.0,
        ),
        "cpu",
    )
    # result.h5 keeps the data in single precision: their second derivatives differ by 1e-7/(k h)^2.
    np.testing.assert_allclose(result.maps["helmholtz"].conductivity, again.conductivity, atol=2e-3)
    np.testing.assert_allclose(result.maps["helmholtz"].u_conductivity, again.u_conductivity, rtol=1e-3)


def test_a_phase_in_degrees_is_told_by_its_range(maps, tmp_path):
    # Oracle: the run with the unit stated gives the same bits; what was assumed stands in the summary and on the page.
    runs = [
        scenarios.run(
            write(maps, tables(phase="filled.nii.gz", segmentation="seg.nii.gz", **more), f"{name}.toml"),
            tmp_path / name,
            device="cpu",
        )
        for name, more in (("told", {"phase_unit": "deg"}), ("range", {}))
    ]
    told, found = (read_result(run.folder) for run in runs)
    np.testing.assert_array_equal(found.maps["helmholtz"].conductivity, told.maps["helmholtz"].conductivity)
    note = "phase in degrees from -180 to 180, by its range"
    assert runs[1].summary["ept"]["data"]["notes"] == [note]
    assert runs[0].summary["ept"]["data"]["notes"] == []
    assert found.b1.notes == (note,)
    assert note in render(found)


def test_a_folder_and_echoes_are_what_single_maps_are(maps, tmp_path):
    # Oracle: the run of the phase that the echoes were made of; a file that changes in the folder is another scenario.
    magnitude, phase, _mask, _ = cylinder()
    folder = maps / "bids"
    folder.mkdir()
    for n, t in enumerate((3e-3, 5e-3, 7e-3), 1):
        echo = np.angle(np.exp(1j * (phase + 2 * np.pi * 60.0 * t)))
        for part, values in (("phase", echo), ("mag", np.exp(-30 * t) * (magnitude > 0))):
            name = save(folder / f"s_echo-{n}_part-{part}_MEGRE.nii.gz", values)
            told = {"EchoTime": t, "ImagingFrequency": FREQUENCY_HZ / 1e6, "Units": "rad"}
            (folder / name.replace(".nii.gz", ".json")).write_text(json.dumps(told))
    stacked = np.stack([np.angle(np.exp(1j * (phase + 2 * np.pi * 60.0 * t))) for t in (3e-3, 5e-3, 7e-3)], axis=-1)
    save(maps / "echoes.nii.gz", stacked)
    common = {"segmentation": "seg.nii.gz", "snr": 200.0}
    found = {}
    for name, data in {
        "plain": {},
        "folder": {"phase": "bids"},
        "beginning": {"phase": "bids/s"},
        "echoes": {"phase": "echoes.nii.gz", "echo_times_s": [3e-3, 5e-3, 7e-3]},
    }.items():
        path = write(maps, tables(**common, **data), f"scan-{name}.toml")
        run = scenarios.run(path, tmp_path / name, device="cpu")
        found[name] = run.summary["quantities"]["conductivity: label 2, helmholtz"]["value"]
    for name in ("folder", "beginning", "echoes"):
        assert found[name] == pytest.approx(found["plain"], rel=2e-3)  # maps are single precision
    before = scenarios.load(maps / "scan-folder.toml").sha256
    (folder / "s_echo-1_part-mag_MEGRE.json").write_text("{}")
    assert scenarios.load(maps / "scan-folder.toml").sha256 != before


def test_one_slice_is_fitted_in_its_plane(maps, tmp_path):
    # Oracle: the closed form of the cylinder, which has no third axis.
    magnitude, phase, mask, layer = (a[:, :, 4:5] for a in cylinder())
    for name, values in (("mag", magnitude), ("phase", phase), ("mask", mask), ("seg", layer)):
        save(tmp_path / f"{name}.nii.gz", values)
    content = tables(segmentation="seg.nii.gz")
    content["methods"]["in the plane"] = {"type": "helmholtz", "radius": [2, 2, 0]}
    run = scenarios.run(write(tmp_path, content), tmp_path / "out", device="cpu")
    for method in ("helmholtz", "in the plane"):
        value = run.summary["quantities"][f"conductivity: label 2, {method}"]["value"]
        assert value == pytest.approx(0.8, rel=0.02)
    assert "one slice" in run.summary["ept"]["data"]["notes"][0]


def test_share_of_the_object_that_a_method_speaks_for(done, ball):
    # Oracle: counting in the maps.
    for run in (done, ball):
        result = read_result(run.folder)
        for name, one in result.maps.items():
            entry = run.summary["quantities"][f"share of valid voxels: {name}"]
            bad = (one.flags & np.uint8(Flag.UNPHYSICAL | Flag.WEAK_SIGNAL)) != 0
            good = one.valid & result.b1.mask & ~bad
            assert entry["value"] == pytest.approx(good.sum() / result.b1.mask.sum())
            means = [e for k, e in run.summary["quantities"].items() if e["method"] == name and "means_share" not in e]
            told = {e["region"]: e["voxels"] for e in means}
            assert entry["means_share"] == pytest.approx(sum(told.values()) / result.b1.mask.sum())
            assert 0 < entry["means_share"] <= 1


def test_challenge_metrics_stand_beside_ours(done):
    # Oracle: a ball of radius 0 keeps the region; the next one loses voxels; radii are voxels in mm.
    rows = [
        r for r in done.summary["ept"]["challenge"] if r["method"] == "helmholtz" and r["quantity"] == "conductivity"
    ]
    ours = [r for r in done.summary["ept"]["metrics"] if r["method"] == "helmholtz" and r["quantity"] == "conductivity"]
    assert sorted({r["ball_m"] for r in rows}) == pytest.approx([0, 4e-3, 8e-3])
    by_ball = {(r["region"], round(1e3 * r["ball_m"])): r for r in rows}
    same = {(r["region"], r["erosion"]): r for r in ours}
    for region in ("white_matter", "grey_matter", "whole"):
        assert by_ball[region, 0]["nrmse"] == same[region, 0]["nrmse"]
        # Two steps to the 6 neighbours make an octahedron, which lies in the ball of two voxels.
        assert by_ball[region, 4]["voxels"] <= same[region, 2]["voxels"] < by_ball[region, 0]["voxels"]


def test_metrics_of_every_method_tissue_and_erosion(done):
    # Oracle: counting, and the definition of the RMSE.
    rows = done.summary["ept"]["metrics"]
    sigma = [r for r in rows if r["method"] == "helmholtz" and r["quantity"] == "conductivity" and r["erosion"] == 0]
    by_region = {r["region"]: r for r in sigma}
    assert by_region["whole"]["voxels"] == by_region["white_matter"]["voxels"] + by_region["grey_matter"]["voxels"]
    squares = sum(by_region[n]["voxels"] * by_region[n]["rmse"] ** 2 for n in ("white_matter", "grey_matter"))
    assert by_region["whole"]["rmse"] ** 2 * by_region["whole"]["voxels"] == pytest.approx(squares)
    # Without a true permittivity there is no error of it, but a median.
    epsilon = next(r for r in rows if r["quantity"] == "permittivity" and r["voxels"])
    assert epsilon["rmse"] is None
    assert epsilon["median"] > 1


def test_second_run_computes_nothing_and_lock_repeats(done, maps, tmp_path):
    # Oracle: the same bytes; and the lock file is a scenario with the same hash.
    assert scenarios.run(maps / "case.toml", done.folder, device="cpu").state == "finished"
    lock = scenarios.load(done.folder / "scenario.lock.toml")
    assert lock.sha256 == scenarios.load(maps / "case.toml").sha256


def test_hash_knows_the_dataset_inside_a_file(maps):
    # Oracle: another dataset is another scenario.
    import h5py

    with h5py.File(maps / "both.h5", "w") as file:
        for name in ("one", "two"):
            file[name] = np.zeros((4, 4, 4))
    content = tables(magnitude=None, phase="both.h5:/one", mask=None, spacing_m=2e-3)
    first = scenarios.load(write(maps, content, "one.toml"))
    content["data"]["phase"] = "both.h5:/two"
    assert first.sha256 != scenarios.load(write(maps, content, "two.toml")).sha256
    content["data"]["phase"] = "both.h5:/one"
    assert first.sha256 == scenarios.load(write(maps, content, "three.toml")).sha256


SIMULATED = {
    "scenario": {"kind": "ept", "name": "ball"},
    "exposure": {"frequency_Hz": FREQUENCY_HZ},
    "data": {"type": "simulated", "snr": 500.0, "seed": 3},
    "phantom": {"type": "sphere", "radius_m": 0.06, "spacing_m": 7.5e-3},
    "coil": {"type": "birdcage", "rungs": 8},
    "methods": {
        "helmholtz": {"type": "helmholtz", "radius": 2},
        "slices": {"type": "convection-reaction", "monte_carlo": 3},
    },
}


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ball")
    path = folder / "ball.toml"
    path.write_text(toml.dump(SIMULATED), encoding="utf-8")
    return scenarios.run(path, folder / "result", device="cpu")


def test_simulated_object_knows_its_truth(ball):
    # Oracle: the tissue of the phantom; away from the rim the voxel staircase is out of the window.
    from emdose.models.bodies import tissues

    liquid = tissues.get("head_liquid")
    entry = ball.summary["quantities"]["conductivity: head_liquid, helmholtz"]
    assert entry["truth"] == pytest.approx(liquid.conductivity(FREQUENCY_HZ), rel=1e-5)
    assert entry["value"] == pytest.approx(entry["truth"], rel=0.15)
    assert ball.summary["convergence"]["converged"]
    assert ball.summary["power_balance"]["closure"] < 1e-3
    # By symmetry of ball and birdcage the halved transceive phase departs little from the transmit phase.
    assert ball.summary["ept"]["data"]["phase_error_rms_rad"] < 0.02


def test_noise_is_as_large_as_stated(ball):
    # Oracle: statistics: noise over its propagated uncertainty has a root mean square of 1 (some 2000 voxels, of which
    # neighbours share data).
    about = ball.summary["ept"]["methods"]["helmholtz"]
    assert 0.85 < about["z_noise_conductivity"] < 1.15
    assert 0.85 < about["z_noise_permittivity"] < 1.15


def test_monte_carlo_gives_what_a_formula_cannot(ball):
    # Oracle: the settings: draws were asked for, so there is an uncertainty per voxel and of the mean.
    result = read_result(ball.folder)
    assert np.isfinite(result.maps["slices"].u_conductivity).any()
    assert ball.summary["quantities"]["conductivity: head_liquid, slices"]["uncertainty"]["expanded"] > 0


def test_seed_decides_the_noise(tmp_path):
    # Oracle: the same seed gives the same bits, another seed others.
    from emdose.scenarios.kinds.ept.build import simulated
    from emdose.scenarios.kinds.ept.schema import SimulatedTable
    from emdose.solvers.results.fields import Fields, PowerBalance

    grid = Grid((4, 4, 4), 5e-3)
    random = np.random.default_rng(0)
    B = random.standard_normal((2, 3, 5, 5, 5)) + 1j * random.standard_normal((2, 3, 5, 5, 5))
    drives = {"quadrature": np.array([1, -1j]), "anti-quadrature": np.array([1, 1j])}
    nothing = PowerBalance(*(np.eye(2, dtype=complex),) * 3)
    fields = Fields(
        grid, FREQUENCY_HZ, B, B, np.ones(grid.shape, bool), 1.0, nothing, ("a", "b"), drives, "A", np.zeros(2)
    )

    class Body:
        grid, body, labels = fields.grid, np.ones((4, 4, 4), bool), np.ones((4, 4, 4), np.uint8)
        name, tissues = "cube", ()
        conductivity = permittivity = staticmethod(lambda frequency_Hz: np.ones((4, 4, 4)))

    def phase(**options):
        return simulated(SimulatedTable(type="simulated", **options), fields, Body).b1.phase

    np.testing.assert_array_equal(phase(seed=1), phase(seed=1))
    assert not np.allclose(phase(seed=1), phase(seed=2))
    # The transceive phase is the sum of both phases: the transmit phase alone is another map.
    clean = phase(snr=None)
    transmit, receive = fields.drive("quadrature").b1plus()[0], np.conj(fields.drive("anti-quadrature").b1minus()[0])
    np.testing.assert_allclose(np.exp(1j * clean), np.exp(1j * (np.angle(transmit) + np.angle(receive))), rtol=1e-9)
    np.testing.assert_allclose(phase(snr=None, phase="transmit"), np.angle(transmit))


# ---- what can be wrong with it --------------------------------------------------------------------------------------
BAD_DATA = {
    "shapes that differ": ({"phase": "small.nii.gz"}, "shape differs"),
    "affines that differ": ({"phase": "shifted.nii.gz"}, "affine differs"),
    "millimetres for metres": ({"phase": "metres.nii.gz"}, "metres against millimetres"),
    "voxel size against the header": ({"spacing_m": 3e-3}, "differs from the header"),
    "phase of no known scale": ({"phase": "odd.nii.gz"}, "range is that of no known scale"),
    "echo times without echoes": ({"echo_times_s": [2e-3, 4e-3]}, "echo times do not fit the phases"),
    "empty mask": ({"mask": "none.nii.gz"}, "mask is empty"),
    "mask of everything": ({"mask": "all.nii.gz"}, "mask covers the whole image"),
    "NaN inside the mask": ({"phase": "nan.nii.gz"}, "not finite"),
    "no such file": ({"phase": "missing.nii.gz"}, "no such file"),
    "nothing": ({"phase": None, "magnitude": None}, "magnitude, phase or both"),
    "labels of nothing": ({"labels": "labels.csv"}, "a segmentation"),
    "two kinds of noise": ({"snr": 10.0, "noise": "mag.nii.gz"}, "either snr or noise"),
    "truth of another shape": ({"true_conductivity": "small.nii.gz"}, "shape differs"),
}


@pytest.mark.parametrize(("data", "words"), BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_is_told_in_one_line(maps, tmp_path, data, words):
    # Oracle: the list of bad input that emdose promises to explain.
    with pytest.raises(InputError, match=words) as told:
        scenarios.run(write(maps, tables(**data), "bad.toml"), tmp_path / "out", device="cpu")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


BAD_METHODS = {
    "kernel larger than the image": ({"type": "helmholtz", "radius": [2, 2, 5]}, "kernel larger than the image"),
    "kernel of nothing": ({"type": "helmholtz", "radius": 0}, "half-widths in voxels"),
    "kernel of a line": ({"type": "helmholtz", "radius": [0, 2, 0]}, "one of which may be 0"),
    "one channel for gradient EPT": ({"type": "gradient"}, "several transmit channels"),
    "unknown method": ({"type": "helmholz"}, "did you mean"),
    "reference missing": ({"type": "helmholtz", "contrast": 0.05}, "reference image"),
    "rim missing": ({"type": "convection-reaction", "diffusion": 0.01}, "boundary_conductivity_S_m"),
    "two draws": ({"type": "convection-reaction", "monte_carlo": 2}, "too few draws"),
    "steps of no draws": ({"type": "convection-reaction", "draw_steps": 2}, "no draws to take steps for"),
    "unknown key": ({"type": "helmholtz", "radius_mm": 4}, "unknown key"),
    "mean without weights": ({"type": "convection-reaction", "filter": {"type": "weighted-mean"}}, "weights need"),
}


@pytest.mark.parametrize(("method", "words"), BAD_METHODS.values(), ids=BAD_METHODS)
def test_bad_methods_are_told_in_one_line(maps, tmp_path, method, words):
    # Oracle: as above; the line names the method.
    content = tables()
    content["methods"] = {"mine": method}
    with pytest.raises(InputError, match=words) as told:
        scenarios.run(write(maps, content, "bad.toml"), tmp_path / "out", device="cpu")
    assert "methods.mine" in str(told.value)


def test_method_needs_its_map(maps, tmp_path):
    content = tables(phase=None)
    with pytest.raises(InputError, match="this method needs a phase"):
        scenarios.run(write(maps, content, "bad.toml"), tmp_path / "out", device="cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exposure": {}}, "frequency_Hz"),
        ({"methods": {}}, "methods.NAME"),
        ({"phantom": {"type": "sphere", "radius_m": 0.1}}, r"no \[phantom\]"),
        ({"scenario": {"kind": "etp"}}, "did you mean"),
    ],
)
def test_incomplete_scenarios(maps, change, words):
    # Oracle: what the schema asks for.
    with pytest.raises(InputError, match=words):
        scenarios.load(write(maps, tables() | change, "bad.toml"))


def test_simulation_needs_body_coil_and_drives(tmp_path):
    for change, words in (
        ({"phantom": None}, r"\[phantom\]"),
        ({"coil": {"type": "loop", "radius_m": 0.05, "centre_m": [0.0, 0.12, 0.0]}}, "unknown drive"),
        ({"methods": {"g": {"type": "gradient"}}}, "several transmit channels"),
        ({"methods": {"h": {"type": "helmholtz", "radius": 20}}}, "kernel larger"),
    ):
        content = {k: v for k, v in (SIMULATED | change).items() if v is not None}
        path = tmp_path / "bad.toml"
        path.write_text(toml.dump(content), encoding="utf-8")
        with pytest.raises(InputError, match=words):
            scenarios.run(path, tmp_path / "out", device="cpu")


def test_limits_of_an_ept_result_cannot_be_checked_again(done):
    # Oracle: an EPT result has neither fields nor limits.
    from emdose.scenarios.results import recheck

    with pytest.raises(InputError, match="a result of kind 'ept' has no limits"):
        recheck(done.folder, {})


def test_a_result_file_of_another_kind_is_refused(done):
    # Oracle: the summary says one thing, the file beside it another.
    with pytest.raises(InputError, match="not the result that its summary tells of; found 'emdose ept result'"):
        scenarios.kind("rf").read(done.folder, done.summary)


def test_damaged_result_is_told_in_one_line(done, tmp_path):
    # Oracle: no traceback from HDF5.
    (tmp_path / "summary.json").write_bytes((done.folder / "summary.json").read_bytes())
    data = bytearray((done.folder / "result.h5").read_bytes())
    data[: len(data) // 2] = bytes(len(data) // 2)
    (tmp_path / "result.h5").write_bytes(data)
    with pytest.raises(InputError, match="changed or damaged since it was written"):
        read_result(tmp_path)


def test_contrast_source_inversion_takes_the_coil_of_the_scenario(tmp_path):
    # Oracle: the tissue of the phantom; the data come from the same operator, so that only noise is left.
    content = SIMULATED | {"methods": {"csi": {"type": "csi", "max_iterations": 20}}}
    path = tmp_path / "ball.toml"
    path.write_text(toml.dump(content), encoding="utf-8")
    entry = scenarios.run(path, tmp_path / "out", device="cpu").summary["quantities"]["conductivity: head_liquid, csi"]
    assert entry["value"] == pytest.approx(entry["truth"], rel=0.1)


def test_inversion_of_files_needs_a_coil(maps):
    # Oracle: the schema: a coil is asked for where a method needs one, and refused where none does.
    content = tables()
    content["methods"] = {"csi": {"type": "csi"}}
    with pytest.raises(InputError, match=r"\[coil\] for the method csi"):
        scenarios.load(write(maps, content, "bad.toml"))
    content["coil"] = {"type": "birdcage"}
    scenarios.load(write(maps, content, "good.toml"))
    with pytest.raises(InputError, match=r"no \[coil\]"):
        scenarios.load(write(maps, tables() | {"coil": {"type": "birdcage"}}, "bad.toml"))
    content["methods"] = {"csi": {"type": "csi", "drive": "square"}}
    with pytest.raises(InputError, match="unknown drive"):
        scenarios.run(write(maps, content, "bad.toml"), maps / "out", device="cpu")


def test_force_removes_the_earlier_maps_and_nothing_else(done, maps, tmp_path):
    # Oracle: the files on the disk: maps of a method that is gone disappear, a map that the user put there stays.
    folder = tmp_path / "result"
    shutil.copytree(done.folder, folder)
    (folder / "mine.nii.gz").write_bytes(b"measured")
    scenarios.run(write(maps, tables(**FULL)), folder, device="cpu", force=True)
    names = {p.name for p in folder.iterdir()}
    assert "helmholtz_conductivity.nii.gz" in names
    assert not any(name.startswith("phase-only") for name in names)
    assert (folder / "mine.nii.gz").read_bytes() == b"measured"


def test_means_have_a_budget_of_their_parts(ball):
    """Oracles: the sum of squares of the parts; truncation by the voxels of the window stands as discretisation."""
    stated = {n: e["uncertainty"] for n, e in ball.summary["quantities"].items() if e["uncertainty"]}
    budgets = ball.summary["uncertainty"]["budgets"]
    assert stated
    assert budgets.keys() == stated.keys()
    for name, budget in budgets.items():
        assert budget["combined"] == pytest.approx(stated[name]["expanded"] / stated[name]["k"], rel=1e-9)
        kinds = {row["source"]: row["kind"] for row in budget["rows"]}
        assert kinds["noise"] == "stated"
        assert kinds.get("truncation", "discretisation") == "discretisation"
