r"""The load density J x B0 of eddy currents, for a structural code: on the voxels and on the surface.

.. math:: \mathbf f = \mathbf J \times \mathbf B_0, \qquad \int \mathbf f\, dV = 0, \qquad
          \int \mathbf r \times \mathbf f\, dV = \mathbf m \times \mathbf B_0, \quad
          \mathbf m = \tfrac12 \int \mathbf r \times \mathbf J\, dV

Both integrals hold for currents that close, branch by branch: a branch from one voxel's middle to the next carries I
h, and by Kirchhoff's law the sums of I h and of I (x_i x_j)' over all branches vanish.

Source: J. D. Jackson, Classical Electrodynamics, sections 5.6 and 5.7 (moment of, and torque on, localised currents).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, vector
from emdose.errors import InputError
from emdose.models.implants.implant import Implant
from emdose.solvers.eddy.voxels.solution import EddySolution
from emdose.values import read_only


@read_only(units={"points_m": "m", "forces_N": "N", "moment": "A m^2", "rest": "1"})
@dataclass(frozen=True, eq=False)
class LorentzLoad:
    """Forces J x B0 at points, as peak phasors of one frequency.

    Parameters
    ----------
    points_m : (n, 3) ndarray
        Where they act [m].
    forces_N : (n, 3) complex ndarray
        Peak phasors [N].
    moment : (3,) complex ndarray
        Magnetic moment of the currents [A m^2].
    areas_m2 : (n,) ndarray, optional
        Areas of the triangles that they act on; none for a load on voxels [m^2].
    rest : float
        Part of the load, by its moduli, that was spread evenly to keep net force and torque on the surface.
    """

    points_m: np.ndarray
    forces_N: np.ndarray
    moment: np.ndarray
    areas_m2: np.ndarray | None = None
    rest: float = 0.0

    @property
    def net_force_N(self) -> np.ndarray:
        """Sum of all forces, (3,) complex [N]; zero in a uniform field."""
        return np.asarray(self.forces_N.sum(axis=0))

    @property
    def moduli_N(self) -> float:
        """Sum of the moduli of all forces, to compare with [N]."""
        return float(np.linalg.norm(self.forces_N, axis=1).sum())

    def torque_N_m(self, about_m: Any = (0.0, 0.0, 0.0)) -> np.ndarray:
        """Sum of r x f about a point, (3,) complex [N m]."""
        return np.asarray(np.cross(self.points_m - vector("about_m", about_m), self.forces_N).sum(axis=0))


def lorentz_load(solution: EddySolution, frequency_Hz: float, dbdt_T_s: Any, B0_T: Any) -> LorentzLoad:
    """J x B0 on the branches of a solution of eddy currents in uniform fields.

    Parameters
    ----------
    solution : EddySolution
        From :meth:`~emdose.EddyCurrent.currents`, of the three uniform sources first.
    frequency_Hz : float
        Frequency [Hz].
    dbdt_T_s : (3,) array, may be complex
        Peak phasors of dB/dt [T/s].
    B0_T : (float, float, float)
        Static field [T].

    Raises
    ------
    InputError
        When the solution has no uniform sources, or not up to this frequency.
    """
    if [s.name for s in solution.sources[:3]] != ["dBx/dt", "dBy/dt", "dBz/dt"]:
        raise InputError("the load needs the three uniform sources", field="sources", expected='sources="uniform"')
    b = np.asarray(dbdt_T_s, complex)
    if b.shape != (3,) or not np.all(np.isfinite(b)):
        raise InputError("bad rate", field="dbdt_T_s", found=b.shape, expected="three finite numbers")
    op = solution.operator
    net = op.network
    current = b @ op.be.to_numpy(solution.currents(frequency_Hz))[:3].astype(complex)
    size = math.prod(net.shape)
    component, cell = np.divmod(net.branches, size)
    index = np.stack(np.unravel_index(cell, net.shape), axis=1)
    h = np.asarray(net.grid.spacing_m)
    points = np.stack([net.grid.centres(a)[index[:, a]] for a in range(3)], axis=1)
    points[np.arange(len(points)), component] -= 0.5 * h[component]
    path = np.zeros((len(points), 3), complex)
    path[np.arange(len(points)), component] = current * h[component]
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    moment = 0.5 * np.cross(points - middle, path).sum(axis=0)
    return LorentzLoad(points, np.cross(path, vector("B0_T", B0_T)), moment)


def on_surface(load: LorentzLoad, implant: Implant) -> LorentzLoad:
    """A load on the triangles of an implant's surface, with the same net force and torque.

    Every force goes to the nearest triangle. What that changes of force and torque is taken up by a rigid field of
    traction, a + w x r, over the whole surface; ``rest`` says how much that is.

    Parameters
    ----------
    load : LorentzLoad
        On voxels.
    implant : Implant
        The metal, in the same place.
    """
    from scipy.spatial import cKDTree

    centres = np.concatenate([p.corners.mean(axis=1) for p in implant.parts])
    areas = np.concatenate([p.areas_m2 for p in implant.parts])
    _, near = cKDTree(centres).query(load.points_m)
    forces = np.zeros((len(centres), 3), complex)
    np.add.at(forces, near, load.forces_N)
    middle = centres.mean(axis=0)
    lumped = LorentzLoad(centres, forces, load.moment, areas)
    wanted = np.concatenate(
        [load.net_force_N - lumped.net_force_N, load.torque_N_m(middle) - lumped.torque_N_m(middle)]
    )
    r = centres - middle
    # Tractions of the six rigid fields, per triangle.
    fields = np.concatenate([np.broadcast_to(np.eye(3), (len(r), 3, 3)), np.cross(np.eye(3)[None], r[:, None])], axis=1)
    fields = fields * areas[:, None, None]
    effect = np.concatenate([fields.sum(axis=0), np.cross(r[:, None], fields).sum(axis=0)], axis=1)
    extra = np.einsum("k,tki->ti", np.linalg.solve(effect.T.astype(complex), wanted), fields)
    rest = float(np.linalg.norm(extra, axis=1).sum() / max(load.moduli_N, 1e-300))
    return LorentzLoad(centres, forces + extra, load.moment, areas, rest)


def reaction_moment(solution: EddySolution, frequency_Hz: float) -> np.ndarray:
    """K = M - j N / w of a solution, straight from its currents, (3, 3) complex [A m^2/(T/s)].

    Parameters
    ----------
    solution : EddySolution
        From :meth:`~emdose.EddyCurrent.currents`, of the three uniform sources first.
    frequency_Hz : float
        Frequency [Hz].
    """
    op = solution.operator
    currents = op.be.to_numpy(solution.currents(frequency_Hz))[:3]
    emf = array("emf", op.be.to_numpy(solution.emf)[:3], (3, None), problem="bad voltages")
    return np.asarray(emf @ currents.T.astype(complex))
