r"""B1+ of an array of small loops around a layered sphere: an oracle of parallel-transmit EPT that varies along z.

A small loop on the axis of theta, at the distance d from the centre and with its own axis along it, has E along phi
alone, a sum of magnetic multipoles:

.. math:: E_\varphi \propto \sum_n (2n + 1)\, h_n^{(2)}(k d)\, f_n(r)\, P_n^1(\cos\theta), \qquad
          B_r \propto \frac{1}{r \sin\theta} \frac{\partial (\sin\theta\, E_\varphi)}{\partial\theta}, \quad
          B_\theta \propto -\frac{1}{r} \frac{\partial (r E_\varphi)}{\partial r}

with f_n = j_n(k r) without the sphere, and in its layers the radial functions of the Mie series. Loops elsewhere are
the same, turned. Bz and its gradient do not vanish: what gradient EPT neglects at boundaries is there.

Source: limit of :mod:`emdose.validation.closed_forms.coils.loop_over_sphere` for a loop that shrinks; layers:
:mod:`emdose.validation.closed_forms.waves.mie`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import spherical_jn, spherical_yn

from emdose.constants import EPS_0
from emdose.validation.closed_forms.waves.mie import Sphere


def staggered_ring(channels: int = 8, radius_m: float = 0.12, height_m: float = 0.05) -> np.ndarray:
    """Places (channels, 3) of loops on a ring around z, by turns at +height and -height [m]."""
    angle = 2 * np.pi * np.arange(channels) / channels
    up = height_m * (-1.0) ** np.arange(channels)
    return np.stack([radius_m * np.cos(angle), radius_m * np.sin(angle), up], axis=1)


def loops_around_sphere(
    radii_m: Sequence[float],
    permittivity: Sequence[float],
    conductivity: Sequence[float],
    frequency_Hz: float,
    points_m: np.ndarray,
    loops_m: np.ndarray,
    orders: int = 40,
) -> tuple[np.ndarray, np.ndarray]:
    """B1+ and the receive field (Bx - j By)/2 of every loop inside the sphere, relative units.

    Parameters
    ----------
    radii_m : sequence of float
        Outer radii of the layers [m], growing.
    permittivity, conductivity : sequence of float
        Relative permittivity and conductivity [S/m] of the layers.
    frequency_Hz : float
        Frequency [Hz].
    points_m : (n, 3) ndarray
        Points in the coordinates of the sphere's centre [m]; those outside the sphere have no value (NaN).
    loops_m : (channels, 3) ndarray
        Places of the loops outside the sphere [m], as :func:`staggered_ring`; each looks at the centre.
    orders : int
        Multipoles that are summed; the rest falls as (r / d)^orders.

    Returns
    -------
    (channels, n) complex ndarray, twice
        Fields of the channels; their largest abs(B1+) is 1.

    Raises
    ------
    ValueError
        When a loop lies within the sphere.
    """
    losses = np.asarray(conductivity, float) / (2 * math.pi * frequency_Hz * EPS_0)
    body = Sphere(radii_m, list(np.asarray(permittivity, float) - 1j * losses), frequency_Hz, orders)
    distance = np.linalg.norm(loops_m, axis=1)
    if distance.min() <= radii_m[-1]:
        raise ValueError("the loops must lie outside the sphere")
    points = np.asarray(points_m, float)
    r = np.linalg.norm(points, axis=1)
    radius, which = np.unique(np.round(np.maximum(r, 1e-7 * radii_m[-1]), 13), return_inverse=True)
    value, slope = _radial(body, radius, orders)  # (orders, radius)
    value, slope = value[:, which], slope[:, which]
    total = np.zeros((len(loops_m), len(points), 3), complex)
    n = np.arange(1, orders + 1)
    for i, (place, d) in enumerate(zip(np.asarray(loops_m, float), distance, strict=True)):
        axis = place / d
        kd = body.wavenumber * d
        strength = (2 * n + 1) * (spherical_jn(n, kd) - 1j * spherical_yn(n, kd))
        along = points @ axis
        cosine = np.where(r > 0, np.clip(along / np.where(r > 0, r, 1), -1, 1), 1.0)
        across = points - along[:, None] * axis
        rho = np.linalg.norm(across, axis=1)
        outward = np.where(r[:, None] > 0, points / np.where(r > 0, r, 1)[:, None], axis)
        sideways = across / np.where(rho > 0, rho, 1)[:, None]
        sine = np.where(r > 0, rho / np.where(r > 0, r, 1), 0.0)
        up = cosine[:, None] * sideways - sine[:, None] * axis  # the unit vector of theta
        radial, polar = np.zeros(len(points), complex), np.zeros(len(points), complex)
        before, now, first_before, first = np.ones(len(points)), cosine, np.zeros(len(points)), sine
        for k in range(orders):
            m = k + 1
            radial += strength[k] * m * (m + 1) * value[k] * now
            polar -= strength[k] * slope[k] * first
            before, now = now, ((2 * m + 1) * cosine * now - m * before) / (m + 1)
            first_before, first = first, ((2 * m + 1) * cosine * first - (m + 1) * first_before) / m
        total[i] = radial[:, None] * outward + polar[:, None] * up
    total[:, r > radii_m[-1]] = np.nan
    plus, minus = total[..., 0] + 1j * total[..., 1], total[..., 0] - 1j * total[..., 1]
    largest = np.nanmax(np.abs(plus))
    return plus / largest, minus / largest


def _radial(body: Sphere, radius: np.ndarray, orders: int) -> tuple[np.ndarray, np.ndarray]:
    """f_n / r and (r f_n)' / r of the magnetic multipoles, (orders, radii), convention exp(+jwt); NaN outside."""
    _, _, _, magnetic = body.coefficients()
    layers = len(body.radii_m)
    layer = np.searchsorted(np.asarray(body.radii_m), radius, side="left")
    k = body.wavenumber * np.conj(np.sqrt(np.asarray(body.permittivities, complex)))[np.minimum(layer, layers - 1)]
    x, value, slope = k * radius, np.empty((orders, len(radius)), complex), np.empty((orders, len(radius)), complex)
    for i in range(orders):
        n = i + 1
        f, d = np.zeros(len(x), complex), np.zeros(len(x), complex)
        for column, function in ((0, spherical_jn), (1, spherical_yn)):
            factor = magnetic[i, np.minimum(layer, layers - 1), column]
            there = factor != 0  # y_n diverges at the centre, where its factor is zero
            z, last = function(n, x[there]), function(n - 1, x[there])
            f[there] += factor[there] * z
            d[there] += factor[there] * (x[there] * last - n * z)
        value[i], slope[i] = f / radius, d / radius
    return np.conj(value), np.conj(slope)
