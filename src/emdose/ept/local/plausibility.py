"""What a B1+ map says about itself: the sign, the unit and the kind of its phase, the range of the properties.

With B1+ = a exp(j s p), the phase p as it was given and s = 1 when it was read rightly, the Helmholtz equation of a
homogeneous region says

    -laplacian(a)/a = w^2 mu0 eps - s^2 abs(grad p)^2,    s (laplacian(p) + 2 grad p . grad a / a) = w mu0 sigma.

Where abs(grad p) varies, the slope of the first line is s^2: the magnitude knows the unit of the phase. The second line
knows its sign. Both are found over whole regions from wide fits, so that voxels of low signal add up to a sure answer,
and their uncertainty comes from the scatter of blocks that share no data, whatever causes it.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.constants import EPS_0, MU_0
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii_within
from emdose.ept.maps.b1map import B1Map
from emdose.validity import VALID, Measure, judge
from emdose.values import read_only

REACH_M = 8e-3
"""Half-width of the windows: wide against noise, narrow against the wavelength in tissue up to 7 T."""
FULL = 0.7
"""Fits from a smaller share of their window are left out: one-sided ones are by far the noisiest."""
SURE = 3.0
"""Standard uncertainties by which a measure is moved towards what is plausible."""
CURVATURE_ERROR, CURVATURE_ERROR_OF_WINDOW = 0.01, 0.2
"""Relative standard uncertainty of the curvature itself, at least, and over abs(curvature) reach^2: a quadratic fit is
off where the field bends more than it can, and in small objects that goes with the slope."""
MOST_VOXELS = 300_000
"""Of larger maps the slices around the middle are looked at."""
LEAST_BLOCKS = 8
LARGEST_CONDUCTIVITY, LARGEST_PERMITTIVITY, DISPERSION_HZ = 5.0, 120.0, 64e6
"""Beyond tissue and phantoms: cerebrospinal fluid has 2.1 S/m, saline of a phantom up to 4; kidney and intestine have
a relative permittivity of 118 at 64 MHz, which grows towards lower frequencies like 1/f at most."""


@read_only(units={"conductivity": "S/m", "u_conductivity": "S/m"})
@dataclass(frozen=True)
class Typical:
    """Medians over the map and the scale of the phase, with standard uncertainties; None where the map has no answer.

    Parameters
    ----------
    conductivity, u_conductivity : float
        Median conductivity [S/m].
    permittivity, u_permittivity : float, optional
        Median relative permittivity; needs magnitude and phase.
    scale, u_scale : float, optional
        s^2 of the module's first equation: 1 when the phase was read rightly.
    frequency_Hz : float
        Frequency [Hz].
    """

    conductivity: float
    u_conductivity: float
    permittivity: float | None
    u_permittivity: float | None
    scale: float | None
    u_scale: float | None
    frequency_Hz: float

    def measures(self, hint: str = "") -> list[Measure]:
        """For :func:`emdose.validity.judge`; each is as good as three standard uncertainties allow."""
        below = max(0.0, -self.conductivity - SURE * self.u_conductivity)
        beyond = (abs(self.conductivity) - SURE * self.u_conductivity) / LARGEST_CONDUCTIVITY
        if self.permittivity is not None and self.u_permittivity is not None:
            most = LARGEST_PERMITTIVITY * max(1.0, DISPERSION_HZ / self.frequency_Hz)
            beyond = max(beyond, (self.permittivity - SURE * self.u_permittivity) / most)
        found = [Measure("ept_sign", below, hint=hint), Measure("ept_matter", max(0.0, beyond), hint=hint)]
        if self.scale is not None and self.u_scale is not None:
            found.append(Measure("ept_phase_scale", self.factor(SURE), hint=hint))
        return found

    def factor(self, sure: float = 0.0) -> float:
        """max(s, 1/s), nearer to 1 by some standard uncertainties of s^2 (not below 1)."""
        assert self.scale is not None
        assert self.u_scale is not None
        low, high = self.scale - sure * self.u_scale, self.scale + sure * self.u_scale
        nearest = min(max(1.0, low), max(high, 1e-6))
        return math.sqrt(max(nearest, 1 / nearest))


@dataclass(frozen=True, eq=False)
class Plausibility:
    """What a B1+ map says about itself, looked at when it is first asked.

    Parameters
    ----------
    b1 : B1Map
        The map. Several transmit channels are not looked at: their common phase is unknown.
    """

    b1: B1Map

    def measures(self) -> list[Measure]:
        """Sign, scale and range, with the likely cause as hint; none where the map is too small to tell."""
        return [] if self.typical is None else self.typical.measures(self.cause)

    @cached_property
    def typical(self) -> Typical | None:
        """Medians over the map as it is."""
        return None if self._samples is None else self._samples.typical(1.0)

    @cached_property
    def cause(self) -> str:
        """What would make an implausible map plausible; empty for a plausible one, and when nothing does."""
        if self.typical is None or self._samples is None or judge(self.typical.measures()).state == VALID:
            return ""
        fitting = []
        for factor, words in _slips(self.b1):
            read = self._samples.typical(factor)
            if judge(read.measures()).state == VALID:
                fitting.append((0.0 if read.scale is None else read.factor(), words))
        if self._swapped is not None and judge(self._swapped.measures()).state == VALID:
            fitting.append((1.0, "magnitude and phase look swapped"))
        return min(fitting, key=lambda one: one[0])[1] if fitting else ""

    @cached_property
    def _samples(self) -> _Samples | None:
        return _Samples.of(self.b1) if self.b1.phase is not None and self.b1.channels == 1 else None

    @property
    def _swapped(self) -> Typical | None:
        """The same with magnitude and phase exchanged, where that is possible."""
        b1 = self.b1
        if b1.magnitude is None or b1.phase is None or np.any(b1.phase[b1.mask] < 0):
            return None
        names = {"u_magnitude": None, "u_phase": None}
        samples = _Samples.of(replace(b1, magnitude=b1.phase, phase=b1.magnitude, **names))  # type: ignore[arg-type]
        return None if samples is None else samples.typical(1.0)


_LOOKED_AT: weakref.WeakKeyDictionary[B1Map, Plausibility] = weakref.WeakKeyDictionary()


def plausibility(b1: B1Map) -> Plausibility:
    """What a map says about itself; all methods that reconstruct the same map share one answer."""
    held = _LOOKED_AT.get(b1)
    if held is None:
        held = _LOOKED_AT[b1] = Plausibility(b1)
    return held


def _slips(b1: B1Map) -> Iterator[tuple[float, str]]:
    """Factors that would put the phase right, with what to say."""
    units = ((1.0, ""), (math.pi / 180, "degrees: phase_unit='deg'"), (math.pi, "units of pi: phase_unit='pi'"))
    other = (2.0, "the transmit phase: phase_kind='transmit'")
    if b1.phase_kind == "transmit":
        other = (0.5, "a transceive phase: phase_kind='transceive'")
    for factor, words in (*units, (2 * math.pi, "turns: phase_unit='turns'"), other):
        if words:
            yield factor, f"the phase looks like {words}"
        conjugate = "the sign of the phase is probably that of the other convention: phase_sign=-1"
        yield -factor, f"{conjugate}, and it looks like {words}" if words else conjugate


@dataclass(frozen=True, eq=False)
class _Samples:
    """Terms of the two equations in every usable voxel, with the regions and blocks they lie in."""

    magnitude_term: np.ndarray | None
    slope: np.ndarray
    slope_variance: np.ndarray
    phase_term: np.ndarray
    weight: np.ndarray
    region: np.ndarray
    block: np.ndarray
    reach_m: float
    frequency_Hz: float

    @classmethod
    def of(cls, b1: B1Map) -> _Samples | None:
        """None when there are too few voxels with wide fits."""
        assert b1.mask is not None
        part = _middle(b1.mask)
        regions, shape = b1.regions[part], b1.mask[part].shape
        radius = tuple(
            min(int(np.clip(round(REACH_M / h), 2, 6)), max(1, (n - 1) // 4))
            for h, n in zip(b1.grid.spacing_m, shape, strict=True)
        )
        radius = radii_within(radius, shape)
        if radius.count(0) > 1:
            return None
        kernel = SavitzkyGolay("cuboid", radius, 2, b1.grid.spacing_m)
        images = [b1.transmit_phase[part]]
        if b1.magnitude is not None:
            images.append(b1.magnitude[part] / np.median(b1.magnitude[part][b1.mask[part]]))
        stack = np.stack([np.where(b1.mask[part], image, 0.0) for image in images])
        be = backend.get("cpu")
        fit = masked_fit(be, kernel, (0, 1, 2, 3, 4), stack, regions)
        full = fit.count > FULL * len(kernel.offsets)
        good = full & np.isfinite(fit.value).all(axis=(0, 1)) & (fit.value[-1, 0] > 0 if len(images) > 1 else True)
        if not good.any():
            return None
        _, block = np.unique(np.argwhere(good) // (2 * np.array(radius) + 1), axis=0, return_inverse=True)
        if block.max() + 1 < LEAST_BLOCKS:
            return None
        # Variances of the gradient: the gain of the fit times the scatter of the data around it.
        scatter = [
            float(np.median((fit.residual[i] / fit.freedom)[good])) for i in ((0, 2) if len(images) > 1 else (0,))
        ]
        gain = fit.gain[0][:, good]
        spread = gain[[5, 9, 12]] * scatter[0]
        phase = fit.value[0][:, good]
        gradient = phase[1:4]
        magnitude_term, phase_term, weight = None, phase[4], np.ones(phase.shape[1])
        if len(images) > 1:
            size = fit.value[1][:, good]
            magnitude_term = -size[4] / size[0]
            phase_term = phase[4] + 2 * (size[1:4] * gradient).sum(axis=0) / size[0]
            variance = gain[14] * scatter[1] / size[0] ** 2
            weight = 1 / (variance + 0.01 * np.median(variance) + np.finfo(float).tiny)
        return cls(
            magnitude_term,
            (gradient**2 - spread).sum(axis=0),
            (4 * gradient**2 * spread - 2 * spread**2).sum(axis=0),
            phase_term,
            weight / weight.max(),
            np.unique(regions[good], return_inverse=True)[1].ravel(),
            block.ravel(),
            max(r * h for r, h in zip(radius, b1.grid.spacing_m, strict=True)),
            b1.frequency_Hz,
        )

    def typical(self, factor: float) -> Typical:
        """Medians and scale when the phase is multiplied by a factor."""
        w = 2 * math.pi * self.frequency_Hz
        sigma, u_sigma = self._median(factor * self.phase_term / (w * MU_0))
        if self.magnitude_term is None:
            return Typical(sigma, u_sigma, None, None, None, None, self.frequency_Hz)
        curvature = self.magnitude_term + factor**2 * self.slope
        eps, u_eps = self._median(curvature / (w * w * MU_0 * EPS_0))
        scale, u_scale, spread = self._scale
        size = float(np.median(np.abs(curvature)))
        off = max(CURVATURE_ERROR, CURVATURE_ERROR_OF_WINDOW * size * self.reach_m**2)
        u_scale = math.hypot(u_scale, off * size / spread)
        return Typical(sigma, u_sigma, eps, u_eps, scale / factor**2, u_scale / factor**2, self.frequency_Hz)

    def _median(self, values: np.ndarray) -> tuple[float, float]:
        """Median and its uncertainty from the signs of the deviations, summed over blocks."""
        middle = float(np.median(values))
        score = np.bincount(self.block, np.sign(values - middle))
        width = 1.4826 * float(np.median(np.abs(values - middle)))
        return middle, float(np.sqrt((score**2).sum())) * width * math.sqrt(math.pi / 2) / len(values)

    @cached_property
    def _scale(self) -> tuple[float, float, float]:
        """s^2, its uncertainty, SD of the slope: a robust line with one offset per region, noise in both variables."""
        y, x, noise, weight = self.magnitude_term, self.slope, self.slope_variance, self.weight
        assert y is not None
        for _ in range(15):
            total = np.bincount(self.region, weight)
            dy, dx = (v - (np.bincount(self.region, weight * v) / total)[self.region] for v in (y, x))
            plain = float((weight * dx**2).sum())
            # The spread of the abscissa that noise does not explain, but never less than a twentieth of it.
            spread = max(float((weight * (dx**2 - noise)).sum()), 0.05 * plain, np.finfo(float).tiny)
            slope = float((weight * dx * dy).sum()) / spread
            rest = dy - slope * dx
            width = 1.5 * 1.4826 * float(np.median(np.abs(rest))) + np.finfo(float).tiny
            weight = self.weight / np.maximum(1.0, np.abs(rest) / width)
        score = np.bincount(self.block, weight * (dx * rest + slope * noise))
        return -slope, float(np.sqrt((score**2).sum())) / spread, math.sqrt(spread / float(weight.sum()))


def _middle(mask: np.ndarray) -> Any:
    """The box around the mask, cut to the slices around the middle that hold no more than MOST_VOXELS voxels."""
    box = [slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask)]
    counts = np.count_nonzero(mask[tuple(box)], axis=(0, 1))
    low, high = 0, len(counts)
    while high - low > 5 and counts[low:high].sum() > MOST_VOXELS:
        low, high = low + 1, high - 1
    box[2] = slice(box[2].start + low, box[2].start + high)
    return tuple(box)
