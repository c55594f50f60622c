"""B1+ maps as they come from the scanner, with what is known about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, replace
from functools import cached_property

import numpy as np

from emdose.checks import is_number, unknown
from emdose.ept.maps.phase import in_radians, is_wrapped, unwrap, wraps_of
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.values import owned, read_only

PHASE_KINDS = ("transceive", "transmit")
_RADIAN_RANGE = 12 * math.pi
_SPACING_RANGE_m = (2e-5, 5e-2)
_FREQUENCY_RANGE_Hz = (1e6, 1e9)
_LARGEST_PEAK = 1e6
"""Largest magnitude inside the mask over its median: no coil element is that near."""


@read_only(units={"phase": "rad", "u_phase": "rad"})
@dataclass(frozen=True, eq=False)
class B1Map:
    """Magnitude and phase of B1+ on a grid, with mask, tissue labels and noise.

    Parameters
    ----------
    grid : Grid
        Voxel grid; the spacing may differ between the axes.
    frequency_Hz : float
        Larmor frequency [Hz].
    magnitude : (nx, ny, nz) or (channel, nx, ny, nz) ndarray, optional
        abs(B1+) in any unit: a common factor cancels.
    phase : (nx, ny, nz) or (channel, nx, ny, nz) ndarray, optional
        Phase [rad], wrapped or not, in the convention exp(+j w t).
    phase_kind : {"transceive", "transmit"}
        "transceive" is arg(B1+) + arg(B1-), what an image shows; the transmit phase is taken as its half (transceive
        phase assumption: quadrature birdcage that is switched in polarity between transmission and reception).
    mask : (nx, ny, nz) bool ndarray, optional
        Where there is an object; by default all voxels with finite values and a magnitude above zero.
    labels : (nx, ny, nz) int ndarray, optional
        Segmentation: fits do not reach from one label into another.
    reference : (nx, ny, nz) ndarray, optional
        An anatomical image for soft weights and anatomical filters.
    u_magnitude, u_phase : float or (nx, ny, nz) ndarray, optional
        Standard uncertainty of ``magnitude`` (same unit) and of ``phase`` as given [rad], independent from voxel to
        voxel. None: not known; it is then estimated from the residual of the fits.
    affine : (4, 4) ndarray, optional
        Voxel index to scanner coordinates [mm] (NIfTI), kept for writing.
    axis_codes : str
        Orientation of the file that the arrays came from, for example "LPS"; the arrays here are closest to RAS+.
    source : str
        Where the data came from.
    notes : tuple of str
        What was assumed while they were read, in words.
    phase_unit : {"rad", "deg", "pi", "turns"} or float
        Unit in which ``phase`` is given, or radians per unit; what the map keeps is in radians, and so is ``u_phase``.
    phase_sign : {1, -1}
        -1 where ``phase`` is given in the convention exp(-j w t); what the map keeps is in exp(+j w t).

    Raises
    ------
    InputError
        For shapes that differ, a mask that is empty, values inside the mask that are not finite, a magnitude that is
        negative or has a value beyond a million times its median, a phase that cannot be in radians, a spacing that
        cannot be in metres, a frequency that is missing or not that of a scanner.
    """

    grid: Grid
    frequency_Hz: float
    magnitude: np.ndarray | None = None
    phase: np.ndarray | None = None
    phase_kind: str = "transceive"
    mask: np.ndarray | None = None
    labels: np.ndarray | None = None
    reference: np.ndarray | None = None
    u_magnitude: float | np.ndarray | None = None
    u_phase: float | np.ndarray | None = None
    affine: np.ndarray | None = None
    axis_codes: str = "RAS"
    source: str = ""
    notes: tuple[str, ...] = ()
    phase_unit: InitVar[str | float] = "rad"
    phase_sign: InitVar[float] = 1

    def __post_init__(self, phase_unit: str | float, phase_sign: float) -> None:
        self._check_scalars()
        for name in ("magnitude", "phase"):
            values = getattr(self, name)
            if values is not None:
                values = _real(name, values, self.source)
                if values.ndim not in (3, 4) or values.shape[-3:] != self.grid.shape:
                    raise self._misfit(name, values.shape, "or with channels in front")
                if name == "phase":
                    values = in_radians(values, phase_unit, phase_sign, self.source)
                object.__setattr__(self, name, values)
        if self.magnitude is None and self.phase is None:
            raise InputError("neither magnitude nor phase given", file=self.source, expected="at least one of them")
        if self.magnitude is not None and self.phase is not None and self.magnitude.shape != self.phase.shape:
            raise self._misfit("phase", self.phase.shape, f"like the magnitude {self.magnitude.shape}")
        for name in ("labels", "reference"):
            values = getattr(self, name)
            if values is not None:
                values = _native(name, values, self.source)
                if values.shape != self.grid.shape:
                    raise self._misfit(name, values.shape)
                object.__setattr__(self, name, values)
        object.__setattr__(self, "mask", self._checked_mask())
        for name in ("u_magnitude", "u_phase"):
            self._check_noise(name)

    def _check_scalars(self) -> None:
        frequency = self.frequency_Hz
        if not is_number(frequency) or frequency <= 0:
            raise InputError(
                "frequency missing or not positive",
                file=self.source,
                field="frequency_Hz",
                found=frequency,
                expected="the Larmor frequency in Hz, such as 127.74e6",
            )
        if not _FREQUENCY_RANGE_Hz[0] <= frequency <= _FREQUENCY_RANGE_Hz[1]:
            raise InputError(
                f"frequency too {'low' if frequency < _FREQUENCY_RANGE_Hz[0] else 'high'} for EPT",
                file=self.source,
                field="frequency_Hz",
                found=frequency,
                expected="1e6 to 1e9 Hz (kHz or MHz taken for Hz, or the reverse?)",
                hint=f"in MHz? then frequency_Hz={frequency:g}e6" if 1 <= frequency <= 1000 else None,
            )
        if self.phase_kind not in PHASE_KINDS:
            raise unknown("unknown kind of phase", self.phase_kind, PHASE_KINDS, file=self.source, field="phase_kind")
        low, high = _SPACING_RANGE_m
        if min(self.grid.spacing_m) < low or max(self.grid.spacing_m) > high:
            raise InputError(
                "voxel size cannot be in metres",
                file=self.source,
                field="spacing_m",
                found=self.grid.spacing_m,
                expected=f"{low} to {high} m (millimetres taken for metres, or the reverse?)",
            )

    def _misfit(self, name: str, found: Sequence[int], more: str = "") -> InputError:
        return InputError(
            "shape does not fit the grid",
            file=self.source,
            field=name,
            found=tuple(found),
            expected=f"{self.grid.shape} {more}",
        )

    def _checked_mask(self) -> np.ndarray:
        maps = [v for v in (self.magnitude, self.phase) if v is not None]
        finite = np.ones(self.grid.shape, bool)
        for values in maps:
            finite &= np.isfinite(values).reshape(-1, *self.grid.shape).all(axis=0)
        if self.mask is None:
            mask = finite
            if self.magnitude is not None:
                with np.errstate(invalid="ignore"):
                    mask = mask & (self.magnitude != 0).reshape(-1, *self.grid.shape).any(axis=0)
        else:
            mask = _native("mask", self.mask, self.source)
            if mask.shape != self.grid.shape:
                raise self._misfit("mask", mask.shape)
            mask = np.nan_to_num(mask) != 0
            lost = int(np.count_nonzero(mask & ~finite))
            if lost:
                raise InputError(
                    "values inside the mask are not finite",
                    file=self.source,
                    field="mask",
                    found=f"{lost} voxels",
                    expected="a mask of voxels with data",
                )
        if not mask.any():
            raise InputError("mask is empty", file=self.source, field="mask", expected="at least one voxel with data")
        if self.magnitude is not None:
            self._check_magnitude(self.magnitude[..., mask])
        if self.phase is not None:
            inside = self.phase[..., mask]
            span = float(inside.max() - inside.min())
            if span > _RADIAN_RANGE:
                raise InputError(
                    "phase is not in radians",
                    file=self.source,
                    field="phase",
                    found=f"a range of {span:.4g} inside the mask",
                    expected="radians, or its unit: phase_unit='deg', or radians per unit of a scanner",
                )
            unit = wraps_of(self.phase, mask)
            if unit is not None:
                raise InputError(
                    "phase is not in radians",
                    file=self.source,
                    field="phase",
                    found=f"a range of {span:.4g} inside the mask, with jumps by as much",
                    expected=f"radians, or its unit: phase_unit={unit!r}",
                )
        return np.ascontiguousarray(mask)

    def _check_magnitude(self, inside: np.ndarray) -> None:
        least, largest, median = float(inside.min()), float(inside.max()), float(np.median(inside))
        problem = ""
        if least < 0:
            problem, found, expected = "negative magnitude", least, "abs(B1+) >= 0 (is this the phase?)"
        elif not largest > 0:
            problem, found, expected = "magnitude is zero", largest, "abs(B1+) above 0 inside the mask"
        elif not 1e-30 < largest < 1e30:
            problem, found, expected = "magnitude out of range", largest, "abs(B1+) in a usual unit"
        elif median > 0 and largest > _LARGEST_PEAK * median:
            problem, found = "a magnitude far beyond all others", largest
            expected = f"values like the median {median:.3g}: mend the voxel, or leave it out of the mask"
        if problem:
            raise InputError(problem, file=self.source, field="magnitude", found=found, expected=expected)

    def _check_noise(self, name: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        base = self.magnitude if name == "u_magnitude" else self.phase
        if base is None:
            raise InputError(f"uncertainty without {name[2:]}", file=self.source, field=name, expected=f"{name[2:]}")
        array = np.asarray(value, float)
        if array.ndim and array.shape != self.grid.shape:
            raise self._misfit(name, array.shape, "or one number")
        array = np.ascontiguousarray(array) if array.ndim else array
        inside = array[self.mask] if array.ndim else array
        if not np.all(np.isfinite(inside)) or np.any(inside < 0) or not np.any(inside > 0):
            raise InputError(
                "not a standard uncertainty",
                file=self.source,
                field=name,
                found=float(np.min(inside)) if np.all(np.isfinite(inside)) else "values not finite",
                expected="finite numbers >= 0, not all of them 0",
            )
        object.__setattr__(self, name, array if array.ndim else float(array))

    @property
    def channels(self) -> int:
        """Number of transmit channels."""
        values = self.magnitude if self.magnitude is not None else self.phase
        assert values is not None
        return values.shape[0] if values.ndim == 4 else 1

    def channel(self, index: int) -> B1Map:
        """The map of one transmit channel."""
        if self.channels == 1:
            return self
        pick = {n: getattr(self, n)[index] for n in ("magnitude", "phase") if getattr(self, n) is not None}
        return replace(self, **pick)

    @property
    def angular_frequency(self) -> float:
        """w = 2 pi f [rad/s]."""
        return 2 * math.pi * self.frequency_Hz

    @property
    def phase_factor(self) -> float:
        """Transmit phase divided by the phase as given: 1/2 for a transceive phase, else 1."""
        return 0.5 if self.phase_kind == "transceive" else 1.0

    @cached_property
    def wrapped(self) -> bool:
        """Whether neighbouring voxels of the mask differ by more than pi in phase."""
        return self.phase is not None and is_wrapped(self.phase, self._mask)

    @cached_property
    def transmit_phase(self) -> np.ndarray:
        """Transmit phase [rad], unwrapped inside the mask (see :func:`emdose.ept.maps.phase.unwrap`), 0 outside.

        Each connected part of the mask is known but for a multiple of 2 pi (pi from a transceive phase), which no
        reconstruction feels.

        Raises
        ------
        InputError
            When there is no phase.
        """
        if self.phase is None:
            raise InputError("no phase", file=self.source, field="phase", expected="a phase map for this method")
        phase = np.where(self._mask, self.phase, 0.0)
        return owned(self.phase_factor * (unwrap(phase, self._mask) if self.wrapped else phase))

    @property
    def _mask(self) -> np.ndarray:
        assert self.mask is not None
        return self.mask

    @cached_property
    def regions(self) -> np.ndarray:
        """Label of every voxel of the mask plus one, 0 outside; without a segmentation the mask is one region."""
        if self.labels is None:
            return owned(self._mask.astype(np.int32))
        values, inverse = np.unique(self.labels[self._mask], return_inverse=True)
        out = np.zeros(self.grid.shape, np.int32)
        out[self._mask] = inverse.reshape(-1) + 1 if values.size else 0
        return owned(out)

    @property
    def has_noise(self) -> bool:
        """Whether the uncertainty of every given map is known."""
        return (self.magnitude is None or self.u_magnitude is not None) and (
            self.phase is None or self.u_phase is not None
        )


def relative_noise(b1: B1Map, noise: float | np.ndarray | Sequence[float | np.ndarray]) -> B1Map:
    """The same map with its noise stated as 1 / SNR.

    Parameters
    ----------
    b1 : B1Map
        The map.
    noise : float or (nx, ny, nz) ndarray, or two of them
        Standard uncertainty of abs(B1+) divided by abs(B1+), and standard uncertainty of the phase as given [rad]; one
        value serves both.
    """
    pair = tuple(noise) if isinstance(noise, (tuple, list)) else (noise, noise)
    if len(pair) != 2:
        raise InputError(
            "bad noise",
            file=b1.source,
            field="noise",
            found=f"{len(pair)} values",
            expected="one value, or one for the magnitude and one for the phase",
        )
    with np.errstate(invalid="ignore"):
        relative = None if b1.magnitude is None else np.nan_to_num(np.asarray(pair[0]) * b1.magnitude)
    return replace(b1, u_magnitude=relative, u_phase=None if b1.phase is None else pair[1])


def mean_of_repeats(maps: Sequence[B1Map]) -> B1Map:
    """Mean of repeated scans, with the standard uncertainty of the mean from their scatter (type A).

    Parameters
    ----------
    maps : sequence of B1Map
        At least three scans of the same object on the same grid. Phases are averaged as phasors after the offset of
        each scan (its mean phase difference to the first) is taken off.

    Returns
    -------
    B1Map
        ``u_magnitude`` and ``u_phase`` are s / sqrt(n) per voxel.

    Raises
    ------
    InputError
        For fewer than three maps, or maps that do not belong together.
    """
    if len(maps) < 3:
        raise InputError("too few repeated scans", found=len(maps), expected="at least 3")
    first = maps[0]
    mask = np.logical_and.reduce([m._mask for m in maps])
    for other in maps[1:]:
        if other.grid != first.grid or other.frequency_Hz != first.frequency_Hz or other.channels != 1:
            raise InputError(
                "repeated scans do not belong together",
                file=other.source,
                expected="the same grid and frequency, one channel",
            )
        if (other.magnitude is None) != (first.magnitude is None) or (other.phase is None) != (first.phase is None):
            raise InputError("repeated scans do not hold the same maps", file=other.source)
    root = math.sqrt(len(maps))
    changes: dict[str, object] = {"mask": mask, "source": f"mean of {len(maps)} scans"}
    if first.magnitude is not None:
        stack = np.stack([np.where(mask, m.magnitude, 0.0) for m in maps])  # type: ignore[arg-type]
        changes |= {"magnitude": stack.mean(axis=0), "u_magnitude": stack.std(axis=0, ddof=1) / root}
    if first.phase is not None:
        base = np.exp(1j * np.where(mask, first.phase, 0.0))
        turns = []
        for m in maps:
            turn = np.exp(1j * np.where(mask, m.phase, 0.0)) / base  # type: ignore[arg-type]
            turns.append(np.angle(turn * np.exp(-1j * np.angle(turn[mask].sum()))))
        stack = np.stack(turns)
        changes |= {
            "phase": np.where(mask, first.phase, 0.0) + stack.mean(axis=0),
            "u_phase": stack.std(axis=0, ddof=1) / root,
        }
    return replace(first, **changes)  # type: ignore[arg-type]


def _real(name: str, values: np.ndarray, source: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind == "c":
        raise InputError("complex values", file=source, field=name, expected="real magnitude and real phase apart")
    if array.dtype.kind not in "fiu":
        raise InputError("not a map of real numbers", file=source, field=name, found=str(array.dtype))
    return np.ascontiguousarray(array, np.float64)


def _native(name: str, values: np.ndarray, source: str) -> np.ndarray:
    """An array of plain numbers in the order of memory and of bytes that kernels expect."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError("not a map of real numbers", file=source, field=name, found=str(array.dtype))
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
