"""RF, shims and gradients of Pulseq files that pypulseq wrote, shims in both dialects, and files that are none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError

pp = pytest.importorskip("pypulseq")
SYSTEM = pp.Opts(max_grad=30, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s", rf_dead_time=100e-6)
SHIMS = np.array([[1.0, 0.5j, -1.0], [0.25, 1.0, 0.5 * np.exp(2.5j)]])


def write(path, sequence, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence.write(str(path), **options)
    return path


def made(repetitions=3):
    """A hard pulse of 90 degrees, a refocusing sinc, a readout, and a pause."""
    sequence = pp.Sequence(SYSTEM)
    hard = pp.make_block_pulse(np.pi / 2, duration=1e-3, delay=100e-6, system=SYSTEM, use="excitation")
    sinc = pp.make_sinc_pulse(
        np.pi, duration=2e-3, delay=100e-6, system=SYSTEM, use="refocusing", phase_offset=np.pi / 2
    )
    gx = pp.make_trapezoid("x", amplitude=10e-3 * SYSTEM.gamma, rise_time=2e-4, flat_time=3e-3, system=SYSTEM)
    for _ in range(repetitions):
        sequence.add_block(hard)
        sequence.add_block(sinc)
        sequence.add_block(gx)
        sequence.add_block(pp.make_delay(20e-3))
    return sequence


@pytest.fixture
def spin_echo(tmp_path):
    return write(tmp_path / "se.seq", made())


def with_columns(text, columns):
    """The same file with two more columns in [RF], and shapes that they name."""
    head, rest = text.split("[RF]\n", 1)
    rows, after = rest.split("\n\n", 1)
    rows = "\n".join(f"{row} {columns[row.split()[0]]}" for row in rows.splitlines() if not row.startswith("#"))
    shapes = ""
    for number, values in ((71, np.abs(SHIMS[0])), (72, np.angle(SHIMS[0])), (73, np.zeros(3))):
        shapes += f"shape_id {number}\nnum_samples 3\n" + "\n".join(f"{v:.17g}" for v in values) + "\n\n"
    return f"{head}[RF]\n{rows}\n\n" + after.replace("[SHAPES]\n\n", f"[SHAPES]\n\n{shapes}", 1)


def with_shims(text, extension=("1 1 1 0", "2 1 2 0")):
    """The same file as version 1.5.1 with one shim for all hard pulses and one for all others."""
    lines, inside = [], False
    for line in text.splitlines():
        inside = line.startswith("[BLOCKS]") or (inside and bool(line.strip()))
        words = line.split()
        if inside and len(words) == 8 and words[2] != "0":
            line = " ".join([*words[:7], words[2]])
        lines.append(line)
    rows = [f"{n} {len(s)} " + " ".join(f"{abs(v):.17g} {np.angle(v):.17g}" for v in s) for n, s in enumerate(SHIMS, 1)]
    more = "\n".join(["[EXTENSIONS]", *extension, "", "extension RF_SHIMS 1", *rows, "", ""])
    text = "\n".join(lines).replace("revision 0", "revision 1")
    return text.replace("[SHAPES]", f"{more}[SHAPES]", 1)


def test_pulses_and_blocks_are_those_that_were_written(spin_echo):
    """Oracle: the numbers that the sequence was made of: 250 Hz for 1 ms are 90 degrees."""
    sequence = em.read_pulse_sequence(spin_echo)
    assert sequence.rf.tolist() == [0, 1, -1, -1] * 3
    assert sequence.duration_s == pytest.approx(3 * (1.1e-3 + 2.1e-3 + 3.4e-3 + 20e-3), abs=1e-7)
    hard, sinc = sequence.pulses
    assert hard.use == "excitation"
    assert sinc.use == "refocusing"
    assert hard.flip_deg == pytest.approx(90, rel=1e-6)
    assert sinc.flip_deg == pytest.approx(180, rel=1e-5)
    assert hard.peak_Hz == pytest.approx(250, rel=1e-6)
    assert hard.energy_Hz2_s == pytest.approx(250**2 * 1e-3, rel=1e-6)
    np.testing.assert_allclose(hard.edges_s[[0, -1]], [1e-4, 1.1e-3], rtol=1e-12)
    assert sequence.repetitions.tolist() == [0, 4, 8]
    assert sequence.shims.size == 0
    assert sequence.gamma_Hz_T == SYSTEM.gamma
    total = 3 * (hard.energy_Hz2_s + sinc.energy_Hz2_s)
    assert sequence.b1plus_rms_T == pytest.approx(np.sqrt(total / sequence.duration_s) / SYSTEM.gamma, rel=1e-12)
    wave = em.read_sequence(spin_echo)
    np.testing.assert_allclose(sequence.gradients.times_s, wave.times_s, atol=1e-12)
    np.testing.assert_allclose(sequence.gradients.starts, wave.starts, rtol=1e-9, atol=1e-9)


def test_version_1_4_has_the_same_rf(tmp_path, spin_echo):
    """Oracle: the same sequence in version 1.5.0; uses are those of the flip angles."""
    old = em.read_pulse_sequence(write(tmp_path / "old.seq", made(), v141_compat=True))
    new = em.read_pulse_sequence(spin_echo)
    assert old.about["version"].startswith("1.4")
    assert old.about["uses_by_flip_angle"] == 2
    assert [p.use for p in old.pulses] == ["excitation", "refocusing"]
    assert old.energy_Hz2_s == pytest.approx(new.energy_Hz2_s, rel=1e-6)
    np.testing.assert_array_equal(old.rf, new.rf)


def test_shims_of_the_extension(tmp_path, spin_echo):
    """Oracle: the shims that were written; the RF is that of the file without them."""
    (tmp_path / "shims.seq").write_text(with_shims(spin_echo.read_text()))
    sequence = em.read_pulse_sequence(tmp_path / "shims.seq")
    assert sequence.about["version"] == "1.5.1"
    assert sequence.about["shims"] == "RF_SHIMS"
    assert sequence.channels == 3
    np.testing.assert_allclose(sequence.shims, SHIMS, rtol=1e-14)
    assert sequence.shim.tolist() == [0, 1, -1, -1] * 3
    assert sequence.energy_Hz2_s == em.read_pulse_sequence(spin_echo).energy_Hz2_s


def test_a_shim_after_other_extensions(tmp_path, spin_echo):
    """Oracle: the list of extensions of the specification: a block's first names the next."""
    text = with_shims(spin_echo.read_text(), ("1 7 1 3", "2 1 2 0", "3 1 1 0"))
    (tmp_path / "labels.seq").write_text(text.replace("[SHAPES]", "extension LABELSET 7\n1 4 LIN\n\n[SHAPES]", 1))
    sequence = em.read_pulse_sequence(tmp_path / "labels.seq")
    assert sequence.shim.tolist() == [0, 1, -1, -1] * 3


