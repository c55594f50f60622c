"""Helmholtz EPT: conductivity and permittivity from local second derivatives of B1+."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.ept.judging.second_look import Alone, Another, Given, Look, SecondLooks, maps_of, widened
from emdose.ept.local import fits, formulas
from emdose.ept.local.adjoint import FitPropagation
from emdose.ept.local.masked_fit import LocalFit
from emdose.ept.local.noise import Noise, known_noise, residual_noise
from emdose.ept.local.options import HelmholtzOptions
from emdose.ept.local.plausibility import plausibility
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii, radii_within
from emdose.ept.local.window_fit import window_fit
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.ept.maps.region_mean import GRADIENT, PHASE_GRADIENT, TRUNCATION
from emdose.errors import InputError
from emdose.values import owned, read_only


@read_only
@dataclass(frozen=True)
class Helmholtz(HelmholtzOptions):
    """Helmholtz EPT with Savitzky-Golay fits.

    Assumes that conductivity and permittivity are constant within the window (of one tissue), that the longitudinal
    component of the magnetic field does not matter, and, for a transceive phase, that its half is the phase of B1+.

    Parameters
    ----------
    kernel : {"cuboid", "ellipsoid", "cross"}
        Window of the fit.
    radius : int or (int, int, int)
        Half-widths of the window in voxels.
    degree : int
        Degree of the polynomials, 2 or more; masked fits go up to 4 and fall back to 2 where 3 or 4 is not determined.
    method : {"complex", "phase", "magnitude", "split"}
        "complex": q = laplacian(B1+)/B1+. "phase": conductivity from laplacian of the phase, neglecting the gradient of
        the magnitude. "magnitude": permittivity from laplacian(abs(B1+)), neglecting the gradient of the phase.
        "split": both with the neglected terms, from separate fits of magnitude and phase.
    support : {"tissue", "window"}
        "tissue": the fit uses the voxels of the window that carry the label of the centre (or lie in the mask), and is
        valid up to every boundary. "window": the same filter everywhere; voxels whose window leaves the mask get no
        value, and tissue boundaries spoil the values beside them (flag INTERFACE).
    centre : {"fit", "voxel"}
        Denominator B1+ of the quotient: the fitted polynomial, or the noisy centre voxel as EPTlib does (only with
        support "window").
    contrast : float
        Above 0: neighbours weigh exp(-((ref - ref0) / min(ref, ref0) / contrast)^2) by the reference image, as
        EPTlib's anatomical kernel (its ``weight-param``); needs support "tissue".
    uncertainty : bool
        Propagate the noise (given with the map, else estimated from the residuals of the fits).
    dtype : {"float64", "float32"}
        Type of the maps in the result; it is computed in float64. float32 halves what leaves a GPU.

    Raises
    ------
    InputError
        For settings that do not exist or do not go together.
    """

    def reconstruct(self, b1: B1Map, device: str | Backend = "auto") -> PropertyMap:
        """Conductivity and relative permittivity of a B1+ map.

        Parameters
        ----------
        b1 : B1Map
            One transmit channel; wrapped phase is unwrapped inside the mask.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.

        Raises
        ------
        InputError
            When the map lacks what the method needs or is smaller than the kernel.
        """
        radius = radii_within(self.radius, b1.grid.shape)
        if radius != self.radius:  # a single slice: a fit in its plane
            return replace(self, radius=radius).reconstruct(b1, device)
        self._check(b1)
        be = backend.get(device)
        images, rows = fits.images_of(be, b1, self), fits.rows_of(b1, self)
        noise = known_noise(be, b1, self.method) if self.uncertainty else None
        fit, kernel, fallback = self._fit(be, b1, images, rows, noise)
        if self.uncertainty and noise is None:
            noise = residual_noise(be, fit, self.method)
            fit = noise.applied_locally(be, fit)
        return self._result(be, b1, fit, kernel, rows, noise, fallback)

    def _check(self, b1: B1Map) -> None:
        if b1.channels != 1:
            raise InputError(
                "several transmit channels",
                file=b1.source,
                found=b1.channels,
                expected="one: pick it with .channel(index), or use gradient EPT",
            )
        for name in ("magnitude", "phase"):
            if getattr(b1, name) is None and self.method in ("complex", "split", name):
                raise InputError(f"method '{self.method}' needs a {name}", file=b1.source, field=name)
        if self.contrast and b1.reference is None:
            raise InputError("contrast weights need a reference image", file=b1.source, field="reference")
        widths = tuple(2 * r + 1 for r in radii(self.radius))
        if any(w > n for w, n in zip(widths, b1.grid.shape, strict=True)):
            raise InputError(
                "kernel larger than the image",
                file=b1.source,
                field="radius",
                found=widths,
                expected=f"at most {b1.grid.shape} voxels",
            )

    def _fit(
        self, be: Backend, b1: B1Map, images: Any, rows: tuple[int, ...], noise: Noise | None
    ) -> tuple[LocalFit, SavitzkyGolay, Any]:
        kernel = self.savitzky_golay(b1.grid.spacing_m)
        maps = None if noise is None else noise.maps
        estimate = self.uncertainty and noise is None
        if self.support == "window":
            use = be.asarray(np.asarray(b1.mask, np.uint8))
            labels = None if b1.labels is None else b1.regions
            fit = window_fit(be, kernel, rows, images, use, noise=maps, residual=estimate, regions=labels)
            return fit, kernel, None
        fit = fits.fit_tissue(be, kernel, b1, rows, images, maps, self.contrast)
        if self.degree == 2 or not bool((fit.count < 0).any()):
            return fit, kernel, None
        lost = fit.count < 0
        lower = SavitzkyGolay(self.kernel, radii(self.radius), 2, b1.grid.spacing_m)
        again = fits.fit_tissue(be, lower, b1, rows, images, maps, self.contrast, wanted=be.to_numpy(lost))
        xp = be.xp
        merged = (
            xp.where(lost, b, a)
            for a, b in zip(
                (fit.value, fit.gain, fit.residual, fit.count, fit.freedom),
                (again.value, again.gain, again.residual, again.count, again.freedom),
                strict=True,
            )
        )
        return LocalFit(*merged), kernel, lost & (again.count > 0)

    def _result(
        self,
        be: Backend,
        b1: B1Map,
        fit: LocalFit,
        kernel: SavitzkyGolay,
        rows: tuple[int, ...],
        noise: Noise | None,
        fallback: Any,
    ) -> PropertyMap:
        xp, (to_re, to_im) = be.xp, formulas.scales(b1.frequency_Hz)
        mask = be.asarray(b1.mask)
        use = mask & (fit.count > 0)
        found: dict[str, Any] = {}
        if self.method == "complex":
            found = fits.complex_maps(be, fit, use, (to_re, to_im), noise is not None)
            q = found["permittivity"] / to_re + 1j * found["conductivity"] / to_im if self.uncertainty else None
            if q is not None:
                far, near = kernel.truncation
                off = far * q * q - near * q**3
                found |= {"bias_permittivity": to_re * off.real, "bias_conductivity": to_im * off.imag}
        else:
            value = {(c, f): fit.value[c, n] for c in range(len(fit.value)) for n, f in enumerate(rows)}
            with np.errstate(divide="ignore", invalid="ignore"):  # voxels without a fit
                quotient = fits.evaluate(self.method, value)
            for name, part, scale in (("permittivity", "re", to_re), ("conductivity", "im", to_im)):
                if getattr(quotient, part) is not None:
                    found[name] = xp.where(use, scale * getattr(quotient, part), xp.nan)
                if getattr(quotient, f"bias_{part}") is not None:
                    found[f"bias_{name}"] = xp.where(use, scale * getattr(quotient, f"bias_{part}"), xp.nan)
            if noise is not None:
                gains = {c: (fit.gain[c], fit.gain[c]) for c in range(len(fit.gain))}
                with np.errstate(invalid="ignore"):
                    vr, vi, cross = formulas.spread(be, quotient, rows, gains)
                parts = {
                    "u_permittivity": abs(to_re) * xp.sqrt(vr),
                    "u_conductivity": abs(to_im) * xp.sqrt(vi),
                    "covariance": to_re * to_im * cross,
                }
                keep = [
                    n for n in parts if n[2:] in found or (n == "covariance" and len(fits.quotient_parts(found)) == 2)
                ]
                found |= {n: xp.where(use, parts[n], xp.nan) for n in keep}
        flags = self._flags(be, fit, found, use, mask, kernel, fallback)
        if noise is not None and self.method == "complex":
            weak = fit.value[0, 0] ** 2 + fit.value[1, 0] ** 2 < 9 * fit.gain[0, 0]
            flags |= xp.where(use & weak, int(Flag.WEAK_SIGNAL), 0).astype(xp.uint8)
        found = {name: v.astype(self.dtype, copy=False) for name, v in found.items()}
        settings = {
            **asdict(self),
            "unwrapped": bool(b1.wrapped),
            "phase_kind": b1.phase_kind,
            "noise": "none" if noise is None else noise.origin,
        }
        maps: dict[str, Any] = {name: owned(be.to_numpy(v)) for name, v in found.items()}
        conductivity, permittivity = maps.pop("conductivity", None), maps.pop("permittivity", None)
        result = PropertyMap(
            grid=b1.grid,
            frequency_Hz=b1.frequency_Hz,
            conductivity=conductivity,
            permittivity=permittivity,
            flags=be.to_numpy(flags),
            **maps,
            propagation=None if noise is None else FitPropagation(self, b1, noise.on_host(be)),
            method=f"Helmholtz {self.method}",
            settings=settings,
            data=plausibility(b1),
            affine=b1.affine,
            axis_codes=b1.axis_codes,
        )
        return replace(result, bias_estimate=self.second_looks(b1, result, be.name))

    def second_looks(self, b1: B1Map, found: PropertyMap, device: str | Backend = "auto") -> SecondLooks:
        """Bias of means over regions: a wider window, the maps of bias, and, over unknown boundaries, the region alone.

        Parameters
        ----------
        b1 : B1Map
            The data.
        found : PropertyMap
            What :meth:`reconstruct` made of them.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute, when it is asked for.
        """
        looks: list[Look] = []
        never: list[str] = []
        radius = radii_within(self.radius, b1.grid.shape)
        wider = widened(radius, b1.grid.shape, self.degree)
        if wider is None:
            never.append(TRUNCATION)
        else:
            other = replace(self, radius=wider[0], uncertainty=False)
            looks.append(Another(TRUNCATION, maps_of(found), partial(other.reconstruct, b1, device), wider[1]))
        neglected = {"phase": GRADIENT, "magnitude": PHASE_GRADIENT}.get(self.method)
        bias = found.bias_conductivity, found.bias_permittivity
        if any(one is not None for one in bias):
            looks.append(Given(neglected or TRUNCATION, bias))
        elif neglected:
            never.append(neglected)
        if self.support == "window" or b1.labels is None:
            own = replace(self, radius=radius, support="tissue", centre="fit", uncertainty=False)
            looks.append(Alone(b1, maps_of(found), partial(_of_region, own, device)))
        return SecondLooks(looks, never)

    def _flags(
        self,
        be: Backend,
        fit: LocalFit,
        found: dict[str, Any],
        use: Any,
        mask: Any,
        kernel: SavitzkyGolay,
        fallback: Any,
    ) -> Any:
        xp = be.xp
        flags = xp.where(mask, 0, int(Flag.OUTSIDE)).astype(xp.uint8)
        flags |= xp.where(mask & ~use, int(Flag.NO_FIT), 0).astype(xp.uint8)
        if self.support == "tissue":
            edge = use & (fit.count < len(kernel.offsets) - 0.5)
        else:
            edge = use & fit.mixed if fit.mixed is not None else None
        if edge is not None:
            flags |= xp.where(edge, int(Flag.INTERFACE), 0).astype(xp.uint8)
        if fallback is not None:
            flags |= xp.where(fallback, int(Flag.FALLBACK), 0).astype(xp.uint8)
        odd = xp.zeros_like(mask)
        if "conductivity" in found:
            odd = odd | (found["conductivity"] < 0)
        if "permittivity" in found:
            odd = odd | (found["permittivity"] < 1)
        return flags | xp.where(odd & use, int(Flag.UNPHYSICAL), 0).astype(xp.uint8)


def _of_region(method: Helmholtz, device: str | Backend, part: B1Map, _slices: list[int]) -> PropertyMap:
    return method.reconstruct(part, device)
