"""A folder of DICOM images: parts, echoes, receive channels and slices, put in order by what the headers say."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.b1.geometry import turned_to_ras
from emdose.io.b1.scan import PARTS, Scan, parts_of
from emdose.io.disk.files import check_memory, first_line

_CODES = {"M": "magnitude", "P": "phase", "R": "real", "I": "imaginary"}
_WORDS = {
    "MAGNITUDE": "magnitude",
    "PHASE": "phase",
    "PHASE MAP": "phase",
    "REAL": "real",
    "IMAGINARY": "imaginary",
}
_B1 = "b1plus"
_MAPS = {"B1", "B1 MAP", "B1_MAP", "FLIP ANGLE MAP", "FLIP_ANGLE_MAP"}
"""Words of ImageType that name a map of abs(B1+), in any unit."""
_PRIVATE = {0: "magnitude", 1: "phase", 2: "real", 3: "imaginary"}
"""Values of the element (0043,102F) of one vendor, whose ImageType does not tell parts apart."""
_DEFLATED = "1.2.840.10008.1.2.1.99"
"""Transfer syntax whose header tells no size before all of it is unpacked."""
_SAME_PLACE_mm = 0.01
_SHIFTED_mm = 0.1
_STATED_UNITS = {"rad", "radian", "radians"}


def has_dicom(folder: Path) -> bool:
    """Whether a folder holds a file that begins as DICOM files do."""
    return any(_is_dicom(path) for path in _files(folder))


@dataclass(frozen=True)
class _Image:
    """What the header of one image says; lengths in mm."""

    path: Path
    part: str
    echo_s: float | None
    receiver: str
    series: str
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    pixel_mm: tuple[float, ...]
    rows: int
    columns: int
    thickness_mm: float | None
    frequency_MHz: float | None
    slope: float
    intercept: float
    unit: str

    @property
    def place_mm(self) -> float:
        """Position along the normal of the slice."""
        return float(np.cross(self.orientation[:3], self.orientation[3:]) @ self.position)


def read_dicom(folder: Path) -> Scan:
    """Images of one acquisition from a folder of DICOM files.

    Slices are sorted by their position along the normal of ImageOrientationPatient; parts are told by ImageType (M, P,
    R, I), or by ComplexImageComponent, maps of abs(B1+) by B1 or FLIP ANGLE MAP; RescaleSlope and RescaleIntercept
    are applied.

    Parameters
    ----------
    folder : Path
        The folder, and those inside it.

    Raises
    ------
    InputError
        Without pydicom, for a folder without images, for several acquisitions in one folder (they are named), for
        slices that are missing or lie twice, and for images of several frames.
    """
    images = [_image(path) for path in _files(folder) if _is_dicom(path)]
    if not images:
        raise InputError("no DICOM images in this folder", file=folder)
    _one_geometry(images, folder)
    by_key: dict[tuple[str, float | None, str], list[_Image]] = collections.defaultdict(list)
    for one in images:
        by_key[one.part, one.echo_s, one.receiver].append(one)
    for key, stack in by_key.items():
        stack.sort(key=lambda one: one.place_mm)
        _no_twins(stack, folder, key[0])
    parts = [p for p in (*PARTS, _B1) if any(key[0] == p for key in by_key)]
    places = [one.place_mm for one in max(by_key.values(), key=len)]
    short = {key: len(stack) for key, stack in by_key.items() if len(stack) != len(places)}
    far = {
        one.series
        for s in by_key.values()
        for one, z in zip(s, places, strict=False)
        if abs(one.place_mm - z) > _SHIFTED_mm
    }
    if far and not short:
        raise _several(folder, f"slices of {'; '.join(sorted(far))} lie elsewhere")
    if short:
        (part, echo_s, _), found = next(iter(short.items()))
        told = f"{found} {part} slices{'' if echo_s is None else f' of the echo at {1e3 * echo_s:g} ms'}"
        raise InputError("slices are missing", file=folder, found=told, expected=f"{len(places)}, as in other parts")
    first = min(images, key=lambda one: one.place_mm)
    step_mm = _step(places, folder, first.thickness_mm)
    stacks, echoes = {}, sorted({one.echo_s for one in images if one.echo_s is not None})
    receivers = sorted({one.receiver for one in images})
    for part in parts:
        mine = sorted({key[1] for key in by_key if key[0] == part}, key=lambda t: -1.0 if t is None else t)
        rows = [[by_key.get((part, echo, receiver)) for receiver in receivers] for echo in mine]
        if any(stack is None for row in rows for stack in row):
            raise InputError("receive channels are missing", file=folder, field=part, expected=", ".join(receivers))
        check_memory((len(mine), len(receivers), first.rows, first.columns, len(places)), 24, folder, part)
        stacks[part] = np.stack([[_pixels(stack) for stack in row if stack is not None] for row in rows])
    affine = _affine(first, step_mm)
    b1plus = stacks.pop(_B1, None)
    if b1plus is not None and b1plus.shape[:2] != (1, 1):
        raise InputError("several B1+ maps", file=folder, found=f"{len(b1plus)} echoes", expected="one in a folder")
    magnitude, phase, computed = parts_of(stacks, str(folder))
    (magnitude, phase, b1plus), affine, codes = turned_to_ras((magnitude, phase, b1plus), affine)
    units = {one.unit for one in images if one.part == "phase"}
    notes = [
        f"{len(images)} DICOM images, {len(places)} slices; parts: {', '.join(parts)}",
        *_gaps(first.thickness_mm, step_mm),
    ]
    return Scan(
        name=str(folder),
        magnitude=magnitude,
        phase=phase,
        b1plus=None if b1plus is None else b1plus[0, 0],
        b1_affine=affine,
        affine=affine,
        axis_codes=codes,
        echo_times_s=tuple(echoes) or None,
        frequency_Hz=None if first.frequency_MHz is None else 1e6 * first.frequency_MHz,
        phase_unit="rad" if computed or (units and units <= _STATED_UNITS) else None,
        notes=tuple(notes),
    )


def _files(folder: Path) -> list[Path]:
    found = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in found if p.name != "DICOMDIR")


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError:
        raise InputError(
            "reading DICOM needs pydicom, which is not installed",
            expected="python -m pip install 'emdose[dicom]', or the maps as NIfTI",
        ) from None
    return pydicom


def _image(path: Path) -> _Image:
    pydicom = _pydicom()
    try:
        if str(pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID", "")) == _DEFLATED:
            raise InputError("a deflated DICOM file", file=path, expected="one that is not packed as a whole")
        return _told(pydicom.dcmread(path, stop_before_pixels=True), path)
    except InputError:
        raise
    except Exception as error:  # elements are read when they are asked for, and raise whatever damage provokes
        raise InputError(f"not a readable DICOM image: {first_line(error)}", file=path) from None


def _told(header: Any, path: Path) -> _Image:
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise InputError(
            "a DICOM file of several frames", file=path, expected="one image a file (export 'classic'), or NIfTI"
        )
    wanted = {"ImageOrientationPatient": 6, "ImagePositionPatient": 3, "PixelSpacing": 2}
    lists = {name: tuple(float(v) for v in header.get(name) or ()) for name in wanted}
    for name, length in wanted.items():
        if len(lists[name]) != length or not np.all(np.isfinite(lists[name])):
            raise InputError("header without what places the image", file=path, field=name, found=lists[name] or None)
    across, down = np.reshape(lists["ImageOrientationPatient"], (2, 3))
    square = np.array([across @ across, down @ down, across @ down])
    if not np.allclose(square, [1, 1, 0], atol=1e-3) or min(lists["PixelSpacing"]) <= 0:
        raise InputError("axes of the image are not two perpendicular directions", file=path)
    coil = header.get((0x0051, 0x100F)) or header.get((0x0018, 0x1250))

    def number(name: str, factor: float = 1.0) -> float | None:
        value = header.get(name)
        return None if value in (None, "") else factor * float(value)

    slope, shift = number("RescaleSlope"), number("RescaleIntercept")
    named = f"{header.get('SeriesNumber', '')} {header.get('SeriesDescription', '')}"
    return _Image(
        path=path,
        part=_part(header, path),
        echo_s=number("EchoTime", 1e-3),
        receiver="" if coil is None else str(coil.value),
        series=" ".join(named.split()) or path.parent.name,
        orientation=lists["ImageOrientationPatient"],
        position=lists["ImagePositionPatient"],
        pixel_mm=lists["PixelSpacing"],
        rows=int(header.Rows),
        columns=int(header.Columns),
        thickness_mm=number("SliceThickness"),
        frequency_MHz=number("ImagingFrequency"),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if shift is None else shift,
        unit=str(header.get("RescaleType", "")).lower(),
    )


def _part(header: Any, path: Path) -> str:
    stated = _WORDS.get(str(getattr(header, "ComplexImageComponent", "")).upper())
    if stated is not None:
        return stated
    private = header.get((0x0043, 0x102F))
    kinds = [str(v).upper() for v in getattr(header, "ImageType", ())][2:]
    if _MAPS & {*kinds}:
        return _B1
    told = {_CODES.get(k) or _WORDS.get(k) for k in kinds} - {None}
    if private is not None and not told:
        value = private.value
        value = int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value)
        told = {_PRIVATE.get(value)} - {None}
    if len(told) != 1:
        raise InputError(
            "is this a magnitude or a phase?",
            file=path,
            field="ImageType",
            found="\\".join(str(v) for v in getattr(header, "ImageType", ())) or None,
            expected="M, P, R or I among its values",
        )
    return str(told.pop())


def _one_geometry(images: Sequence[_Image], folder: Path) -> None:
    """Refuse a folder of several acquisitions, by the names of their series."""

    def key(one: _Image) -> tuple[Any, ...]:
        turned, steps = (tuple(round(v, 4) for v in values) for values in (one.orientation, one.pixel_mm))
        frequency = None if one.frequency_MHz is None else round(one.frequency_MHz, 1)
        return turned, steps, one.rows, one.columns, frequency

    found: dict[tuple[Any, ...], set[str]] = collections.defaultdict(set)
    for one in images:
        found[key(one)].add(one.series)
    if len(found) > 1:
        told = "; ".join(sorted(", ".join(sorted(names)) for names in found.values()))
        raise _several(folder, told)
    across, down = np.reshape(images[0].orientation, (2, 3))
    beside = np.array([one.position for one in images]) - np.array(images[0].position)
    shifted = np.abs(beside @ np.stack([across, down], axis=1)).max(axis=1) > _SHIFTED_mm
    if shifted.any():
        names = sorted({one.series for one, away in zip(images, shifted, strict=True) if away} | {images[0].series})
        raise _several(folder, f"{'; '.join(names)}: shifted in the plane of the slices")


def _no_twins(stack: Sequence[_Image], folder: Path, part: str) -> None:
    for one, other in itertools.pairwise(stack):
        if abs(one.place_mm - other.place_mm) > _SAME_PLACE_mm:
            continue
        if one.series != other.series:
            raise _several(folder, "; ".join(sorted({o.series for o in stack})))
        found = f"{one.path.name} and {other.path.name}, both {part}"
        raise InputError("two images of one slice", file=folder, found=found, expected="one of every part and echo")


def _several(folder: Path, told: str) -> InputError:
    return InputError(
        "images of several acquisitions in one folder", file=folder, found=told, expected="a folder for each"
    )


def _step(places: Sequence[float], folder: Path, thick: float | None) -> float:
    """Distance of neighbouring slices [mm]."""
    if len(places) == 1:
        if not thick:
            raise InputError("one slice of unknown thickness", file=folder, field="SliceThickness", expected="mm")
        return thick
    steps = np.diff(places)
    step = float(np.median(steps))
    odd = np.abs(steps - step) > max(0.01 * step, _SAME_PLACE_mm)
    if odd.any():
        n = int(np.argmax(odd))
        raise InputError(
            "slices are missing, or not equally spaced",
            file=folder,
            field="ImagePositionPatient",
            found=f"{steps[n]:.4g} mm between the slices {n + 1} and {n + 2}, {step:.4g} mm elsewhere",
            expected="a whole stack",
        )
    return step


def _gaps(thick: float | None, step_mm: float) -> list[str]:
    if not thick or step_mm <= 1.01 * thick:
        return []
    return [
        f"slices of {thick:g} mm every {step_mm:g} mm: what lies in the gaps is not seen, and derivatives along "
        "them are those of the samples"
    ]


def _pixels(stack: Sequence[_Image]) -> np.ndarray:
    """One stack (x, y, z) after RescaleSlope and RescaleIntercept: columns are x, rows y."""
    slices = []
    for one in stack:
        try:
            raw = _pydicom().dcmread(one.path).pixel_array
        except Exception as error:  # a codec that is missing, a length that is wrong
            raise InputError(f"pixels cannot be read: {first_line(error)}", file=one.path) from None
        if np.shape(raw) != (one.rows, one.columns):
            raise InputError("not one grey image", file=one.path, found=np.shape(raw), expected="rows x columns")
        slices.append(one.slope * np.asarray(raw, float).T + one.intercept)
    return np.stack(slices, axis=-1)


def _affine(first: _Image, step_mm: float) -> np.ndarray:
    """Voxel (column, row, slice) to scanner coordinates RAS+ [mm]; DICOM's own are LPS+."""
    across, down = np.reshape(first.orientation, (2, 3))
    between_rows, between_columns = first.pixel_mm
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = across * between_columns, down * between_rows
    affine[:3, 2] = np.cross(across, down) * step_mm
    affine[:3, 3] = first.position
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
