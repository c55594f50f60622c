"""Waveforms of gradients from tables of samples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.files import read_bytes
from emdose.models.gradients.trains import from_samples
from emdose.models.gradients.waveform import Waveform

LARGEST_FILE = 512 * 2**20
EXPECTED = "a table (.csv, .txt) with the columns time, x, y, z"


def read_waveform(
    path: Path | str, quantity: Literal["gradient", "field", "dB/dt"], *, unusual: bool = False
) -> Waveform:
    """A waveform of three axes from a table of samples.

    Parameters
    ----------
    path : Path or str
        Text with one line a sample: time [s], then x, y and z, separated by commas, semicolons or blanks. One line of
        names and lines that begin with # are passed over.
    quantity : "gradient", "field" or "dB/dt"
        What x, y, z are: T/m, T or T/s.
    unusual : bool
        Whether strengths and times may be such as no gradient system has.

    Raises
    ------
    InputError
        When the file is no such table, times do not grow, or the samples leave a mean dB/dt; the file is named.
    """
    path = Path(path)
    text = read_bytes(path, EXPECTED, LARGEST_FILE).decode("utf-8-sig", "replace")
    rows: list[list[float]] = []
    named = False
    for number, line in enumerate(text.splitlines(), 1):
        cells = [c for c in re.split(r"[\s,;]+", line.split("#")[0].strip()) if c]
        if not cells:
            continue
        try:
            row = [float(c) for c in cells]
        except ValueError:
            row = []
            if not rows and not named:
                named = True
                continue
        if len(row) != 4:
            raise InputError(
                "not four numbers", file=path, field=f"line {number}", found=line.strip()[:40], expected="time, x, y, z"
            )
        rows.append(row)
    if len(rows) < 2:
        raise InputError("no samples in this file", file=path, expected=EXPECTED)
    table = np.array(rows)
    try:
        times, values = table[:, 0].tolist(), table[:, 1:].tolist()
        return from_samples(times, values, quantity=quantity, name=path.stem, unusual=unusual)
    except InputError as error:
        raise error.at(file=path) from None
