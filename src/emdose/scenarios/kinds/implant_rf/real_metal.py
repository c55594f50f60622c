r"""The same exposure with the implant's own metal in the place of a perfect conductor.

On a fine grid of its own the metal is a perfect conductor with currents K. Real metal has the field Z_s K along its
surface, and to first order in Z_s the fields differ by those that obey

.. math:: \mathbf n \times \delta\mathbf E = \mathbf n \times Z_s \mathbf K \quad\text{on the metal,}

one more run of the same box. Where the metal is on the voxels of the body, the volume integral solves it with Z_s.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from emdose.compute import backend
from emdose.dosimetry.in_metal import field_on_metal
from emdose.solvers.fdtd.run import Reporter, require_rung_down, run_all
from emdose.solvers.subdomain.problem import SubdomainProblem
from emdose.solvers.subdomain.result import fields_of
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.running import ProgressCallback
    from emdose.solvers.subdomain.solver import Subdomain

SOLVED = "solved with the surface impedance of the metal"
FIRST_ORDER = "to first order in the surface impedance of the metal, by a run of its own on the same cells"


@dataclass(frozen=True, eq=False)
class RealMetal:
    """Fields of one drive beside real metal.

    Parameters
    ----------
    fields : Fields
        At the scale of those beside the perfect conductor.
    method : str
        How they were found, in words.
    """

    fields: Fields
    method: str


class _OnMetal(SubdomainProblem):
    """Metal that has a field along its surface, in no other field."""

    along: np.ndarray

    @cached_property
    def incident(self) -> np.ndarray:
        """The field that the scattered one has to cancel, (1, 3, nodes) [V/m]."""
        return -self.along[None]


def first_order(
    fine: Subdomain, exposure: Exposure, without: Fields, beside: Fields, device: str, tell: ProgressCallback
) -> RealMetal:
    """Fields beside real metal from those beside a perfect conductor on a fine grid, and one more run.

    Parameters
    ----------
    fine : Subdomain
        What ``beside`` was solved by.
    exposure : Exposure
        Of ``beside``.
    without, beside : Fields
        One drive, without the metal on the body's voxels and with it as a perfect conductor.
    device : str
        Where to compute.
    tell : callable
        Told of the run.

    Raises
    ------
    ResourceError, ConvergenceError
        As the subdomain.
    """
    clock = {"start": time.perf_counter()}
    nothing = replace(without, E=owned(np.zeros_like(without.E)), B=owned(np.zeros_like(without.B)))
    problem = _OnMetal(fine, exposure, nothing, backend.get(device))
    problem.along = field_on_metal(beside)
    planned = problem.plan()
    runs = run_all(problem, Reporter(tell, problem, planned), None, clock)
    more = fields_of(problem, runs, planned, clock)
    require_rung_down(problem.solver, runs, more, "", "raise max_periods or accept a larger tolerance")
    # What is added to the scattered field by its caller is no field of this run.
    scattered = more.E - np.sqrt(problem.cut.edges) * problem.incident
    E = np.where(beside.E != 0, beside.E + scattered, 0).astype(beside.E.dtype)
    fields = replace(beside, E=owned(E), B=owned((beside.B + more.B).astype(beside.B.dtype)))
    return RealMetal(fields, FIRST_ORDER)
