"""Gradients of Pulseq sequences that pypulseq wrote, and files that are none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import integrate

from emdose.errors import InputError
from emdose.io.gradients.pulseq import read_sequence

pp = pytest.importorskip("pypulseq")
SYSTEM = pp.Opts(max_grad=30, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
MT_M = 1e-3 * SYSTEM.gamma


def write(path, sequence):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence.write(str(path))
    return path


@pytest.fixture
def gradient_echo(tmp_path):
    """Four repetitions of 20 ms: excitation with a slice gradient, a readout trapezoid and a sampled lobe on y."""
    sequence = pp.Sequence(SYSTEM)
    rf, gz, gzr = pp.make_sinc_pulse(
        0.2, duration=2e-3, slice_thickness=5e-3, system=SYSTEM, return_gz=True, use="excitation"
    )
    gx = pp.make_trapezoid("x", amplitude=20 * MT_M, rise_time=2e-4, flat_time=3e-3, system=SYSTEM)
    lobe = 5 * MT_M * np.sin(np.pi * (np.arange(200) + 0.5) / 200) ** 2
    gy = pp.make_arbitrary_grad("y", lobe, system=SYSTEM, first=0, last=0)
    for _ in range(4):
        sequence.add_block(rf, gz)
        sequence.add_block(gzr)
        sequence.add_block(gx, gy)
        sequence.add_block(pp.make_delay(0.02 - sum(sequence.block_durations[i] for i in (1, 2, 3))))
    return write(tmp_path / "gre.seq", sequence)


def test_gradient_echo_has_its_gradients(gradient_echo):
    """Oracle: the numbers that it was written from; the integral of a sin^2 lobe is half its width."""
    wave = read_sequence(gradient_echo)
    assert wave.unit == "T/m"
    assert wave.duration_s == pytest.approx(0.08)
    assert len(wave.splits_s) == 3  # the first excitation is the start itself
    np.testing.assert_allclose(wave.splits_s, [0.02, 0.04, 0.06], atol=1e-9)
    t = np.linspace(0, 0.08, 160_001)
    value = wave.value(t)
    assert value[:, 0].max() == pytest.approx(20e-3, rel=1e-5)
    assert wave.peak[0] == pytest.approx(100, rel=1e-4)
    assert integrate.trapezoid(value[:, 0], t) == pytest.approx(4 * 20e-3 * 3.2e-3, rel=1e-4)
    assert integrate.trapezoid(value[:, 1], t) == pytest.approx(4 * 5e-3 * 1e-3, rel=1e-3)
    assert wave.rms[0] == pytest.approx(100 * np.sqrt(4 * 2 * 2e-4 / 0.08), rel=1e-4)
    # rms of the slope of A sin^2(pi t / T): A pi / (T sqrt 2) while it lasts
    assert wave.rms[1] == pytest.approx(5e-3 * np.pi / 2e-3 / np.sqrt(2) * np.sqrt(4 * 2e-3 / 0.08), rel=2e-3)


def test_every_repetition_is_alike(gradient_echo):
    """Oracle: periodicity: the pieces have the rms of the whole."""
    wave = read_sequence(gradient_echo)
    pieces = wave.pieces(shortest_s=0.01)
    assert [b for _, b, _ in pieces] == pytest.approx([0.02, 0.04, 0.06, 0.08])
    for *_, piece in pieces:
        np.testing.assert_allclose(piece.rms, wave.rms, rtol=1e-9)


def test_extended_trapezoid_across_two_blocks(tmp_path):
    """Oracle: the corners; the gradient is not zero where the blocks meet."""
    sequence = pp.Sequence(SYSTEM)
    one = pp.make_extended_trapezoid("z", np.array([0, 10, 10]) * MT_M, times=np.array([0, 1e-4, 1e-3]), system=SYSTEM)
    two = pp.make_extended_trapezoid("z", np.array([10, -5, 0]) * MT_M, times=np.array([0, 2e-4, 3e-4]), system=SYSTEM)
    sequence.add_block(one)
    sequence.add_block(two)
    wave = read_sequence(write(tmp_path / "joined.seq", sequence))
    np.testing.assert_allclose(wave.value([1e-4, 1e-3, 1.2e-3])[:, 2], [10e-3, 10e-3, -5e-3], rtol=1e-5)
    assert wave.peak[2] == pytest.approx(100, rel=1e-4)
    assert len(wave.times_s) == 5


def test_sequences_without_gradients_or_with_steps(tmp_path, gradient_echo):
    """Oracle: the documented errors."""
    still = pp.Sequence(SYSTEM)
    still.add_block(pp.make_delay(1e-3))
    with pytest.raises(InputError, match="without gradients"):
        read_sequence(write(tmp_path / "still.seq", still))
    half = pp.Sequence(SYSTEM)
    ramp = pp.make_extended_trapezoid("z", np.array([0, 1, 1]) * MT_M, times=np.array([0, 1e-4, 1e-3]), system=SYSTEM)
    half.add_block(ramp)
    with pytest.raises(InputError, match=r"open\.seq: .*non-zero mean dB/dt"):
        read_sequence(write(tmp_path / "open.seq", half))
    text = (tmp_path / "open.seq").read_text()
    blocks = text.index("[BLOCKS]")
    row = next(line for line in text[blocks:].splitlines()[1:] if line.strip())
    pause = row.split()
    longer = f"{row}\n{int(pause[0]) + 1} 50 0 0 0 0 0 0"  # a block of nothing follows
    (tmp_path / "step.seq").write_text(text.replace(row, longer))
    with pytest.raises(InputError, match=r"step\.seq: axis 3: gradient steps without a ramp"):
        read_sequence(tmp_path / "step.seq")


def test_files_that_are_no_sequences(tmp_path, gradient_echo):
    """Oracle: the contract: one line that names the file, whatever pypulseq stumbles over."""
    text = gradient_echo.read_text()
    bad = {
        "missing.seq": None,
        "empty.seq": "",
        "blank.seq": " \n\n",
        "words.seq": "This is not a sequence.\n",
        "binary.seq": "\0\1\2" * 99,
        "version.seq": text.replace("[VERSION]", "[VERSIO]"),
        "old.seq": text.replace("major 1", "major 0"),
        "numbers.seq": text.replace("[TRAP]", "[TRAP]\n1 x y z a b"),
        "section.seq": text + "\n[UNHEARD]\n1 2 3\n",
        "no-blocks.seq": text[: text.index("[BLOCKS]")] + "[BLOCKS]\n\n",
        "nan.seq": text.replace("[TRAP]", "[TRAP]\n1 nan 200 3000 200 0\n#"),
    }
    for name, content in bad.items():
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(InputError) as caught:
            read_sequence(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97])
def test_truncated_sequences_end(tmp_path, gradient_echo, part):
    """Oracle: a file that ends early is refused, or read when only its end marks are gone, but never hangs."""
    text = gradient_echo.read_text()
    (tmp_path / "cut.seq").write_text(text[: int(part * len(text))])
    try:
        wave = read_sequence(tmp_path / "cut.seq")
    except InputError as error:
        assert "cut.seq" in str(error)  # noqa: PT017
    else:
        assert np.all(np.isfinite(wave.rms))