def test_shims_of_the_dialect_with_columns(tmp_path):
    """Oracle: the shim that was written; radian is seen where a phase is negative, otherwise it has to be named."""
    text = write(tmp_path / "old.seq", made(), v141_compat=True).read_text()
    (tmp_path / "columns.seq").write_text(with_columns(text, {"1": "71 72", "2": "0 0"}))
    sequence = em.read_pulse_sequence(tmp_path / "columns.seq")
    assert sequence.about["shims"] == "PyPulseq_rfshim, phases in radian"
    np.testing.assert_allclose(sequence.shims, SHIMS[:1], rtol=1e-14, atol=1e-15)
    assert sequence.shim.tolist() == [0, -1, -1, -1] * 3
    turned = with_columns(text, {"1": "71 72", "2": "71 73"})
    phases = "\n".join(f"{v:.17g}" for v in np.angle(SHIMS[0]))
    (tmp_path / "turns.seq").write_text(turned.replace(phases, "0\n0.25\n0.5"))
    with pytest.raises(InputError, match=r"turns\.seq: PyPulseq_rfshim: phases of shims may be radian or turns"):
        em.read_pulse_sequence(tmp_path / "turns.seq")
    turns = em.read_pulse_sequence(tmp_path / "turns.seq", shim_phase="turns")
    np.testing.assert_allclose(turns.shims, [SHIMS[0], np.abs(SHIMS[0])], atol=1e-14)


