"""Resistances, inductances and the projection on currents without divergence, on vectors over the branches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.multigrid import Conduction, all_products, row_products
from emdose.solvers.eddy.voxels.inductance import Inductance

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.eddy.voxels.branches import BranchNetwork
    from emdose.solvers.eddy.voxels.sources import Source

HEAD = 7
"""Numbers in front of a packed block: its sizes and the fingerprint of the problem."""
CHUNK = 1 << 20
"""Points at which a vector potential is asked for at a time."""


class EddyOperator:
    """The discrete eddy current problem of one network on one device.

    Parameters
    ----------
    network : BranchNetwork
        The branches.
    be : Backend
        Device.
    dtype : {"float32", "float64"}
        Precision of fields; sums and the reduced model are in float64.
    tolerance : float
        Relative residual of the conduction problems.
    """

    def __init__(self, network: BranchNetwork, be: Backend, dtype: str, tolerance: float) -> None:
        self.network, self.be, self.tolerance = network, be, tolerance
        self.real = np.dtype(dtype)
        self.complex_type = np.result_type(self.real, np.complex64).type
        self.shape = network.shape
        self.branches = be.asarray(network.branches)
        self.conduction = Conduction(network.conductance, be, dtype)
        self.inductance = Inductance(self.shape, network.grid.spacing_m, network.offset, be, dtype)
        conductance = network.conductance.ravel()[network.branches]
        self.conductance = be.asarray(conductance.astype(self.real))
        self.resistance = be.asarray((1 / conductance).astype(self.real))
        self.fingerprint = (0.0, 0.0)
        self.products = 0

    def emf(self, sources: tuple[Source, ...]) -> Any:
        """Voltages along the branches for unit rates of change, minus A times the length, (source, branch) [V]."""
        net, h = self.network, self.network.grid.spacing_m
        size = math.prod(self.shape)
        out = np.empty((len(sources), len(net.branches)), self.real)
        for c in range(3):
            here = np.flatnonzero((net.branches >= c * size) & (net.branches < (c + 1) * size))
            index = net.branches[here] - c * size
            points = np.stack([p.reshape(-1)[index] for p in net.points(c)], axis=1)
            for low in range(0, len(here), CHUNK):
                part = slice(low, low + CHUNK)
                for s, source in enumerate(sources):
                    A = np.asarray(source.potential(points[part]))
                    out[s, here[part]] = -h[c] * A[:, c]
        # Tells problems of the same size apart in a checkpoint.
        self.fingerprint = (float(net.conductance.sum()), float(np.abs(out).sum(dtype=float)))
        return self.be.asarray(out)

    def expand(self, x: Any) -> Any:
        """Vectors over the branches as arrays (rhs, 3, nx, ny, nz)."""
        full = self.be.xp.zeros((len(x), 3 * math.prod(self.shape)), x.dtype)
        full[:, self.branches] = x
        return full.reshape(len(x), 3, *self.shape)

    def squeeze(self, full: Any) -> Any:
        """The inverse of :meth:`expand`."""
        return self.be.xp.take(full.reshape(len(full), -1), self.branches, axis=1)

    def induced(self, current: Any) -> Any:
        """L I for real currents [V s]."""
        self.products += 1
        return self.squeeze(self.inductance(self.expand(current)))

    def project(self, voltage: Any) -> Any:
        """Voltages less the potential differences that make the driven currents free of divergence."""
        flow = self.conductance * voltage
        size = np.sqrt(row_products(flow, flow, self.be))
        phi = self.conduction.solve(divergence(self.expand(flow)), self.tolerance, size)
        return voltage + self.squeeze(rise(phi, self.be.xp))

    def driven(self, voltage: Any) -> Any:
        """Currents [A]."""
        return self.conductance * voltage

    def inner(self, current: Any, voltage: Any) -> np.ndarray:
        """Sums of currents times voltages, (currents, voltages) float64 [W]."""
        return all_products(current, voltage, self.be)

    def subtract(self, voltage: Any, current: Any, factors: np.ndarray) -> Any:
        """Voltages less the resistive ones of currents times factors (currents, voltages)."""
        return voltage - self.resistance * self.combine(current, factors)

    def combine(self, current: Any, factors: np.ndarray) -> Any:
        """Sums over the currents with factors (currents, out), (out, branches)."""
        return self.be.asarray(np.ascontiguousarray(factors.T.astype(self.real))) @ current

    def pack(self, block: tuple[Any, np.ndarray, np.ndarray]) -> np.ndarray:
        """A block of the basis with its coefficients as one array of the host."""
        new, coupling, overlaps = block
        head = np.array([len(new), *coupling.shape, *overlaps.shape, *self.fingerprint], float)
        return np.concatenate([head, coupling.ravel(), overlaps.ravel(), self.be.to_numpy(new).ravel().astype(float)])

    def unpack(self, saved: np.ndarray, size: int) -> tuple[Any, np.ndarray, np.ndarray] | None:
        """The inverse of :meth:`pack`; None where it does not belong to this problem."""
        saved = np.asarray(saved, float).ravel()
        if saved.size < HEAD or not np.all(np.isfinite(saved)):
            return None
        count, a, b, c, d = (int(v) for v in saved[:5])
        n = len(self.branches)
        if min(count, a, b, c, d) < 0 or c != size or saved.size != HEAD + a * b + c * d + count * n:
            return None
        if not np.allclose(saved[5:HEAD], self.fingerprint, rtol=1e-6, atol=0):
            return None
        coupling = saved[HEAD : HEAD + a * b].reshape(a, b)
        overlaps = saved[HEAD + a * b : HEAD + a * b + c * d].reshape(c, d)
        return self.be.asarray(saved[HEAD + a * b + c * d :].reshape(count, n).astype(self.real)), coupling, overlaps


def divergence(flow: Any) -> Any:
    """Net current that leaves every cell, from currents (rhs, 3, nx, ny, nz) towards growing coordinates."""
    out = -(flow[:, 0] + flow[:, 1] + flow[:, 2])
    out[:, :-1] += flow[:, 0, 1:]
    out[:, :, :-1] += flow[:, 1, :, 1:]
    out[:, :, :, :-1] += flow[:, 2, :, :, 1:]
    return out


def rise(phi: Any, xp: Any) -> Any:
    """Potential of every cell less that of the one below along each axis, (rhs, 3, nx, ny, nz)."""
    out = xp.zeros((len(phi), 3, *phi.shape[1:]), phi.dtype)
    out[:, 0, 1:] = phi[:, 1:] - phi[:, :-1]
    out[:, 1, :, 1:] = phi[:, :, 1:] - phi[:, :, :-1]
    out[:, 2, :, :, 1:] = phi[:, :, :, 1:] - phi[:, :, :, :-1]
    return out
