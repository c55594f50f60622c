"""Synthetic DICOM images of a gradient echo, written by pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

FREQUENCY_MHZ = 123.25
AXIAL = (1.0, 0, 0, 0, 1.0, 0)
ORIGIN_MM = (-20.0, -10.0, 5.0)
STEPS_MM = (2.5, 2.0, 3.0)
PARTS = {"magnitude": "M", "phase": "P", "real": "R", "imaginary": "I"}


def write(
    folder: Path,
    values: np.ndarray,
    part: str,
    *,
    slope: float = 1.0,
    shift: float = 0.0,
    echo_ms: float = 3.0,
    series: str = "gre",
    orientation: tuple[float, ...] = AXIAL,
    thickness_mm: float = STEPS_MM[2],
    skip: int | None = None,
    **more: Any,
) -> None:
    """A stack (x, y, z), with columns along x, as one file a slice in shuffled order; values are stored / slope."""
    folder.mkdir(exist_ok=True)
    across, down = np.reshape(orientation, (2, 3))
    normal = np.cross(across, down)
    for n in np.random.default_rng(0).permutation(values.shape[2]):
        if n == skip:
            continue
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        name = folder / f"{series}-{part}-{echo_ms:g}-{len(list(folder.iterdir())):03}.dcm"
        one = FileDataset(str(name), {}, file_meta=meta, preamble=b"\0" * 128)
        one.SOPClassUID, one.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        one.SeriesDescription, one.SeriesNumber = series, 4
        one.ImageType = ["ORIGINAL", "PRIMARY", PARTS.get(part, part), "ND"]
        one.ImagePositionPatient = list(np.array(ORIGIN_MM) + n * STEPS_MM[2] * normal)
        one.ImageOrientationPatient, one.PixelSpacing = list(orientation), [STEPS_MM[1], STEPS_MM[0]]
        one.SliceThickness, one.EchoTime, one.ImagingFrequency = thickness_mm, echo_ms, FREQUENCY_MHZ
        one.RescaleSlope, one.RescaleIntercept = slope, shift
        one.Rows, one.Columns, one.SamplesPerPixel = values.shape[1], values.shape[0], 1
        one.PhotometricInterpretation = "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        for key, value in more.items():
            setattr(one, key, value)
        stored = np.rint((values[:, :, n] - shift) / slope).astype(np.int16)
        one.PixelData = np.ascontiguousarray(stored.T).tobytes()
        one.save_as(name)
