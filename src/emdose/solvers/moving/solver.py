r"""Induced fields of a body that moves in a magnet: few motions are solved for, all others are their sums.

What a motion induces follows from what the points of the body see of dB/dt in its axes
(:mod:`emdose.solvers.moving.surroundings`). Along a trajectory, and even for all six unit motions at every pose of it,
this varies little: some ten to thirty motions span what hundreds of poses see to 1e-3 of its largest value. These are
chosen one after the other, each where the rest is largest, and solved for exactly as they are; weights of the others
are a least-squares fit of dB/dt, whose rest is told. Motions are the basis, and not harmonics, because the coils of a
magnet may be nearer to a foot than the foot is to the head: polynomials of few degrees do not come near.

Source: M. Chiampi and L. Zilberti, IEEE Trans. Biomed. Eng. 58 (2011) 2787 (motion in the body frame); Y. Maday et al.,
Commun. Pure Appl. Anal. 8 (2009) 383 (greedy choice of a basis).
"""

from __future__ import annotations

import inspect
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.checks import flag, metres, whole, within
from emdose.compute.shared import Shared, from_shared, key_of
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.implants.implant import Implant
from emdose.models.implants.surgery import Surgery
from emdose.models.induction.sources import RigidMotion, StaticField
from emdose.models.induction.trajectories import BodyPoses, Trajectory
from emdose.models.surfaces.body import SurfaceBody
from emdose.solvers.bem.solver import Bem
from emdose.solvers.moving.choosing import chosen, fitted
from emdose.solvers.moving.field import MotionField, farthest, require_room
from emdose.solvers.moving.on_surfaces import ReadAtVoxels, voxels_of
from emdose.solvers.moving.planning import MovingPlan
from emdose.solvers.moving.reduced import peaks, sampled
from emdose.solvers.moving.surroundings import POINTS, Surroundings, points_of
from emdose.solvers.quasistatic.solver import Quasistatic
from emdose.solvers.running import Checkpoint, Progress
from emdose.values import owned, read_only

PLACES = 20
"""Points of the body at whose first and last place a magnet is told from others."""
TRAINED = 40
"""Poses of every trajectory at which the peaks of voxels are sought."""


