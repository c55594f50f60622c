"""What fields do to a lead that is in them: its currents per port, and where they leave power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import fits
from emdose.values import owned, read_only


@read_only(units={"current_A": "A per drive unit"})
@dataclass(frozen=True, eq=False)
class LeadResponse:
    """Currents of a lead per port and unit drive, peak phasors, exp(+jwt).

    Parameters
    ----------
    distance_m : (n,) float ndarray
        Distance from the tip along the path, at the middle of each segment [m].
    current_A : (port, n) complex ndarray
        Current of the conductor, positive away from the tip [A per drive unit].
    metal_W : (port, port) complex ndarray
        Power lost in its metal by pairs of ports, Hermitian [W].
    near_W : (port, port) complex ndarray
        Power lost in the tissue at the lead, closer than the cells resolve: it is in no map of E or SAR [W].
    """

    distance_m: np.ndarray
    current_A: np.ndarray
    metal_W: np.ndarray
    near_W: np.ndarray

    def __post_init__(self) -> None:
        ports = len(self.current_A)
        fits("current_A", self.current_A, (ports, len(self.distance_m)))
        for name in ("metal_W", "near_W"):
            fits(name, getattr(self, name), (ports, ports))

    def at(self, distance_m: float) -> np.ndarray:
        """Currents (port,) at a distance from the tip, linear between the segments [A per drive unit]."""
        return np.array([np.interp(distance_m, self.distance_m, one) for one in self.current_A])

    def combined(self, weights: np.ndarray) -> LeadResponse:
        """The same for drives with weights (port,) or (port, n)."""
        W = np.asarray(weights, complex).reshape(len(self.current_A), -1)
        metal, near = (W.conj().T @ m @ W for m in (self.metal_W, self.near_W))
        return LeadResponse(self.distance_m, owned(W.T @ self.current_A), metal, near)
