"""Fits of a Helmholtz reconstruction: which images and functionals a method needs, and q from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.ept.local import formulas
from emdose.ept.local.masked_fit import LocalFit, masked_fit
from emdose.ept.local.options import HelmholtzOptions
from emdose.ept.local.savitzky_golay import SavitzkyGolay
from emdose.ept.maps.b1map import B1Map


def both_enter(b1: B1Map, options: HelmholtzOptions) -> bool:
    """Whether magnitude and phase enter: always for some methods, for the bias in the others."""
    if options.method in ("complex", "split"):
        return True
    return options.uncertainty and b1.magnitude is not None and b1.phase is not None


def rows_of(b1: B1Map, options: HelmholtzOptions) -> tuple[int, ...]:
    """The functionals (value, gradient, Laplacian) that the method needs of every image."""
    if options.method == "complex":
        return formulas.VALUE, formulas.LAPLACIAN
    if both_enter(b1, options):
        return formulas.VALUE, *formulas.GRADIENT, formulas.LAPLACIAN
    return (formulas.LAPLACIAN,) if options.method == "phase" else (formulas.VALUE, formulas.LAPLACIAN)


def images_of(be: Backend, b1: B1Map, options: HelmholtzOptions) -> Any:
    """The images that are fitted (channel, nx, ny, nz): real and imaginary part of B1+, or magnitude [T] and phase."""
    mask = b1.mask
    assert mask is not None
    if options.method == "complex":
        return complex_image(be, b1)
    wanted = [b1.magnitude] if options.method != "phase" or both_enter(b1, options) else []
    if options.method != "magnitude" or both_enter(b1, options):
        wanted.append(b1.transmit_phase)
    return be.asarray(np.stack([np.where(mask, one, 0.0) for one in wanted]))  # type: ignore[arg-type]


def quotient_parts(found: dict[str, Any]) -> set[str]:
    """Which of the two properties are there."""
    return {"conductivity", "permittivity"} & found.keys()


def evaluate(method: str, value: dict[tuple[int, int], Any]) -> formulas.Quotient:
    """q of a method from the functionals (channel, row) of its fits."""
    both = (1, formulas.LAPLACIAN) in value
    if method == "complex":
        return formulas.complex_quotient(value)
    if method == "phase":
        return formulas.phase_quotient(value, 1 if both else 0)
    if method == "magnitude":
        return formulas.magnitude_quotient(value, both)
    return formulas.split_quotient(value)


def complex_image(be: Backend, b1: B1Map) -> Any:
    """Real and imaginary part of B1+ with the transmit phase, 0 outside the mask, (2, nx, ny, nz)."""
    images = be.xp.empty((2, *b1.grid.shape))
    phase, factor = (b1.transmit_phase, 1.0) if b1.wrapped else (b1.phase, b1.phase_factor)
    be.kernels.load(__package__, "window", real="double").launch(
        "phasor",
        b1.grid.size,
        factor,
        be.asarray(np.ascontiguousarray(b1.magnitude)),
        be.asarray(np.ascontiguousarray(phase)),
        be.asarray(np.asarray(b1.mask, np.uint8)),
        images[0],
        images[1],
    )
    return images


def complex_maps(be: Backend, fit: LocalFit, use: Any, to: tuple[float, float], noisy: bool) -> dict[str, Any]:
    """Conductivity and permittivity, with uncertainties when the gains hold noise, from fits of Re and Im of B1+."""
    xp, module = be.xp, be.kernels.load(__package__, "window", real="double")
    shape = use.shape
    names = ["permittivity", "conductivity", *(["u_permittivity", "u_conductivity", "covariance"] if noisy else [])]
    found = {name: xp.empty(shape) for name in names}
    value = xp.ascontiguousarray(fit.value)
    parts = {"lr": value[0, 1], "li": value[1, 1], "cr": value[0, 0], "ci": value[1, 0]}
    of = {"use": use.astype(xp.uint8), **parts, "to_re": to[0], "to_im": to[1]}
    module.launch("quotient", use.size, of, found["permittivity"], found["conductivity"])
    if noisy:
        spread = (found["u_permittivity"], found["u_conductivity"], found["covariance"])
        module.launch("spread", use.size, of, xp.ascontiguousarray(fit.gain), *spread)
    return found


def fit_tissue(
    be: Backend,
    kernel: SavitzkyGolay,
    b1: B1Map,
    rows: Sequence[int],
    images: Any,
    noise: Any,
    contrast: float,
    wanted: np.ndarray | None = None,
    keep: bool = False,
) -> LocalFit:
    """Masked fits inside the labels of a map, with contrast weights when asked for."""
    reference = None
    if contrast:
        reference = be.asarray(np.nan_to_num(np.asarray(b1.reference, float)))
        if noise is None:
            noise = be.xp.ones((1, *b1.grid.shape))  # gains of weighted fits need the squares of the weights
    return masked_fit(
        be,
        kernel,
        rows,
        images,
        b1.regions,
        wanted=wanted,
        noise=noise,
        reference=reference,
        contrast=contrast,
        keep=keep,
    )
