"""What the fields say of the medium they are in: its loss tells the sense of time, its permittivity the unit of length.

Ampère's law gives curl B = mu0 (sigma + j w eps) E. Behind Faraday's law for the same numbers it gives at every point

.. math:: \\kappa = L^2 (t \\sigma + j \\omega \\varepsilon)

whatever unit and sign the magnetic field has: L metres in a unit of the coordinates, t = +1 for exp(+jwt) and -1 for
exp(-jwt). No medium of a body gains energy (sigma >= 0), and eps is that of matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.audit.differences import blocks, derivatives, usable
from emdose.constants import EPS_0, MU_0
from emdose.io.foreign.values import ForeignFields


@dataclass(frozen=True)
class Media:
    """Sums over the points that were looked at.

    Parameters
    ----------
    loss : float
        Sum of the real part of kappa over the sum of its magnitude, each point as far as its curl can be trusted:
        positive for exp(+jwt), near 0 without loss.
    permittivity : float
        Median of the imaginary part over w eps0: relative permittivity times L squared.
    conductivity_ratio : float
        Fit of the real part to the conductivity that is known; t L squared. NaN without one.
    conductivity_misfit : float
        What that fit leaves, as a share.
    points : int
        How many points.
    """

    loss: float
    permittivity: float
    conductivity_ratio: float
    conductivity_misfit: float
    points: int


def media(
    fields: ForeignFields, positions: str, E_order: str, order: str, factor: complex, conductivity: np.ndarray | None
) -> Media:
    """The medium that the fields are in.

    Parameters
    ----------
    fields : ForeignFields
        With both fields.
    positions, E_order, order : str
        How the components lie, orders of those of E and of the magnetic field.
    factor : complex
        Of Faraday's law, :class:`~emdose.audit.faraday.Candidate`.
    conductivity : (nx, ny, nz) ndarray or None
        Where it is known [S/m].
    """
    assert fields.E is not None
    assert fields.magnetic is not None
    w = 2 * math.pi * fields.frequency_Hz
    electric, stored = ([o.index(c) for c in "xyz"] for o in (E_order, order))
    values, weights, known = [], [], []
    for part in blocks(fields.shape):
        sums: list[np.ndarray] = []
        good = np.ones((len(range(*part.indices(fields.shape[0]))), fields.shape[1] - 2, fields.shape[2] - 2), bool)
        for port in range(len(fields.ports)):
            E, M = fields.E[port], fields.magnetic[port]
            good &= usable([E, M], part)
            d = derivatives(M, fields.axes, part, positions, "B")[:, stored]
            curl = np.stack([d[1, 2] - d[2, 1], d[2, 0] - d[0, 2], d[0, 1] - d[1, 0]])
            here = E[electric][:, part, 1:-1, 1:-1]
            parts = [
                np.sum(here.conj() * curl, axis=0),
                np.sum(np.abs(here) ** 2, axis=0),
                np.sum(np.abs(curl) ** 2, axis=0),
                np.sum(np.abs(d) ** 2, axis=(0, 1)),
            ]
            sums = [s + p for s, p in zip(sums, parts, strict=True)] if sums else parts
        top, bottom, whirl, size = sums
        good &= bottom > 0
        values.append(factor * top[good] / bottom[good] / MU_0)
        weights.append(np.sqrt(whirl[good] / np.where(size[good] > 0, size[good], 1)))
        if conductivity is not None:
            known.append(conductivity[part, 1:-1, 1:-1][good])
    kappa, weight = np.concatenate(values), np.concatenate(weights)
    ratio = misfit = math.nan
    if conductivity is not None:
        sigma = np.concatenate(known)
        inside = sigma > 0
        kappa, weight, sigma = kappa[inside], weight[inside], sigma[inside]
        square = float(np.sum(weight * sigma**2))
        if square > 0:
            ratio = float(np.sum(weight * sigma * kappa.real)) / square
            whole = float(np.sum(weight * kappa.real**2))
            misfit = (
                math.sqrt(float(np.sum(weight * (kappa.real - ratio * sigma) ** 2)) / whole) if whole > 0 else math.nan
            )
    if not len(kappa):
        return Media(math.nan, math.nan, ratio, misfit, 0)
    total = float(np.sum(weight * np.abs(kappa)))
    return Media(
        loss=float(np.sum(weight * kappa.real)) / total if total > 0 else math.nan,
        permittivity=_weighted_median(kappa.imag, weight) / (w * EPS_0),
        conductivity_ratio=ratio,
        conductivity_misfit=misfit,
        points=len(kappa),
    )


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, 0.5 * sums[-1])])
