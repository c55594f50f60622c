r"""The incident plane wave on an auxiliary line, and the box through which it enters the grid.

A wave along the unit vector d obeys on the lattice, to fourth order in the steps,

.. math:: k^2 \Big(1 - \frac{k^2}{12} \sum_a d_a^4 \Delta_a^2\Big)
   = \frac{4}{c^2\Delta t^2} \sin^2\frac{\omega\Delta t}{2}

and on a line of step D the same with D^2 in place of the sum, so a line with D^2 = sum d_a^4 Delta_a^2 carries it
at the lattice's speed; along an axis it is the lattice's own line. D is never below c dt. Values between its points are
interpolated by cubics.

Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, ch. 5 (total field).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.constants import C_0, EPS_0, MU_0
from emdose.errors import InputError
from emdose.solvers.yee_engine.setup.problem import IncidentWave, YeeProblem
from emdose.solvers.yee_engine.tables.lattice import Lattice

MARGIN = 6
"""Points of the line before the corner that the wave meets first."""


class IncidentLine:
    """E at the points of the line and H between them, stepped in double precision on the host.

    Parameters
    ----------
    wave : IncidentWave
        The wave.
    lattice : Lattice
        The lattice; its steps must be equal along each axis around the box, or the wave say that they are not.
    """

    def __init__(self, wave: IncidentWave, lattice: Lattice) -> None:
        self.wave, grid = wave, lattice.grid
        steps = np.empty(3)
        for axis in range(3):
            around = grid.steps(axis)[wave.low[axis] - 1 : wave.high[axis] + 1]
            if np.ptp(around) > 1e-6 * around.max() and not wave.graded:
                raise InputError(
                    "plane wave on a graded part of the grid",
                    field="xyz"[axis],
                    found=f"{around.min():g} to {around.max():g} m",
                    expected="equal steps",
                )
            steps[axis] = around.max() if wave.graded else around.mean()
        self.direction, self.polarisation = np.array(wave.direction), np.array(wave.polarisation)
        self.step = float(np.sqrt(np.sum(self.direction**4 * steps**2)))
        begin, end = (np.array([grid.nodes(a)[int(v[a])] for a in range(3)]) for v in _met(wave))
        self.origin = begin
        self.points = MARGIN + int(np.ceil(float((end - begin) @ self.direction) / self.step)) + 8
        self.dt = lattice.dt
        self.E, self.H = np.zeros(self.points), np.zeros(self.points)
        self.columns = 2 * self.points
        self._speed = C_0 * self.dt / self.step
        self._before = 0.0

    def advance(self, first: int, steps: int) -> np.ndarray:
        """Values that ``steps`` steps of the grid need, (steps, 2 points): H for the update of E, then E for that of H.

        Parameters
        ----------
        first : int
            Number of the first step.
        steps : int
            Count.
        """
        out = np.empty((steps, self.columns))
        impedance = np.sqrt(MU_0 / EPS_0)
        drive = self.wave.amplitude_V_m * self.wave.waveform((first + 1 + np.arange(steps)) * self.dt - self._lead)
        absorb = (self._speed - 1) / (self._speed + 1)
        E, H, ratio = self.E, self.H, self._speed
        for n in range(steps):
            # The grid's H at (step + 1/2) dt makes its E at (step + 1) dt, which makes its next H.
            out[n, : self.points] = H
            last, before = E[-1], E[-2]
            E[1:] -= ratio * impedance * (H[1:] - H[:-1])
            E[0] = drive[n]
            E[-1] = before + absorb * (E[-2] - last)
            out[n, self.points :] = E
            H[:-1] -= ratio / impedance * (E[1:] - E[:-1])
        return out

    @property
    def _lead(self) -> float:
        """The waveform holds at the box's corner, MARGIN points behind the line's first."""
        return -MARGIN * self.step / C_0

    def weights(self, points: np.ndarray, magnetic: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns and weights, each (m, 4), of E (0) or H (1) along the line at points (m, 3) [m]."""
        s = (points - self.origin) @ self.direction / self.step + MARGIN - (0.5 if magnetic else 0.0)
        s = np.where(np.abs(s - np.rint(s)) < 1e-7, np.rint(s), s)
        base = np.floor(s).astype(int)
        u = s - base
        weight = np.stack(
            [
                -u * (u - 1) * (u - 2) / 6,
                (u + 1) * (u - 1) * (u - 2) / 2,
                -(u + 1) * u * (u - 2) / 2,
                (u + 1) * u * (u - 1) / 6,
            ],
            axis=1,
        )
        column = base[:, None] + np.arange(-1, 3)
        assert column[weight != 0].min() >= 0
        assert column[weight != 0].max() < self.points
        return np.clip(column, 0, self.points - 1) + (0 if magnetic else self.points), weight


