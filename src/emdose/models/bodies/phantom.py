"""The voxel body: labels on a grid and the tissue of every label."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emdose.checks import array, unknown, vector
from emdose.errors import EmdoseWarning, InputError
from emdose.models.bodies import resampling
from emdose.models.bodies.tissues import Tissue
from emdose.models.grids.grid import Grid, Shape, Vector
from emdose.values import owned, read_only


@read_only
@dataclass(frozen=True, eq=False)
class Phantom:
    """A body of voxels.

    Parameters
    ----------
    grid : Grid
        Where the voxels are.
    labels : (nx, ny, nz) integer ndarray
        Index into ``tissues`` per voxel; kept as uint8 or uint16.
    tissues : tuple of Tissue
        Tissue of every label; ``tissues[0]`` is the background (air).
    name : str
        What it is called in reports.
    regions : mapping of str to (nx, ny, nz) bool ndarray, optional
        Named masks, such as the head extents that head SAR is averaged over.
    source : str, optional
        Where geometry and dimensions come from.
    test_object : bool
        Whether it is a sphere, a box of gel or the like and no patient, so that limits for patients do not apply.
    file_from_grid : (4, 4) ndarray, optional
        Rigid motion from the coordinates of the grid to those of the file that the body was read from [m]: what is
        computed can be laid over that file, however oblique it is and wherever the body was moved to since.

    Raises
    ------
    InputError
        When labels do not fit grid or tissues, or no voxel is tissue.
    """

    grid: Grid
    labels: np.ndarray
    tissues: tuple[Tissue, ...]
    name: str = "phantom"
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str = ""
    test_object: bool = False
    file_from_grid: np.ndarray | None = None

    def __post_init__(self) -> None:
        given, tissues = np.asarray(self.labels), tuple(self.tissues)
        labels = given
        if labels.shape != self.grid.shape:
            raise InputError(
                "labels do not fit the grid", field="labels", found=labels.shape, expected=str(self.grid.shape)
            )
        if labels.dtype.kind not in "biu":
            raise InputError("labels must be integers", field="labels", found=str(labels.dtype))
        if not tissues or not tissues[0].is_background:
            raise InputError(
                "the first tissue is the background",
                field="tissues",
                found=tissues[0].name if tissues else "none",
                expected="air",
            )
        low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
        if low < 0 or high >= len(tissues):
            raise InputError(
                "label without tissue",
                field="labels",
                found=low if low < 0 else high,
                expected=f"0 to {len(tissues) - 1}",
            )
        labels = np.ascontiguousarray(labels, dtype=np.uint8 if len(tissues) <= 256 else np.uint16)
        inner = np.array([t.is_background for t in tissues])
        if inner[1:].any():  # air inside the body is background too: one label for all of it
            keep = np.concatenate([[0], np.flatnonzero(~inner)])
            new = np.zeros(len(tissues), labels.dtype)
            new[keep] = np.arange(len(keep))
            labels, tissues = new[labels], tuple(tissues[i] for i in keep)
        if not labels.any():
            raise InputError("phantom without tissue: every voxel is background", field="labels")
        regions = {}
        for key, mask in self.regions.items():
            mask = np.ascontiguousarray(mask, dtype=bool)
            if mask.shape != self.grid.shape:
                raise InputError(
                    "mask does not fit the grid",
                    field=f"regions[{key!r}]",
                    found=mask.shape,
                    expected=str(self.grid.shape),
                )
            regions[str(key)] = mask
        if not np.may_share_memory(labels, given):  # converted above, nobody else holds it
            owned(labels)
        if self.file_from_grid is not None:
            array("file_from_grid", self.file_from_grid, (4, 4))
        for attribute, value in (("labels", labels), ("tissues", tissues), ("regions", regions)):
            object.__setattr__(self, attribute, value)

    # ---- maps ----------------------------------------------------------------------------------------------------
    @property
    def spacing_m(self) -> Vector:
        """Voxel edge lengths [m]."""
        return self.grid.spacing_m

    @property
    def body(self) -> np.ndarray:
        """Mask (nx, ny, nz) of the voxels that are tissue."""
        return self.labels > 0

    @property
    def density(self) -> np.ndarray:
        """Mass density (nx, ny, nz) float32, 0 in the background [kg/m^3]."""
        return self.per_label([0.0, *(t.density_kg_m3 for t in self.tissues[1:])])

    def permittivity(self, frequency_Hz: float) -> np.ndarray:
        """Relative permittivity (nx, ny, nz) float32 at a frequency [Hz]."""
        return self.per_label([t.permittivity(frequency_Hz) for t in self.tissues])

    def conductivity(self, frequency_Hz: float) -> np.ndarray:
        """Conductivity (nx, ny, nz) float32 at a frequency [Hz], in S/m."""
        return self.per_label([t.conductivity(frequency_Hz) for t in self.tissues])

    def complex_permittivity(self, frequency_Hz: float) -> np.ndarray:
        """eps_r - j sigma / (w eps0), (nx, ny, nz) complex64, at a frequency [Hz]."""
        return self.per_label([t.complex_permittivity(frequency_Hz) for t in self.tissues], np.complex64)

    def per_label(self, values: Any, dtype: Any = np.float32) -> np.ndarray:
        """A map (nx, ny, nz) from one value per label."""
        return np.asarray(values, dtype)[self.labels]

    # ---- masses --------------------------------------------------------------------------------------------------
    @property
    def volume_m3(self) -> float:
        """Volume of all tissue voxels [m^3]."""
        return sum(self.tissue_volume().values())

    @property
    def mass_kg(self) -> float:
        """Mass of all tissue voxels [kg]."""
        return sum(self.tissue_mass().values())

    def tissue_volume(self) -> dict[str, float]:
        """Volume of each tissue that occurs [m^3]."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.tissues))
        volume: dict[str, float] = {}
        for tissue, count in list(zip(self.tissues, counts, strict=True))[1:]:
            if count:
                volume[tissue.name] = volume.get(tissue.name, 0.0) + float(count) * self.grid.voxel_volume_m3
        return volume

    def tissue_mass(self) -> dict[str, float]:
        """Mass of each tissue that occurs [kg]."""
        density = {t.name: t.density_kg_m3 for t in self.tissues}
        return {name: volume * density[name] for name, volume in self.tissue_volume().items()}

    def hash(self) -> str:
        """SHA-256 (hex) of labels, grid and tissues; names of phantom and regions do not enter."""
        digest = hashlib.sha256()
        digest.update(repr((self.grid.shape, self._picometres)).encode())
        for t in self.tissues:
            thermal = (t.heat_capacity_J_kg_K, t.thermal_conductivity_W_m_K, t.perfusion_mL_min_kg)
            digest.update(repr((t.name, t.density_kg_m3, t.dielectric, *thermal, t.metabolic_heat_W_kg)).encode())
        digest.update(self.labels.astype("<u2").tobytes())
        return digest.hexdigest()

    def electric_hash(self, frequency_Hz: float) -> str:
        """SHA-256 (hex) of what fields at a frequency [Hz] depend on: the grid and the permittivity of every voxel.

        Two bodies that differ in names, in the order of labels, or in thermal properties share it.
        """
        used = np.bincount(self.labels.ravel(), minlength=len(self.tissues)) > 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EmdoseWarning)  # the solver has told them
            eps = np.array([t.complex_permittivity(frequency_Hz) for t in self.tissues], np.complex64)
        values = np.unique(eps[used])
        digest = hashlib.sha256(repr((self.grid.shape, self._picometres)).encode())
        digest.update(values.astype("<c8").tobytes())
        digest.update(np.searchsorted(values, eps).astype("<u2")[self.labels].tobytes())
        return digest.hexdigest()

    @property
    def _picometres(self) -> list[int]:
        """Spacing and origin in whole picometres, so that rounding of the last bit does not make another body."""
        return [round(v * 1e12) for v in (*self.grid.spacing_m, *self.grid.origin_m)]

    # ---- changes -------------------------------------------------------------------------------------------------
    def with_tissue(self, name: str, **changes: Any) -> Phantom:
        """The same body with properties of one tissue changed; see :meth:`Tissue.replace`.

        Raises
        ------
        InputError
            When no tissue of the body has that name, or a change is not possible.
        """
        present = [t.name for t in self.tissues[1:]]
        if name not in present:
            raise unknown("tissue not in this phantom", name, present, field="tissue")
        changed = tuple(t.replace(**changes) if i and t.name == name else t for i, t in enumerate(self.tissues))
        return replace(self, tissues=changed)

    def with_regions(self, **regions: np.ndarray) -> Phantom:
        """The same body with more named masks (nx, ny, nz)."""
        return replace(self, regions={**self.regions, **regions})

    def compact(self) -> Phantom:
        """The same body without the tissues that no voxel uses."""
        used = np.union1d([0], np.unique(self.labels))
        new = np.zeros(len(self.tissues), self.labels.dtype)
        new[used] = np.arange(len(used))
        return replace(self, labels=owned(new[self.labels]), tissues=tuple(self.tissues[i] for i in used))

    def crop(self, low: Shape, high: Shape) -> Phantom:
        """Voxels ``low`` (included) to ``high`` (excluded); outside of the grid the result is background."""
        return self._with_arrays(self.grid.crop(low, high), lambda a: _window(a, low, high))

    def crop_to_body(self, margin: int = 0) -> Phantom:
        """The smallest box that holds all tissue, and ``margin`` voxels of background around it."""
        low, high = [], []
        for axis in range(3):
            index = np.flatnonzero(self.body.any(axis=tuple(a for a in range(3) if a != axis)))
            low.append(int(index[0]) - margin)
            high.append(int(index[-1]) + 1 + margin)
        return self.crop(tuple(low), tuple(high))  # type: ignore[arg-type]

    def pad(self, n: int | tuple[int, int, int]) -> Phantom:
        """``n`` more voxels of background on every side (or one count per axis)."""
        counts = (n, n, n) if isinstance(n, int) else tuple(n)
        if min(counts) < 0:
            raise InputError("cannot pad by a negative count", field="n", found=n, expected="voxels >= 0")
        high = tuple(s + c for s, c in zip(self.grid.shape, counts, strict=True))
        return self.crop(tuple(-c for c in counts), high)  # type: ignore[arg-type]

    def translate(self, shift_m: Vector) -> Phantom:
        """The body moved by a vector [m]: the grid moves with it, so nothing is interpolated."""
        vector("shift_m", shift_m, problem="bad shift", expected="three finite metres")
        return replace(self, grid=self.grid.moved(shift_m), file_from_grid=self._read_before(np.eye(3), shift_m))

    def rotate(self, angle_deg: float, axis: str = "z", about_m: Vector | None = None, samples: int = 3) -> Phantom:
        """The body turned by the right-hand rule.

        Multiples of 90 degrees turn the array and are exact. Any other angle samples the turned body in a new grid of
        the same spacing: each voxel takes one of the tissues of ``samples``^3 points, such that every tissue keeps its
        volume as in :meth:`resample`.

        Parameters
        ----------
        angle_deg : float
            Angle [degree].
        axis : "x", "y" or "z"
            Axis of rotation.
        about_m : (float, float, float), optional
            Point on the axis [m]; by default the centre of the grid.
        samples : int
            Points per voxel and axis; 1 is nearest neighbour, odd numbers leave no ties.
        """
        turned = resampling.rotate(self, angle_deg, axis, about_m, samples)
        about = np.mean(self.grid.bounds_m, axis=0) if about_m is None else np.asarray(about_m, float)
        R = resampling.rotation_matrix(math.radians(angle_deg), "xyz".index(axis))
        return replace(turned, file_from_grid=self._read_before(R, about - R @ about))

    def resample(self, spacing_m: float | Vector) -> Phantom:
        """The body on voxels of another size.

        The new voxels with the largest share of tissue become tissue, and the tissues share them out by how much of
        each voxel they fill, such that the body and each of its tissues keep their volumes to a few voxels. A layer
        thinner than a voxel keeps its mass and therefore has gaps. Voxels that tie, as at a flat face, go together as
        long as the volume of the body stays within 3 %; otherwise some of them are tissue, evenly spread.

        Parameters
        ----------
        spacing_m : float or (float, float, float)
            New voxel edge lengths [m], finer or coarser.
        """
        return resampling.resample(self, spacing_m)

    def _read_before(self, R: np.ndarray, shift_m: Any) -> np.ndarray | None:
        """``file_from_grid`` after the body has moved by x -> R x + shift."""
        if self.file_from_grid is None:
            return None
        back = np.eye(4)
        back[:3, :3], back[:3, 3] = R.T, -R.T @ np.asarray(shift_m, float)
        return owned(np.asarray(self.file_from_grid) @ back)

    def _with_arrays(self, grid: Grid, change: Any) -> Phantom:
        regions = {k: change(m) for k, m in self.regions.items()}
        return replace(self, grid=grid, labels=change(self.labels), regions=regions)


def _window(a: np.ndarray, low: Shape, high: Shape) -> np.ndarray:
    """a[low:high] with zeros where the window leaves the array."""
    shape = [last - first for first, last in zip(low, high, strict=True)]
    if min(shape) < 1:
        raise InputError("empty crop", found=f"{low} to {high}", expected="low < high along each axis")
    if math.prod(shape) > 2**33:
        raise InputError("crop window too large", found=f"{low} to {high}", expected="at most 2^33 voxels")
    out = np.zeros(shape, a.dtype)
    source, target = [], []
    for first, last, n in zip(low, high, a.shape, strict=True):
        start, stop = min(max(first, 0), n), max(min(last, n), 0)
        source.append(slice(start, max(start, stop)))
        target.append(slice(start - first, max(start, stop) - first))
    if all(s.stop > s.start for s in source):
        out[tuple(target)] = a[tuple(source)]
    return out