def test_times_of_their_own_and_half_raster(tmp_path):
    """Oracle: integrals: a triangle from 0 to A and back has the energy A^2 T / 3; half raster times halve a pulse."""
    sequence = pp.Sequence(SYSTEM)
    ramp = 400 * (1 - np.abs(np.linspace(-1, 1, 1001)))[:-1]
    pulse = pp.make_arbitrary_rf(ramp, np.pi / 2, no_signal_scaling=True, delay=1e-4, system=SYSTEM, use="excitation")
    sequence.add_block(pulse)
    text = write(tmp_path / "plain.seq", sequence).read_text()
    plain = em.read_pulse_sequence(tmp_path / "plain.seq").pulses[0]
    row = next(r for r in text.split("[RF]\n", 1)[1].splitlines() if not r.startswith("#")).split()
    lines = [" ".join([*row[:4], "-1", *row[5:]]) if r.split() == row else r for r in text.splitlines()]
    (tmp_path / "half.seq").write_text("\n".join(lines))
    fast = em.read_pulse_sequence(tmp_path / "half.seq").pulses[0]
    assert plain.energy_Hz2_s == pytest.approx(400**2 * 1e-3 / 3, rel=1e-5)
    assert fast.duration_s == pytest.approx(plain.duration_s / 2, abs=1e-6)
    assert fast.energy_Hz2_s == pytest.approx(plain.energy_Hz2_s / 2, rel=1e-3)
    shapes = "shape_id 91\nnum_samples 3\n0\n1\n0\n\nshape_id 92\nnum_samples 3\n0\n500\n1000\n\n"
    shapes += "shape_id 93\nnum_samples 3\n0\n0\n0\n\n"
    lines = [
        " ".join([row[0], "400", "91", "93", "92", *row[5:]]) if r.split() == row else r for r in text.splitlines()
    ]
    (tmp_path / "own.seq").write_text("\n".join(lines).replace("[SHAPES]\n", f"[SHAPES]\n\n{shapes}", 1))
    own = em.read_pulse_sequence(tmp_path / "own.seq").pulses[0]
    assert own.energy_Hz2_s == pytest.approx(400**2 * 1e-3 / 3, rel=1e-12)
    assert own.duration_s == pytest.approx(1e-3, rel=1e-12)


def test_rotations_turn_gradients(tmp_path, spin_echo):
    """Oracle: a quarter turn about z takes x to y."""
    lines, inside = [], False
    for line in spin_echo.read_text().splitlines():
        inside = line.startswith("[BLOCKS]") or (inside and bool(line.strip()))
        words = line.split()
        lines.append(" ".join([*words[:7], "1"]) if inside and len(words) == 8 and words[3] != "0" else line)
    more = f"[EXTENSIONS]\n1 4 1 0\n\nextension ROTATIONS 4\n1 {np.sqrt(0.5):.17g} 0 0 {np.sqrt(0.5):.17g}\n\n"
    text = "\n".join(lines).replace("revision 0", "revision 1").replace("[SHAPES]", f"{more}[SHAPES]", 1)
    (tmp_path / "turned.seq").write_text(text)
    plain, turned = (em.read_pulse_sequence(p).gradients for p in (spin_echo, tmp_path / "turned.seq"))
    np.testing.assert_allclose(turned.rms, plain.rms[[1, 0, 2]], atol=1e-9)


def test_what_is_missing_is_said_in_one_line(tmp_path, spin_echo):
    """Oracle: the contract: one line that names the file and what is missing."""
    text = spin_echo.read_text()
    cases = {
        "no-rf.seq": (text[: text.index("[RF]")] + text[text.index("[TRAP]") :], "event that is not there"),
        "raster.seq": (
            text.replace("RadiofrequencyRasterTime 1e-06", ""),
            "RadiofrequencyRasterTime: raster time miss",
        ),
        "zero.seq": (text.replace("GradientRasterTime 1e-05", "GradientRasterTime 0"), "bad raster time"),
        "blocks.seq": (text.replace("[BLOCKS]\n", "[BLOCKS]\n1 x 0 0 0 0 0 0\n"), r"\[BLOCKS\]: bad line"),
        "version.seq": (text.replace("minor 5", "minor 1"), "version of Pulseq that is not read"),
        "shim.seq": (
            with_shims(text).replace("extension RF_SHIMS 1\n1 3 1", "extension RF_SHIMS 1\n1 4 1"),
            "bad line",
        ),
        "gone.seq": (with_shims(text, ("1 1 9 0", "2 1 2 0")), "extension that is not there"),
        "circle.seq": (with_shims(text, ("1 1 1 2", "2 1 2 1")), "one that never ends"),
        "words.seq": ("This is not a sequence.\n", "no section"),
    }
    for name, (broken, message) in cases.items():
        (tmp_path / name).write_text(broken)
        with pytest.raises(InputError, match=message) as caught:
            em.read_pulse_sequence(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "raster.seq").write_text(cases["raster.seq"][0])
    given = em.read_pulse_sequence(tmp_path / "raster.seq", rasters={"RadiofrequencyRasterTime": 1e-6})
    assert given.energy_Hz2_s == em.read_pulse_sequence(spin_echo).energy_Hz2_s
    still = pp.Sequence(SYSTEM)
    still.add_block(pp.make_delay(1e-2))
    with pytest.raises(InputError, match=r"still\.seq: .*sequence without RF"):
        em.read_pulse_sequence(write(tmp_path / "still.seq", still))
    with pytest.raises(InputError, match="no such file"):
        em.read_pulse_sequence(tmp_path / "missing.seq")
