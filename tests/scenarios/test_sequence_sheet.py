"""The safety sheet of sequences: numbers beside those of the run itself, files, protocols, bad input."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from pulseq_files import HARDWARE

import emdose as em
from emdose.cli import main
from emdose.errors import InputError
from emdose.io.sequences.examples import write_epi
from emdose.scenarios.sequences import gradients, tables
from emdose.scenarios.shared.implants import tensor_files

pp = pytest.importorskip("pypulseq")
HEAD = """[scenario]
kind = "rf"
name = "four"

[phantom]
type = "layered-head"
spacing_m = 0.01

[coil]
type = "loop-array"
elements = 4
radius_m = 0.15
length_m = 0.16

[exposure]
frequency_Hz = 127.74e6

[normalise]
b1plus_rms_T = 2e-6
over = "slice"

[solver]
tolerance = 1e-3

[checks]
patient_mass_kg = 75.0
relative_uncertainty = 0.3
"""


def code_of(*arguments):
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return end.value.code


def hard(path, count=4, field_T=3.0, rf=True):
    """Hard pulses of 180 degrees and 1 ms every 50 ms, written by pypulseq."""
    system = pp.Opts(rf_dead_time=1e-4)
    sequence = pp.Sequence(system)
    pulse = pp.make_block_pulse(np.pi, duration=1e-3, delay=1e-4, system=system, use="excitation")
    for _ in range(count):
        if rf:
            sequence.add_block(pulse)
        sequence.add_block(pp.make_delay(50e-3 - (1.1e-3 if rf else 0)))
    sequence.set_definition("B0", field_T)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence.write(str(path))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "head.toml").write_text(HEAD)
    hard(folder / "one.seq")
    return folder


@pytest.fixture(scope="module")
def sheet(place):
    """A sheet made by the command, and again from Python with the field that it left."""
    one = place / "one.seq"
    assert code_of("sequence", one, "--scenario", place / "head.toml", "-o", place / "out", "-q") == 0
    return em.sequence_sheet(one, place / "out" / "field", place / "again", progress=False)


def test_numbers_are_those_of_the_run_at_this_b1(place, sheet):
    """Oracle: the run of the scenario itself, whose SAR goes with the square of B1+rms over the same region."""
    run = em.read_result(place / "out" / "field")
    whole, numbers = sheet.whole, run.summary["quantities"]
    b1 = whole.quantity("B1+rms").average
    assert b1 == pytest.approx(np.sqrt(500**2 * 1e-3 / 50e-3) / sheet.sequences[0].gamma_Hz_T, rel=1e-6)
    factor = (b1 / 2e-6) ** 2
    heads = [n for n in whole.names if n.startswith("head")]
    pairs = [("whole body", "whole_body_sar"), ("10 g", "psSAR10g"), ("1 g", "psSAR1g")]
    for mine, its in [*pairs, *((h, f"head_sar: {h}") for h in heads)]:
        q = whole.quantity(mine)
        assert q.average == pytest.approx(factor * numbers[its]["value"], rel=1e-4)
        assert q.relative_uncertainty == 0.3
        assert q.window(360.0).value == pytest.approx(q.average, rel=1e-9)
        assert q.window(10.0).value == pytest.approx(q.average, rel=1e-9)  # 200 whole repetitions
    checks = {(c.limit.quantity, c.limit.window_s, c.limit.mode) for c in sheet.checks.rows if c.ratio is not None}
    assert {("local SAR", 10.0, "normal"), ("head SAR", 360.0, "first level")} <= checks
    # what the run says of its own drive at this B1+ beside the same limits
    own = {(c["quantity"], c["region"], c["mode"]): c["value"] for c in run.summary["checks"] if c["window_s"] == 360}
    for c in sheet.summary["checks"]:
        if c["window_s"] == 360 and c["quantity"] in ("head SAR", "partial-body SAR", "whole-body SAR"):
            assert c["value"] == pytest.approx(factor * own[c["quantity"], c["region"], c["mode"]], rel=1e-4)


def test_files(place, sheet):
    """Oracle: what is written is read back; the page carries no link to the outside."""
    names = {"sheet.html", "sheet.json", "sheet.csv", "sheet.png", "blocks.csv", "repetitions.csv"}
    for folder in ("out", "again"):
        assert names == {p.name for p in (place / folder).iterdir() if p.is_file()}
    told = json.loads((place / "out" / "sheet.json").read_text())
    assert told["exposure"]["quantities"][0]["average"] == pytest.approx(sheet.whole.quantity("B1+rms").average)
    rows = list(csv.DictReader((place / "out" / "sheet.csv").open()))
    worst = next(r for r in rows if r["quantity"] == "10 g" and r["statistic"] == "worst 10 s")
    assert float(worst["value"]) == pytest.approx(sheet.whole.quantity("10 g").window(10.0).value, rel=1e-8)
    assert float(worst["U_k2"]) == pytest.approx(0.3 * float(worst["value"]), rel=1e-8)
    limits = [r for r in rows if r["limit"]]
    assert {r["mode"] for r in limits} == {"normal", "first level"}
    blocks = list(csv.DictReader((place / "out" / "blocks.csv").open()))
    assert len(blocks) == 8
    assert float(blocks[1]["whole body [W/kg]"]) == 0
    assert float(blocks[0]["whole body [W/kg]"]) == pytest.approx(
        sheet.whole.quantity("whole body").average * 50 / 1.1, rel=1e-6
    )
    assert len(list(csv.DictReader((place / "out" / "repetitions.csv").open()))) == 4
    page = (place / "out" / "sheet.html").read_text()
    assert "Safety sheet: one" in page
    assert "binds first" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert str(place) not in page


def test_shims_of_the_mode_are_the_mode(place, sheet):
    """Oracle: a shim that is the mode itself changes nothing, by matrices instead of numbers; a silent channel does."""
    one = sheet.sequences[0]
    run = em.read_result(place / "out" / "field")
    weights = np.array([complex(*w) for w in run.summary["provenance"]["drive"]["weights"]])
    mode = weights / np.abs(weights).max()
    silent = mode * [0, 1, 1, 1]
    for shim, same in ((mode, True), (silent, False)):
        seq = replace(one, name="shimmed", shim=np.minimum(one.rf, 0), shims=shim[None])
        found = em.sequence_sheet(seq, place / "out" / "field", place / "shimmed", progress=False)
        for name in ("whole body", "10 g", "B1+rms"):
            values = [s.whole.quantity(name).window(10.0).value for s in (found, sheet)]
            assert (values[0] == pytest.approx(values[1], rel=1e-5)) == same
    assert found.summary["exposure"]["about"]["shims"] == 1


def test_a_protocol(place, sheet):
    """Oracle: played once, 6 min hold all of its energy; in 10 s the pause of 20 s leaves one sequence alone."""
    found = em.sequence_sheet(
        [place / "one.seq", place / "one.seq"], place / "out" / "field", place / "two", pauses_s=20.0, progress=False
    )
    body, alone = found.whole.quantity("whole body"), sheet.whole.quantity("whole body")
    assert not found.whole.repeated
    assert body.window(360.0).value == pytest.approx(2 * alone.deposited / 360, rel=1e-9)
    assert body.window(10.0).value == pytest.approx(alone.deposited / 10, rel=1e-9)
    assert "The sequences, each by itself" in (place / "two" / "sheet.html").read_text()
    names = [r["sequence"] for r in csv.DictReader((place / "two" / "sheet.csv").open())]
    assert {"one", "one (2)", "protocol"} == set(names)
    rows = tables.pulse_rows(found.sequences[0], found.exposures[0])
    assert [(r["use"], r["count"]) for r in rows] == [("excitation", 4)]
    assert rows[0]["flip_deg"] == pytest.approx(180, rel=1e-6)
    assert rows[0]["share"] == 1


def test_a_calibration_that_makes_no_sense():
    """Oracle: a mode that turns the other way, and a place in the air, are refused unless they are accepted."""
    ball = em.phantoms.sphere(0.05, 10e-3)
    fields = em.Vie().solve(em.Exposure(ball, em.Birdcage(8, radius_m=0.1, length_m=0.1), 128e6), progress=False)
    right = em.drive_reference(fields, "slice")
    wrong = np.conj(fields.drives["quadrature"])
    with pytest.raises(InputError, match="over"):
        em.drive_reference(fields, "slice", wrong)
    other = em.drive_reference(fields, "slice", wrong, accept=["b1plus_share"])
    assert other.per_unit_T < 0.3 * right.per_unit_T
    corner = np.asarray(ball.grid.bounds_m[1]) - 1e-3
    if not ball.body[ball.grid.index_of(tuple(corner))]:
        with pytest.raises(InputError, match="over"):
            em.drive_reference(fields, tuple(corner))
    driven = fields.drive("quadrature")
    alone = em.drive_reference(driven, "slice", region="here")
    assert alone.region == "here"
    assert alone.per_unit_T == pytest.approx(right.mean_T(fields.drives["quadrature"]), rel=1e-6)


@pytest.mark.usefixtures("sheet")
def test_gradients(place, tmp_path):
    """Oracle: em.check_gradients and em.sequence_pns of the same sequences; a file without gradients is told."""
    short = em.read_pulse_sequence(write_epi(tmp_path / "short.seq", slices=1, volumes=1, lines=8))
    found = gradients.evaluated([short], "whole-body")
    own = em.check_gradients(short.gradients, coil_type="whole-body")
    assert [r["value"] for r in found["checks"]] == [r.value for r in own.rows]
    assert found["courses"][0]["peak"] == pytest.approx(em.sequence_pns(short).peak, rel=1e-9)
    assert max(found["courses"][0]["response"]) == pytest.approx(found["courses"][0]["peak"], rel=1e-3)
    (tmp_path / "scanner.asc").write_text(HARDWARE)
    sheet = em.sequence_sheet(
        [short, place / "one.seq"],
        place / "out" / "field",
        tmp_path / "out",
        hardware=tmp_path / "scanner.asc",
        progress=False,
    )
    told = sheet.summary["gradients"]
    model = em.read_stimulation_model(tmp_path / "scanner.asc")
    by_model = em.check_gradients(short.gradients, coil_type="whole-body", hardware=model)
    assert [r["value"] for r in told["checks"]] == [r.value for r in by_model.rows]
    assert told["courses"][1]["peak"] == pytest.approx(em.sequence_pns(short, model).peak, rel=1e-9)
    assert told["notes"] == ["one has no gradients that were read."]
    assert {r["region"].split(":")[0] for r in told["checks"]} == {"short"}
    page = (tmp_path / "out" / "sheet.html").read_text()
    assert "Nerve impulse response" in page
    rows = list(csv.DictReader((tmp_path / "out" / "sheet.csv").open()))
    assert any(r["quantity"].startswith("nerve impulse response: short") for r in rows)
    assert gradients.evaluated([short], None)["checks"] == []
    with pytest.raises(InputError, match="short: coil_type: parameters of nerve stimulation"):
        gradients.evaluated([short], "head")
    with pytest.raises(InputError, match="unknown gradient coils"):
        em.sequence_sheet(short, place / "out" / "field", gradient_coils="knee", progress=False)


BALL = {
    "scenario": {"kind": "implant-gradient", "name": "ball", "accept": ["spectrum_dropped"]},
    "implant": {"type": "sphere", "radius_m": 10e-3, "metal": "Ti6Al4V", "position_m": [0.0, 0.0, 0.01]},
    "solver": {"spacing_m": 2e-3, "frequencies_Hz": [270.0, 1000.0, 4000.0]},
    "gradients": {"type": "ideal", "position_m": [0.1, 0.0, 0.19]},
    "exposures": {"ISO": {"type": "preset", "duration_s": 60.0}},
    "thermal": {"spacing_m": 5e-3, "margin_m": 0.02, "duration_s": 60.0, "curve_points": 4},
}


@pytest.mark.usefixtures("sheet")
def test_an_implant_in_the_gradients(place, tmp_path, monkeypatch):
    """Oracles: the closed form of a ball at low frequency, em.mechanics.sequence_torque; one line where it is none."""
    monkeypatch.setattr(tensor_files, "cache_folder", lambda: tmp_path / "cache" / "kernels")
    short = em.read_pulse_sequence(write_epi(tmp_path / "short.seq", slices=1, volumes=1, lines=8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ball = em.run_scenario(BALL, tmp_path / "ball", progress=False).folder
    sheet = em.sequence_sheet(short, place / "out" / "field", tmp_path / "out", implant=ball, progress=False)
    told = sheet.summary["implant"]
    (row,) = told["rows"]
    assert told["place_m"] == pytest.approx([0.1, 0.0, 0.2])
    assert told["field_T"] == pytest.approx(3.0, rel=1e-3)
    sigma = em.implants.metals.get("Ti6Al4V").conductivity_S_m
    matrix = em.GradientSet().uniform_matrix((0.1, 0.0, 0.2))
    square = np.trace(matrix @ short.gradients.mean_square @ matrix.T)
    assert row["dbdt_rms_T_s"] == pytest.approx(np.sqrt(square), rel=1e-6)
    low = 2 * np.pi * sigma * 10e-3**5 * square / 15
    # harmonics beyond 4 kHz are left out and bounded; the skin effect takes a little
    assert 0.6 * low < row["mean_W"] < 1.02 * low
    assert row["mean_W"] + row["beyond_W"] == pytest.approx(low, rel=0.05)
    assert row["windows"][0]["value"] == pytest.approx(row["mean_W"], rel=1e-3)
    moments = em.mechanics.moment_tensor(em.read_result(ball).tensor)
    torque = em.mechanics.sequence_torque(short.gradients, moments, matrix, (0, 0, told["field_T"]))
    assert row["torque_peak_N_m"] == pytest.approx(torque.peak, rel=1e-9)
    assert "in these gradients" in (tmp_path / "out" / "sheet.html").read_text()
    rows = list(csv.DictReader((tmp_path / "out" / "sheet.csv").open()))
    assert {r["statistic"] for r in rows if r["quantity"].startswith("power in")} == {
        "average",
        "worst 6 min",
        "worst 10 min",
    }
    field = place / "out" / "field"
    with pytest.raises(InputError, match="no power matrices of an implant"):
        em.sequence_sheet(short, field, tmp_path / "no", implant=field, progress=False)
    assert not (tmp_path / "no").exists()


def test_drives_beyond_what_is_there(place, sheet, capsys):
    """Oracle: one line and exit code 2; no sheet is left."""
    file, field = place / "one.seq", place / "out" / "field"
    peaks = sheet.whole.peaks
    for option, value, words in (
        ("--peak-power-w", 0.9 * peaks.power_W, "drive beyond the peak power"),
        ("--peak-amplitude", 0.9 * peaks.amplitude, "drive beyond the peak amplitude"),
    ):
        assert code_of("sequence", file, "-s", field, "-o", place / "beyond", option, value, "-q") == 2
        line = capsys.readouterr().err.strip()
        assert words in line
        assert "\n" not in line
        assert not (place / "beyond").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: hard(p, field_T=7.0), "made for another field strength"),
        (lambda p: hard(p, rf=False), "without RF"),
        (lambda p: p.write_text("hello"), "no section"),
        (lambda p: p.write_text(_without(hard(p), "RadiofrequencyRasterTime")), "raster"),
        (lambda p: None, "no such file"),
    ],
)
def test_bad_files(place, tmp_path, capsys, make, words):
    """Oracle: one line that names the file, exit code 2, nothing solved and nothing written."""
    path = tmp_path / "bad.seq"
    make(path)
    out = tmp_path / "out"
    assert code_of("sequence", path, "--scenario", place / "head.toml", "-o", out) == 2
    line = capsys.readouterr().err.strip()
    assert words in line
    assert "bad.seq" in line
    assert "\n" not in line
    assert not out.exists()


def _without(path, key):
    return "\n".join(line for line in path.read_text().splitlines() if not line.startswith(key)) + "\n"


def test_scenarios_that_are_none(place, tmp_path, capsys):
    """Oracle: a kind without a coil, an empty folder, and sequences of other channels are refused before solving."""
    out = tmp_path / "out"
    with pytest.raises(InputError, match="no transmit coil"):
        em.sequence_sheet(place / "one.seq", "gradient-pns", out, progress=False)
    with pytest.raises(InputError, match="no finished result"):
        em.sequence_sheet(place / "one.seq", tmp_path, out, progress=False)
    one = em.read_pulse_sequence(place / "one.seq")
    three = replace(one, name="three", shim=np.minimum(one.rf, 0), shims=np.ones((1, 3)) + 0j)
    with pytest.raises(InputError, match="three: RF_SHIMS: channels differ"):
        em.sequence_sheet(three, place / "head.toml", out, progress=False)
    assert not out.exists()
    assert code_of("sequence", place / "one.seq", "-o", out) == 2
    assert "--scenario" in capsys.readouterr().err
