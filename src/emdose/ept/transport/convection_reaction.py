"""Convection-reaction EPT: valid across boundaries of tissue, from one transmit channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.constants import EPS_0, MU_0
from emdose.ept.judging.second_look import SecondLooks
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.noise import variance_of
from emdose.ept.local.plausibility import plausibility
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii, radii_within
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.ept.transport import artificial_diffusion, looks
from emdose.ept.transport.boundary import rim_values
from emdose.ept.transport.log_inversion import FLOOR, Equation, Inversion, choose_smoothing, invert
from emdose.ept.transport.options import ConvectionReactionOptions
from emdose.errors import InputError
from emdose.solvers.running import Iteration, ProgressCallback
from emdose.values import read_only

LOW_CONVECTION = 0.1
"""Voxels are flagged where abs(v) is below this times abs(B) abs(k), with the wave number k of a typical medium."""

UNDERSMOOTHING = 4.0
"""The smoothing of the discrepancy principle is divided by this where it reaches over boundaries that are not known."""


@read_only
@dataclass(frozen=True)
class ConvectionReaction(ConvectionReactionOptions):
    """Convection-reaction EPT as regularised least squares.

    Maxwell's equations for B1+ with a negligible gradient of Bz are div(gamma v) = -w^2 mu0 B1+, gamma = 1/eps_c and
    v = (dx - j dy) B1+ (1, j, 0) + dz B1+ (0, 0, 1). By the product rule, and divided by gamma = exp(-k),

        laplacian(B1+) + w^2 mu0 exp(k) B1+ - v . grad(k) = 0,        k = ln eps_c.

    The phase-only form, for abs(B1+) that varies little, is with the transmit phase phi

        laplacian(phi) - w mu0 sigma - grad(phi) . grad(ln sigma) = 0.

    B1+ and its derivatives come from fits inside the mask; the equations of all voxels are solved together, with the
    differences of k between neighbours as penalty. Where v vanishes the equation is Helmholtz's: there is no zero on
    the diagonal, and no value at the rim is needed.

    Parameters
    ----------
    form : {"auto", "complex", "phase"}
        "auto" takes "complex" when there is a magnitude.
    volume : bool
        False: every slice by itself (k does not vary along z). True: the whole volume.
    slices : sequence of int, optional
        Slices to reconstruct when ``volume`` is False; by default all with a mask.
    kernel, radius, degree :
        Window of the local fits, see :class:`~emdose.ept.local.savitzky_golay.SavitzkyGolay`.
    smoothing : float, optional
        Weight of the penalty against the relative residual. By default the discrepancy principle chooses it from the
        noise of the input: the largest at which the residual is ``noise_share`` of what the noise alone leaves. Where
        the boundaries of tissue are not known that pulls neighbouring tissues together by more than the scatter of the
        result; a fourth of it is taken then. At least 0.3. When the noise is not known it is estimated from the
        residual of the local fits.
    noise_share : float
        See ``smoothing``; below 1 because a part of the noise is smooth and goes into k.
    edge : float
        Relative jump of the properties between neighbours from which a boundary is kept rather than smoothed; 0 smooths
        everything alike.
    within_labels : bool
        Fit and smooth inside each label of the segmentation only, when the map has one.
    boundary : (float or array, float or array), optional
        Conductivity [S/m] and relative permittivity at the rim of the mask, as numbers or (nx, ny, nz) maps; with
        "phase" the second is not used and may be None.
    diffusion : float, optional
        Use the method of artificial diffusion instead, with this coefficient in the unit of B1+ ("complex") or in
        radians of the transceive phase ("phase"); needs ``boundary``. It is there for comparison with EPTlib, see
        :mod:`emdose.ept.transport.artificial_diffusion`.

    Notes
    -----
    Source: F. S. Hafalir et al., IEEE Trans. Med. Imaging 33 (2014) 777-793; phase form: N. Gurler and Y. Z. Ider,
    Magn. Reson. Med. 77 (2017) 137-150. The logarithm keeps the noise additive.

    Raises
    ------
    InputError
        For settings out of range.
    """

    def reconstruct(self, b1: B1Map, device: str = "auto", progress: ProgressCallback | None = None) -> PropertyMap:
        """Conductivity and permittivity (conductivity alone with "phase").

        Parameters
        ----------
        b1 : B1Map
            Phase, and magnitude for the complex form; one channel.
        device : {"auto", "cpu", "cuda"}
            Where the local fits and the volume are computed; slices are factored on the CPU.
        progress : callable, optional
            Called with a :class:`~emdose.solvers.running.Iteration` for every slice ("slices"), or for every
            Gauss-Newton step, whose residual is the change of k ("volume").

        Returns
        -------
        PropertyMap
            ``settings`` holds "residual" (relative, root mean square), "noise" (what the noise alone would leave),
            "smoothing", "steps"; voxels where convection nearly vanishes carry ``Flag.LOW_CONVECTION``. The phase form
            estimates the bias of the neglected gradient of abs(B1+) when the magnitude is there.

        Raises
        ------
        InputError
            When the phase is missing, for several channels, or when the mask leaves no voxel to reconstruct.
        """
        radius = radii_within(self.radius, b1.grid.shape)
        if radius != radii(self.radius):  # a single slice: fits in its plane
            return replace(self, radius=radius).reconstruct(b1, device, progress)
        form = self._form(b1)
        if self.diffusion is not None:
            kernel = SavitzkyGolay(self.kernel, radii(self.radius), self.degree, b1.grid.spacing_m)
            found = artificial_diffusion.reconstruct(b1, self, form, kernel)
            return replace(found, bias_estimate=self.second_looks(b1, found, device))
        be = backend.get(device)
        terms = self._terms(be, b1, form)
        rim = rim_values(b1, form, self.boundary, terms.usable)
        k, about = self._solve(be, terms, rim, progress)
        bias = None
        if terms.neglected is not None:
            # What the neglected term does: the same solution with and without it.
            full = replace(terms, source=terms.source + terms.neglected, neglected=None)
            again = replace(self, smoothing=about["smoothing"])
            bias = np.exp(k) - np.exp(again._solve(be, full, rim, progress)[0])
        found = self._map(b1, form, terms, k, about, bias)
        return replace(found, bias_estimate=self.second_looks(b1, found, device))

    def nearby(self, b1: B1Map, found: PropertyMap, device: str = "auto", steps: int = 3) -> PropertyMap:
        """The reconstruction of data that differ from those of ``found`` by no more than their noise.

        Its smoothing is kept, and a few Gauss-Newton steps are taken from its values, for the draws of ``monte_carlo``.

        Parameters
        ----------
        b1 : B1Map
            The data.
        found : PropertyMap
            What this method has made of nearly the same data.
        device : {"auto", "cpu", "cuda"}
            Where to compute.
        steps : int
            Most steps.

        Raises
        ------
        InputError
            As :meth:`reconstruct`, and for the method of artificial diffusion, which is linear and has no steps.
        """
        if self.diffusion is not None:
            raise InputError("artificial diffusion takes no steps", field="diffusion", found=self.diffusion)
        smoothing = float(found.settings["smoothing"])  # type: ignore[arg-type]
        here = replace(self, smoothing=smoothing, radius=radii_within(self.radius, b1.grid.shape))
        be, form = backend.get(device), self._form(b1)
        terms = here._terms(be, b1, form)
        value: Any = found.conductivity
        if form == "complex":
            value = np.asarray(found.permittivity) * EPS_0 - 1j * value / b1.angular_frequency
        with np.errstate(invalid="ignore", divide="ignore"):
            start = np.where(np.isfinite(np.log(value)), np.log(value), terms.level)
        k, about = here._solve(be, terms, rim_values(b1, form, self.boundary, terms.usable), None, (start, steps))
        about["failed"] = np.zeros(b1.grid.shape, bool)  # few steps are not meant to settle
        return here._map(b1, form, terms, k, about, None)

    def second_looks(self, b1: B1Map, found: PropertyMap, device: str = "auto") -> SecondLooks:
        """Bias of means over regions of ``found``, estimated when it is asked for."""
        return looks.of_convection_reaction(self, b1, found, device, UNDERSMOOTHING)

    def _terms(self, be: Backend, b1: B1Map, form: str) -> _Terms:
        kernel = SavitzkyGolay(self.kernel, radii(self.radius), self.degree, b1.grid.spacing_m)
        terms = _Terms.of(be, b1, form, kernel, self.within_labels)
        if not terms.usable.any():
            raise InputError(
                "no voxel has enough neighbours inside the mask",
                field="radius",
                found=self.radius,
                expected="a thicker mask or another window",
            )
        return terms

    def _solve(
        self,
        be: Backend,
        terms: _Terms,
        rim: np.ndarray | None,
        progress: ProgressCallback | None,
        near: tuple[np.ndarray, int] | None = None,
    ) -> Any:
        """k, and how it was found; from values that nearly solve the equations in few steps, where these are given."""
        return (self._volume if self.volume else self._slices)(be, terms, rim, progress, near)

    def _form(self, b1: B1Map) -> str:
        if b1.channels > 1:
            raise InputError(
                "several transmit channels",
                file=b1.source,
                found=b1.channels,
                expected="one: choose it with channel(), or use Gradient",
            )
        if b1.phase is None:
            raise InputError("no phase", file=b1.source, field="phase", expected="a phase map for this method")
        form = ("phase" if b1.magnitude is None else "complex") if self.form == "auto" else self.form
        if form == "complex" and b1.magnitude is None:
            raise InputError("no magnitude", file=b1.source, field="magnitude", expected="one, or form='phase'")
        return form

    def _pick(self, usable: np.ndarray) -> list[int]:
        there = np.flatnonzero(usable.any(axis=(0, 1)))
        if self.slices is None:
            return [int(s) for s in there]
        wrong = [s for s in self.slices if s not in there]
        if wrong:
            raise InputError(
                "slice without voxels to reconstruct",
                field="slices",
                found=wrong[0],
                expected=f"{there[0]} to {there[-1]}",
            )
        return [int(s) for s in self.slices]

    def _slices(
        self, be: Backend, terms: _Terms, rim: np.ndarray | None, progress: ProgressCallback | None, near: Any
    ) -> Any:
        picked = self._pick(terms.usable)
        equations = {s: terms.equation(np.s_[:, :, s], None if rim is None else rim[:, :, s]) for s in picked}
        largest = max(picked, key=lambda s: np.count_nonzero(terms.usable[:, :, s]))
        smoothing, first = self._smoothing(be, equations[largest], terms.noise, terms.kept_apart)
        k = np.full(terms.usable.shape, np.nan, terms.start.dtype)
        restless = np.zeros(k.shape, bool)
        found: dict[int, Inversion] = {}
        for n, s in enumerate(picked):
            begin = None if first is None else np.where(equations[largest].regions > 0, first.k, terms.level)
            begin, steps = (begin, None) if near is None else (near[0][:, :, s], near[1])
            found[s] = invert(be, equations[s], smoothing, edge=self.edge, start=begin, steps=steps)
            inside = equations[s].regions > 0
            k[:, :, s][inside] = found[s].k[inside]
            restless[:, :, s] = inside if not found[s].converged else found[s].restless
            if progress is not None:
                progress(Iteration(stage="slices", step=n + 1, steps=len(picked), residual=found[s].residual))
        return k, _about(smoothing, list(found.values()), restless)

    def _volume(
        self, be: Backend, terms: _Terms, rim: np.ndarray | None, progress: ProgressCallback | None, near: Any
    ) -> Any:
        counts = np.count_nonzero(terms.usable, axis=(0, 1))
        best = int(counts.argmax())
        slice_ = terms.equation(np.s_[:, :, best], None if rim is None else rim[:, :, best])
        smoothing, _ = self._smoothing(be, slice_, terms.noise, terms.kept_apart)

        def tell(step: int, change: float) -> None:
            if progress is not None:
                progress(Iteration(stage="volume", step=step, residual=change))

        box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(terms.usable))
        equation = terms.equation(box, None if rim is None else rim[box], be)
        begin, steps = (None, None) if near is None else (be.asarray(near[0][box]), near[1])
        found = invert(be, equation, smoothing, edge=self.edge, start=begin, steps=steps, callback=tell)
        k = np.full(terms.usable.shape, np.nan, terms.start.dtype)
        k[box] = np.where(terms.usable[box], be.to_numpy(found.k), np.nan)
        restless = np.zeros(k.shape, bool)
        restless[box] = be.to_numpy(found.restless) if found.converged else terms.usable[box]
        return k, _about(smoothing, [found], restless)

    def _smoothing(
        self, be: Backend, equation: Equation, noise: float, kept_apart: bool
    ) -> tuple[float, Inversion | None]:
        if self.smoothing is not None:
            return self.smoothing, None
        found, first = choose_smoothing(be, equation, self.noise_share * noise, self.edge)
        return found if kept_apart else max(found / UNDERSMOOTHING, FLOOR), first

    def _map(
        self, b1: B1Map, form: str, terms: _Terms, k: np.ndarray, about: dict[str, Any], bias: np.ndarray | None
    ) -> PropertyMap:
        assert b1.mask is not None
        failed = about.pop("failed")
        there = np.isfinite(k)
        value = np.where(there, np.exp(k), complex(np.nan, np.nan) if form == "complex" else np.nan)
        flags = np.zeros(b1.grid.shape, np.uint8)
        flags[~b1.mask] |= np.uint8(Flag.OUTSIDE)
        flags[b1.mask & ~there] |= np.uint8(Flag.NO_FIT)
        flags[terms.calm & there] |= np.uint8(Flag.LOW_CONVECTION)
        if form == "complex":
            sigma, permittivity = -value.imag * b1.angular_frequency, value.real / EPS_0
            with np.errstate(invalid="ignore"):
                flags[there & ((sigma < 0) | (permittivity < 1))] |= np.uint8(Flag.UNPHYSICAL)
        else:
            sigma, permittivity = value, None
        flags[failed & there] |= np.uint8(Flag.FAILED)
        for values in (sigma, permittivity, bias):
            if values is not None:
                values[failed] = np.nan
        settings = {n: v for n, v in asdict(self).items() if n != "boundary"}
        return PropertyMap(
            grid=b1.grid,
            frequency_Hz=b1.frequency_Hz,
            conductivity=sigma,
            permittivity=permittivity,
            flags=flags,
            bias_conductivity=bias,
            method="convection-reaction",
            settings={**settings, "form": form, "noise": terms.noise, "noise_source": terms.noise_source, **about},
            data=plausibility(b1),
            affine=b1.affine,
            axis_codes=b1.axis_codes,
        )


def _about(smoothing: float, found: list[Inversion], failed: np.ndarray) -> dict[str, Any]:
    return {
        "smoothing": smoothing,
        "residual": float(np.sqrt(np.mean([f.residual**2 for f in found]))),
        "steps": max(f.steps for f in found),
        "linear_residual": max(f.linear_residual for f in found),
        "failed": failed,
    }


@dataclass(frozen=True, eq=False)
class _Terms:
    """The terms of the equation per voxel, on the host, in relative units."""

    reaction: np.ndarray
    source: np.ndarray
    velocity: tuple[np.ndarray, ...]
    regions: np.ndarray
    spacing_m: tuple[float, float, float]
    level: complex | float
    noise: float
    noise_source: str
    kept_apart: bool
    calm: np.ndarray
    neglected: np.ndarray | None

    @property
    def usable(self) -> np.ndarray:
        return self.regions > 0

    @property
    def start(self) -> np.ndarray:
        return np.full(self.regions.shape, self.level)

    def equation(self, part: Any, rim: np.ndarray | None, be: Backend | None = None) -> Equation:
        """The equations of a part of the grid: a slice (two axes) or a box, on the device when given."""
        regions = self.regions[part]
        axes = range(regions.ndim)
        arrays = [self.reaction[part], self.source[part], *(self.velocity[a][part] for a in axes), self.start[part]]
        if be is not None:
            regions, rim = be.asarray(regions), None if rim is None else be.asarray(rim)
            arrays = [be.asarray(a) for a in arrays]
        return Equation(arrays[0], arrays[1], arrays[2:-1], regions, self.spacing_m[: len(axes)], arrays[-1], rim)

    @classmethod
    def of(cls, be: Backend, b1: B1Map, form: str, kernel: SavitzkyGolay, within_labels: bool) -> _Terms:
        assert b1.mask is not None
        regions = b1.regions if within_labels else b1.mask.astype(np.int32)
        w, phase = b1.angular_frequency, b1.transmit_phase
        if form == "complex":
            assert b1.magnitude is not None
            field = np.where(b1.mask, b1.magnitude * np.exp(1j * phase), 0)
            images = np.stack([field.real, field.imag])
        else:
            images = phase[None]
        variance = variance_of(b1, form)
        fit = masked_fit(
            be,
            kernel,
            (0, 1, 2, 3, 4),
            be.asarray(images),
            regions,
            noise=None if variance is None else be.asarray(variance[None]),
        )
        rows = be.to_numpy(fit.value)
        value, dx, dy, dz, laplacian = rows[0] + 1j * rows[1] if form == "complex" else rows[0]
        usable = np.isfinite(laplacian) & (be.to_numpy(fit.count) > 0)
        gain = be.to_numpy(fit.gain)[0, -1]  # of the Laplacian with itself
        if variance is None:
            residual = be.to_numpy(fit.residual)
            spread = (residual[0] + residual[2] if form == "complex" else residual[0]) / be.to_numpy(fit.freedom)
            gain = gain * float(np.median(spread[usable])) if usable.any() else gain
        if form == "complex":
            slope = dx - 1j * dy
            velocity, reaction = (slope, 1j * slope, dz), w**2 * MU_0 * value
        else:
            velocity, reaction = (dx, dy, dz), np.full(value.shape, -w * MU_0)
        with np.errstate(invalid="ignore", divide="ignore"):
            level = _level(form, -(laplacian / reaction)[usable], w) if usable.any() else 1.0
            size = np.abs(reaction * level)
            relative = np.sqrt(np.maximum(gain, 0)) / size
            noise = float(np.median(relative[usable])) if usable.any() else 0.0
            # Weights: 1/noise where it is known voxel by voxel, in units in which a typical reaction is 1.
            weight = (noise / relative if variance is not None and noise > 0 else 1.0) / size
            convection = np.sqrt(sum(np.abs(v) ** 2 for v in velocity[:2]) / (2 if form == "complex" else 1))
            root = np.sqrt(np.abs(reaction * level))
            calm = convection < LOW_CONVECTION * (root * np.sqrt(np.abs(value)) if form == "complex" else root)
        usable &= np.isfinite(weight)
        neglected = None
        if form == "phase" and b1.magnitude is not None:
            neglected = _neglected(be, b1, kernel, regions, (dx, dy, dz))
            usable &= np.isfinite(neglected)

        def clean(array: np.ndarray) -> np.ndarray:
            return np.where(usable, array * weight, 0)

        return cls(
            clean(reaction),
            clean(laplacian),
            tuple(clean(v) for v in velocity),
            np.where(usable, regions, 0),
            b1.grid.spacing_m,
            np.log(level),
            noise,
            "given" if variance is not None else "estimated",
            within_labels and b1.labels is not None,
            calm & usable,
            None if neglected is None else clean(neglected),
        )


def _level(form: str, local: np.ndarray, w: float) -> complex | float:
    """A typical value of the unknown from the local (Helmholtz) estimates, pushed into the physical range."""
    if form == "phase":
        return max(float(np.median(local)), 0.01)
    permittivity = max(float(np.median(local.real)), EPS_0)
    conductivity = max(float(-np.median(local.imag)) * w, 0.01)
    return complex(permittivity, -conductivity / w)


def _neglected(
    be: Backend, b1: B1Map, kernel: SavitzkyGolay, regions: np.ndarray, slope: Sequence[np.ndarray]
) -> np.ndarray:
    """What the phase form leaves out beside the Laplacian: 2 grad(ln abs(B)) . grad(phi)."""
    magnitude = np.where(np.asarray(b1.mask), b1.magnitude, 0.0)  # type: ignore[arg-type]
    fit = masked_fit(be, kernel, (0, 1, 2, 3), be.asarray(magnitude[None]), regions)
    value, *steps = be.to_numpy(fit.value)[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return 2 * sum(s * g for s, g in zip(steps, slope, strict=True)) / value
