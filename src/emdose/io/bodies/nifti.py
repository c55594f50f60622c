"""NIfTI files: label maps in and out, and scalar volumes."""

from __future__ import annotations

import gzip
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.io.bodies.labels import check_extent
from emdose.io.disk.atomic import replacing
from emdose.io.disk.files import check_memory, first_line, plain_file
from emdose.models.grids.grid import Grid

UNIT_M = {"mm": 1e-3, "meter": 1.0, "micron": 1e-6, "unknown": 1e-3}
OBLIQUE_DEG = 0.1


def read_volume(path: Path | str) -> tuple[np.ndarray, Grid]:
    """A three-dimensional NIfTI image and its grid; see :func:`read_placed`."""
    return read_placed(path)[:2]


def read_placed(path: Path | str) -> tuple[np.ndarray, Grid, np.ndarray]:
    """A three-dimensional NIfTI image, its grid, and where that lies in the coordinates of the file.

    Axes are permuted and flipped to RAS+ (nothing is interpolated). An oblique image keeps its voxels: they are taken
    as if their axes were those of the scanner, about the image's centre, and a warning gives the angle. The motion that
    is given back undoes it for what is laid over the file again.

    Parameters
    ----------
    path : Path or str
        A .nii or .nii.gz file. Lengths follow the header's unit; millimetres when it gives none.

    Returns
    -------
    values : (nx, ny, nz) ndarray
        As stored, or float64 when the header scales them.
    grid : Grid
        In metres.
    file_from_grid : (4, 4) ndarray
        Rigid motion from the coordinates of the grid to those of the file [m].

    Raises
    ------
    InputError
        When the file is missing, truncated, no NIfTI, not three-dimensional, too large for the memory, or its affine
        is not finite, singular, sheared or gives a body below 5 mm or above 3 m.
    """
    path = Path(path)
    image = _load(path)
    if len(image.shape) > 3 and math.prod(image.shape[3:]) == 1:
        shape = image.shape[:3]
    else:
        shape = image.shape
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(
            "not a three-dimensional image",
            file=path,
            found=" x ".join(map(str, image.shape)) or "none",
            expected="one volume of labels",
        )
    affine = _affine(image, path)
    item = image.get_data_dtype().itemsize
    check_memory(shape, item + 9, path)
    values = _data(image, path).reshape(shape)
    axes, flips, sizes, tilt, turn = _closest_axes(affine, path)
    if tilt > OBLIQUE_DEG:
        warnings.warn(
            f"{path.name}: image is oblique by {tilt:.1f} degrees; its voxel axes are taken as x, y, z "
            "(turn the body with .rotate if the coil needs it); maps of a run are written with the axes of the image",
            EmdoseWarning,
            stacklevel=2,
        )
    values = values.transpose(axes)[tuple(slice(None, None, f) for f in flips)]
    centre = affine[:3, :3] @ (0.5 * (np.array(shape) - 1)) + affine[:3, 3]
    corner = centre - 0.5 * np.array(values.shape) * sizes
    check_extent(values.shape, sizes.tolist(), path, f"header unit: {_unit(image)}")
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = turn, centre - turn @ centre
    return values, Grid(values.shape, tuple(sizes), tuple(corner)), motion


def write_volume(path: Path | str, values: np.ndarray, grid: Grid) -> None:
    """A volume (nx, ny, nz) as NIfTI with its grid in millimetres, written whole or not at all.

    Raises
    ------
    InputError
        When the values do not fit the grid.
    OutputError
        When the file cannot be written.
    """
    data = encoded(values, grid, gz=str(path).lower().endswith(".gz"))
    with replacing(path) as part:
        part.write_bytes(data)


def grid_affine_mm(grid: Grid, file_from_grid: np.ndarray | None = None) -> np.ndarray:
    """Affine (4, 4) from the indices of a grid's voxels to their centres [mm], in the coordinates of a file if given.

    Parameters
    ----------
    grid : Grid
        The voxels.
    file_from_grid : (4, 4) ndarray, optional
        Rigid motion from the coordinates of the grid to those of a file [m].
    """
    affine = np.diag([*(1e3 * s for s in grid.spacing_m), 1.0])
    affine[:3, 3] = [1e3 * (o + 0.5 * s) for o, s in zip(grid.origin_m, grid.spacing_m, strict=True)]
    if file_from_grid is None:
        return affine
    motion = np.array(file_from_grid, float)
    motion[:3, 3] *= 1e3
    return motion @ affine


