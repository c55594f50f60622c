"""Raw voxel bodies with a text header, and NumPy files."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.files import check_memory, plain_file, read_bytes

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
TISSUE_LINE = re.compile(rf"^(\d+)[\s,;]+(.*?[A-Za-z].*?)(?:[\s,;]+({NUMBER})[\s,;]+({NUMBER})[\s,;]+({NUMBER}))?$")
PAIR = re.compile(rf"([nd])\s*([xyz])\s*(?:\[(m|mm|cm)\])?\s*[:=]?\s*({NUMBER})\s*(mm|cm|m)?\b", re.IGNORECASE)
TRIPLE = re.compile(
    rf"^(?:([nd])\s*x[\s,]+\1\s*y[\s,]+\1\s*z\s*(?:\[(m|mm|cm)\])?\s*[:=]?\s*)?"
    rf"({NUMBER})[\s,;x]+({NUMBER})[\s,;x]+({NUMBER})\s*(mm|cm|m)?$",
    re.IGNORECASE,
)
UNIT_M = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
METRES_BELOW = 0.05
"""A voxel edge without unit is in metres below this number and in millimetres from there on."""
RAW_TYPES: dict[int, np.dtype] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}


@dataclass
class VoxelBodyHeader:
    """What the text header of a raw voxel body says."""

    names: dict[int, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along the file's axes."""
        return (self.counts["x"], self.counts["y"], self.counts["z"])

    @property
    def spacing_m(self) -> tuple[float, float, float]:
        """Voxel edges along the file's axes [m]."""
        return (self.lengths["x"], self.lengths["y"], self.lengths["z"])


def read_header(path: Path | str) -> VoxelBodyHeader:
    """The text header of a raw voxel body.

    Accepted lines, in any order: ``index name [r g b]`` per tissue; ``nx 86`` (also ``n x = 86``, several on one
    line) or ``nx ny nz 86 47 235`` or three bare whole numbers for the shape; the same with ``d`` for the voxel
    edges, where a unit ``m``, ``cm`` or ``mm`` may follow or stand in brackets. Without a unit, edges below 0.05 are
    metres and others millimetres. Empty lines, titles that end with a colon, and lines that begin with #, % or //
    are skipped. A title such as "Spatial steps [m]:" gives the unit of the lines after it.

    Raises
    ------
    InputError
        For a line that is none of these, a tissue index given twice, a missing or non-positive count or edge.
    """
    path = Path(path)
    text = read_bytes(path, "the text header of a voxel body", 4 * 2**20)
    if b"\0" in text:
        raise InputError("not a text file", file=path, expected="index, name, colour; nx ny nz; dx dy dz")
    header, unit = VoxelBodyHeader(), ""
    for number, raw in enumerate(text.decode("utf-8", errors="replace").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", "%", "//")):
            continue
        where = f"line {number}"
        pairs = list(PAIR.finditer(line))
        triple, tissue = TRIPLE.match(line), TISSUE_LINE.match(line)
        if pairs and not PAIR.sub("", line).strip(" ,;\t"):
            for kind, axis, bracket, value, after in (p.groups() for p in pairs):
                _set(header, kind.lower(), axis.lower(), value, bracket or after or unit, path, where)
        elif triple:
            kind, bracket, *values, after = triple.groups()
            if kind is None:  # bare numbers: counts come first
                kind = "d" if header.counts else "n"
            for axis, value in zip("xyz", values, strict=True):
                _set(header, kind.lower(), axis, value, bracket or after or unit, path, where)
        elif tissue:
            index = int(tissue[1])
            if index in header.names:
                raise InputError("tissue index given twice", file=path, field=where, found=index)
            header.names[index] = tissue[2].strip(" \t\"',;")
        elif line.endswith(":") or re.fullmatch(r"[A-Za-z][^0-9]*", line):
            found = re.search(r"\[(m|mm|cm)\]", line)
            unit = found[1] if found else ""
        else:
            raise InputError(
                "cannot read this line",
                file=path,
                field=where,
                found=line,
                expected="'index name r g b', 'nx 86' or 'dx 0.002'",
            )
    for letter, given in (("n", set(header.counts)), ("d", set(header.lengths))):
        lost = [f"{letter}{axis}" for axis in "xyz" if axis not in given]
        if lost:
            raise InputError("header without " + ", ".join(lost), file=path)
    return header


def read_raw(path: Path | str, header: VoxelBodyHeader) -> np.ndarray:
    """Labels (nx, ny, nz) of a raw file: x runs fastest, 1, 2 or 4 bytes per voxel by the size of the file.

    Raises
    ------
    InputError
        When the file is missing or its size fits none of these.
    """
    path, shape = plain_file(path, "a raw voxel body"), header.shape
    size = path.stat().st_size
    voxels = shape[0] * shape[1] * shape[2]
    if size % voxels or size // voxels not in RAW_TYPES:
        raise InputError(
            "size does not fit the header",
            file=path,
            found=f"{size} bytes",
            expected=f"{voxels} voxels ({' x '.join(map(str, shape))}) of 1, 2 or 4 bytes",
        )
    kind = RAW_TYPES[size // voxels]
    check_memory(shape, 2 * kind.itemsize + 2, path)
    data = read_bytes(path, "a raw voxel body", size)
    if len(data) != size:
        raise InputError("file changed while it was read", file=path)
    return np.frombuffer(data, kind).reshape(shape, order="F")


def read_numpy(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, or {"labels": array} of a .npy file; nothing pickled is loaded.

    Raises
    ------
    InputError
        When the file is missing, damaged, holds objects, or would not fit the memory.
    """
    expected = "a NumPy file (.npy, .npz) with integer labels"
    path = plain_file(path, expected)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_memory((sum(i.file_size for i in archive.infolist()),), 2, path)
            with np.load(path, allow_pickle=False) as stored:
                return {k: stored[k] for k in stored.files}
        check_memory((path.stat().st_size,), 2, path)
        return {"labels": np.load(path, allow_pickle=False)}
    except InputError:
        raise
    except Exception as error:  # zip, zlib and NumPy each raise their own for a damaged file
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"not a readable NumPy file: {text}", file=path, expected=expected) from None


def _set(header: VoxelBodyHeader, kind: str, axis: str, value: str, unit: str, path: Path, where: str) -> None:
    number = float(value)
    target: dict[str, int] | dict[str, float] = header.counts if kind == "n" else header.lengths
    if axis in target:
        raise InputError(f"{kind}{axis} given twice", file=path, field=where)
    if kind == "n":
        if not 1 <= number <= 1e6 or number != int(number):
            raise InputError("bad number of voxels", file=path, field=where, found=value, expected="a count >= 1")
        header.counts[axis] = int(number)
        return
    if not 0 < number < 1e4:
        raise InputError("bad voxel edge", file=path, field=where, found=value, expected="a length > 0")
    scale = UNIT_M[unit.lower()] if unit else 1.0 if number < METRES_BELOW else 1e-3
    header.lengths[axis] = number * scale
