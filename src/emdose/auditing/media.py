"""What the fields say of the medium they are in: its loss tells the sense of time, its permittivity the unit of length.

Ampère's law gives curl B = mu0 (sigma + j w eps) E. Behind Faraday's law for the same numbers it gives at every point

.. math:: \\kappa = L^2 (t \\sigma + j \\omega \\varepsilon)

whatever unit and sign the magnetic field has: L metres in a unit of the coordinates, t = +1 for exp(+jwt) and -1 for
exp(-jwt). No medium of a body gains energy (sigma >= 0), and eps is that of matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emdose.auditing.differences import blocks, derivatives, usable
from emdose.constants import EPS_0, MU_0
from emdose.io.foreign.values import ForeignFields

LOSSY = 0.3
"""Part of kappa that must be real for a point to count as one with loss, or with gain."""


@dataclass(frozen=True)
class Media:
    """What most of the points say that were looked at, each as far as its curl can be trusted.

    A few points may say anything: those where media meet, and those in conductors and sources of a coil, where curl B
    is that of their currents. So points are counted and medians taken, and nothing is summed that may be large.

    Parameters
    ----------
    loss, gain : float
        Share of the points where kappa is real to a good part, and positive or negative: exp(+jwt) has loss.
    permittivity : float
        Median of the imaginary part over w eps0: relative permittivity times L squared.
    conductivity_ratio : float
        Median of the real part over the conductivity that is known; t L squared. NaN without one.
    conductivity_spread : float
        Median distance from it, as a share of it.
    points : int
        How many points.
    """

    loss: float
    gain: float
    permittivity: float
    conductivity_ratio: float
    conductivity_spread: float
    points: int

    @property
    def sense(self) -> float:
        """Loss minus gain over both: 1 for exp(+jwt), -1 for exp(-jwt), 0 where neither is seen."""
        both = self.loss + self.gain
        return (self.loss - self.gain) / both if both > 0 else 0.0


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
        Of Faraday's law, :class:`~emdose.auditing.faraday.Candidate`.
    conductivity : (nx, ny, nz) ndarray or None
        Where it is known [S/m].
    """
    w = 2 * math.pi * fields.frequency_Hz
    values, weights, known = [], [], []
    for part, kappa, weight, good in _maps(fields, positions, E_order, order, factor):
        values.append(kappa[good])
        weights.append(weight[good])
        if conductivity is not None:
            known.append(conductivity[part, 1:-1, 1:-1][good])
    kappa, weight = np.concatenate(values), np.concatenate(weights)
    ratio = spread = math.nan
    if conductivity is not None:
        sigma = np.concatenate(known)
        inside = sigma > 0
        kappa, weight, sigma = kappa[inside], weight[inside], sigma[inside]
        if inside.any():
            ratio = _weighted_median(kappa.real / sigma, weight)
            spread = _weighted_median(np.abs(kappa.real / sigma - ratio), weight) / max(abs(ratio), 1e-300)
    if not weight.sum() > 0:
        return Media(0.0, 0.0, math.nan, ratio, spread, 0)
    real = kappa.real / np.where(kappa == 0, 1, np.abs(kappa))
    loss, gain = (float(weight[s * real > LOSSY].sum() / weight.sum()) for s in (1, -1))
    return Media(loss, gain, _weighted_median(kappa.imag, weight) / (w * EPS_0), ratio, spread, len(kappa))


def displaced(
    fields: ForeignFields,
    positions: str,
    E_order: str,
    order: str,
    factor: complex,
    conductivity: np.ndarray,
    scale: float,
) -> tuple[dict[tuple[int, int], float], tuple[int, int]]:
    """How well the conductivity fits the loss in the fields, where it is and displaced by up to two steps of the grid.

    Parameters
    ----------
    fields, positions, E_order, order, factor, conductivity
        As of :func:`media`.
    scale : float
        What the real part of kappa is per conductivity, t L squared.

    Returns
    -------
    dict, (int, int)
        Share of the conducting points where both agree, by axis and steps, (0, 0) for where it is; and the best.
    """
    agree: dict[tuple[int, int], float] = {}
    whole: dict[tuple[int, int], float] = {}
    places = [(0, 0), *((a, n) for a in range(3) for n in (-2, -1, 1, 2))]
    for part, kappa, weight, good in _maps(fields, positions, E_order, order, factor):
        found = kappa.real / scale
        for axis, steps in places:
            sigma = np.roll(conductivity, steps, axis)[part, 1:-1, 1:-1]
            inside = good & (sigma > 0)
            near = np.abs(found[inside] - sigma[inside]) < 0.5 * sigma[inside]
            key = (axis, steps)
            agree[key] = agree.get(key, 0.0) + float(weight[inside][near].sum())
            whole[key] = whole.get(key, 0.0) + float(weight[inside].sum())
    shares = {k: agree[k] / whole[k] if whole[k] > 0 else 0.0 for k in places}
    return shares, max(places, key=lambda k: shares[k])


def _maps(
    fields: ForeignFields, positions: str, E_order: str, order: str, factor: complex
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Layers of inner points with kappa, how far it can be trusted, and where it is known at all."""
    assert fields.E is not None
    assert fields.magnetic is not None
    electric, stored = ([o.index(c) for c in "xyz"] for o in (E_order, order))
    for part in blocks(fields.shape, len(fields.ports)):
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
        kappa = factor * top / np.where(good, bottom, 1.0) / MU_0
        yield part, kappa, np.sqrt(whirl / np.where(size > 0, size, 1.0)), good


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, 0.5 * sums[-1])])
