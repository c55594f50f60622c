"""Uncertainty of sums over voxels: the adjoint of the filter tells how much each voxel of data weighs in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.ept.local import fits, formulas
from emdose.ept.local.noise import Noise, known_noise
from emdose.ept.local.options import HelmholtzOptions
from emdose.ept.local.savitzky_golay import SavitzkyGolay, apply, contract, factor, monomials, pairs, radii
from emdose.ept.local.window_fit import window_fit
from emdose.ept.maps.b1map import B1Map
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class FitPropagation:
    """Noise propagation of a Helmholtz reconstruction.

    With the filters w_v of all voxels, q_v responds to the data d as sum_k r_v w_v(k) d(v + k). The sum with weights
    W_v then responds to d(u) as h(u) = sum_v W_v r_v w_v(u - v), and its covariance is the sum over u of h(u)^2 times
    the noise there: no assumption on how neighbours are correlated enters.

    Parameters
    ----------
    method : HelmholtzOptions
        The settings.
    b1 : B1Map
        The data.
    estimated : Noise, optional
        Noise from residuals; None when the map tells the noise.
    """

    method: HelmholtzOptions
    b1: B1Map
    estimated: Noise | None

    def sum_covariance(self, weights: np.ndarray) -> np.ndarray:
        """Covariance (2, 2) of sum_v weights_v (sigma_v, eps_v)."""
        if not np.any(weights):
            return np.zeros((2, 2))
        _, h, noise = self.adjoint(weights)
        return covariance(h, noise, self.b1.frequency_Hz)

    def adjoint(self, weights: np.ndarray) -> tuple[tuple[slice, ...], list[np.ndarray], Noise]:
        """How sum_v weights_v q_v responds to the data.

        Returns
        -------
        tuple of slice
            The part of the image that it feels.
        list of (...) complex ndarray
            h there, for each channel of the data (one for complex data).
        Noise
            The noise there.
        """
        be = backend.get("cpu")
        box, b1, cut, noise = self._crop(be, np.asarray(weights, float))
        return box, self._adjoint(be, b1, cut), noise

    def _crop(self, be: Backend, weights: np.ndarray) -> tuple[tuple[slice, ...], B1Map, np.ndarray, Noise]:
        """The part of the data that the sum can feel."""
        place = np.nonzero(weights)
        low = [max(int(p.min()) - r, 0) for p, r in zip(place, radii(self.method.radius), strict=True)]
        high = [
            min(int(p.max()) + r + 1, n)
            for p, r, n in zip(place, radii(self.method.radius), weights.shape, strict=True)
        ]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        part: dict[str, Any] = {"grid": self.b1.grid.crop(tuple(low), tuple(high))}  # type: ignore[arg-type]
        for name in ("magnitude", "mask", "labels", "reference", "u_magnitude", "u_phase"):
            value = getattr(self.b1, name)
            part[name] = value[box] if isinstance(value, np.ndarray) else value
        if self.b1.phase is not None:
            part |= {"phase": self.b1.transmit_phase[box], "phase_kind": "transmit"}
            if self.b1.u_phase is not None:
                part["u_phase"] = np.asarray(part["u_phase"]) * self.b1.phase_factor
        b1 = replace(self.b1, **part)
        noise = self.estimated
        if noise is None:
            noise = known_noise(be, b1, self.method.method)
            assert noise is not None
        else:
            noise = replace(noise, maps=noise.maps[:, box[0], box[1], box[2]])
        return box, b1, weights[box], noise

    def _adjoint(self, be: Backend, b1: B1Map, weights: np.ndarray) -> list[np.ndarray]:
        """h per channel of the data (one for complex data), complex (nx, ny, nz)."""
        m = self.method
        images, rows = fits.images_of(be, b1, m), fits.rows_of(b1, m)
        wanted = weights != 0
        kernels = [m.savitzky_golay(b1.grid.spacing_m)]
        if m.support == "tissue" and m.degree > 2:
            kernels.append(SavitzkyGolay(m.kernel, kernels[0].radius, 2, b1.grid.spacing_m))
        total: list[Any] = []
        for kernel in kernels:
            if m.support == "window":
                fit = window_fit(be, kernel, rows, images, np.asarray(b1.mask, np.uint8))
            else:
                fit = fits.fit_tissue(be, kernel, b1, rows, images, None, m.contrast, wanted=wanted, keep=True)
            here = wanted & (fit.count > 0)
            wanted = wanted & ~here
            with np.errstate(all="ignore"):
                value = {(c, f): fit.value[c, n] for c in range(len(fit.value)) for n, f in enumerate(rows)}
                quotient = fits.evaluate(m.method, value)
            channels = 1 if m.method == "complex" else len(images)
            for c in range(channels):
                pulls = [np.where(here, weights * np.nan_to_num(quotient.response.get((c, f), 0j)), 0) for f in rows]
                h = self._spread_back(be, kernel, b1, rows, np.stack(pulls), fit.solution)
                if len(total) <= c:
                    total.append(h)
                else:
                    total[c] = total[c] + h
        return total

    def _spread_back(
        self, be: Backend, kernel: SavitzkyGolay, b1: B1Map, rows: tuple[int, ...], pulls: np.ndarray, solution: Any
    ) -> np.ndarray:
        if self.method.support == "window":
            flipped = kernel.dense(kernel.weights[list(rows)])[:, ::-1, ::-1, ::-1]
            out: Any = 0.0
            for n, pull in enumerate(pulls):
                filters = factor(np.ascontiguousarray(flipped[n : n + 1]))
                out = out + _complex(lambda part, f=filters: apply(be, part, f)[0], pull)
            return np.asarray(out)
        coefficients = np.einsum("rxyz,rbxyz->bxyz", pulls, solution)
        if self.method.kernel == "cuboid" and not self.method.contrast and 0 not in kernel.radius:
            return _scatter_moments(be, kernel, b1.regions, coefficients)
        return _scatter_neighbours(kernel, b1, self.method.contrast, coefficients)


def covariance(h: list[np.ndarray], noise: Noise, frequency_Hz: float) -> np.ndarray:
    """Covariance (2, 2) of (sigma, eps) from the response of q to the data and the noise of the data."""
    power, pseudo = 0.0, 0j
    for one, (variance, square) in zip(h, _channels(noise), strict=True):
        power += float((np.abs(one) ** 2 * variance).sum())
        pseudo += complex((one * one * square).sum())
    to_re, to_im = formulas.scales(frequency_Hz)
    vr, vi, cross = 0.5 * (power + pseudo.real), 0.5 * (power - pseudo.real), 0.5 * pseudo.imag
    return np.array([[to_im**2 * vi, to_re * to_im * cross], [to_re * to_im * cross, to_re**2 * vr]])


def _channels(noise: Noise) -> list[tuple[Any, Any]]:
    if noise.is_complex:
        return [(noise.maps[0], noise.maps[1] + 1j * noise.maps[2])]
    return [(one, one) for one in noise.maps]


def _complex(function: Any, values: np.ndarray) -> np.ndarray:
    return function(np.ascontiguousarray(values.real)) + 1j * function(np.ascontiguousarray(values.imag))


def _scatter_moments(be: Backend, kernel: SavitzkyGolay, regions: np.ndarray, c: np.ndarray) -> np.ndarray:
    """h(u) = sum_v sum_i c_i(v) phi_i(u - v) over voxels v with the label of u, axis by axis."""
    d = kernel.degree
    taps = [(-np.arange(-n, n + 1) / n)[None] ** np.arange(d + 1)[:, None] for n in kernel.radius]
    start = {pair: n for n, pair in enumerate(pairs(d))}
    first = {(int(a), int(b)): n for n, (a, b, c) in enumerate(monomials(d)) if c == 0}

    def back(images: np.ndarray) -> np.ndarray:
        along_z = np.concatenate(
            [
                contract(be, images[first[a, b] : first[a, b] + d - a - b + 1], taps[2][None, : d - a - b + 1], 2)
                for a, b in pairs(d)
            ]
        )
        along_y = np.concatenate(
            [
                contract(be, along_z[start[a, 0] : start[a, 0] + d - a + 1], taps[1][None, : d - a + 1], 1)
                for a in range(d + 1)
            ]
        )
        return np.asarray(contract(be, along_y, taps[0][None], 0)[0])

    out = np.zeros(regions.shape, complex)
    for label in np.unique(regions[regions > 0]):
        inside = regions == label
        part = np.where(inside, c, 0)
        if part.any():
            out += np.where(inside, _complex(back, part), 0)
    return out


def _scatter_neighbours(kernel: SavitzkyGolay, b1: B1Map, contrast: float, c: np.ndarray) -> np.ndarray:
    regions, shape = b1.regions, np.array(b1.grid.shape)
    here = np.argwhere(np.any(c != 0, axis=0))
    centre = tuple(here.T)
    coefficients = c[:, centre[0], centre[1], centre[2]]
    out = np.zeros(b1.grid.shape, complex)
    reference = None if not contrast else np.nan_to_num(np.asarray(b1.reference, float))
    for step, powers in zip(kernel.offsets, kernel.design, strict=True):
        there = here + step
        inside = np.all((there >= 0) & (there < shape), axis=1)
        far = tuple(np.where(inside[:, None], there, 0).T)
        w = (inside & (regions[far] == regions[centre])).astype(float)
        if reference is not None:
            near, other = reference[centre], reference[far]
            with np.errstate(all="ignore"):
                soft = np.exp(-(((other - near) / (np.minimum(other, near) * contrast)) ** 2))
            w *= np.where(other == near, 1.0, np.where((near > 0) & (other > 0), soft, 0.0))
        # One offset moves every centre to a different voxel, so nothing is added twice to the same place.
        kept = w > 0
        out[far[0][kept], far[1][kept], far[2][kept]] += (w * (powers @ coefficients))[kept]
    return out