@read_only
@dataclass(frozen=True)
class Moving:
    """Electric fields induced in a body that moves through a static magnetic field.

    Parameters
    ----------
    solver : object
        What solves for one motion: its ``solve(phantom, sources, frequency_Hz, device, progress)`` returns an
        :class:`~emdose.solvers.results.induced.InducedField`. By default ``Quasistatic()``, with a
        relative residual of 1e-6; ``Bem()`` for a body of surfaces.
    tolerance : float
        Part of dB/dt that the solved motions may leave out, over its largest value; with the defaults E of an adult of
        2 to 12 mm is within 5e-4 of its peak of what a solution of its own gives.
    any_motion : bool
        Whether every motion at the poses of the trajectories is to be a sum of the solved ones (six of them at each),
        not only the trajectories' own.
    most : int
        Largest number of solved motions.
    spacing_m : float, optional
        Edge of the voxels at whose centres the fields of a body of surfaces are read, for the solver ``Bem`` [m]; a
        thirtieth of its longest side by default.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    solver: Any = field(default_factory=Quasistatic)
    tolerance: float = 2e-3
    any_motion: bool = False
    most: int = 60
    spacing_m: float | None = None

    def __post_init__(self) -> None:
        within("tolerance", self.tolerance, 1e-6, 0.05, problem="bad tolerance")
        flag("any_motion", self.any_motion)
        whole("most", self.most, 1, problem="bad number of motions")
        if self.spacing_m is not None:
            metres("spacing_m", self.spacing_m)
        if not callable(getattr(self.solver, "solve", None)):
            raise InputError("not a solver", field="solver", found=self.solver, expected="an object with solve()")

    def plan(
        self,
        body: Phantom | SurfaceBody,
        magnet: StaticField,
        trajectories: Trajectory | Sequence[Trajectory],
        frequency_Hz: float = 10.0,
        device: Any = "auto",
        implants: Sequence[Implant] = (),
        surgery: Surgery | None = None,
    ) -> MovingPlan:
        """What a solution will take: the motions are chosen, and the solver is asked.

        Parameters
        ----------
        body, magnet, trajectories, frequency_Hz, device, implants, surgery
            As in :meth:`solve`.

        Raises
        ------
        InputError
            As :meth:`solve`.
        ResourceError
            When it does not fit the memory.
        """
        phantom, solver = self._reading(body)
        metal, some = _metal(solver, implants, surgery), _several(trajectories)
        choice = self._choice(phantom, magnet, some, tabulated=isinstance(body, SurfaceBody))
        ask = getattr(solver, "plan", None)
        told = None if ask is None else ask(phantom, choice.sources, frequency_Hz, device, **metal)
        return MovingPlan(
            bytes=choice.bytes + (0 if told is None else told.bytes),
            seconds=choice.seconds + (0.0 if told is None else told.seconds),
            size=0 if told is None else told.size,
            device=str(device) if told is None else told.device,
            motions=len(choice.rows),
            poses=sum(len(t.times_s) for t in some),
            solution=told,
        )

    def solve(
        self,
        body: Phantom | SurfaceBody,
        magnet: StaticField,
        trajectories: Trajectory | Sequence[Trajectory],
        frequency_Hz: float = 10.0,
        device: Any = "auto",
        progress: Progress = True,
        implants: Sequence[Implant] = (),
        surgery: Surgery | None = None,
        checkpoint: Checkpoint | None = None,
        shared: Shared | None = None,
    ) -> MotionField:
        """What motions along these trajectories induce.

        With and without metal the same motions are solved for: they follow from what the body goes through alone.

        Parameters
        ----------
        body : Phantom or SurfaceBody
            The body; tissues without conductivity insulate. One of surfaces, for the solver ``Bem``, is read at the
            centres of voxels.
        magnet : StaticField
            The magnet.
        trajectories : Trajectory or sequence of them
            Along which it moves, at their own times.
        frequency_Hz : float
            Frequency of the tissues' properties [Hz]; 10 Hz is where tables of them begin.
        device, progress
            As in the solver's own ``solve``.
        implants : sequence of Implant
            Metal in the body, which moves with it: what it does to the field in tissue. Its own eddy currents, and
            with them torque and drag, follow from its power tensor.
        surgery : Surgery, optional
            What was done to the body for it.
        checkpoint : Checkpoint, optional
            Keeps the field of every motion that is finished, where the solver takes one (``Quasistatic`` does).
        shared : Shared, optional
            What other solutions hand on: the choice of motions, and what they impress.

        Raises
        ------
        InputError
            When a trajectory goes through the magnet's wall or leaves its map, or its poses are too far apart for its
            speed; when the body does not move in the field, an implant does not fit, or the solver takes no implants or
            no such body.
        """
        started = clock.perf_counter()
        phantom, solver = self._reading(body)
        metal, some = _metal(solver, implants, surgery), _several(trajectories)
        choice = self._choice(phantom, magnet, some, tabulated=isinstance(body, SurfaceBody), shared=shared)
        more: dict[str, Any] = {**metal}
        for name, value in (("checkpoint", checkpoint), ("shared", shared)):
            if value is not None and _takes(solver, name):
                more[name] = value
        ready = clock.perf_counter()
        induced = solver.solve(phantom, choice.sources, frequency_Hz, device, progress, **more)
        solved = clock.perf_counter()
        sample = sampled(peaks(induced.E, choice.trained), induced.labels)
        about = {
            "solver": "Moving",
            "trajectories": [t.name for t in some],
            "poses": sum(len(t.times_s) for t in some),
            "motions": [s.name for s in choice.sources],
            "tolerance": self.tolerance,
            "any_motion": self.any_motion,
            "implants": [i.name for i in implants],
            "table_error": choice.table_error,
            "seconds": {"choice": ready - started, "fields": solved - ready, "sample": clock.perf_counter() - solved},
        }
        rates = choice.basis.reshape(len(choice.rows), -1, 3)
        return MotionField(magnet, induced, owned(choice.points.copy()), owned(rates), choice.left_out, sample, about)

    def _reading(self, body: Phantom | SurfaceBody) -> tuple[Phantom, Any]:
        """The voxels whose fields are found, and what finds them."""
        if isinstance(body, SurfaceBody) != isinstance(self.solver, Bem):
            surfaces = isinstance(body, SurfaceBody)
            raise InputError(
                "a body of surfaces needs the solver Bem" if surfaces else "Bem needs a body of surfaces",
                field="solver" if surfaces else "body",
                found=type(self.solver).__name__ if surfaces else type(body).__name__,
                expected="Moving(Bem())" if surfaces else "a SurfaceBody, such as SurfaceBody.from_phantom(body)",
            )
        if isinstance(body, SurfaceBody):
            phantom, shell = voxels_of(body, self.spacing_m)
            return phantom, ReadAtVoxels(self.solver, body, shell)
        if self.spacing_m is not None:
            raise InputError(
                "a body of voxels has its own", field="spacing_m", found=self.spacing_m, expected="a SurfaceBody"
            )
        return body, self.solver

    def _choice(
        self,
        phantom: Phantom,
        magnet: StaticField,
        some: tuple[Trajectory, ...],
        *,
        tabulated: bool,
        shared: Shared | None = None,
    ) -> _Choice:
        """The motions to solve for, in the magnet or in the table of it, which many points have sooner."""
        outline = points_of(phantom)

        def key() -> str:
            places = np.concatenate([t.poses().points(outline[:PLACES], n) for t in some for n in (0, -1)])
            field = np.asarray(magnet.field(places), float)
            told = [[t.name, t.times_s, t.positions_m, t.turns_rad, t.centre_m] for t in some]
            wall = getattr(magnet, "cryostat", None)
            sizes = None if wall is None else [wall.bore_radius_m, wall.outer_radius_m, wall.length_m]
            options = [self.tolerance, self.any_motion, self.most, tabulated, sizes]
            return key_of("choice of motions", str(magnet.name), field, outline, told, options)

        return from_shared(shared, key, lambda: self._chosen(outline, magnet, some, tabulated))

    def _chosen(
        self, outline: np.ndarray, magnet: StaticField, some: tuple[Trajectory, ...], tabulated: bool
    ) -> _Choice:
        started = clock.perf_counter()
        points = outline[:POINTS]
        for trajectory in some:
            trajectory.require_resolved()
        poses = [t.poses() for t in some]
        around = Surroundings(magnet, max(farthest(p, outline) for p in poses))
        used = around.table if tabulated and around.table is not None else magnet
        rates, motions, own = [], [], []
        for trajectory, moved in zip(some, poses, strict=True):
            require_room(around, moved, outline, trajectory.name)
            seen = around.seen(moved, points, self.any_motion)[1]
            row = around.seen(moved, points)[1] if self.any_motion else seen
            own.append(row.reshape(len(moved), -1)[:: max(len(moved) // TRAINED, 1)])
            rates.append(seen.reshape(-1, 3 * len(points)))
            motions += _motions(used, trajectory.name, moved, self.any_motion)
        table = np.concatenate(rates)
        rows, left_out = chosen(table, self.tolerance, self.most)
        if not rows:
            raise InputError(
                "nothing is induced: the body sees no change of the field along these trajectories",
                field="trajectories",
                found=", ".join(t.name for t in some),
            )
        if left_out > self.tolerance:
            raise InputError(
                "too few motions for the tolerance",
                field="most",
                found=self.most,
                expected=f"more, or a tolerance above {left_out:.2g}",
            )
        size = np.abs(table[rows]).max(axis=1)
        sources = tuple(_driven(motions[r], 1.0 / s) for r, s in zip(rows, size, strict=True))
        basis = table[rows] / size[:, None]
        trained = np.concatenate([fitted(basis, r)[0] for r in own])
        seconds = clock.perf_counter() - started
        return _Choice(rows, sources, basis, left_out, points, trained, around.error, table.nbytes, seconds)


@dataclass(frozen=True, eq=False)
class _Choice:
    """Motions that all others are sums of.

    Parameters
    ----------
    rows : list of int
        Which of the motions.
    sources : tuple of RigidMotion
        They, each per T/s of its largest dB/dt.
    basis : (motions, 3 n) ndarray
        What they make the points see [T/s per drive].
    left_out : float
        Largest rest of the others.
    points : (n, 3) ndarray
        Points of the body [m].
    trained : (t, motions) ndarray
        Weights of the motions at some of the poses.
    table_error : float
        Of the magnet's table.
    bytes : int
        What the choice took.
    seconds : float
        What the choice has taken [s].
    """

    rows: list[int]
    sources: tuple[RigidMotion, ...]
    basis: np.ndarray
    left_out: float
    points: np.ndarray
    trained: np.ndarray
    table_error: float
    bytes: int
    seconds: float


def _several(trajectories: Trajectory | Sequence[Trajectory]) -> tuple[Trajectory, ...]:
    some = (trajectories,) if isinstance(trajectories, Trajectory) else tuple(trajectories)
    if not some:
        raise InputError("no trajectory", field="trajectories", expected="at least one")
    return some


def _takes(solver: Any, name: str) -> bool:
    """Whether a solver's ``solve`` has a parameter of that name."""
    return name in inspect.signature(solver.solve).parameters


