"""What a source of images is: a folder, the beginning of names, a file or an array of echoes and receive channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.b1 import bids, dicom
from emdose.io.b1.scan import Scan
from emdose.io.maps.maps3d import VoxelMap, read_map


def is_scan(source: Any) -> bool:
    """Whether a source is a folder, or the beginning of the names of NIfTI files."""
    if not isinstance(source, str | Path):
        return False
    path = Path(source)
    return path.is_dir() or (not path.exists() and bool(bids.matches(path)))


def read_scan(source: Any) -> Scan:
    """The images of a folder of DICOM files, or of NIfTI files named as in BIDS."""
    path = Path(source)
    return dicom.read_dicom(path) if path.is_dir() and dicom.has_dicom(path) else bids.read_bids(path)


def stack_of(
    image: Any, phase: Any, echo_times_s: Sequence[float] | None, receivers: str | None, order: str | None
) -> tuple[np.ndarray | None, np.ndarray, VoxelMap, bool]:
    """Magnitude and phase (echo, receiver, nx, ny, nz), one map for the geometry, and whether the phase is in radians.

    Raises
    ------
    InputError
        For axes that could be echoes or receive channels, neither phase nor complex images, shapes that differ.
    """
    shown = None if image is None else _stack(image, "image", echo_times_s, receivers, order)
    told = None if phase is None else _stack(phase, "phase", echo_times_s, receivers, order)
    if shown is not None and np.iscomplexobj(shown[0]):
        if told is not None:
            raise InputError("complex images hold the phase", file=shown[1].name, field="phase", expected="one of both")
        return np.abs(shown[0]), np.angle(shown[0]), shown[1], True
    if told is None:
        name = "" if shown is None else shown[1].name
        raise InputError("images without a phase", file=name, field="phase", expected="phase=, or complex images")
    if np.iscomplexobj(told[0]):
        raise InputError("complex values", file=told[1].name, field="phase", expected="a phase, or these as image=")
    return None if shown is None else shown[0], told[0], told[1], False


def _stack(
    source: Any, what: str, echo_times_s: Sequence[float] | None, receivers: str | None, order: str | None
) -> tuple[np.ndarray, VoxelMap]:
    if isinstance(source, np.ndarray) and source.ndim == 5:
        source = list(source)
    if isinstance(source, list | tuple):
        maps = [read_map(one, what, order) for one in source]
        if len({m.values.shape for m in maps}) > 1:
            raise InputError(
                "echoes of different shapes", file=maps[0].name, field=what, found=[m.values.shape for m in maps]
            )
        values = np.stack([m.values if m.values.ndim == 4 else m.values[None] for m in maps])
        if values.shape[1] > 1 and receivers is None:
            raise InputError(
                "echoes of several channels", file=maps[0].name, field="receivers", expected="'svd' or 'aligned'"
            )
        return values, replace(maps[0], values=values[0, 0])
    one = read_map(source, what, order)
    values = one.values
    if values.ndim == 3:
        return values[None, None], one
    if echo_times_s is not None and receivers is not None:
        raise InputError(
            "are these echoes or receive channels?",
            file=one.name,
            field=what,
            found=values.shape,
            expected="a list with an item per echo, or an array (echo, receiver, nx, ny, nz)",
        )
    if echo_times_s is None and receivers is None:
        raise InputError(
            "what are the channels of these images?", file=one.name, field=what, expected="echo_times_s= or receivers="
        )
    stacked = values[:, None] if echo_times_s is not None else values[None]
    return stacked, replace(one, values=values[0])
