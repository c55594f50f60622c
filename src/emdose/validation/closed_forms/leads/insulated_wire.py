r"""An insulated straight wire in a lossy medium as a transmission line, exp(+j w t).

Source: R. W. P. King, G. S. Smith, Antennas in Matter, MIT Press 1981, for wavenumber and characteristic impedance;
J. P. Tokaya et al., Magn. Reson. Med. (2018), doi:10.1002/mrm.27218, for the transfer matrix of a line with any ends.
"""

from __future__ import annotations

import numpy as np
from scipy.special import hankel2

from emdose.constants import EPS_0, MU_0


def wavenumber(frequency_Hz: float, permittivity: float, conductivity_S_m: float = 0.0) -> complex:
    r"""Wavenumber of a medium, w sqrt(mu0 (eps - j sigma / w)), with an imaginary part that is not positive [1/m].

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    permittivity : float
        Relative permittivity.
    conductivity_S_m : float
        Conductivity [S/m].
    """
    w = 2 * np.pi * frequency_Hz
    return complex(w * np.sqrt(MU_0 * (permittivity * EPS_0 - 1j * conductivity_S_m / w)))


def king_line(
    frequency_Hz: float,
    conductor_radius_m: float,
    coat_radius_m: float,
    coat_permittivity: float,
    permittivity: float,
    conductivity_S_m: float,
) -> tuple[complex, complex]:
    r"""Wavenumber [1/m] and characteristic impedance [ohm] of King's insulated antenna, in full.

    With F = H0(k4 b) / (k4 b H1(k4 b)) of Hankel functions of the second kind and Lb = ln(b / a),
    k = k2 sqrt((Lb + F) / (Lb + (k2 / k4)^2 F)) and Z = w mu0 k / (2 pi k2^2) (Lb + (k2 / k4)^2 F).
    For b -> a, k tends to the wavenumber k4 of the medium.

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    conductor_radius_m, coat_radius_m : float
        a and b [m].
    coat_permittivity : float
        Relative permittivity of the insulation.
    permittivity, conductivity_S_m : float
        Of the medium around, the latter in [S/m].
    """
    k2 = wavenumber(frequency_Hz, coat_permittivity)
    k4 = wavenumber(frequency_Hz, permittivity, conductivity_S_m)
    x = k4 * coat_radius_m
    F = hankel2(0, x) / (x * hankel2(1, x))
    thick = np.log(coat_radius_m / conductor_radius_m)
    elastic = thick + (k2 / k4) ** 2 * F
    k = k2 * np.sqrt((thick + F) / elastic)
    return complex(k), complex(2 * np.pi * frequency_Hz * MU_0 * k / (2 * np.pi * k2**2) * elastic)


def open_line(s: np.ndarray, length_m: float, k: complex, impedance_ohm: complex, E_V_m: complex = 1.0) -> np.ndarray:
    r"""Current of a line with open ends in a uniform tangential field [A].

    I = E / (j k Z) (1 - cos k(s - L/2) / cos(k L/2)).

    Parameters
    ----------
    s : ndarray
        Distance from one end [m].
    length_m : float
        L [m].
    k, impedance_ohm : complex
        Wavenumber [1/m] and characteristic impedance [ohm].
    E_V_m : complex
        Tangential field [V/m].
    """
    shape = 1 - np.cos(k * (np.asarray(s) - length_m / 2)) / np.cos(k * length_m / 2)
    return np.asarray(E_V_m / (1j * k * impedance_ohm) * shape)


def transfer_matrix(
    z: np.ndarray,
    source: np.ndarray,
    length_m: float,
    k: complex,
    impedance_ohm: complex,
    reflections: tuple[complex, complex] = (-1.0, -1.0),
) -> np.ndarray:
    r"""Current at z for a unit source of series voltage at z', M(z, z') with I(z) = int M(z, z') E(z') dz' [S].

    2 Z M = e^{-g abs(z-z')} + (r0 e^{-g(z+z')} + rL e^{-g(2L-z-z')} + 2 r0 rL e^{-2gL} cosh g(z-z')) / D, g = j k and
    D = 1 - r0 rL e^{-2gL}.

    Parameters
    ----------
    z, source : ndarray
        z and z', of shapes that broadcast [m].
    length_m : float
        L [m].
    k, impedance_ohm : complex
        Wavenumber [1/m] and characteristic impedance [ohm].
    reflections : (2,) complex
        Reflection of the current at z = 0 and at z = L; -1 at an open end.
    """
    g, (r0, rL), L = 1j * k, reflections, length_m
    z, at = np.asarray(z), np.asarray(source)
    round_trip = np.exp(-2 * g * L)
    back = r0 * np.exp(-g * (z + at)) + rL * np.exp(-g * (2 * L - z - at))
    back = back + 2 * r0 * rL * round_trip * np.cosh(g * (z - at))
    return np.asarray((np.exp(-g * np.abs(z - at)) + back / (1 - r0 * rL * round_trip)) / (2 * impedance_ohm))


def short_wire(
    frequency_Hz: float,
    conductor_radius_m: float,
    coat_radius_m: float,
    coat_permittivity: float,
    length_m: float,
    E_V_m: complex = 1.0,
) -> complex:
    r"""Mid current of an insulated wire much shorter than its wavelength [A].

    I = j w C' E L^2 / 8 with C' = 2 pi eps2 / ln(b / a).

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    conductor_radius_m, coat_radius_m : float
        a and b [m].
    coat_permittivity : float
        Relative permittivity of the insulation.
    length_m : float
        L [m].
    E_V_m : complex
        Uniform tangential field [V/m].
    """
    capacitance = 2 * np.pi * coat_permittivity * EPS_0 / np.log(coat_radius_m / conductor_radius_m)
    return complex(2j * np.pi * frequency_Hz * capacitance * E_V_m * length_m**2 / 8)
