"""What the eddy currents of a voxel solution say: power, its density, the magnetic field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import array
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.solvers.eddy.voxels.modes import Modes
    from emdose.solvers.eddy.voxels.operator import EddyOperator
    from emdose.solvers.eddy.voxels.sources import Source

PAIRS = 1 << 24
"""Pairs of point and branch at a time."""


@read_only
@dataclass(frozen=True, eq=False)
class EddySolution:
    """Eddy currents of some sources at any frequency up to the one that was asked for.

    Parameters
    ----------
    operator : EddyOperator
        The discrete problem.
    modes : Modes
        The reduced model over frequency.
    sources : tuple of Source
        The sources, in the order of the results.
    emf : (sources, branches) array
        Their voltages per unit of rate of change [V].
    highest_Hz : float
        Frequency up to which the residual meets the tolerance.
    """

    operator: EddyOperator
    modes: Modes
    sources: tuple[Source, ...]
    emf: Any
    highest_Hz: float

    def currents(self, frequency_Hz: float) -> Any:
        """Currents of the branches per unit rate of change, (source, branch) complex, on the device [A].

        The rate of change is the phasor j w A, so that A of one unit drives j w times these currents.
        """
        if not 0 < frequency_Hz <= self.highest_Hz * (1 + 1e-9):
            raise InputError(
                "frequency outside the solution",
                field="frequency_Hz",
                found=frequency_Hz,
                expected=f"up to {self.highest_Hz:g} Hz",
            )
        op, y = self.operator, self.modes.amplitudes(frequency_Hz)
        xp = op.be.xp
        out = xp.zeros((len(self.sources), len(op.branches)), np.result_type(op.real, np.complex64))
        low = 0
        for block in self.modes.basis:
            part = y[low : low + len(block)]
            out += op.combine(block, part.real) + 1j * op.combine(block, part.imag)
            low += len(block)
        return out

    def power(self, currents: Any) -> tuple[np.ndarray, np.ndarray]:
        """Power in the resistances and work of the source, (n, n) complex each [W per (unit of source, rms)^2].

        The first is I^H R I; the second the Hermitian part of I^H e. Energy is conserved when they agree.
        """
        op = self.operator
        n = len(currents)
        parts = (op.be.xp.ascontiguousarray(currents.real), op.be.xp.ascontiguousarray(currents.imag))
        loss, work = np.zeros((n, n), complex), np.zeros((n, n), complex)
        for i, a in enumerate(parts):
            for j, b in enumerate(parts):
                loss += (1j**j) * (-1j) ** i * op.inner(a, op.resistance * b)
            work += (-1j) ** i * op.inner(a, self.emf)
        return loss, 0.5 * (work + work.conj().T)

    def density(self, currents: Any) -> Any:
        """Power density of the cells with metal, (n, n, m) complex64, averaged over whole voxels [W/m^3]."""
        op, net = self.operator, self.operator.network
        be, xp = op.be, op.be.xp
        n, volume = len(currents), net.grid.voxel_volume_m3
        cells = be.asarray(np.flatnonzero(net.cells.ravel()))
        share = be.asarray(net.share)
        out = xp.zeros((n, n, len(cells)), np.complex64)
        for i in range(n):
            heat = op.resistance * currents[i].conj()
            for j in range(i, n):
                face = op.expand((heat * currents[j])[None])[0]
                cell = (share * face).sum(axis=0)
                below = face - share * face
                for c in range(3):
                    low = tuple(slice(None, -1) if a == c else slice(None) for a in range(3))
                    high = tuple(slice(1, None) if a == c else slice(None) for a in range(3))
                    cell[low] += below[c][high]
                out[i, j] = cell.ravel()[cells] / op.real.type(volume)
                if j > i:
                    out[j, i] = out[i, j].conj()
        return out

    def true_residual(self, currents: Any, frequency_Hz: float) -> float:
        """Largest relative residual over the sources, from the equations themselves rather than the reduced model.

        The voltages R I + j w L I - e that no potential balances, as the loss of the currents that they would drive.
        """
        op, w = self.operator, 2 * math.pi * frequency_Hz
        xp = op.be.xp
        flux = op.squeeze(op.inductance.complex_product(op.expand(currents)))
        voltage = op.resistance * currents + op.complex_type(1j * w) * flux - self.emf
        size = np.diag(self.modes.start.T @ self.modes.start)
        total = np.zeros(len(currents))
        for part in (voltage.real, voltage.imag):
            left = op.project(xp.ascontiguousarray(part))
            total += np.diag(op.inner(op.driven(left), left))
        return float(np.sqrt(np.max(total / np.where(size > 0, size, 1.0))))

    def magnetic_field(self, points_m: np.ndarray, frequency_Hz: float) -> np.ndarray:
        """Flux density of the eddy currents at points outside the metal or a few voxels away from branches.

        Parameters
        ----------
        points_m : (n, 3) ndarray
            Points [m].
        frequency_Hz : float
            Frequency [Hz].

        Returns
        -------
        (source, n, 3) complex ndarray
            Peak phasors for sources of one unit (T, T/m, or the unit of the drive): the currents are those that j w A
            drives [T per unit].
        """
        points = array("points_m", points_m, (None, 3), single=True, problem="bad points")
        op, net = self.operator, self.operator.network
        be, xp = op.be, op.be.xp
        moment = (2j * math.pi * frequency_Hz * MU_0 / (4 * math.pi)) * self.currents(frequency_Hz).astype(complex)
        out = np.zeros((len(self.sources), len(points), 3), complex)
        size = math.prod(net.shape)
        for c in range(3):
            here = np.flatnonzero((net.branches >= c * size) & (net.branches < (c + 1) * size))
            index = net.branches[here] - c * size
            where = [be.asarray(p.reshape(-1)[index]) for p in net.points(c)]
            m = moment[:, be.asarray(here)] * net.grid.spacing_m[c]
            step = max(1, PAIRS // max(1, len(here)))
            for low in range(0, len(points), step):
                block = be.asarray(points[low : low + step])
                d = [block[:, a, None] - where[a][None] for a in range(3)]
                inverse = 1 / xp.maximum(d[0] ** 2 + d[1] ** 2 + d[2] ** 2, 1e-24) ** 1.5
                a, b = (c + 1) % 3, (c + 2) % 3
                # e_c x d = e_b d_a - e_a d_b
                out[:, low : low + step, b] += be.to_numpy(m @ (inverse * d[a]).T)
                out[:, low : low + step, a] -= be.to_numpy(m @ (inverse * d[b]).T)
        return out
