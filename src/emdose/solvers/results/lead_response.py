"""What fields do to a lead that is in them: its currents per port, and where they leave power."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    voxel : (m, 3) int ndarray
        Voxels of the tissue at the lead, closer than the cells resolve: E on the grid does not hold the power there.
    node : (m,) int ndarray
        End of a segment, 0 to n, whose current into the tissue leaves it there.
    near_ohm : (m,) float ndarray
        Resistance that this current meets there [ohm].
    """

    distance_m: np.ndarray
    current_A: np.ndarray
    metal_W: np.ndarray
    voxel: np.ndarray
    node: np.ndarray
    near_ohm: np.ndarray

    def __post_init__(self) -> None:
        ports, many = len(self.current_A), len(self.node)
        fits("current_A", self.current_A, (ports, len(self.distance_m)))
        fits("metal_W", self.metal_W, (ports, ports))
        fits("voxel", self.voxel, (many, 3))
        fits("near_ohm", self.near_ohm, (many,))

    @property
    def leaving_A(self) -> np.ndarray:
        """Currents (port, n + 1) into the tissue at the ends of the segments [A per drive unit]."""
        none = np.zeros((len(self.current_A), 1))
        return np.concatenate([none, self.current_A], axis=1) - np.concatenate([self.current_A, none], axis=1)

    @property
    def near_W(self) -> np.ndarray:
        """Power in the tissue at the lead, closer than the cells resolve, by pairs of ports, (port, port) [W]."""
        ohm = np.bincount(self.node, self.near_ohm, len(self.distance_m) + 1)
        return np.asarray(0.5 * (self.leaving_A.conj() * ohm) @ self.leaving_A.T)

    def near_in_voxels(self) -> np.ndarray:
        """The same in every voxel of ``voxel``, (m, port, port) [W]; a voxel may stand there more than once."""
        I = self.leaving_A[:, self.node].T  # noqa: E741 - a current
        return np.asarray(0.5 * self.near_ohm[:, None, None] * I.conj()[:, :, None] * I[:, None, :])

    def at(self, distance_m: float) -> np.ndarray:
        """Currents (port,) at a distance from the tip, linear between the segments [A per drive unit]."""
        return np.array([np.interp(distance_m, self.distance_m, one) for one in self.current_A])

    def combined(self, weights: np.ndarray) -> LeadResponse:
        """The same for drives with weights (port,) or (port, n)."""
        W = np.asarray(weights, complex).reshape(len(self.current_A), -1)
        return replace(self, current_A=owned(W.T @ self.current_A), metal_W=W.conj().T @ self.metal_W @ W)
