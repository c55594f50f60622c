"""B1+ maps from arrays, files, and what scanners write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emdose.ept.maps.b1map import B1Map, relative_noise
from emdose.errors import InputError
from emdose.io.b1.geometry import tilt_note
from emdose.io.b1.images import ImagePhase, image_phase, scaled
from emdose.io.b1.resample import on_one_grid, resampled
from emdose.io.b1.scan import Scan
from emdose.io.b1.sources import is_scan, read_scan, stack_of
from emdose.io.b1.together import check_same, grid_of, labels_of, slice_notes
from emdose.io.maps.maps3d import VoxelMap, read_map

Source = Any
"""An array, a path, or "file.h5:/dataset"; see :func:`emdose.io.maps.maps3d.read_map`."""
_FREQUENCY_SHARE = 0.01
"""Relative difference of the stated frequency from that of the files that is taken for another scan."""


def read_b1(
    magnitude: Source | None = None,
    phase: Source | Sequence[Source] | None = None,
    *,
    frequency_Hz: float | None = None,
    mask: Source | None = None,
    segmentation: Source | None = None,
    reference: Source | None = None,
    noise: Source | Sequence[Source] | None = None,
    phase_kind: str | None = None,
    phase_unit: str | float | None = None,
    phase_sign: float = 1,
    complex: Source | tuple[Source, Source] | None = None,
    image: Source | Sequence[Source] | None = None,
    echo_times_s: Sequence[float] | None = None,
    receivers: str | None = None,
    resample: bool = False,
    spacing_m: float | Sequence[float] | None = None,
    order: str | None = None,
) -> B1Map:
    """Read a B1+ map.

    Parameters
    ----------
    magnitude : array, path, "file.h5:/dataset" or folder, optional
        abs(B1+) in any unit. NIfTI (``.nii``, ``.nii.gz``), HDF5, MATLAB v7.3, ``.npy``, ``.npz`` or an array;
        (nx, ny, nz), or with channels (first axis of arrays, last axis of NIfTI and MATLAB). A folder of DICOM images,
        or a folder or the beginning of names of NIfTI files in BIDS: it may hold the phase, too.
    phase : same, or a list of them, optional
        Phase, wrapped or not. A folder or a beginning of names holds the images that it is of.
    frequency_Hz : float
        Larmor frequency [Hz]; where files know it, it may be left out, and is checked.
    mask : array, path or "file.h5:/dataset", optional
        Object (not zero) and background (0). Without it every voxel with finite values and magnitude above 0 counts; of
        images those above a tenth of their 99th percentile.
    segmentation : same, optional
        Integer tissue labels.
    reference : same, optional
        Anatomical image; by default the magnitude of the images.
    noise : number, map, or two of them, optional
        1 / SNR: standard uncertainty of abs(B1+) relative to it, and of the phase [rad]. Where magnitudes of images are
        there, the number is that of their median in the first echo, and that of a voxel goes with the inverse of its
        own.
    phase_kind : {"transceive", "transmit"}, optional
        What the phase is; from a transceive phase half is taken as the transmit phase. "transceive" by default; a
        complex map has no default.
    phase_unit : {"rad", "deg", "pi", "turns"} or float, optional
        Unit of the phase, or radians per unit: 2 pi / 4096 where 4096 steps are a turn. By default what the files
        state, else the scale whose range the values fill (``notes`` of the map name it); a range of no known scale is
        refused.
    phase_sign : {1, -1}
        -1 for a phase in the convention exp(-j w t): scanners differ.
    complex : complex array or file, or two of real and imaginary part, optional
        One map abs(B1+) exp(j phase) in the place of ``magnitude`` and ``phase``.
    image : as phase, optional
        Magnitude of the images that the phase is of (not abs(B1+)), or complex images in the place of ``phase``:
        weights of echoes and receive channels.
    echo_times_s : sequence of float, optional
        Echo times [s] of phase and image, which are then lists with an item per echo, or have echoes for channels: the
        phase is that at echo time zero (:func:`emdose.ept.phase_at_echo_zero`).
    receivers : {"svd", "aligned"}, optional
        The channels of phase and image are receive channels, and are combined so
        (:func:`emdose.ept.combine_receivers`); with echoes a list of one file or array per echo, or an array (echo,
        receiver, nx, ny, nz).
    resample : bool
        Bring abs(B1+) onto the voxels of the phase where they differ; refused otherwise.
    spacing_m : float or three floats, optional
        Voxel size [m]; needed where no file knows it, and checked against those that do.
    order : {"xyz", "zyx"}, optional
        Axis order of files and arrays that are not NIfTI; EPTlib's files are "zyx".

    Returns
    -------
    B1Map
        Its ``notes`` say what was assumed.

    Raises
    ------
    InputError
        One line for whatever does not fit: a missing or unreadable file, shapes or affines that differ, a voxel size
        in the wrong unit, a phase in a unit that its range does not tell, a mask that is empty or covers
        everything, values that are not finite inside the mask, a missing frequency, a complex map beside magnitude or
        phase, or without ``phase_kind``, several acquisitions in one folder.
    """
    scan, beside_it, magnitude, phase, image = _scanned(magnitude, phase, image, complex is None)
    found: dict[str, VoxelMap] = {}
    if magnitude is not None:
        found["magnitude"] = magnitude if isinstance(magnitude, VoxelMap) else read_map(magnitude, "magnitude", order)
        if np.iscomplexobj(found["magnitude"].values) and phase is None and complex is None and scan is None:
            complex, magnitude = found.pop("magnitude"), None
    if complex is not None:
        _check_complex(magnitude, phase, image, phase_kind, phase_unit, echo_times_s, receivers)
        found = _parts(complex, order)
        phase_unit = "rad"
    sources = {"mask": mask, "segmentation": segmentation, "reference": reference}
    beside = {name: read_map(s, name, order) for name, s in sources.items() if s is not None}
    pair, noise_maps = _noise(noise, order)
    read = [one for one in (beside_it, scan) if one is not None]
    notes = tuple(text for one in read for text in one.notes)
    told: ImagePhase | None = None
    several = image is not None or echo_times_s is not None or receivers is not None or isinstance(phase, list | tuple)
    if scan is not None or several:
        if scan is None:
            shown, stored, geometry, in_rad = stack_of(image, phase, echo_times_s, receivers, order)
            times, unit = echo_times_s, "rad" if in_rad else phase_unit
        else:
            assert scan.phase is not None
            shown, stored, geometry = scan.magnitude, scan.phase, VoxelMap(scan.phase[0, 0], scan.name, scan.affine)
            geometry = replace(geometry, axis_codes=scan.axis_codes)
            times, unit = scan.echo_times_s if echo_times_s is None else echo_times_s, phase_unit or scan.phase_unit
        phases, said = scaled(stored, unit, geometry.name)
        inside = None if "mask" not in beside else np.nan_to_num(beside["mask"].values) != 0
        if inside is not None:
            check_same(geometry, geometry, "mask", beside["mask"])
        told = image_phase(
            shown,
            phases,
            echo_times_s=times,
            receivers=receivers,
            noise=pair[-1] if pair else None,
            mask=inside,
            name=geometry.name,
        )
        found["phase"] = replace(geometry, values=told.phase)
        notes += (*said, *told.notes)
    elif phase is not None:
        found["phase"] = read_map(phase, "phase", order)
        values, said = scaled(_real_phase(found["phase"]), phase_unit, found["phase"].name)
        found["phase"] = replace(found["phase"], values=values)
        notes += said
    if {"magnitude", "phase"} <= found.keys() and not on_one_grid(found["magnitude"], found["phase"]):
        if resample:
            found["magnitude"], told_so = resampled(found["magnitude"], found["phase"])
            notes += (told_so,)
        elif scan is not None:
            raise InputError(
                "B1+ map and phase lie on different voxels",
                file=found["magnitude"].name,
                found=f"{found['magnitude'].values.shape} and {found['phase'].values.shape}",
                expected="one grid, or resample=True",
            )
    if not found:
        raise InputError("neither magnitude nor phase given", expected="at least one of them")
    frequency_Hz = _frequency(frequency_Hz, read)
    found |= beside | noise_maps
    first = found.get("magnitude") or found["phase"]
    geometry = next((m for m in found.values() if m.affine is not None), first)
    for name, one in found.items():
        check_same(first, geometry, name, one)
    if "mask" in found and np.all(np.nan_to_num(found["mask"].values) != 0):
        raise InputError(
            "mask covers the whole image",
            file=found["mask"].name,
            field="mask",
            expected="0 outside the object; leave mask= out when there is no background",
        )
    grid = grid_of(first.values.shape[-3:], geometry, spacing_m)
    reference_values = found["reference"].values if "reference" in found else None if told is None else told.image
    b1 = B1Map(
        grid=grid,
        frequency_Hz=frequency_Hz,
        magnitude=found["magnitude"].values if "magnitude" in found else None,
        phase=found["phase"].values if "phase" in found else None,
        phase_kind=phase_kind or "transceive",
        phase_sign=phase_sign,
        mask=_mask(found, told),
        labels=labels_of(found["segmentation"].values, found["segmentation"].name) if "segmentation" in found else None,
        reference=reference_values,
        affine=geometry.affine,
        axis_codes=geometry.axis_codes,
        source=first.name,
        notes=(*notes, *tilt_note(geometry.affine), *slice_notes(grid)),
    )
    if pair:
        b1 = relative_noise(b1, tuple(pair) if len(pair) == 2 else pair[0])
    return b1 if told is None or told.u_phase is None else replace(b1, u_phase=told.u_phase)


def _scanned(
    magnitude: Source | None, phase: Source | None, image: Source | None, alone: bool
) -> tuple[Scan | None, Scan | None, Source | None, Source | None, Source | None]:
    """The images with a phase, and the map beside them, that folders hold, and what is left of the sources."""
    scan = None
    if is_scan(phase):
        scan, phase = read_scan(phase), None
        if scan.phase is None:
            raise InputError(
                "no phase among these images", file=scan.name, field="phase", expected="phase, or real parts"
            )
    elif is_scan(image) and phase is None:
        scan, image = read_scan(image), None
        if scan.phase is None:
            raise InputError(
                "no phase among these images", file=scan.name, field="image", expected="phase= beside them"
            )
    if not is_scan(magnitude):
        return scan, None, magnitude, phase, image
    held = read_scan(magnitude)
    if held.phase is not None and scan is None and phase is None and image is None and alone:
        scan, magnitude = held, None
        if held.b1plus is None and held.magnitude is not None:
            left = "the magnitude of the images is not abs(B1+): it gives weights and the reference image alone"
            scan = replace(held, notes=(*held.notes, left))
        if held.b1plus is not None:
            magnitude = VoxelMap(held.b1plus, held.name, held.b1_affine, held.axis_codes)
        return scan, None, magnitude, phase, image
    values = held.b1plus
    if values is None and held.magnitude is not None:
        if held.magnitude.shape[:2] != (1, 1):
            told = f"{held.magnitude.shape[0]} echoes of {held.magnitude.shape[1]} receive channels"
            raise InputError("not one map of abs(B1+)", file=held.name, field="magnitude", found=told, expected="one")
        values = held.magnitude[0, 0]
    if values is None:
        raise InputError("no magnitude among these images", file=held.name, field="magnitude")
    affine = held.affine if held.b1plus is None else held.b1_affine
    return scan, held, VoxelMap(values, held.name, affine, held.axis_codes), phase, image


def _check_complex(magnitude: Any, phase: Any, image: Any, kind: Any, unit: Any, times: Any, receivers: Any) -> None:
    if magnitude is not None or phase is not None:
        beside = "magnitude" if magnitude is not None else "phase"
        raise InputError("a complex map holds both", field=beside, expected="complex alone, or magnitude and phase")
    if image is not None or times is not None or receivers is not None:
        raise InputError("complex is one map of B1+", field="complex", expected="complex images of echoes as image=")
    if kind is None:
        raise InputError(
            "what is the phase of the complex map?", field="phase_kind", expected="'transmit' or 'transceive'"
        )
    if unit not in (None, "rad"):
        raise InputError("a complex map has no unit of phase", field="phase_unit", found=unit, expected="none")


def _noise(noise: Any, order: str | None) -> tuple[list[Any], dict[str, VoxelMap]]:
    pair: list[Any] = []
    maps = {}
    if noise is not None:
        several = isinstance(noise, (tuple, list))
        for n, one in enumerate(noise if several else [noise]):
            if isinstance(one, (int, float, np.number)):
                pair.append(float(one))
            else:
                maps[f"noise {n + 1}"] = read_map(one, "noise", order)
                pair.append(maps[f"noise {n + 1}"].values)
        if len(pair) not in (1, 2):
            raise InputError("bad noise", field="noise", found=f"{len(pair)} values", expected="one or two")
    return pair, maps


def _real_phase(one: VoxelMap) -> np.ndarray:
    if np.iscomplexobj(one.values):
        raise InputError(
            "complex values", file=one.name, field="phase", expected="a phase, or these as image= or complex="
        )
    return np.asarray(one.values, float)


def _frequency(stated_Hz: float | None, read: Sequence[Scan]) -> float:
    known = {one.name: one.frequency_Hz for one in read if one.frequency_Hz is not None}
    if stated_Hz is None:
        if not known:
            raise InputError("frequency missing", field="frequency_Hz", expected="the Larmor frequency in Hz")
        stated_Hz = next(iter(known.values()))
    for name, known_Hz in known.items():
        if abs(stated_Hz - known_Hz) > _FREQUENCY_SHARE * known_Hz:
            raise InputError(
                "frequency differs from that of the files",
                file=name,
                field="frequency_Hz",
                found=stated_Hz,
                expected=f"{known_Hz:.6g} Hz, or leave it out",
            )
    return stated_Hz


def _mask(found: dict[str, VoxelMap], told: ImagePhase | None) -> np.ndarray | None:
    if told is None or told.mask is None:
        return found["mask"].values if "mask" in found else None
    mask = told.mask & (np.nan_to_num(found["mask"].values) != 0) if "mask" in found else told.mask
    if "magnitude" in found:
        mask = mask & (np.nan_to_num(found["magnitude"].values) > 0)
    return mask & np.isfinite(found["phase"].values)


def _parts(source: Any, order: str | None) -> dict[str, VoxelMap]:
    """Magnitude and phase [rad] of a complex map, or of two of its real and imaginary part."""
    if isinstance(source, tuple | list) and len(source) == 2:
        real, imaginary = (
            read_map(s, f"complex, {n} part", order) for s, n in zip(source, ("real", "imaginary"), strict=True)
        )
        check_same(real, real if real.affine is not None else imaginary, "complex", imaginary)
        if any(np.iscomplexobj(one.values) for one in (real, imaginary)):
            raise InputError("two complex maps", file=real.name, field="complex", expected="one, or two real ones")
        whole, geometry = real.values + 1j * imaginary.values, real if real.affine is not None else imaginary
    else:
        geometry = source if isinstance(source, VoxelMap) else read_map(source, "complex", order)
        whole = geometry.values
        if not np.iscomplexobj(whole):
            raise InputError(
                "not complex", file=geometry.name, field="complex", found=str(whole.dtype), expected="complex numbers"
            )
    return {
        "magnitude": replace(geometry, values=np.abs(whole)),
        "phase": replace(geometry, values=np.angle(whole)),
    }
