"""Implants on the command line: a run, a check, and what can be wrong with a scenario."""

from __future__ import annotations

import copy
import shutil
import warnings

import numpy as np
import pytest
from command_line import call, one_line

from emdose.models.implants import shapes
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.implants import tensor_files

SCENARIO = {
    "scenario": {"kind": "implant-gradient", "name": "rod"},
    "implant": {"type": "file", "file": "rod.stl", "unit": "mm", "metal": "CoCrMo"},
    "solver": {"spacing_m": 2e-3, "frequencies_Hz": [270.0]},
    "exposures": {"ISO": {"type": "preset", "duration_s": 30.0}},
    "thermal": {"spacing_m": 4e-3, "margin_m": 0.016, "curve_points": 4},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A rod of 5 mm radius and 30 mm length, in millimetres, and what can be wrong with it and with waveforms."""
    from emdose.io.meshes import write_implant

    made = tmp_path_factory.mktemp("files")
    write_implant(shapes.cylinder(5e-3, 30e-3), made / "rod.stl", unit="mm")
    write_implant(shapes.cylinder(5e-3, 30e-3, centre_m=(3e-3, 0, 0)), made / "shifted.stl", unit="mm")
    surface = (made / "rod.stl").read_bytes()
    # A binary STL: a header, the number of triangles, 50 bytes each; a third of them missing leaves a hole.
    count = int.from_bytes(surface[80:84], "little")
    kept = 2 * count // 3
    (made / "open.stl").write_bytes(surface[:80] + kept.to_bytes(4, "little") + surface[84 : 84 + 50 * kept])
    (made / "mean.csv").write_text("0,0,0,1\n1e-3,0,0,1\n2e-3,0,0,1\n")
    (made / "empty.seq").write_text("")
    sequence(made / "whole.seq")
    sequence(made / "mean.seq", closed=False)
    content = (made / "whole.seq").read_text()
    (made / "corrupt.seq").write_text(content.replace("[GRADIENTS]", "[GRADIENTS]\n1 a b c d e f"))
    return made


@pytest.fixture
def folder(files, tmp_path, monkeypatch):
    """A folder of the test's own with the surface of the rod."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tensor_files, "cache_folder", lambda: tmp_path / "cache" / "kernels")
    shutil.copy(files / "rod.stl", tmp_path)
    return tmp_path


def write(folder, changes=(), name="rod.toml"):
    tables = copy.deepcopy(SCENARIO)
    for path, value in dict(changes).items():
        *above, last = path.split(".")
        table = tables
        for key in above:
            table = table.setdefault(key, {})
        if value is None:
            table.pop(last)
        else:
            table[last] = value
    (folder / name).write_text(toml.dump(tables), encoding="utf-8")
    return folder / name


def test_run_prints_power_and_rise_and_is_no_result_with_limits(folder, capsys):
    """Oracles: the documented files; the words of the document's status; nothing is computed twice; a result without
    limits is refused in one line."""
    code, out, err = call(capsys, "run", write(folder), "--out", "result", "--device", "cpu", "--no-report")
    assert code == 0, err
    assert "currents, 1 frequency, then heat in 0.0" in err
    assert "unverified" in out
    assert "ISO/TS 10974:2018" in out
    assert "compliant" not in (out + err).lower()
    assert {"result.h5", "fields.vtu", "temperature.vti"} <= {p.name for p in (folder / "result").iterdir()}
    code, out, _ = call(capsys, "run", folder / "rod.toml", "--out", "result", "--device", "cpu", "--no-report")
    assert code == 0
    assert "nothing was computed" in out
    code, _, err = call(capsys, "check", "result")
    assert code == 2
    assert "a result of kind 'implant-gradient' has no limits that could be checked again" in one_line(err)


def test_check_of_a_scenario_says_its_kind_and_its_exposures(folder, capsys):
    """Oracle: what a check prints."""
    code, out, _ = call(capsys, "check", write(folder), "--device", "cpu")
    assert code == 0
    assert "kind implant-gradient" in out
    assert "exposure ISO: ISO/TS 10974:2018" in out


def test_demo_is_listed(capsys):
    code, out, _ = call(capsys, "demo", "--list")
    assert code == 0
    assert "hip-gradient" in out


def sequence(path, *, closed=True):
    """A small sequence; one that does not come back to zero is cut short of its last block."""
    pp = pytest.importorskip("pypulseq")
    system = pp.Opts(max_grad=30, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
    top = 1e-3 * system.gamma * (np.array([0, 1, 1, 0]) if closed else np.array([0, 1, 1, 1]))
    made = pp.Sequence(system)
    made.add_block(pp.make_extended_trapezoid("x", top, times=np.array([0, 1e-4, 5e-4, 6e-4]), system=system))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.write(str(path))


PULSEQ = {"gradients": {"type": "ideal", "position_m": [0.1, 0.0, 0.0]}}
GEL = {"type": "gel-box", "size_m": [0.05, 0.05, 0.08], "spacing_m": 5e-3}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # The list of the issue: each is one line that names file and field.
        ({"implant.file": "open.stl"}, ("open.stl", "open")),
        ({"implant.unit": "m"}, ("rod.stl", "unit")),
        (
            {
                "implant": {
                    "type": "files",
                    "parts": {
                        "a": {"file": "rod.stl", "unit": "mm", "metal": "CoCrMo"},
                        "b": {"file": "shifted.stl", "unit": "mm", "metal": "Ti6Al4V"},
                    },
                }
            },
            ("overlap",),
        ),
        ({"phantom": GEL, "implant.position_m": [0.0, 0.0, 0.05]}, ("rod.toml", "implant", "outside the phantom")),
        ({"phantom": GEL, "implant.position_m": [0.0, 0.0, 1.0]}, ("rod.toml", "implant", "outside the phantom")),
        ({"implant.metal": "unobtainium"}, ("rod.toml", "implant.metal", "unknown metal")),
        (
            {"metals": {"mine": {"conductivity_S_m": 0.0}}, "implant.metal": "mine"},
            ("rod.toml", "metals.mine.conductivity_S_m", "S/m"),
        ),
        ({"solver.spacing_m": 12e-3}, ("rod.toml", "spacing_m", "wall")),
        (
            {"exposures": {"wave": {"type": "samples", "file": "mean.csv", "quantity": "dB/dt"}}},
            ("mean.csv", "non-zero mean dB/dt"),
        ),
        (PULSEQ | {"exposures": {"seq": {"type": "pulseq", "file": "empty.seq"}}}, ("empty.seq", "empty")),
        (PULSEQ | {"exposures": {"seq": {"type": "pulseq", "file": "corrupt.seq"}}}, ("corrupt.seq", "not finite")),
        (PULSEQ | {"exposures": {"seq": {"type": "pulseq", "file": "mean.seq"}}}, ("mean.seq", "non-zero mean dB/dt")),
        # What else users get wrong.
        ({"exposures": {"seq": {"type": "pulseq", "file": "none.seq"}}}, ("rod.toml", "[gradients]")),
        (PULSEQ | {"exposures": {"seq": {"type": "pulseq", "file": "none.seq"}}}, ("none.seq", "no such file")),
        ({"implant.file": "none.stl"}, ("none.stl", "no such file")),
        ({"implant.unit": None}, ("rod.toml", "implant.unit", "missing key")),
        ({"implant.type": "elbow"}, ("rod.toml", "implant.type", "hip")),
        ({"exposures": {}}, ("rod.toml", "[exposures.NAME]")),
        ({"exposures.ISO.preset": "iso-10974"}, ("rod.toml", "exposures.ISO", "iso-10974-clause-9")),
        ({"exposures.ISO.direction": [0, 0, 0]}, ("rod.toml", "direction", "worst")),
        ({"exposures.ISO.duration_min": 3}, ("rod.toml", "duration_s = 180")),
        ({"solver.frequencies_Hz": [1000.0, 270.0]}, ("rod.toml", "frequencies_Hz", "growing")),
        ({"rf": {"file": "result.h5"}}, ("rod.toml", "rf.file", "result.h5")),
        (
            {
                "gradients": {
                    "type": "wires",
                    "position_m": [0, 0, 0],
                    "x_file": "w.csv",
                    "y_file": "w.csv",
                    "z_file": "w.csv",
                    "unit": "mm",
                }
            },
            ("w.csv", "no such file"),
        ),
    ],
    ids=lambda v: v[0] if isinstance(v, tuple) else None,
)
def test_what_is_wrong_is_one_line_and_exit_code_2(files, folder, capsys, changes, words):
    """Oracle: the contract of the command line."""
    shutil.copytree(files, folder, dirs_exist_ok=True)
    code, out, err = call(capsys, "run", write(folder, changes), "--out", "result", "--device", "cpu")
    assert code == 2, out + err
    line = one_line(err)
    for word in words:
        assert word in line, line
    assert out == ""
    assert not (folder / "result").exists()


def test_inside_out_surface_is_turned(folder, capsys):
    """Oracle: the rod itself; a surface turned inside out is repaired and the report of the surface says so."""
    from emdose.io.meshes import write_implant
    from emdose.models.implants.implant import Implant, Part
    from emdose.scenarios.results import read_result

    rod = shapes.cylinder(5e-3, 30e-3).parts[0]
    turned = Implant("rod", (Part("rod", rod.vertices, rod.triangles[:, ::-1], rod.metal),))
    write_implant(turned, "rod.stl", unit="mm")
    code, _, err = call(capsys, "run", write(folder), "--out", "result", "--device", "cpu", "--no-report", "--quiet")
    assert code == 0, err
    assert read_result("result").implant.volume_m3 == pytest.approx(rod.volume_m3, rel=1e-5)
