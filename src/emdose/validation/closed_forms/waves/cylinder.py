r"""Plane wave at normal incidence on an infinite dielectric cylinder (Bessel series).

The cylinder lies along z, the wave travels along +x with unit amplitude, exp(+jwt). With E along the axis

.. math::

   E_z = \sum_n j^{-n} \left[J_n(k\rho) + a_n H_n^{(2)}(k\rho)\right] e^{jn\varphi} \text{ outside}, \quad
   E_z = \sum_n j^{-n} d_n J_n(k_1\rho) e^{jn\varphi} \text{ inside},

and the same for H_z with E across the axis; the coefficients follow from the continuity of E and H along the surface.

Source: C. Balanis, Advanced Engineering Electromagnetics, 2nd ed., Wiley 2012, ch. 11; C. Bohren and D. Huffman,
Absorption and Scattering of Light by Small Particles, Wiley 1983, ch. 8.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import h2vp, hankel2, jv, jvp

C_0, MU_0 = 299_792_458.0, 1.25663706212e-6


@dataclass(frozen=True)
class Cylinder:
    """An infinite homogeneous cylinder in vacuum.

    Parameters
    ----------
    radius_m : float
        Radius [m].
    permittivity : complex
        Relative permittivity, eps_r - j sigma / (w eps0).
    frequency_Hz : float
        Frequency [Hz].
    axial : bool
        True: E along the axis (TM). False: E across it, along +y far away (TE).
    """

    radius_m: float
    permittivity: complex
    frequency_Hz: float
    axial: bool = True

    @property
    def wavenumber(self) -> float:
        """Free-space wavenumber k [1/m]."""
        return 2 * math.pi * self.frequency_Hz / C_0

    @property
    def _orders(self) -> np.ndarray:
        x = self.wavenumber * self.radius_m
        n = math.ceil(x + 4.05 * x ** (1 / 3) + 14)
        return np.arange(-n, n + 1)

    def coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """Factors a_n of the scattered and d_n of the inner field, for orders -n..n."""
        n, m = self._orders, np.sqrt(complex(self.permittivity))
        x, y = self.wavenumber * self.radius_m, m * self.wavenumber * self.radius_m
        # The tangential partner of the axial field is its radial derivative, over eps where that field is H.
        weight = m if self.axial else 1 / m
        inner, outer = jv(n, y), hankel2(n, x)
        d_inner, d_outer = weight * jvp(n, y), h2vp(n, x)
        below = outer * d_inner - d_outer * inner
        a = (inner * jvp(n, x) - d_inner * jv(n, x)) / below
        d = (outer * jvp(n, x) - d_outer * jv(n, x)) / below
        return a, d

    def power_per_length(self) -> dict[str, float]:
        """Extinction, scattered and absorbed power per length in a wave of 1 V/m peak [W/m]."""
        a, _ = self.coefficients()
        scale = 4 / self.wavenumber * 0.5 / (MU_0 * C_0)
        extinction, scattering = -scale * float(a.real.sum()), scale * float((np.abs(a) ** 2).sum())
        return {"extinction": extinction, "scattering": scattering, "absorption": extinction - scattering}

    def electric_field(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Total E at points across the cylinder.

        Parameters
        ----------
        x_m, y_m : ndarray
            Coordinates from the axis [m].

        Returns
        -------
        (3, ...) complex ndarray
            Peak phasors for an incident wave of 1 V/m [V/m].
        """
        x, y = np.broadcast_arrays(np.asarray(x_m, float), np.asarray(y_m, float))
        rho, phi = np.maximum(np.hypot(x, y), 1e-9 * self.radius_m), np.arctan2(y, x)
        inside = rho <= self.radius_m
        k = np.where(inside, np.sqrt(complex(self.permittivity)), 1.0) * self.wavenumber
        eps = np.where(inside, complex(self.permittivity), 1.0)
        a, d = self.coefficients()
        value, slope, turn = (np.zeros(x.shape, complex) for _ in range(3))
        for n, an, dn in zip(self._orders, a, d, strict=True):
            f = np.where(inside, dn, 1.0) * jv(n, k * rho) + np.where(inside, 0.0, an) * hankel2(n, k * rho)
            g = np.where(inside, dn, 1.0) * jvp(n, k * rho) + np.where(inside, 0.0, an) * h2vp(n, k * rho)
            wave = 1j ** (-int(n) % 4) * np.exp(1j * n * phi)
            value += wave * f
            slope += wave * g * k
            turn += wave * f * 1j * n / rho
        E = np.zeros((3, *x.shape), complex)
        if self.axial:
            E[2] = value
        else:
            # curl H = j w eps E for H_z = value / eta, eta / (j w eps0) = 1 / (j k).
            radial, azimuthal = turn / (1j * self.wavenumber * eps), -slope / (1j * self.wavenumber * eps)
            E[0] = np.cos(phi) * radial - np.sin(phi) * azimuthal
            E[1] = np.sin(phi) * radial + np.cos(phi) * azimuthal
        return E
