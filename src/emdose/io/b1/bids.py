"""NIfTI files named as the Brain Imaging Data Structure (BIDS) has it, with their sidecars."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emdose.constants import GAMMA_BAR_PROTON
from emdose.errors import InputError
from emdose.io.b1.scan import Scan, parts_of
from emdose.io.disk.files import read_bytes
from emdose.io.maps.maps3d import VoxelMap, read_map

_PARTS = {"mag": "magnitude", "phase": "phase", "real": "real", "imag": "imaginary"}
_B1 = "TB1map"
_OLD = re.compile(r"^(magnitude|phase)(\d)$")
"""Suffixes of field maps of two echoes: magnitude1, magnitude2, phase1, phase2."""
_UNITS = {"rad": "rad", "radian": "rad", "radians": "rad", "deg": "deg", "degree": "deg", "degrees": "deg"}
_LARGEST_SIDECAR = 16_000_000
"""Bytes."""
_UNSTATED = {"", "arbitrary", "arb", "a.u.", "au"}


@dataclass(frozen=True)
class _Named:
    """What the name of one file says, with its sidecar."""

    path: Path
    group: str
    suffix: str
    part: str | None
    echo: int
    sidecar: Mapping[str, Any]


def matches(stem: Path) -> list[Path]:
    """NIfTI files in a folder, or files whose names begin with a stem and an underscore."""
    folder, start = (stem, "") if stem.is_dir() else (stem.parent, f"{stem.name}_")
    if not folder.is_dir():
        return []
    found = folder.rglob("*") if not start else folder.iterdir()
    return sorted(p for p in found if p.name.startswith(start) and p.name.endswith((".nii", ".nii.gz")))


def read_bids(stem: Path) -> Scan:
    """A B1+ map and images with a phase, from a folder or the common beginning of file names.

    ``TB1map`` is a map of abs(B1+); ``part-phase``, ``part-mag``, ``part-real`` and ``part-imag`` are parts of images,
    and ``echo-N`` their echoes; other entities (``acq-``, ``run-``) must agree. ``Units``, ``EchoTime`` [s],
    ``ImagingFrequency`` [MHz] and ``MagneticFieldStrength`` [T] are read from the sidecars.

    Parameters
    ----------
    stem : Path
        A folder, or such as ``sub-01/anat/sub-01_acq-ept``.

    Raises
    ------
    InputError
        For names that hold no B1+ map and no phase, several that could be meant, echoes without times, and sidecars
        that cannot be right.
    """
    files = [_named(path) for path in matches(stem)]
    maps = [f for f in files if f.suffix == _B1]
    groups: dict[str, list[_Named]] = collections.defaultdict(list)
    for one in files:
        if one.suffix != _B1:
            groups[one.group].append(one)
    told = {key: mine for key, mine in groups.items() if {f.part for f in mine} & {"phase", "real", "imaginary"}}
    if len(maps) > 1:
        raise _which(stem, "B1+ maps", [f.path.name for f in maps])
    if len(told) > 1:
        raise _which(stem, "images with a phase", list(told))
    if not maps and not told:
        raise InputError(
            "no B1+ map and no phase",
            file=stem,
            found=", ".join(f.path.name for f in files) or "no NIfTI files",
            expected="names as in BIDS: ..._TB1map.nii.gz, ..._part-phase_...nii.gz, part-real and part-imag",
        )
    b1 = read_map(maps[0].path, "magnitude") if maps else None
    if b1 is not None and (np.iscomplexobj(b1.values) or b1.values.ndim != 3):
        raise InputError("not one map", file=b1.name, field=_B1, found=b1.values.shape, expected="(nx, ny, nz)")
    used, notes = list(maps), []
    if maps:
        unit = str(maps[0].sidecar.get("Units", "")) or "no unit stated"
        notes.append(f"{maps[0].path.name}: abs(B1+) ({unit}; a common factor cancels)")
    if not told:
        assert b1 is not None
        scan = Scan(str(stem), b1plus=b1.values, b1_affine=b1.affine, affine=b1.affine, axis_codes=b1.axis_codes)
    else:
        group, mine = next(iter(told.items()))
        used += mine
        scan = _images(stem, mine)
        parts = ", ".join(sorted({str(f.part) for f in mine}))
        notes.append(f"{group}: {parts}; echoes: {len({f.echo for f in mine})}")
        if b1 is not None:
            scan = replace(scan, b1plus=b1.values, b1_affine=b1.affine)
    frequency_Hz, said = _frequency(used)
    return replace(scan, frequency_Hz=frequency_Hz, notes=(*notes, *said))


def _named(path: Path) -> _Named:
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    *entities, suffix = name.split("_")
    pairs = [e.partition("-") for e in entities]
    values = {key: value for key, _, value in pairs}
    part, echo = _PARTS.get(values.get("part", "")), values.get("echo", "1")
    old = _OLD.match(suffix)
    if old:
        part, echo, suffix = old[1], old[2], "fieldmap"
    group = "_".join([e for e in entities if e.partition("-")[0] not in ("part", "echo")] + [suffix])
    if not echo.isdigit():
        raise InputError("bad number of an echo", file=path, field="echo", found=echo, expected="echo-1, echo-2, ...")
    if part is None and suffix != _B1:
        part = "magnitude"  # BIDS: what no part is said of is a magnitude
    return _Named(path, group, suffix, part, int(echo), _sidecar(path, name))


def _sidecar(path: Path, name: str) -> Mapping[str, Any]:
    beside = path.with_name(f"{name}.json")
    if not beside.is_file():
        return {}
    try:
        found = json.loads(read_bytes(beside, "a JSON object", _LARGEST_SIDECAR))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not a readable sidecar: {error}", file=beside) from None
    if not isinstance(found, dict):
        raise InputError("not a readable sidecar", file=beside, expected="a JSON object")
    return found


def _images(stem: Path, files: Sequence[_Named]) -> Scan:
    """The images with a phase: parts by echoes."""
    by_part: dict[str, dict[int, _Named]] = collections.defaultdict(dict)
    for one in files:
        if one.echo in by_part[str(one.part)]:
            raise _which(
                stem, f"{one.part} images of echo {one.echo}", [f.path.name for f in files if f.part == one.part]
            )
        by_part[str(one.part)][one.echo] = one
    numbers = sorted(by_part["phase"] if "phase" in by_part else by_part["real"])
    if any(sorted(mine) != numbers for mine in by_part.values()):
        said = "; ".join(f"{part} of echo {', '.join(map(str, sorted(mine)))}" for part, mine in by_part.items())
        raise InputError("echoes are missing", file=stem, found=said, expected="every part of every echo")
    stacks: dict[str, np.ndarray] = {}
    geometry: VoxelMap | None = None
    for part, mine in by_part.items():
        rows = []
        for number in numbers:
            found = read_map(mine[number].path, part)
            rows.append(found.values if found.values.ndim == 4 else found.values[None])
            geometry = geometry or found
        if len({row.shape for row in rows}) > 1:
            raise InputError("echoes of different shapes", file=stem, field=part, found=[r.shape for r in rows])
        stacks[part] = np.stack(rows)
    assert geometry is not None
    magnitude, phase, computed = parts_of(stacks, str(stem))
    first = by_part["phase" if "phase" in by_part else "real"]
    times = [_number(first[n], "EchoTime", "s", 1.0) for n in numbers]
    if None in times and any(t is not None for t in times):
        raise InputError(
            "echo without its time",
            file=first[numbers[times.index(None)]].path,
            field="EchoTime",
            expected="s, in JSON",
        )
    return Scan(
        str(stem),
        magnitude,
        phase,
        affine=geometry.affine,
        axis_codes=geometry.axis_codes,
        echo_times_s=tuple(float(t) for t in times if t is not None) or None,
        phase_unit="rad" if computed else _unit(first[numbers[0]]),
    )


def _unit(one: _Named) -> str | None:
    stated = str(one.sidecar.get("Units", "")).strip().lower()
    if stated in _UNSTATED:
        return None
    if stated not in _UNITS:
        raise InputError(
            "unit of the phase", file=one.path, field="Units", found=stated, expected="'rad' or 'arbitrary'"
        )
    return _UNITS[stated]


def _frequency(files: Sequence[_Named]) -> tuple[float | None, tuple[str, ...]]:
    """Larmor frequency [Hz] from the sidecars, and where it came from."""
    stated = {f.path.name: _number(f, "ImagingFrequency", "MHz", 1000.0) for f in files}
    known = {name: f_MHz for name, f_MHz in stated.items() if f_MHz is not None}
    if known:
        if max(known.values()) > 1.01 * min(known.values()):
            told = ", ".join(f"{name} {f_MHz:g} MHz" for name, f_MHz in known.items())
            raise InputError("sidecars of several frequencies", field="ImagingFrequency", found=told, expected="one")
        return 1e6 * next(iter(known.values())), ()
    for one in files:
        field_T = _number(one, "MagneticFieldStrength", "T", 30.0)
        if field_T is not None:
            f_Hz = field_T * GAMMA_BAR_PROTON
            return f_Hz, (f"frequency {f_Hz / 1e6:.4g} MHz from the nominal field of {field_T:g} T",)
    return None, ()


def _number(one: _Named, key: str, unit: str, largest: float) -> float | None:
    value = one.sidecar.get(key)
    if value is None:
        return None
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= largest
    if not good:
        expected = f"a number in {unit}, at most {largest:g}"
        raise InputError("bad value in the sidecar", file=one.path, field=key, found=value, expected=expected)
    return float(value)


def _which(stem: Path, what: str, names: Sequence[str]) -> InputError:
    return InputError(
        f"several {what}", file=stem, found=", ".join(sorted(names)), expected="the beginning of the names of one"
    )
