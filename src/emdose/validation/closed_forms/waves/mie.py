r"""Plane wave on a homogeneous or layered sphere (Mie series).

The wave travels along +z with E along +x and unit amplitude, E_inc = x exp(-jkz), time dependence exp(+jwt). Inside the
module the series runs with exp(-iwt), as in its source, and results are conjugated at the end.

.. math::

   \mathbf E = \sum_n i^n \frac{2n+1}{n(n+1)} \left(\mathbf M_{o1n} - i \mathbf N_{e1n}\right)

with radial functions c j_n + d y_n in every layer, found from the continuity of tangential E and H.

Source: C. Bohren and D. Huffman, Absorption and Scattering of Light by Small Particles, Wiley 1983, ch. 4 and 8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import spherical_jn, spherical_yn

C_0, MU_0 = 299_792_458.0, 1.25663706212e-6


@dataclass(frozen=True)
class Sphere:
    """A sphere of concentric layers in vacuum.

    Parameters
    ----------
    radii_m : sequence of float
        Outer radii of the layers from the centre outwards [m].
    permittivities : sequence of complex
        Relative permittivity of every layer, eps_r - j sigma / (w eps0); infinite for a core of perfect conductor.
    frequency_Hz : float
        Frequency [Hz].
    orders : int, optional
        Number of multipole orders; by default enough for double precision.

    Raises
    ------
    ValueError
        When radii do not grow or do not fit the permittivities.
    """

    radii_m: Sequence[float]
    permittivities: Sequence[complex]
    frequency_Hz: float
    orders: int | None = None

    def __post_init__(self) -> None:
        r = np.asarray(self.radii_m, float)
        if len(r) != len(self.permittivities) or r[0] <= 0 or np.any(np.diff(r) <= 0):
            raise ValueError("radii must grow outwards, with one permittivity each")
        if not np.all(np.isfinite(np.asarray(self.permittivities, complex)[1:])):
            raise ValueError("only the core can be a perfect conductor")

    @property
    def wavenumber(self) -> float:
        """Free-space wavenumber k [1/m]."""
        return 2 * math.pi * self.frequency_Hz / C_0

    @property
    def _pec(self) -> bool:
        return not np.isfinite(complex(self.permittivities[0]))

    @property
    def _m(self) -> np.ndarray:
        # exp(-iwt): lossy media have a positive imaginary part. Within a perfect conductor it is no matter.
        eps = np.asarray(self.permittivities, complex)
        return np.conj(np.sqrt(np.where(np.isfinite(eps), eps, 1.0)))

    @property
    def _orders(self) -> int:
        x = self.wavenumber * self.radii_m[-1]
        return self.orders or math.ceil(x + 4.05 * x ** (1 / 3) + 12)

    def coefficients(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Multipole coefficients in the convention exp(-iwt).

        Returns
        -------
        a, b : (orders,) complex ndarray
            Scattering coefficients of electric and magnetic multipoles.
        electric, magnetic : (orders, layers, 2) complex ndarray
            Factors of j_n and y_n in every layer for N and M.
        """
        n = np.arange(1, self._orders + 1)
        electric, a = self._match(n, electric=True)
        magnetic, b = self._match(n, electric=False)
        return a, b, electric, magnetic

    def _match(self, n: np.ndarray, *, electric: bool) -> tuple[np.ndarray, np.ndarray]:
        """Radial coefficients of one kind of multipole in all layers, and the scattering coefficient."""
        layers, k0 = len(self.radii_m), self.wavenumber
        m = np.append(self._m, 1.0)
        rows = np.zeros((len(n), 2 * layers, 2 * layers), complex)
        right = np.zeros((len(n), 2 * layers), complex)
        for i, radius in enumerate(self.radii_m):
            for side, sign in ((i, 1.0), (i + 1, -1.0)):
                x = m[side] * k0 * radius
                # Continuous: f and (r f)' for M; m f and (r f)'/m for N.
                f_scale, d_scale = (m[side], 1 / m[side]) if electric else (1.0, 1.0)
                j, dj = _bessel(n, x, spherical_jn)
                y, dy = _bessel(n, x, spherical_yn)
                if side == layers:
                    # Incident j_n with amplitude 1; scattered - s h_n.
                    right[:, 2 * i] = f_scale * j
                    right[:, 2 * i + 1] = d_scale * dj
                    rows[:, 2 * i, -1] = f_scale * (j + 1j * y)
                    rows[:, 2 * i + 1, -1] = d_scale * (dj + 1j * dy)
                    continue
                column = 0 if side == 0 else 2 * side - 1
                rows[:, 2 * i, column] = sign * f_scale * j
                rows[:, 2 * i + 1, column] = sign * d_scale * dj
                if side > 0:
                    rows[:, 2 * i, column + 1] = sign * f_scale * y
                    rows[:, 2 * i + 1, column + 1] = sign * d_scale * dy
        if self._pec:  # nothing within, and no tangential E outside: z = 0 for M, (x z)' = 0 for N
            rows[:, :2, 0] = 0
            rows[:, 0 if electric else 1], right[:, 0 if electric else 1] = 0, 0
            rows[:, 0 if electric else 1, 0] = 1
        scale = np.abs(rows).max(axis=1, keepdims=True)
        height = np.abs(rows / scale).max(axis=2, keepdims=True)
        solution = np.linalg.solve(rows / scale / height, (right / height[:, :, 0])[:, :, None])[:, :, 0] / scale[:, 0]
        out = np.zeros((len(n), layers, 2), complex)
        out[:, 0, 0] = solution[:, 0]
        for side in range(1, layers):
            out[:, side] = solution[:, 2 * side - 1 : 2 * side + 1]
        return out, solution[:, -1]

    def efficiencies(self) -> dict[str, float]:
        """Extinction, scattering and absorption cross sections over pi a^2."""
        a, b, _, _ = self.coefficients()
        x, n = self.wavenumber * self.radii_m[-1], np.arange(1, self._orders + 1)
        extinction = 2 / x**2 * float(np.sum((2 * n + 1) * (a + b).real))
        scattering = 2 / x**2 * float(np.sum((2 * n + 1) * (np.abs(a) ** 2 + np.abs(b) ** 2)))
        return {"extinction": extinction, "scattering": scattering, "absorption": extinction - scattering}

    def power(self) -> dict[str, float]:
        """Extinction, scattered and absorbed power in a wave of 1 V/m peak [W]."""
        density = 0.5 / (MU_0 * C_0) * math.pi * self.radii_m[-1] ** 2
        return {k: q * density for k, q in self.efficiencies().items()}

    def fields(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Total E and B.

        Parameters
        ----------
        points_m : (n, 3) ndarray
            Points relative to the centre of the sphere [m].

        Returns
        -------
        E, B : (n, 3) complex ndarray
            Peak phasors for an incident wave of 1 V/m [V/m], [T].
        """
        p = np.asarray(points_m, float).reshape(-1, 3)
        r = np.linalg.norm(p, axis=1)
        rho = np.hypot(p[:, 0], p[:, 1])
        phi = np.arctan2(p[:, 1], p[:, 0])
        safe = np.where(r > 0, r, 1.0)
        cos_t, sin_t = np.where(r > 0, p[:, 2] / safe, 1.0), np.where(r > 0, rho / safe, 0.0)
        # Points of a grid share few radii: radial functions once per distinct one.
        radius, which = np.unique(np.round(np.maximum(r, 1e-7 * self.radii_m[-1]), 13), return_inverse=True)
        layer = np.searchsorted(np.asarray(self.radii_m), radius, side="left")
        m = np.append(self._m, 1.0)[layer]
        x = m * self.wavenumber * radius
        a, b, electric, magnetic = self.coefficients()
        outside = layer == len(self.radii_m)
        E, H = np.zeros((3, len(p)), complex), np.zeros((3, len(p)), complex)
        pi_before, pi_now = np.zeros(len(p)), np.ones(len(p))
        for i in range(self._orders):
            n = i + 1
            tau = n * cos_t * pi_now - (n + 1) * pi_before
            j, dj = _bessel(np.array([n]), x, spherical_jn)
            y, dy = _bessel(np.array([n]), x, spherical_yn)
            radial = []
            for inner, s in ((electric, a), (magnetic, b)):
                c = np.where(outside, 1 - s[i], np.append(inner[i, :, 0], 0)[layer])
                d = np.where(outside, -1j * s[i], np.append(inner[i, :, 1], 0)[layer])
                d_only = d != 0  # y_n diverges at the centre, where its factor is zero
                z = c * j + np.where(d_only, d * np.where(d_only, y, 0), 0)
                dz = c * dj + np.where(d_only, d * np.where(d_only, dy, 0), 0)
                radial.append(((z / x)[which], z[which], (dz / x)[which]))
            factor = 1j**n * (2 * n + 1) / (n * (n + 1))
            (e_r, e_z, e_d), (m_r, m_z, m_d) = radial
            E[0] += factor * -1j * n * (n + 1) * sin_t * pi_now * e_r
            E[1] += factor * (pi_now * m_z - 1j * tau * e_d)
            E[2] += factor * -(tau * m_z - 1j * pi_now * e_d)
            H[0] += factor * 1j * n * (n + 1) * sin_t * pi_now * m_r
            H[1] += factor * (-pi_now * e_z + 1j * tau * m_d)
            H[2] += factor * (-tau * e_z + 1j * pi_now * m_d)
            pi_before, pi_now = pi_now, (2 * n + 1) / n * cos_t * pi_now - (n + 1) / n * pi_before
        cos_p, sin_p = np.cos(phi), np.sin(phi)
        E *= np.stack([cos_p, cos_p, sin_p])
        H *= np.stack([sin_p, sin_p, cos_p]) * -m[which] / (MU_0 * C_0)
        return tuple(np.conj(_cartesian(v, sin_t, cos_t, sin_p, cos_p)) * s for v, s in ((E, 1.0), (H, MU_0)))


def _bessel(n: np.ndarray, x: complex | np.ndarray, function: object) -> tuple[np.ndarray, np.ndarray]:
    """Spherical Bessel function z_n(x) and (x z_n)' = x z_{n-1} - n z_n."""
    z, before = function(n, x), function(n - 1, x)  # type: ignore[operator]
    return z, x * before - n * z


def _cartesian(v: np.ndarray, sin_t: np.ndarray, cos_t: np.ndarray, sin_p: np.ndarray, cos_p: np.ndarray) -> np.ndarray:
    r, t, p = v
    along = sin_t * r + cos_t * t
    return np.stack([cos_p * along - sin_p * p, sin_p * along + cos_p * p, cos_t * r - sin_t * t], axis=1)
