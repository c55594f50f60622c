r"""Convolutional perfectly matched layer: its profile and its coefficients along one axis.

The derivative along the axis is stretched by s = kappa + sigma / (alpha + j w eps0). In time, with d the difference of
neighbouring values,

.. math::

   \frac{d}{s} \to \frac{d}{\kappa} + \psi, \qquad \psi \leftarrow b\,\psi + c\,d, \qquad
   b = e^{-(\sigma/\kappa + \alpha)\,\Delta t/\varepsilon_0}, \qquad
   c = \frac{\sigma\,(b - 1)}{\kappa\,(\sigma + \kappa\alpha)}

The stretch does not know the material, so a medium that continues into the wall is absorbed as well.

Source: J. Roden and S. Gedney, Microw. Opt. Technol. Lett. 27 (2000) 334-339.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.checks import whole, within
from emdose.constants import C_0, EPS_0, MU_0


@dataclass(frozen=True)
class Cpml:
    """Thickness and grading of the absorbing layer.

    Parameters
    ----------
    cells : int
        Cells of the layer; it is the outermost part of the grid.
    order : float
        Power of the depth with which sigma and kappa - 1 grow.
    sigma_factor : float
        Largest sigma over 0.8 (order + 1) / (eta0 step).
    kappa_max : float
        Largest stretch of real coordinates.
    alpha_max_S_m : float
        Shift of the pole at the inner border, falling linearly to 0 at the wall [S/m]; 0.01 puts the pole at 180 MHz.

    Raises
    ------
    InputError
        For values out of range.
    """

    cells: int = 10
    order: float = 3.0
    sigma_factor: float = 1.0
    kappa_max: float = 10.0
    alpha_max_S_m: float = 0.01

    def __post_init__(self) -> None:
        whole("cells", self.cells, 2, problem="bad absorbing layer")
        for name, least in (("order", 1.0), ("sigma_factor", 0.0), ("kappa_max", 1.0), ("alpha_max_S_m", 0.0)):
            within(name, getattr(self, name), least, math.inf, problem="bad absorbing layer")

    def coefficients(self, depth: np.ndarray, step_m: float, dt: float) -> np.ndarray:
        """b, c and 1 / kappa - 1 at points of the layer.

        Parameters
        ----------
        depth : (n,) float ndarray
            Depth as a fraction of the thickness; 0 or less is outside.
        step_m : float
            Cell size there [m].
        dt : float
            Time step [s].

        Returns
        -------
        (3, n) ndarray
            The coefficients; b = c = 1 / kappa - 1 = 0 outside.
        """
        inside = np.clip(depth, 0.0, 1.0)
        strongest = self.sigma_factor * 0.8 * (self.order + 1) / (MU_0 * C_0 * step_m)
        sigma = strongest * inside**self.order
        kappa = 1 + (self.kappa_max - 1) * inside**self.order
        alpha = self.alpha_max_S_m * (1 - inside)
        b = np.exp(-(sigma / kappa + alpha) * dt / EPS_0)
        loss = kappa * (sigma + kappa * alpha)
        c = np.where(loss > 0, sigma * (b - 1) / np.where(loss > 0, loss, 1.0), 0.0)
        return np.where(depth > 0, np.stack([b, c, 1 / kappa - 1]), 0.0)
