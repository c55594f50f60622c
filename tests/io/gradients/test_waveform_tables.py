"""Waveforms from tables of samples."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.io.gradients.waveforms import read_waveform

LOBE = "t,x,y,z\n0,0,0,0\n1e-3,0.02,0,0\n2e-3,0.02,0,0\n3e-3,0,0,0\n"


def test_trapezoid_from_a_table(tmp_path):
    """Oracle: the slew rate of the lobe, 20 T/m/s up and down for two thirds of the time."""
    (tmp_path / "lobe.csv").write_text(f"# a lobe\n{LOBE}")
    wave = read_waveform(tmp_path / "lobe.csv", "gradient")
    assert wave.unit == "T/m"
    assert wave.rms == pytest.approx([20 * np.sqrt(2 / 3), 0, 0])
    assert read_waveform(tmp_path / "lobe.csv", "field").unit == "T"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("", "no samples"),
        ("t,x,y,z\n", "no samples"),
        ("0,0,0\n", "line 1: not four numbers"),
        ("t,x,y,z\nzero,0,0,0\n", "line 2: not four numbers"),
        (LOBE + "4e-3,0.02,0,0\n", "non-zero mean dB/dt"),
        (LOBE + "2e-3,0,0,0\n", "do not grow"),
        (LOBE + "5e-3,nan,0,0\n", "not finite"),
    ],
)
def test_bad_tables(tmp_path, content, words):
    """Oracle: the documented errors, one line that names the file."""
    if content is not None:
        (tmp_path / "wave.csv").write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_waveform(tmp_path / "wave.csv", "gradient")
    assert "wave.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
