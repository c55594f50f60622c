r"""A loop of current above a sphere whose centre lies on the loop's axis: multipole series with retardation.

With E along phi alone, the loop of radius b at the distance r_0 and polar angle theta_0 of its wire from the centre has

.. math:: E_\varphi = -\frac{\omega k \mu_0 I b}{2} \sum_n \frac{2n + 1}{n (n + 1)}
          P_n^1(\cos\theta_0)\, P_n^1(\cos\theta)\, h_n^{(2)}(k r_0)\, j_n(k r)

near the centre, from the addition theorem of exp(-jkR) / R. In the sphere of radius a every j_n(k r) becomes

.. math:: \frac{-j\, j_n(k_1 r)}{\psi_n(k_1 a)\, \xi_n(k a)\, (G_n k / k_1 - D_n)}, \qquad
          D_n = \frac{\psi_n'(k_1 a)}{\psi_n(k_1 a)}, \quad G_n = \frac{\xi_n'(k a)}{\xi_n(k a)}

with the Riccati functions psi_n = z j_n and xi_n = z h_n^(2): E_phi and H_theta are continuous. Bessel functions appear
as ratios of neighbours alone, so that neither low frequencies nor high orders overflow.

Source: J. Stratton, Electromagnetic Theory, McGraw-Hill 1941, sec. 7.14 and 9.25 (spherical waves, sphere); J. Keltner
et al., Magn. Reson. Med. 22 (1991) 467 (surface coil above a conducting sphere).
"""

from __future__ import annotations

import math

import numpy as np

C_0, MU_0 = 299_792_458.0, 1.25663706212e-6
ORDERS = 400
"""Most terms; what is left falls at least as (r / r_0)^n."""


def electric_field(
    rho_m: np.ndarray,
    z_m: np.ndarray,
    radius_m: float,
    permittivity: complex,
    loop_radius_m: float,
    loop_z_m: float,
    frequency_Hz: float,
) -> np.ndarray:
    """E_phi inside a sphere around the origin for 1 A in a loop about the z axis, right-handed [V/m].

    Parameters
    ----------
    rho_m, z_m : ndarray
        Distance from the axis and height of points inside the sphere [m].
    radius_m : float
        Radius of the sphere [m].
    permittivity : complex
        Relative permittivity eps_r - j sigma / (w eps0).
    loop_radius_m, loop_z_m : float
        Radius of the loop and height of its plane [m]; the wire lies outside the sphere.
    frequency_Hz : float
        Frequency [Hz].
    """
    rho, z = np.broadcast_arrays(np.asarray(rho_m, float), np.asarray(z_m, float))
    r = np.maximum(np.hypot(rho, z).ravel(), 1e-12 * radius_m)
    k, m = 2 * math.pi * frequency_Hz / C_0, np.sqrt(complex(permittivity))
    surface, _ = _surface(radius_m, permittivity, loop_radius_m, loop_z_m, frequency_Hz)
    n = len(surface)
    # j_n(k1 r) / j_n(k1 a) by the ratios of neighbours.
    inner, outer = _j_ratios(m * k * r, n), _j_ratios(np.array([m * k * radius_m]), n)
    first = _j_0(m * k * r) / _j_0(np.array([m * k * radius_m]))
    shape = first * np.cumprod(inner / outer, axis=0)
    legendre = _legendre(z.ravel() / r, rho.ravel() / r, n)
    return np.einsum("n,np,np->p", surface, shape, legendre).reshape(rho.shape)


def absorbed_power(
    radius_m: float, permittivity: complex, loop_radius_m: float, loop_z_m: float, frequency_Hz: float
) -> float:
    r"""Power in the sphere for 1 A peak: the flux of power through its surface [W].

    .. math:: P = \pi a^2 \sum_n \frac{2 n (n + 1)}{2n + 1}
              \mathrm{Re} \left[|E_n|^2 \Bigl(\frac{k_1 D_n}{j\omega\mu_0}\Bigr)^*\right]

    Parameters
    ----------
    radius_m, permittivity, loop_radius_m, loop_z_m, frequency_Hz
        As in :func:`electric_field`.
    """
    E, slope = _surface(radius_m, permittivity, loop_radius_m, loop_z_m, frequency_Hz)
    n = np.arange(1, len(E) + 1)
    H = slope / (2j * math.pi * frequency_Hz * MU_0)
    return float(math.pi * radius_m**2 * np.sum(2 * n * (n + 1) / (2 * n + 1) * (abs(E) ** 2 * H.conj()).real))


def _surface(
    radius_m: float, permittivity: complex, loop_radius_m: float, loop_z_m: float, frequency_Hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of P_n^1 in E_phi on the surface [V/m], and (1 / r) d(r E) / dr over E there [1/m]."""
    a, b, r0 = radius_m, loop_radius_m, math.hypot(loop_radius_m, loop_z_m)
    omega = 2 * math.pi * frequency_Hz
    k, m = omega / C_0, np.sqrt(complex(permittivity))
    x, count = k * a, min(ORDERS, 8 + math.ceil(36 / math.log(r0 / a)))
    n = np.arange(1, count + 1)
    D = 1 / _j_ratios(np.array([m * x]), count)[:, 0] - n / (m * x)
    near, far = _h_ratios(x, count), _h_ratios(k * r0, count)
    G = 1 / near - n / x
    # h_n(k r0) / h_n(k a), from n = 0 on.
    outward = np.exp(-1j * k * (r0 - a)) * a / r0 * np.cumprod(far / near)
    legendre = _legendre(np.array([loop_z_m / r0]), np.array([b / r0]), count)[:, 0]
    source = -omega * k * MU_0 * b / 2 * (2 * n + 1) / (n * (n + 1)) * legendre
    E = source * outward * -1j / (m * x * x) / (G / m - D)
    return E, k * m * D


def _j_0(z: np.ndarray) -> np.ndarray:
    return np.sin(z) / z


def _j_ratios(z: np.ndarray, count: int) -> np.ndarray:
    """j_n / j_(n-1) for n = 1 to count at points z, (count, points), by downward recurrence."""
    top = count + 30 + math.ceil(float(np.abs(z).max()))
    ratio, out = np.zeros_like(z, complex), np.empty((count, len(z)), complex)
    for n in range(top, 0, -1):
        ratio = 1 / ((2 * n + 1) / z - ratio)
        if n <= count:
            out[n - 1] = ratio
    return out


def _h_ratios(z: float, count: int) -> np.ndarray:
    """h_n^(2) / h_(n-1)^(2) for n = 1 to count, by upward recurrence."""
    out = np.empty(count, complex)
    out[0] = 1j + 1 / z
    for n in range(1, count):
        out[n] = (2 * n + 1) / z - 1 / out[n - 1]
    return out


def _legendre(cosine: np.ndarray, sine: np.ndarray, count: int) -> np.ndarray:
    """P_n^1 without the sign (-1)^m for n = 1 to count, (count, points)."""
    out = np.empty((count, len(cosine)))
    before, now = np.zeros_like(cosine), sine
    for n in range(1, count + 1):
        out[n - 1] = now
        before, now = now, ((2 * n + 1) * cosine * now - (n + 1) * before) / n
    return out
