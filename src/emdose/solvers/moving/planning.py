"""What the answers of a body to motions will take, before they are found."""

from __future__ import annotations

from dataclasses import dataclass

from emdose.solvers.running import Plan, plural
from emdose.values import read_only


@read_only
@dataclass(frozen=True, kw_only=True)
class MovingPlan(Plan):
    """What motions through a static field will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    motions : int
        That are solved for: they are chosen already.
    poses : int
        Of all trajectories, which are sums of them.
    solution : Plan, optional
        What the solver says of these motions; None where it plans nothing, so that memory and time are those of the
        rest alone.
    """

    motions: int
    poses: int
    solution: Plan | None = None

    @property
    def what(self) -> str:
        """Motions, poses, and what the solver says."""
        own = f"{plural(self.motions, 'motion')} for {plural(self.poses, 'pose')}"
        return own if self.solution is None else f"{own}: {self.solution.what}"
