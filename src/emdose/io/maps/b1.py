"""B1+ maps from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emdose.ept.maps.b1map import B1Map, relative_noise
from emdose.errors import InputError
from emdose.io.maps.maps3d import VoxelMap, read_map
from emdose.models.grids.grid import Grid

Source = Any
"""An array, a path, or "file.h5:/dataset"; see :func:`emdose.io.maps.maps3d.read_map`."""


def read_b1(
    magnitude: Source | None = None,
    phase: Source | None = None,
    *,
    frequency_Hz: float | None = None,
    mask: Source | None = None,
    segmentation: Source | None = None,
    reference: Source | None = None,
    noise: Source | Sequence[Source] | None = None,
    phase_kind: str | None = None,
    phase_unit: str | float = "rad",
    phase_sign: float = 1,
    complex: Source | tuple[Source, Source] | None = None,
    spacing_m: float | Sequence[float] | None = None,
    order: str | None = None,
) -> B1Map:
    """Read a B1+ map.

    Parameters
    ----------
    magnitude : array, path or "file.h5:/dataset", optional
        abs(B1+) in any unit. NIfTI (``.nii``, ``.nii.gz``), HDF5, MATLAB v7.3, ``.npy``, ``.npz`` or an array;
        (nx, ny, nz), or with channels (first axis of arrays, last axis of NIfTI and MATLAB).
    phase : same, optional
        Phase, wrapped or not.
    frequency_Hz : float
        Larmor frequency [Hz].
    mask : same, optional
        Object (not zero) and background (0). Without it every voxel with finite values and magnitude above 0 counts.
    segmentation : same, optional
        Integer tissue labels.
    reference : same, optional
        Anatomical image.
    noise : number, map, or two of them, optional
        1 / SNR: standard uncertainty of abs(B1+) relative to it, and of the phase [rad].
    phase_kind : {"transceive", "transmit"}, optional
        What the phase is; from a transceive phase half is taken as the transmit phase. "transceive" by default; a
        complex map has no default.
    phase_unit : {"rad", "deg", "pi", "turns"} or float
        Unit of the phase, or radians per unit: 2 pi / 4096 where 4096 steps are a turn.
    phase_sign : {1, -1}
        -1 for a phase in the convention exp(-j w t): scanners differ.
    complex : complex array or file, or two of real and imaginary part, optional
        One map abs(B1+) exp(j phase) in the place of ``magnitude`` and ``phase``.
    spacing_m : float or three floats, optional
        Voxel size [m]; needed where no file knows it, and checked against those that do.
    order : {"xyz", "zyx"}, optional
        Axis order of files and arrays that are not NIfTI; EPTlib's files are "zyx".

    Returns
    -------
    B1Map

    Raises
    ------
    InputError
        One line for whatever does not fit: a missing or unreadable file, shapes or affines that differ, a voxel size
        in the wrong unit, a phase in degrees, a mask that is empty or covers everything, values that are not finite
        inside the mask, a missing frequency, a complex map beside magnitude or phase, or without ``phase_kind``.
    """
    if complex is not None:
        if magnitude is not None or phase is not None:
            beside = "magnitude" if magnitude is not None else "phase"
            raise InputError("a complex map holds both", field=beside, expected="complex alone, or magnitude and phase")
        if phase_kind is None:
            raise InputError(
                "what is the phase of the complex map?", field="phase_kind", expected="'transmit' or 'transceive'"
            )
        if phase_unit != "rad":
            raise InputError(
                "a complex map has no unit of phase", field="phase_unit", found=phase_unit, expected="none"
            )
    sources = {
        "magnitude": magnitude,
        "phase": phase,
        "mask": mask,
        "segmentation": segmentation,
        "reference": reference,
    }
    found = {name: read_map(s, name, order) for name, s in sources.items() if s is not None}
    if complex is not None:
        found = _parts(complex, order) | found
    if not found.keys() & {"magnitude", "phase"}:
        raise InputError("neither magnitude nor phase given", expected="at least one of them")
    if frequency_Hz is None:
        raise InputError("frequency missing", field="frequency_Hz", expected="the Larmor frequency in Hz")
    pair: list[Any] = []
    if noise is not None:
        several = isinstance(noise, (tuple, list))
        for n, one in enumerate(noise if several else [noise]):
            if isinstance(one, (int, float, np.number)):
                pair.append(float(one))
            else:
                found[f"noise {n + 1}"] = read_map(one, "noise", order)
                pair.append(found[f"noise {n + 1}"].values)
        if len(pair) not in (1, 2):
            raise InputError("bad noise", field="noise", found=f"{len(pair)} values", expected="one or two")
    first = found.get("magnitude") or found["phase"]
    reference_map = next((m for m in found.values() if m.affine is not None), first)
    for name, one in found.items():
        _check_same(first, reference_map, name, one)
    where = "" if "mask" not in found else found["mask"].name
    if "mask" in found and np.all(np.nan_to_num(found["mask"].values) != 0):
        raise InputError(
            "mask covers the whole image",
            file=where,
            field="mask",
            expected="0 outside the object; leave mask= out when there is no background",
        )
    grid = _grid(first.values.shape[-3:], reference_map, spacing_m)
    labels = found["segmentation"].values if "segmentation" in found else None
    if labels is not None:
        labels = _labels(labels, found["segmentation"].name)
    b1 = B1Map(
        grid=grid,
        frequency_Hz=frequency_Hz,
        magnitude=found["magnitude"].values if "magnitude" in found else None,
        phase=found["phase"].values if "phase" in found else None,
        phase_kind=phase_kind or "transceive",
        phase_unit=phase_unit,
        phase_sign=phase_sign,
        mask=found["mask"].values if "mask" in found else None,
        labels=labels,
        reference=found["reference"].values if "reference" in found else None,
        affine=reference_map.affine,
        axis_codes=reference_map.axis_codes,
        source=first.name,
    )
    return relative_noise(b1, tuple(pair) if len(pair) == 2 else pair[0]) if pair else b1


def _parts(source: Any, order: str | None) -> dict[str, VoxelMap]:
    """Magnitude and phase [rad] of a complex map, or of two of its real and imaginary part."""
    if isinstance(source, tuple | list) and len(source) == 2:
        real, imaginary = (
            read_map(s, f"complex, {n} part", order) for s, n in zip(source, ("real", "imaginary"), strict=True)
        )
        _check_same(real, real if real.affine is not None else imaginary, "complex", imaginary)
        if any(np.iscomplexobj(one.values) for one in (real, imaginary)):
            raise InputError("two complex maps", file=real.name, field="complex", expected="one, or two real ones")
        whole, geometry = real.values + 1j * imaginary.values, real if real.affine is not None else imaginary
    else:
        geometry = read_map(source, "complex", order)
        whole = geometry.values
        if not np.iscomplexobj(whole):
            raise InputError(
                "not complex", file=geometry.name, field="complex", found=str(whole.dtype), expected="complex numbers"
            )
    return {
        "magnitude": replace(geometry, values=np.abs(whole)),
        "phase": replace(geometry, values=np.angle(whole)),
    }


def _check_same(first: VoxelMap, geometry: VoxelMap, name: str, one: VoxelMap) -> None:
    shape = first.values.shape[-3:]
    if one.values.shape[-3:] != shape or (name not in ("magnitude", "phase") and one.values.ndim != 3):
        raise InputError(
            f"shape differs from that of {Path(first.name).name or 'the first map'}",
            file=one.name,
            field=name,
            found=one.values.shape,
            expected=str(shape),
        )
    if one.affine is not None and geometry.affine is not None:
        corner = np.array([*shape, 1.0])
        apart = max(np.abs((one.affine - geometry.affine) @ v).max() for v in (np.array([0.0, 0, 0, 1]), corner))
        voxel = np.sqrt((geometry.affine[:3, :3] ** 2).sum(axis=0)).min()
        if apart > 0.1 * voxel:
            raise InputError(
                f"affine differs from that of {Path(geometry.name).name}",
                file=one.name,
                field=name,
                found=f"{apart:.3g} mm apart",
                expected="the same position of all voxels",
            )


def _grid(shape: Sequence[int], geometry: VoxelMap, spacing_m: float | Sequence[float] | None) -> Grid:
    size = tuple(shape)
    if geometry.affine is None:
        if spacing_m is None:
            raise InputError(
                "voxel size missing: the file does not hold it",
                file=geometry.name,
                field="spacing_m",
                expected="edge lengths in metres",
            )
        return Grid(size, spacing_m)  # type: ignore[arg-type]
    header = np.sqrt((geometry.affine[:3, :3] ** 2).sum(axis=0)) * 1e-3
    if spacing_m is not None and not np.allclose(header, spacing_m, rtol=1e-3):
        raise InputError(
            "voxel size differs from the header",
            file=geometry.name,
            field="spacing_m",
            found=spacing_m,
            expected=f"{tuple(float(f'{h:.6g}') for h in header)} m, or leave it out",
        )
    low = (geometry.affine @ np.array([-0.5, -0.5, -0.5, 1.0]))[:3] * 1e-3
    return Grid(size, tuple(float(h) for h in header), tuple(float(v) for v in low))  # type: ignore[arg-type]


def _labels(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind in "iub":
        return values
    whole = np.rint(np.nan_to_num(values))
    if np.abs(np.nan_to_num(values) - whole).max() > 1e-6:
        raise InputError("labels are not whole numbers", file=name, field="segmentation", expected="integers")
    return whole.astype(np.int32)