def _met(wave: IncidentWave) -> tuple[np.ndarray, np.ndarray]:
    """Corner nodes that the wave meets first and last."""
    ahead = np.array(wave.direction) >= 0
    low, high = np.array(wave.low), np.array(wave.high)
    return np.where(ahead, low, high), np.where(ahead, high, low)


def surface_terms(
    line: IncidentLine, problem: YeeProblem, lattice: Lattice, magnetic: int, columns: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Terms of E (0) or H (1) at the box: entries (p, 4), columns and coefficients.

    E on the box's surface is total field and lacks the incident part of the H just outside; that H is scattered
    field and has too much of the E on the surface.
    """
    wave, grid = line.wave, lattice.grid
    field = np.cross(line.direction, line.polarisation) if magnetic == 0 else line.polarisation
    out = []
    for axis in range(3):
        for side in (0, 1):
            wall = (wave.low, wave.high)[side][axis]
            outside = wall - 1 if side == 0 else wall
            for c in (a for a in range(3) if a != axis):
                # Component c of E on the wall and component "other" of H half a cell outside share this face.
                other = 3 - axis - c
                ranges = [np.arange(wave.low[a], wave.high[a] + (a != c)) for a in range(3)]
                ranges[axis] = np.array([wall])
                on_wall = np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, 3)
                beside = on_wall.copy()
                beside[:, axis] = outside
                # The curl of H in E_c has -d(H_other)/d(axis) where (axis, other, c) is an odd permutation.
                parity = 1.0 if (axis, other, c) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1.0
                if magnetic == 0:
                    e = np.column_stack([np.full(len(on_wall), c), on_wall])
                    ids = problem.materials.ids[tuple(e.T)]
                    gain = lattice.edge_coefficient(e, ids)
                    positions = _positions(grid, beside, other, True)
                    length = grid.dual_steps(other)[beside[:, other]]
                    sign = parity * (-1.0 if side == 0 else 1.0)
                    entry, value = e, sign * gain * length * field[other]
                else:
                    h = np.column_stack([np.full(len(beside), other), beside])
                    gain = lattice.product(1, h).astype(float)
                    positions = _positions(grid, on_wall, c, False)
                    length = grid.steps(c)[on_wall[:, c]]
                    # H_other -= factor * parity' dE_c / d(axis), with parity' of (axis, c, other) = -parity.
                    sign = -parity * (1.0 if side == 0 else -1.0)
                    entry, value = h, sign * gain * length * field[c]
                column, weight = line.weights(positions, 1 - magnetic)
                keep = (weight != 0) & (value != 0)[:, None]
                rows = np.nonzero(keep)[0]
                out.append((entry[rows], columns + column[keep], (value[:, None] * weight)[keep]))
    return out


def _positions(grid: Any, at: np.ndarray, component: int, magnetic: bool) -> np.ndarray:
    """Points of entries (m, 3) of a component of E or H [m]."""
    out = np.empty(at.shape)
    for a in range(3):
        centred = (a == component) != magnetic
        out[:, a] = (grid.centres(a) if centred else grid.nodes(a))[at[:, a]]
    return out
