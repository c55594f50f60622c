r"""Temperature rise with closed forms: C dT/dt = k Laplace T - W T + q.

Source: H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, 2nd ed., Oxford 1959 (chapters 2, 3, 10, 12); the
terms of perfusion follow from the substitution T = u exp(-W t / C), or from beta = sqrt(W / k) in steady problems.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfc


def uniform(q: float, heat_capacity: float, perfusion: float, t: np.ndarray | float) -> np.ndarray:
    r"""Rise without conduction: q / W (1 - exp(-W t / C)), or q t / C without perfusion.

    Parameters
    ----------
    q : float
        Power density [W/m^3].
    heat_capacity, perfusion : float
        C [J/m^3/K] and W [W/m^3/K].
    t : float or ndarray
        Time [s].
    """
    t = np.asarray(t, float)
    if perfusion == 0:
        return q * t / heat_capacity
    return -q / perfusion * np.expm1(-perfusion * t / heat_capacity)


def cosine_decay(conductivity: float, heat_capacity: float, perfusion: float, wave_numbers: np.ndarray) -> float:
    r"""Rate at which a product of cosines decays in an insulated block: (W + k sum q_a^2) / C [1/s].

    Parameters
    ----------
    conductivity, heat_capacity, perfusion : float
        k [W/m/K], C [J/m^3/K], W [W/m^3/K].
    wave_numbers : (3,) ndarray
        n pi / L along each axis [1/m].
    """
    return float((perfusion + conductivity * np.sum(np.square(wave_numbers))) / heat_capacity)


def perfused_sphere(r: np.ndarray, radius: float, q: float, conductivity: float, perfusion: float) -> np.ndarray:
    r"""Steady rise around a sphere with uniform q in an infinite perfused medium of one conductivity.

    With beta = sqrt(W / k): q / W (1 - (1 + beta a) exp(-beta a) sinh(beta r) / (beta r)) inside and
    q / W (beta a cosh(beta a) - sinh(beta a)) exp(-beta r) / (beta r) outside.

    Parameters
    ----------
    r : ndarray
        Distances from the centre, > 0 [m].
    radius, q, conductivity, perfusion : float
        a [m], q [W/m^3], k [W/m/K], W [W/m^3/K].
    """
    beta = np.sqrt(perfusion / conductivity)
    x, a = beta * np.asarray(r, float), beta * radius
    inside = 1 - (1 + a) * np.exp(-a) * np.sinh(np.minimum(x, a)) / x
    outside = (a * np.cosh(a) - np.sinh(a)) * np.exp(-x) / x
    return q / perfusion * np.where(x < a, inside, outside)


def heated_ball(
    r: np.ndarray,
    radius: float,
    q: float,
    inner_conductivity: float,
    conductivity: float,
    perfusion: float,
    contact: float = 0.0,
) -> np.ndarray:
    r"""Steady rise of a ball of another material with uniform q, in an infinite perfused medium.

    Outside A exp(-beta (r - a)) / r with A = q a^3 / (3 k (1 + beta a)); inside a parabola above the surface's
    temperature and the step q a R / 3 of the contact.

    Parameters
    ----------
    r : ndarray
        Distances from the centre [m].
    radius, q : float
        a [m], power density in the ball [W/m^3].
    inner_conductivity, conductivity, perfusion : float
        Of the ball and the medium [W/m/K], of the medium [W/m^3/K]; 0 for no perfusion.
    contact : float
        Thermal contact resistance R [m^2 K/W].
    """
    r = np.asarray(r, float)
    beta = np.sqrt(perfusion / conductivity)
    A = q * radius**3 / (3 * conductivity * (1 + beta * radius))
    inside = A / radius + q * radius * contact / 3 + q * (radius**2 - r**2) / (6 * inner_conductivity)
    return np.where(r < radius, inside, A * np.exp(-beta * (r - radius)) / np.maximum(r, radius))


def warming_ball(
    t: np.ndarray,
    radius: float,
    power: float,
    inner_heat_capacity: float,
    conductivity: float,
    heat_capacity: float,
    perfusion: float = 0.0,
) -> np.ndarray:
    r"""Rise of a perfectly conducting ball with constant power from t = 0 on, in an infinite perfused medium.

    Heat balance of the ball, with the flow into the medium in the domain of Laplace:

    .. math:: \hat T(s) = \frac{P / s}{s C_b \tfrac43\pi a^3 + 4\pi k a (1 + a\sqrt{(s C + W) / k})}

    inverted along Talbot's contour with 32 points, which is exact to some 1e-10.

    Parameters
    ----------
    t : (n,) ndarray
        Times > 0 [s]; inf for the steady state.
    radius, power : float
        a [m], P [W].
    inner_heat_capacity : float
        C_b of the ball [J/m^3/K].
    conductivity, heat_capacity, perfusion : float
        k [W/m/K], C [J/m^3/K] and W [W/m^3/K] of the medium.

    Source: H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, 2nd ed., Oxford 1959, section 13.7, with
    perfusion; contour of J. A. C. Weideman, SIAM J. Numer. Anal. 44 (2006) 2342-2362.
    """
    a, k = radius, conductivity

    def transformed(s: np.ndarray) -> np.ndarray:
        flow = 4 * np.pi * k * a * (1 + a * np.sqrt((s * heat_capacity + perfusion) / k))
        return np.asarray(power / (s * (s * inner_heat_capacity * 4 / 3 * np.pi * a**3 + flow)))

    points = 32
    theta = np.pi * (2 * np.arange(points) + 1) / points - np.pi
    z = points * (0.5017 * theta / np.tan(0.6407 * theta) - 0.6122 + 0.2645j * theta)
    slope = 0.5017 / np.tan(0.6407 * theta) - 0.5017 * 0.6407 * theta / np.sin(0.6407 * theta) ** 2 + 0.2645j
    out = []
    for now in np.atleast_1d(np.asarray(t, float)):
        if np.isinf(now):
            out.append(power / (4 * np.pi * k * a * (1 + a * np.sqrt(perfusion / k))))
            continue
        out.append(float((np.exp(z) * transformed(z / now) * slope).sum().imag / now))
    return np.array(out)


def point_source(
    r: np.ndarray, t: float, power: float, conductivity: float, heat_capacity: float, perfusion: float = 0.0
) -> np.ndarray:
    r"""Rise around a point source switched on at t = 0 in an infinite medium.

    .. math:: \frac{P}{8\pi k r}\left[e^{-\beta r}\,\mathrm{erfc}\left(\tfrac{r}{2\sqrt{\alpha t}} - \sqrt{wt}\right)
              + e^{\beta r}\,\mathrm{erfc}\left(\tfrac{r}{2\sqrt{\alpha t}} + \sqrt{wt}\right)\right]

    with alpha = k / C, w = W / C, beta = sqrt(W / k). For t = inf: P exp(-beta r) / (4 pi k r).

    Parameters
    ----------
    r : ndarray
        Distance [m].
    t : float
        Time [s].
    power, conductivity, heat_capacity, perfusion : float
        P [W], k [W/m/K], C [J/m^3/K], W [W/m^3/K].
    """
    r = np.asarray(r, float)
    beta = np.sqrt(perfusion / conductivity)
    if np.isinf(t):
        return power * np.exp(-beta * r) / (4 * np.pi * conductivity * r)
    z, s = r / (2 * np.sqrt(conductivity / heat_capacity * t)), np.sqrt(perfusion / heat_capacity * t)
    both = np.exp(-beta * r) * erfc(z - s) + np.exp(beta * r) * erfc(z + s)
    return power * both / (8 * np.pi * conductivity * r)


def two_layers(
    x: np.ndarray, t: float, q: tuple[float, float], conductivity: tuple[float, float], capacity: tuple[float, float]
) -> np.ndarray:
    r"""Two half-spaces that meet at x = 0, each with a uniform source from t = 0 on.

    With the rates a_i = q_i / C_i and the effusivities e_i = sqrt(k_i C_i),
    T_1 = a_1 t + (a_2 - a_1) e_2 / (e_1 + e_2) 4 t i^2erfc(abs(x) / (2 sqrt(k_1 t / C_1))) and likewise T_2.

    Parameters
    ----------
    x : ndarray
        Position [m]; the first medium is at x < 0.
    t : float
        Time [s].
    q, conductivity, capacity : (float, float)
        Power density [W/m^3], k [W/m/K] and C [J/m^3/K] of both.
    """
    x = np.asarray(x, float)
    rate = [s / c for s, c in zip(q, capacity, strict=True)]
    e = [np.sqrt(k * c) for k, c in zip(conductivity, capacity, strict=True)]
    out = np.zeros_like(x)
    for i, here in ((0, x < 0), (1, x >= 0)):
        z = np.abs(x) / (2 * np.sqrt(conductivity[i] * t / capacity[i]))
        second = 0.25 * ((1 + 2 * z**2) * erfc(z) - 2 / np.sqrt(np.pi) * z * np.exp(-(z**2)))
        shape = rate[i] * t + (rate[1 - i] - rate[i]) * e[1 - i] / (e[0] + e[1]) * 4 * t * second
        out = np.where(here, shape, out)
    return out


def robin_slab(
    x: np.ndarray, t: float, length: float, q: float, conductivity: float, heat_capacity: float, exchange: float
) -> np.ndarray:
    r"""Slab with uniform q from t = 0 on, whose faces lose exchange * T to the air.

    Steady part q L / (2 h) + q x (L - x) / (2 k), less the series of its even eigenfunctions cos(2 mu (x/L - 1/2)) with
    mu tan mu = h L / (2 k).

    Parameters
    ----------
    x : ndarray
        Position in the slab, 0 to L [m].
    t : float
        Time [s]; inf for the steady state.
    length, q, conductivity, heat_capacity, exchange : float
        L [m], q [W/m^3], k [W/m/K], C [J/m^3/K], h [W/m^2/K].
    """
    x = np.asarray(x, float)
    half, biot = 0.5 * length, 0.5 * exchange * length / conductivity
    rest = q * half / exchange + q * x * (length - x) / (2 * conductivity)
    if np.isinf(t):
        return rest
    xi, series = x / half - 1, np.zeros_like(x)
    for n in range(200):
        mu = brentq(lambda m: m * np.sin(m) - biot * np.cos(m), n * np.pi, (n + 0.5) * np.pi)
        # Projection of the steady profile: its Laplacian is -q/k, so each coefficient is that of q over k mu^2.
        weight = 4 * np.sin(mu) / (2 * mu + np.sin(2 * mu))
        decay = np.exp(-conductivity * (mu / half) ** 2 * t / heat_capacity)
        series += q * half**2 / (conductivity * mu**2) * weight * np.cos(mu * xi) * decay
    return rest - series
