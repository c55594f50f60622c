"""The Helmholtz equation of B1+, and how noise enters it: q = laplacian(B1+) / B1+ from the functionals of local fits.

In a homogeneous, source-free region laplacian(B1+) = q B1+ with q = -w^2 mu0 eps0 eps_r + j w mu0 sigma. With
B1+ = a exp(j p), q = laplacian(a)/a - abs(grad p)^2 + j (laplacian(p) + 2 grad p . grad a / a).

Source: U. Katscher et al., IEEE Trans. Med. Imaging 28 (2009) 1365-1374; T. Voigt et al., Magn. Reson. Med. 66 (2011)
456-466 for phase alone and magnitude alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emdose.compute.backend import Backend
from emdose.constants import EPS_0, MU_0

METHODS = ("complex", "phase", "magnitude", "split")
VALUE, LAPLACIAN, GRADIENT = 0, 4, (1, 2, 3)


@dataclass(frozen=True, eq=False)
class Quotient:
    """q with its first-order response to the fits.

    Attributes
    ----------
    re, im : array or None
        Real and imaginary part of q [1/m^2]; None when the method does not give it.
    response : mapping of (channel, functional) to complex array
        dq / d(functional of that channel).
    bias_re, bias_im : array or None
        Error of the method itself that the other map reveals.
    """

    re: Any
    im: Any
    response: Mapping[tuple[int, int], Any]
    bias_re: Any = None
    bias_im: Any = None


def scales(frequency_Hz: float) -> tuple[float, float]:
    """Factors from Re q to relative permittivity and from Im q [1/m^2] to conductivity [S/m]."""
    w = 2 * math.pi * frequency_Hz
    return -1 / (w * w * MU_0 * EPS_0), 1 / (w * MU_0)


def complex_quotient(value: Mapping[tuple[int, int], Any]) -> Quotient:
    """From real (channel 0) and imaginary part (channel 1) of B1+; the response is to the complex data (channel 0)."""
    c = value[0, VALUE] + 1j * value[1, VALUE]
    q = (value[0, LAPLACIAN] + 1j * value[1, LAPLACIAN]) / c
    return Quotient(q.real, q.imag, {(0, VALUE): -q / c, (0, LAPLACIAN): 1 / c})


def phase_quotient(value: Mapping[tuple[int, int], Any], phase: int) -> Quotient:
    """Conductivity from the phase (a channel) alone; channel 0 may hold the magnitude, for the neglected term."""
    lap = value[phase, LAPLACIAN]
    bias = None
    if phase == 1:
        bias = -2 * _dot(value, 0, 1) / value[0, VALUE]
    return Quotient(None, lap, {(phase, LAPLACIAN): 1j + 0 * lap}, bias_im=bias)


def magnitude_quotient(value: Mapping[tuple[int, int], Any], has_phase: bool) -> Quotient:
    """Permittivity from the magnitude (channel 0) alone; channel 1 may hold the phase, for the neglected term."""
    a, lap = value[0, VALUE], value[0, LAPLACIAN]
    bias = _dot(value, 1, 1) if has_phase else None
    return Quotient(lap / a, None, {(0, VALUE): -lap / a**2 + 0j, (0, LAPLACIAN): 1 / a + 0j}, bias_re=bias)


def split_quotient(value: Mapping[tuple[int, int], Any]) -> Quotient:
    """Both from separate fits of magnitude (channel 0) and phase (channel 1), no term neglected."""
    a, lap_a, lap_p = value[0, VALUE], value[0, LAPLACIAN], value[1, LAPLACIAN]
    mixed = _dot(value, 0, 1)
    response: dict[tuple[int, int], Any] = {
        (0, VALUE): -(lap_a + 2j * mixed) / a**2,
        (0, LAPLACIAN): 1 / a + 0j,
        (1, LAPLACIAN): 1j + 0 * lap_p,
    }
    for g in GRADIENT:
        response[0, g] = 2j * value[1, g] / a
        response[1, g] = -2 * value[1, g] + 2j * value[0, g] / a
    return Quotient(lap_a / a - _dot(value, 1, 1), lap_p + 2 * mixed / a, response)


def _dot(value: Mapping[tuple[int, int], Any], one: int, other: int) -> Any:
    return sum(value[one, g] * value[other, g] for g in GRADIENT)


def spread(
    be: Backend, quotient: Quotient, rows: tuple[int, ...], gains: Mapping[int, tuple[Any, Any]]
) -> tuple[Any, Any, Any]:
    """Variances of Re q and Im q and their covariance.

    Parameters
    ----------
    be : Backend
        Device.
    quotient : Quotient
        With its response.
    rows : tuple of int
        Functionals in the order of the gains.
    gains : mapping of channel to (power, pseudo)
        Filtered E|d|^2 and E d^2 of the channel's noise for all pairs i <= j of rows; both the same for real data.
    """
    power: Any = 0.0
    pseudo: Any = 0.0
    for channel, (one, two) in gains.items():
        n = 0
        for i, f in enumerate(rows):
            for g in rows[i:]:
                r, s = quotient.response.get((channel, f)), quotient.response.get((channel, g))
                if r is not None and s is not None:
                    twice = 1.0 if f == g else 2.0
                    power = power + twice * (r * s.conj()).real * one[n]
                    pseudo = pseudo + twice * r * s * two[n]
                n += 1
    return (
        be.xp.maximum(0.5 * (power + pseudo.real), 0),
        be.xp.maximum(0.5 * (power - pseudo.real), 0),
        0.5 * pseudo.imag,
    )
