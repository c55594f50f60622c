"""From an array of label numbers, whatever file it came from, to a Phantom; and what all readers check alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies import Phantom
from emdose.models.bodies.tissues import AIR, Tissue, TissueTable
from emdose.models.grids.grid import LARGEST_VOXEL_M, Grid

SMALLEST_BODY_M, LARGEST_BODY_M = 5e-3, 3.0


def phantom_from_labels(
    labels: np.ndarray, grid: Grid, tissues: Mapping[int, Tissue], *, file: Path, name: str, source: str
) -> Phantom:
    """A Phantom from label numbers (nx, ny, nz) and the tissue of every number; 0 is air unless it is listed.

    Raises
    ------
    InputError
        For negative or fractional labels, labels without tissue (listed with their voxel counts), no tissue voxel.
    """
    labels = whole_numbers(labels, file)
    values, counts = _unique(labels)
    if values[0] < 0:
        raise InputError("negative label", file=file, found=int(values[0]), expected="labels >= 0")
    known = {0: AIR, **tissues}
    lost = [(int(v), int(c)) for v, c in zip(values, counts, strict=True) if int(v) not in known]
    if lost:
        shown = ", ".join(f"{v} ({c} voxels)" for v, c in lost[:10]) + (", ..." if len(lost) > 10 else "")
        raise InputError(
            f"{len(lost)} label{'s' if len(lost) > 1 else ''} without tissue: {shown}",
            file=file,
            expected="a row of the label table for each",
        )
    chosen: list[Tissue] = [AIR]
    index = []
    for value in values:
        tissue = known[int(value)]
        if tissue.is_background:
            index.append(0)
            continue
        if tissue not in chosen:
            if any(t.name == tissue.name for t in chosen):  # the same tissue with properties of its own
                tissue = tissue.replace(name=f"{tissue.name} (label {int(value)})")
            chosen.append(tissue)
        index.append(chosen.index(tissue))
    if not any(index):
        raise InputError("no tissue voxel: every voxel is background", file=file, field="labels")
    if len(chosen) > 65536:
        raise InputError("too many tissues", file=file, found=len(chosen), expected="at most 65536")
    kind = np.uint8 if len(chosen) <= 256 else np.uint16
    if values[-1] < 2**16:
        table = np.zeros(int(values[-1]) + 1, kind)
        table[values] = index
        mapped = table[labels.astype(np.intp, copy=False)]
    else:
        mapped = np.array(index, kind)[np.searchsorted(values, labels)]
    return Phantom(grid, mapped, tuple(chosen), name, {}, source)


def whole_numbers(labels: np.ndarray, file: Path) -> np.ndarray:
    """The labels as integers; InputError for fractions, NaN, and what is no number."""
    if labels.dtype.kind in "iu":
        return labels
    if labels.dtype.kind == "b":
        return labels.astype(np.uint8)
    if labels.dtype.kind != "f":
        raise InputError("labels are not numbers", file=file, found=str(labels.dtype), expected="integers")
    if not np.isfinite(labels).all():
        raise InputError("labels contain NaN or infinity", file=file, expected="integers")
    rounded = np.rint(labels)
    wrong = np.abs(rounded - labels) > 1e-3
    if wrong.any():
        raise InputError(
            "labels are not whole numbers (an image rather than a label map?)",
            file=file,
            found=float(labels[wrong].flat[0]),
            expected="integers",
        )
    if np.abs(rounded).max() > 2**31:
        raise InputError("label too large", file=file, found=float(np.abs(rounded).max()), expected="below 2^31")
    return rounded.astype(np.int32)


def _unique(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct labels and their counts, by counting where the labels are small."""
    if labels.min() >= 0 and labels.max() < 2**20:
        counts = np.bincount(labels.ravel().astype(np.intp, copy=False))
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(labels, return_counts=True)


def check_extent(shape: Sequence[int], spacing_m: Sequence[float], file: Path, hint: str) -> None:
    """InputError when a whole grid is too small or too large to be a body or phantom, or a voxel to be one of it."""
    extent = max(n * s for n, s in zip(shape, spacing_m, strict=True))
    if not SMALLEST_BODY_M <= extent <= LARGEST_BODY_M or max(spacing_m) > LARGEST_VOXEL_M:
        raise InputError(
            f"absurd size: {extent:.4g} m across ({hint})",
            file=file,
            field="spacing",
            found=tuple(float(s) for s in spacing_m),
            expected=f"a body of {SMALLEST_BODY_M:g} to {LARGEST_BODY_M:g} m, voxels of at most {LARGEST_VOXEL_M:g} m",
        )


def to_ras(labels: np.ndarray, axes: str, spacing: tuple[float, float, float]) -> tuple[np.ndarray, tuple[float, ...]]:
    """Labels and spacing turned so that x, y, z grow to the right, anterior and superior.

    ``axes`` says where the file's three axes point: "RAS", "LPS", "PIR", ...
    """
    letters = str(axes).upper()
    order = []
    for pair in ("RL", "AP", "SI"):
        hits = [i for i, c in enumerate(letters) if c in pair]
        if len(letters) != 3 or len(hits) != 1:
            raise InputError("bad axes", field="axes", found=axes, expected="three letters such as RAS or LPS")
        order.append(hits[0])
    flips = [slice(None, None, 1 if letters[i] in "RAS" else -1) for i in order]
    return labels.transpose(order)[tuple(flips)], tuple(spacing[i] for i in order)


def resolve_names(names: Mapping[int, str], table: TissueTable) -> dict[int, Tissue]:
    """Tissues of those labels whose name the table knows."""
    return {label: table[name] for label, name in names.items() if name in table}
