"""EPT on the command line: scenarios, configurations of EPTlib, and what can be wrong with them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from command_line import call, one_line

from emdose.scenarios.shared import toml
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

FREQUENCY_HZ = 127.74e6
SHAPE, SPACING_M = (24, 24, 7), 2e-3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A homogeneous cylinder as HDF5, both in emdose's axis order and in EPTlib's."""
    monkeypatch.chdir(tmp_path)
    x, y = np.meshgrid(*((np.arange(n) - 0.5 * (n - 1)) * SPACING_M for n in SHAPE[:2]), indexing="ij")
    transmit, receive = LayeredCylinder([0.1], [60.0], [0.5], FREQUENCY_HZ).transmit_and_receive(x, y)
    with h5py.File("in.h5", "w") as file:
        for name, values in (("mag", np.abs(transmit) * 1e6), ("phase", np.angle(transmit * receive))):
            file[name] = np.repeat(values[..., None], SHAPE[2], axis=2)
            file[f"eptlib/{name}"] = file[name][()].T
    return tmp_path


def scenario(folder, **changes):
    content = {
        "scenario": {"kind": "ept", "name": "cylinder"},
        "exposure": {"frequency_Hz": FREQUENCY_HZ},
        "data": {"type": "files", "magnitude": "in.h5:/mag", "phase": "in.h5:/phase", "spacing_m": SPACING_M},
        "methods": {"h": {"type": "helmholtz"}},
    } | changes
    path = folder / "case.toml"
    path.write_text(toml.dump(content), encoding="utf-8")
    return path


def test_run_prints_the_means_and_writes_the_report(folder, capsys):
    # Oracle: the conductivity of the cylinder, and the list of files in the documentation.
    code, out, err = call(capsys, "run", scenario(folder), "--out", "result", "--device", "cpu")
    assert code == 0, err
    assert "plan: 24 x 24 x 7 voxels, 1 method of reconstruction on cpu" in err
    mean = next(line for line in out.splitlines() if line.startswith("mask")).split()[2]
    assert float(mean) == pytest.approx(0.5, rel=0.01)
    assert (folder / "result" / "report.html").exists()
    assert "*.nii.gz (8 maps)" in out
    code, out, _ = call(capsys, "run", scenario(folder), "--out", "result", "--device", "cpu")
    assert code == 0
    assert "nothing was computed" in out


def test_check_of_a_scenario_and_of_a_result(folder, capsys):
    code, out, _ = call(capsys, "check", scenario(folder), "--device", "cpu")
    assert code == 0
    assert "kind ept" in out
    assert "24 x 24 x 7 voxels of 2 mm" in out
    call(capsys, "run", scenario(folder), "--out", "result", "--quiet", "--no-report", "--device", "cpu")
    code, _, err = call(capsys, "check", "result")
    assert code == 2
    assert "a result of kind 'ept' has no limits" in one_line(err)


def test_what_is_wrong_is_one_line_and_exit_code_2(folder, capsys):
    # Oracle: the contract of the command line.
    for changes, words in (
        ({"exposure": {}}, "frequency_Hz"),
        ({"methods": {"g": {"type": "gradient"}}}, "several transmit channels"),
        ({"methods": {"h": {"type": "helmholtz", "radius": 9}}}, "kernel larger than the image"),
        ({"data": {"type": "files", "phase": "in.h5:/phase"}}, "voxel size missing"),
        ({"data": {"type": "files", "phase": "in.h5:/mad", "spacing_m": 2e-3}}, "no such dataset"),
        ({"data": {"type": "files", "phase": "other.h5:/phase", "spacing_m": 2e-3}}, "no such file"),
        ({"data": {"type": "files", "phase": "in.h5:/phase", "spacing_m": 2.0}}, "voxel size in metres"),
    ):
        code, out, err = call(capsys, "run", scenario(folder, **changes), "--out", "result", "--device", "cpu")
        assert code == 2, changes
        assert words in one_line(err)
        assert out == ""
        assert not (folder / "result").exists()


EPTLIB = """
title = "cylinder"
description = "test"
method = 0
[mesh]
size = [24, 24, 7]
step = [2.0e-3, 2.0e-3, 2.0e-3]
[input]
frequency = 1.2774e8
tx-sensitivity = "in.h5:/eptlib/mag"
trx-phase = "in.h5:/eptlib/phase"
[output]
electric-conductivity = "out.h5:/sigma"
relative-permittivity = "out.h5:/epsr"
[parameter.savitzky-golay]
size = [2, 2, 2]
shape = 2
degree = 2
"""


def test_eptlib_configuration_runs_as_it_is(folder, capsys):
    # Oracle: the properties of the cylinder; layout and addresses as EPTlib's (x fastest).
    (folder / "config.toml").write_text(EPTLIB)
    code, out, err = call(capsys, "ept", "--eptlib", "config.toml", "--device", "cpu")
    assert code == 0, err
    assert float(out.split("conductivity: median ")[1].split()[0]) == pytest.approx(0.5, rel=0.01)
    with h5py.File("out.h5") as file:
        assert file["sigma"].shape == SHAPE[::-1]
        assert np.nanmedian(file["sigma"]) == pytest.approx(0.5, rel=0.01)
        assert np.nanmedian(file["epsr"]) == pytest.approx(60, rel=0.01)


def test_bad_eptlib_configurations(folder, capsys):
    for name, content, words in (
        ("missing.toml", None, "no such file"),
        ("empty.toml", "", "missing"),
        ("size.toml", EPTLIB.replace("[24, 24, 7]", "[7, 24, 24]"), "mesh.size"),
    ):
        if content is not None:
            (folder / name).write_text(content)
        code, _, err = call(capsys, "ept", "--eptlib", name)
        assert code == 2
        assert words in one_line(err)
    code, _, err = call(capsys, "ept")
    assert code == 2
    assert "--eptlib" in one_line(err)


def test_demo_is_listed(capsys):
    code, out, _ = call(capsys, "demo", "--list")
    assert code == 0
    assert "ept-brain" in out