def _metal(solver: Any, implants: Sequence[Implant], surgery: Surgery | None) -> dict[str, Any]:
    """What the solver is told of metal: nothing where there is none."""
    some = tuple(implants)
    if not some:
        return {}
    if not _takes(solver, "implants"):
        raise InputError(
            "this solver takes no implants",
            field="solver",
            found=type(solver).__name__,
            expected="Quasistatic, or another one whose solve() has implants",
        )
    return {"implants": some, "surgery": surgery}


def _motions(magnet: StaticField, name: str, poses: BodyPoses, six: bool) -> list[tuple[Any, ...]]:
    """What :class:`RigidMotion` takes, for every row of the table."""
    out = []
    for n in range(len(poses)):
        R, t = poses.rotations[n], poses.times_s[n]
        shift = poses.positions_m[n] - R @ poses.centre_m
        if six:
            words = [f"{kind} along {axis}" for kind in ("moving", "turning") for axis in "xyz"]
            pairs = [(R[:, k], 0 * R[:, k]) for k in range(3)] + [(0 * R[:, k], R[:, k]) for k in range(3)]
        else:
            words, pairs = [""], [(poses.velocities_m_s[n], poses.turns_rad_s[n])]
        for word, (v, w) in zip(words, pairs, strict=True):
            title = f"{name} at {t:.3g} s" + (f", {word}" if word else "")
            out.append((magnet, v, w, R, shift, poses.centre_m, title))
    return out


def _driven(motion: tuple[Any, ...], drive: float) -> RigidMotion:
    """A motion at so many times its speed."""
    magnet, v, w, R, shift, centre, name = motion
    return RigidMotion(magnet, drive * v, drive * w, R, shift, centre, name)
