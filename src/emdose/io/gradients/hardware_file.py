"""Hardware models of stimulation from the files of a scanner's vendor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from emdose.checks import one_of
from emdose.dosimetry.stimulation.safe import SafeAxis, SafeModel
from emdose.errors import InputError
from emdose.io.disk.files import read_bytes

LARGEST_FILE = 16 * 2**20
EXPECTED = "the hardware file (.asc) of a scanner, with keys flGSWDTauX[0], flGSWDAX[0], ..."
MARKS = {"peripheral": ".pns.", "cardiac": ".carns."}
_LINE = re.compile(r"^\s*([A-Za-z_$][\w.$\[\]]*)\s*=\s*(\S+)")


def read_stimulation_model(path: Path | str, organ: Literal["peripheral", "cardiac"] = "peripheral") -> SafeModel:
    """The hardware model of stimulation in a file of a scanner's vendor.

    Parameters
    ----------
    path : Path or str
        Text with lines ``key = value``: of every axis X, Y, Z ``flGSWDTauX[0..2]`` [ms], ``flGSWDAX[0..2]``,
        ``flGSWDStimulationLimitX`` and ``flGSWDStimulationThresholdX`` [T/m/s], ``flGScaleFactorX``; newer files have
        them with .PNS. and .CarNS. before the name.
    organ : "peripheral" or "cardiac"
        Which of both.

    Raises
    ------
    InputError
        For keys that are missing, two different values of one key, and values that make no model; the file is named.

    Source: the keys as read by safe_pns_prediction (F. Szczepankiewicz and T. Witzel, BSD 3-clause licence).
    """
    path = Path(path)
    one_of("organ", organ, MARKS, problem="unknown kind of stimulation")
    text = read_bytes(path, EXPECTED, LARGEST_FILE).decode("utf-8-sig", "replace")
    found: dict[str, set[str]] = {}
    included = ""
    for line in text.splitlines():
        if line.strip().lower().startswith("$include"):
            included = line.strip()[8:].strip()
        match = _LINE.match(line)
        if match:
            found.setdefault(match[1].lower(), set()).add(match[2].strip('"'))
    marked = any(mark in f".{key}" for key in found for mark in MARKS.values())
    if not marked and organ == "cardiac":
        raise InputError("file holds no cardiac model", file=path, expected="keys with .CarNS.")

    def value(name: str, filtered: bool = True) -> float:
        mark = MARKS[organ] if marked and filtered else ""
        wanted = f"{mark}{name.lower()}"
        keys = [k for k in found if f".{k}".endswith(wanted if mark else f".{name.lower()}")]
        values = set().union(*(found[k] for k in keys))
        if not values:
            hint = f"; it includes {included!r}: give that file" if included else ""
            raise InputError("key missing", file=path, field=name, expected=EXPECTED + hint)
        if len(values) > 1:
            raise InputError("key with two values", file=path, field=name, found=sorted(values))
        try:
            return float(values.pop())
        except ValueError:
            raise InputError("not a number", file=path, field=name, found=found[keys[0]]) from None

    axes = {}
    for axis in "XYZ":
        tau = tuple(1e-3 * value(f"flGSWDTau{axis}[{n}]") for n in range(3))
        parts = tuple(value(f"flGSWDA{axis}[{n}]") for n in range(3))
        limit, threshold = (value(f"flGSWDStimulation{word}{axis}") for word in ("Limit", "Threshold"))
        scale = value(f"flGScaleFactor{axis}", filtered=False)
        try:
            axes[axis.lower()] = SafeAxis(tau, parts, limit, threshold, scale)  # type: ignore[arg-type]
        except InputError as error:
            raise InputError(str(error), file=path, field=f"axis {axis}") from None
    return SafeModel(path.stem, **axes, source=f"{path.name}, {organ}")
