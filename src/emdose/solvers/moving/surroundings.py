r"""What a body that moves sees of a static field: B and dB/dt at its points, in its own axes.

A point of the body moves with :math:`\mathbf v = \dot{\mathbf s} + \boldsymbol\Omega\times(\mathbf r - \mathbf s)`, and
in the axes of the body, which R turns into those of the room, it sees

.. math:: \mathbf B' = R^T\mathbf B, \qquad
   \dot{\mathbf B}' = R^T\big[(\mathbf v\cdot\nabla)\mathbf B - \boldsymbol\Omega\times\mathbf B\big] .

Minus this is the curl of the impressed field :math:`\mathbf v\times\mathbf B`: two motions with the same
:math:`\dot{\mathbf B}'` all over the body induce the same field in it.

Source: M. Chiampi and L. Zilberti, IEEE Trans. Biomed. Eng. 58 (2011) 2787 (motion in the body frame).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.models.bodies.phantom import Phantom
from emdose.models.induction.magnets import StaticMagnet
from emdose.models.induction.tabulated import TabulatedField
from emdose.models.induction.trajectories import BodyPoses

BLOCK_M = 0.03
"""One point of the body in every cube of this edge; a field varies over no less than ten centimetres in a magnet."""
POINTS = 800
"""Of them, at most so many are where dB/dt is compared."""
_STEP_M = 1e-3


def points_of(phantom: Phantom) -> np.ndarray:
    """Points spread over a body, its outermost voxels among them, (n, 3) [m]."""
    index = np.argwhere(phantom.body)
    places = np.asarray(phantom.grid.origin_m) + (index + 0.5) * np.asarray(phantom.grid.spacing_m)
    cubes = np.floor(places / BLOCK_M).astype(np.int64)
    cubes -= cubes.min(axis=0)
    _, first = np.unique(np.ravel_multi_index(tuple(cubes.T), tuple(cubes.max(axis=0) + 1)), return_index=True)
    away = np.random.default_rng(3).normal(size=(60, 3))
    ends = [int(np.argmax(places @ a)) for a in np.concatenate([np.eye(3), -np.eye(3), away])]
    rest = np.setdiff1d(first, ends)
    order = np.random.default_rng(4).permutation(len(rest))
    return np.asarray(places[np.concatenate([np.unique(ends), rest[order]])])


class Surroundings:
    """A static field as the points of a moving body see it.

    Parameters
    ----------
    magnet : StaticField
        A magnet; one of coils is tabulated, of others differences are taken where they have no gradient.
    reach_m : float
        How far from the isocentre the body comes [m].
    """

    def __init__(self, magnet: Any, reach_m: float) -> None:
        self.magnet = magnet
        self.table = TabulatedField(magnet, reach_m) if isinstance(magnet, StaticMagnet) else None

    @property
    def error(self) -> float:
        """Largest error of the tabulated gradient over the largest gradient; 0 without a table."""
        return 0.0 if self.table is None else self.table.error

    def require_room(self, points: np.ndarray, who: str) -> None:
        """Raise InputError where points (n, 3) of the room are not free to be in."""
        check = getattr(self.magnet, "require_room", None)
        if check is not None:
            check(points, who)

    def both(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """B (n, 3) [T] and dB_i/dx_j (n, 3, 3) [T/m] at points (n, 3) of the room."""
        if self.table is not None:
            return self.table.both(points)
        gradient = getattr(self.magnet, "gradient", None)
        if gradient is not None:
            return np.asarray(self.magnet.field(points)), np.asarray(gradient(points))
        steps = _STEP_M * np.eye(3)
        slopes = [(self.magnet.field(points + s) - self.magnet.field(points - s)) / (2 * _STEP_M) for s in steps]
        return np.asarray(self.magnet.field(points)), np.stack(slopes, axis=-1)

    def seen(self, poses: BodyPoses, body_points: np.ndarray, six: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """B' (t, n, 3) [T] and dB'/dt of the body's points (n, 3), over time.

        Parameters
        ----------
        poses : BodyPoses
            Where the body is and how it moves.
        body_points : (n, 3) ndarray
            Points of the body [m].
        six : bool
            Whether dB'/dt is that of the six unit motions along and about the body's axes (1 m/s, 1 rad/s), (t, 6,
            n, 3), instead of that of the motion itself, (t, n, 3) [T/s].
        """
        n, t = len(body_points), len(poses)
        lever = np.einsum("tij,nj->tni", poses.rotations, body_points - poses.centre_m)
        places = (lever + poses.positions_m[:, None]).reshape(-1, 3)
        B, slope = self.both(places)
        # From here on in the axes of the body.
        R = poses.rotations
        B = B.reshape(t, n, 3) @ R
        slope = np.swapaxes(R, 1, 2)[:, None] @ slope.reshape(t, n, 3, 3) @ R[:, None]
        arm = np.broadcast_to(body_points - poses.centre_m, B.shape)
        motions = np.broadcast_to(np.eye(6), (t, 6, 6)) if six else poses.drives[:, None]
        rates = []
        for k in range(motions.shape[1]):
            v, w = motions[:, k, None, :3], motions[:, k, None, 3:]
            moved = v + np.cross(w, arm)
            rates.append(np.einsum("tnij,tnj->tni", slope, moved) - np.cross(w, B))
        return B, np.stack(rates, axis=1) if six else rates[0]
