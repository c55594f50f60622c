"""B1+ in an infinitely long, radially layered dielectric cylinder: the oracle of EPT.

With E along the axis and exp(+j w t), the vector potential A_z = f(rho) exp(j n phi) obeys Bessel's equation with
k^2 = w^2 mu0 (eps - j sigma/w) in every layer; f and f' are continuous. B = curl(A_z z) then gives
B1+ = (Bx + j By)/2 = (j/2) k (a J_{n+1} + b Y_{n+1}) exp(j (n+1) phi) and
(Bx - j By)/2 = (j/2) k (a J_{n-1} + b Y_{n-1}) exp(j (n-1) phi), where f = a J_n(k rho) + b Y_n(k rho).
A circularly polarised birdcage excites n = -1: B1+ is then even and largest on the axis.

Source: J. A. Stratton, Electromagnetic Theory (1941), chapter VI; U. Katscher et al., IEEE Trans. Med. Imaging 28
(2009) 1365-1374 for the Helmholtz equation of B1+.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.constants import C_0, EPS_0, MU_0


@dataclass(frozen=True)
class LayeredCylinder:
    """A cylinder of concentric layers in air.

    Parameters
    ----------
    radii_m : sequence of float
        Outer radii of the layers [m], increasing.
    permittivity : sequence of float
        Relative permittivity of the layers.
    conductivity : sequence of float
        Conductivity of the layers [S/m].
    frequency_Hz : float
        Frequency [Hz].

    Raises
    ------
    ValueError
        When the sequences do not fit each other.
    """

    radii_m: Sequence[float]
    permittivity: Sequence[float]
    conductivity: Sequence[float]
    frequency_Hz: float

    def __post_init__(self) -> None:
        sizes = {len(self.radii_m), len(self.permittivity), len(self.conductivity)}
        if len(sizes) != 1 or 0 in sizes or np.any(np.diff([0.0, *self.radii_m]) <= 0):
            raise ValueError("layers need increasing radii and one permittivity and conductivity each")

    def layer(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Index of the layer at points [m]; the number of layers in air."""
        return np.searchsorted(np.asarray(self.radii_m), np.hypot(x, y), side="left")

    def wavenumbers(self) -> np.ndarray:
        """k = sqrt(w^2 mu0 (eps - j sigma/w)) of the layers and of air [1/m], with Im k <= 0."""
        w = 2 * math.pi * self.frequency_Hz
        eps = EPS_0 * np.asarray(self.permittivity, float) - 1j * np.asarray(self.conductivity, float) / w
        return np.append(w * np.sqrt(MU_0 * eps), w / C_0)

    def coefficients(self, n: int) -> np.ndarray:
        """(a, b) of J_n and Y_n in the layers and in air, (layers + 1, 2), for an incident wave J_n(k0 rho)."""
        from scipy.special import jv, jvp, yv, yvp

        k = self.wavenumbers()
        out = np.zeros((len(k), 2), complex)
        out[0] = 1.0, 0.0
        for i, radius in enumerate(self.radii_m):
            inner, outer = k[i] * radius, k[i + 1] * radius
            f = out[i, 0] * jv(n, inner) + (out[i, 1] * yv(n, inner) if i else 0.0)
            g = k[i] * (out[i, 0] * jvp(n, inner) + (out[i, 1] * yvp(n, inner) if i else 0.0)) / k[i + 1]
            # The Wronskian J Y' - J' Y = 2/(pi z) inverts the pair of continuity conditions.
            scale = math.pi * outer / 2
            out[i + 1, 0] = scale * (f * yvp(n, outer) - g * yv(n, outer))
            out[i + 1, 1] = scale * (g * jv(n, outer) - f * jvp(n, outer))
        # Outside a J + b Y = (a - j b) J + j b H2, and only H2 = J - j Y leaves.
        return out / (out[-1, 0] - 1j * out[-1, 1])

    def rotating_fields(
        self, x: np.ndarray, y: np.ndarray, harmonics: Mapping[int, complex] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(Bx + j By)/2 and (Bx - j By)/2 at points [m], for incident A_z = sum_n c_n J_n(k0 rho) exp(j n phi).

        Parameters
        ----------
        x, y : ndarray
            Coordinates [m], of any shape that broadcasts.
        harmonics : mapping of n to c_n, optional
            By default {-1: 1}, the circularly polarised birdcage.
        """
        from scipy.special import jv, yv

        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        rho, phi, layer = np.hypot(x, y), np.arctan2(y, x), self.layer(x, y)
        plus, minus = np.zeros(x.shape, complex), np.zeros(x.shape, complex)
        k = self.wavenumbers()
        for n, amplitude in (harmonics or {-1: 1.0}).items():
            for i, (a, b) in enumerate(self.coefficients(n)):
                here = layer == i
                z = k[i] * rho[here]
                for field, m in ((plus, n + 1), (minus, n - 1)):
                    radial = a * jv(m, z) + (b * yv(m, z) if i else 0.0)
                    field[here] += amplitude * 0.5j * k[i] * radial * np.exp(1j * m * phi[here])
        return plus, minus

    def transmit_and_receive(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """B1+ of the birdcage, and the receive field (Bx - j By)/2 of the birdcage with reversed polarity.

        Their phases add up to the transceive phase that an image shows.
        """
        return self.rotating_fields(x, y, {-1: 1.0})[0], self.rotating_fields(x, y, {1: 1.0})[1]

    def properties(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Conductivity [S/m] and relative permittivity at points [m]."""
        layer = self.layer(x, y)
        return np.append(self.conductivity, 0.0)[layer], np.append(self.permittivity, 1.0)[layer]


def standing_b1plus(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    permittivity: float,
    conductivity: float,
    frequency_Hz: float,
    kz: float,
) -> np.ndarray:
    """J_0(sqrt(k^2 - kz^2) rho) cos(kz z): a solution of the Helmholtz equation of B1+ that varies along the axis.

    Parameters
    ----------
    x, y, z : ndarray
        Coordinates [m].
    permittivity, conductivity, frequency_Hz : float
        Relative permittivity, conductivity [S/m], frequency [Hz].
    kz : float
        Wavenumber along z [1/m].
    """
    from scipy.special import jv

    k = LayeredCylinder([1.0], [permittivity], [conductivity], frequency_Hz).wavenumbers()[0]
    return jv(0, np.sqrt(k * k - kz * kz) * np.hypot(x, y)) * np.cos(kz * np.asarray(z))