def encoded(values: np.ndarray, grid: Grid, *, gz: bool, affine_mm: np.ndarray | None = None, about: str = "") -> bytes:
    """The bytes of a NIfTI file, gzipped or not; raises InputError when the values do not fit the grid.

    Parameters
    ----------
    values : (nx, ny, nz) ndarray
        What is written.
    grid : Grid
        Its voxels.
    gz : bool
        Whether it is gzipped.
    affine_mm : (4, 4) ndarray, optional
        From voxels to the world [mm]; that of the grid by default.
    about : str
        Description for the header, cut to what fits.
    """
    import nibabel as nib

    if values.shape != grid.shape:
        raise InputError("values do not fit the grid", found=values.shape, expected=str(grid.shape))
    affine = grid_affine_mm(grid) if affine_mm is None else affine_mm
    image = nib.Nifti1Image(np.asarray(values), affine, dtype=values.dtype)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = about.encode("ascii", "replace")[:79]
    data: bytes = image.to_bytes()
    return gzip.compress(data, compresslevel=6, mtime=0) if gz else data


def _load(path: Path) -> Any:
    import nibabel as nib

    plain_file(path, "a NIfTI file (.nii, .nii.gz)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nibabel and NumPy comment on headers that are refused below
            image = nib.load(path)
    except Exception as error:  # nibabel raises whatever its parsers and the decompressor meet in a damaged file
        raise InputError(f"not a readable NIfTI file: {first_line(error)}", file=path) from None
    if not isinstance(image, nib.Nifti1Image):  # NIfTI-2 is a subclass
        raise InputError("not a NIfTI file", file=path, found=type(image).__name__)
    return image


def _data(image: Any, path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return np.asanyarray(image.dataobj)
    except Exception as error:  # see _load
        raise InputError(f"damaged or truncated NIfTI data: {first_line(error)}", file=path) from None


def _unit(image: Any) -> str:
    try:
        unit = str(image.header.get_xyzt_units()[0])
    except KeyError:  # a code that NIfTI does not define
        unit = "unknown"
    return unit if unit in UNIT_M else "unknown"


def _affine(image: Any, path: Path) -> np.ndarray:
    """The affine from voxel to RAS+ in metres."""
    header = image.header
    if not int(header["sform_code"]) and not int(header["qform_code"]):
        warnings.warn(
            f"{path.name}: no orientation in the header; axes are taken as right, anterior, superior, "
            "centred on the isocentre",
            EmdoseWarning,
            stacklevel=3,
        )
        zooms = np.array(header.get_zooms()[:3], float)
        affine = np.diag([*zooms, 1.0])
        affine[:3, 3] = -0.5 * zooms * (np.array(image.shape[:3]) - 1)
    else:
        affine = np.asarray(image.affine, float)
    affine = affine.copy()
    affine[:3] *= UNIT_M[_unit(image)]
    if not np.all(np.isfinite(affine)) or np.abs(affine[:3]).max() > 1e6:
        raise InputError("affine is not finite", file=path, field="affine", found=affine[:3].tolist())
    return affine


def _closest_axes(affine: np.ndarray, path: Path) -> tuple[list[int], list[int], np.ndarray, float, np.ndarray]:
    """Order and sign of the file's axes nearest to x, y, z, spacings [m], tilt [degree], and directions (3, 3)."""
    import nibabel as nib

    matrix = affine[:3, :3]
    sizes = np.sqrt((matrix**2).sum(axis=0))
    if sizes.min() <= 0:
        raise InputError("voxel size of zero", file=path, field="affine", found=tuple(sizes), expected="lengths > 0")
    unit = matrix / sizes
    if np.abs(unit.T @ unit - np.eye(3)).max() > 1e-2:
        raise InputError("sheared affine", file=path, field="affine", expected="three axes at right angles")
    orientation = nib.orientations.io_orientation(affine)
    if np.isnan(orientation).any():
        raise InputError("affine has no orientation", file=path, field="affine")
    target, sign = orientation[:, 0].astype(int), orientation[:, 1].astype(int)
    axes = [int(np.flatnonzero(target == a)[0]) for a in range(3)]
    flips = [int(sign[i]) for i in axes]
    aligned = np.array([[unit[r, i] * f for i, f in zip(axes, flips, strict=True)] for r in range(3)])
    tilt = math.degrees(math.acos(min(1.0, max(-1.0, 0.5 * (float(np.trace(aligned)) - 1)))))
    return axes, flips, sizes[axes], tilt, aligned
