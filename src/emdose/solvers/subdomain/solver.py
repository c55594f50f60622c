r"""An implant on a fine grid of its own, in the field of a body that was solved once.

With the field :math:`\mathbf E_i` of the body without metal the metal scatters

.. math::

   \mathbf E = \mathbf E_i + \mathbf E_s, \qquad
   \mathbf n \times \mathbf E_s = -\mathbf n \times \mathbf E_i \quad\text{on metal,}

and the scattered field obeys Maxwell's equations of the body's own tissues around it. The sources lie on the metal
alone, so that a box a few centimetres larger than the implant is enough, with an absorber where it ends. What it leaves
out is the part of the scattered field that coil and far borders of the body send back.

Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, ch. 5.10 (scattered field);
docs/theory/subdomain.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import positives
from emdose.compute import backend
from emdose.errors import InputError
from emdose.solvers.fdtd.run import Reporter, require_rung_down, run_all
from emdose.solvers.progress import watched
from emdose.solvers.running import Begin, Checkpoint, Progress, callback
from emdose.solvers.subdomain.layout import SubdomainLayout
from emdose.solvers.subdomain.options import SubdomainOptions
from emdose.solvers.subdomain.problem import SubdomainProblem
from emdose.solvers.subdomain.result import fields_of
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.bodies.phantom import Phantom
    from emdose.models.exposure import Exposure
    from emdose.solvers.fdtd.setup.plan import FdtdPlan
    from emdose.solvers.results.fields import Fields


@read_only
@dataclass(frozen=True)
class Subdomain(SubdomainOptions):
    """Implants on a fine grid, in fields of the body without them; many poses from one solution of the body.

    Parameters
    ----------
    spacing_m : float
        Edge of the equal cells around the implant [m].
    margin_m : float
        Equal cells on all sides of the implant; these are the cells of the result [m].
    rim_m : float
        From there to the absorber, with cells that grow [m].
    coarsest_m : float, optional
        Largest cell of the rim [m]; by default four times ``spacing_m``.
    growth : float
        Largest ratio of neighbouring steps in the rim.
    metal : {"cut", "cells"}
        Whether the metal cuts through cells, or is made of whole ones (those with more than half metal).
    cpml_cells : int
        Cells of the absorbing layer.
    tolerance : float
        What is still to come of the scattered field, relative to what is there, when a run ends.
    max_periods : float
        Periods of the frequency after which a run gives up with ConvergenceError.
    dtype : {"float32", "float64"}
        Precision of the fields.
    checkpoint_s : float
        Seconds between saved states within a port.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    def body(self, exposure: Exposure) -> Phantom:
        """The fine cells as a body, with metal left out: what SAR of :meth:`solve` is taken in.

        Parameters
        ----------
        exposure : Exposure
            Body and implants.

        Raises
        ------
        InputError
            As :meth:`solve`.
        """
        _check_metal(exposure)
        return SubdomainLayout(self, exposure.phantom, exposure.implants).body

    def plan(self, exposure: Exposure, fields: Fields, device: str | Backend = "auto") -> FdtdPlan:
        """What a solution will take: memory, time, cells, steps and runs; raises as :meth:`solve`."""
        _check(exposure, fields)
        return SubdomainProblem(self, exposure, fields, backend.get(device)).plan()

    @watched
    @backend.within_memory("a larger spacing_m, or a smaller margin_m or rim_m")
    def solve(
        self,
        exposure: Exposure,
        fields: Fields,
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> Fields:
        """Fields around the implants, of every port or of one drive.

        Parameters
        ----------
        exposure : Exposure
            Body, source, frequency and implants.
        fields : Fields
            Of the same exposure without implants, by any engine; every port takes a run, driven fields take one.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : bool or callable, optional
            As of :meth:`emdose.Fdtd.solve`.
        checkpoint : Checkpoint, optional
            Keeps finished ports and the state of the running one.

        Returns
        -------
        Fields
            On the fine cells; ``power`` is that of these cells, ``extinction_W`` what flows into them.

        Raises
        ------
        InputError
            Without implants, with leads or surgery, for fields of another body, frequency or grid, or where an
            implant leaves the body's grid or no cell is metal.
        ResourceError
            When it does not fit the memory.
        ConvergenceError
            When a run has not rung down within ``max_periods``; ``partial`` holds the fields.
        """
        _check(exposure, fields)
        clock = {"start": time.perf_counter()}
        problem = SubdomainProblem(self, exposure, fields, backend.get(device))
        planned = problem.plan()
        reporter = Reporter(callback(progress), problem, planned)
        reporter.setup()
        runs = run_all(problem, reporter, checkpoint, clock)
        reporter.tell(Begin(stage="fields"))
        out = fields_of(problem, runs, planned, clock)
        reporter.done()
        require_rung_down(problem.solver, runs, out, "", "raise max_periods or accept a larger tolerance")
        return out

    def on_spacings(
        self,
        exposure: Exposure,
        fields: Fields,
        ratios: Sequence[float] = (1.0, 1.5),
        device: str | Backend = "auto",
        progress: Progress = True,
    ) -> list[tuple[Fields, Phantom]]:
        """Solutions on cells of several sizes, each with its body: values beside metal need at least two.

        Parameters
        ----------
        exposure, fields, device, progress
            As of :meth:`solve`.
        ratios : sequence of float
            Cells over ``spacing_m``, no two alike.

        Raises
        ------
        InputError, ResourceError, ConvergenceError
            As :meth:`solve`; for fewer than two ratios, or equal ones.
        """
        sizes = sorted(positives("ratios", ratios).tolist())
        if len(sizes) < 2 or len(set(sizes)) < len(sizes):
            raise InputError("one grid says nothing of its error", field="ratios", found=sizes, expected="two or more")
        solvers = [replace(self, spacing_m=self.spacing_m * r) for r in sizes]
        return [(s.solve(exposure, fields, device, progress), s.body(exposure)) for s in solvers]


def _check_metal(exposure: Exposure) -> None:
    """Raise InputError without implants, and for what a subdomain does not have."""
    if not exposure.implants:
        raise InputError("a subdomain without an implant", field="implants", expected="implants=[...] of the exposure")
    exposure.refuse_metal("Subdomain", implants=False)
    if exposure.surgery is not None:
        raise InputError(
            "Subdomain has no surgery", field="surgery", expected="a body that was solved after it, as the phantom"
        )


def _check(exposure: Exposure, fields: Fields) -> None:
    """Raise InputError for fields that are not those of the exposure's body without metal."""
    _check_metal(exposure)
    if abs(fields.frequency_Hz / exposure.frequency_Hz - 1) > 1e-9:
        raise InputError(
            "the fields are of another frequency",
            field="fields",
            found=fields.frequency_Hz,
            expected=f"{exposure.frequency_Hz:g}",
        )
    grid, own = fields.grid, exposure.phantom.grid
    same = grid.shape == own.shape and np.allclose([grid.spacing_m, grid.origin_m], [own.spacing_m, own.origin_m])
    if not same:
        raise InputError("the fields are on another grid", field="fields", found=grid.shape, expected=str(own.shape))
    told = fields.provenance.get("phantom")
    known = told.get("electric_sha256") if isinstance(told, Mapping) else None
    if known is not None and known != exposure.phantom.electric_hash(exposure.frequency_Hz):
        raise InputError(
            "the fields were solved in another body",
            field="fields",
            found=str(told and told.get("name")),
            expected="those of the exposure's phantom without implants",
        )
