"""B1+ of an array of line sources around a layered cylinder: the oracle of parallel-transmit EPT.

A line current along z at (rho_s, phi_s) has A_z proportional to H2_0(k0 |r - r_s|); inside the array, by Graf's
addition theorem, that is sum_n H2_n(k0 rho_s) exp(-j n phi_s) J_n(k0 rho) exp(j n phi).

Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 9.1.79; B1+ of each harmonic:
:mod:`emdose.validation.closed_forms.ept.layered_cylinder`.
"""

from __future__ import annotations

import numpy as np

from emdose.constants import C_0
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder


def array_fields(
    cylinder: LayeredCylinder,
    x: np.ndarray,
    y: np.ndarray,
    channels: int = 8,
    radius_m: float = 0.15,
    orders: int = 14,
) -> tuple[np.ndarray, np.ndarray]:
    """B1+ and the receive field (Bx - j By)/2 of line sources evenly spread on a circle, relative units.

    Parameters
    ----------
    cylinder : LayeredCylinder
        The object.
    x, y : ndarray
        Coordinates [m], of any shape that broadcasts, within the array.
    channels : int
        Number of line sources.
    radius_m : float
        Radius of the array [m], larger than the object.
    orders : int
        Azimuthal orders -orders..orders are summed.

    Returns
    -------
    (channels, ...) complex ndarray, twice
        Fields of the channels; their largest abs(B1+) is 1.

    Raises
    ------
    ValueError
        When a point or the object reaches beyond the array.
    """
    from scipy.special import hankel2

    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    if max(float(np.hypot(x, y).max()), *cylinder.radii_m) >= radius_m:
        raise ValueError("the array must surround the object and all points")
    k0 = 2 * np.pi * cylinder.frequency_Hz / C_0
    angles = 2 * np.pi * np.arange(channels) / channels
    plus, minus = np.zeros((2, channels, *x.shape), complex)
    for n in range(-orders, orders + 1):
        one = cylinder.rotating_fields(x, y, {n: hankel2(n, k0 * radius_m)})
        for total, field in zip((plus, minus), one, strict=True):
            total += np.exp(-1j * n * angles).reshape(-1, *[1] * x.ndim) * field
    largest = np.abs(plus).max()
    return plus / largest, minus / largest
