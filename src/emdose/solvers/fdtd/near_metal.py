"""Fields of an FDTD on the equal cells around implants, and the body on these cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.models.implants.implanted_body import ImplantedBody, implanted
from emdose.solvers.fdtd.fields import RunPhasors, shares_of
from emdose.solvers.fdtd.power import power_of_box
from emdose.solvers.fdtd.setup.domain import make_domain
from emdose.solvers.fdtd.setup.metal import labels_of
from emdose.solvers.results.discretisation import cells_across
from emdose.solvers.results.fields import PowerBalance, phantom_told
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.solvers.fdtd.run_result import SteppedRun
    from emdose.solvers.fdtd.setup.domain import Domain
    from emdose.solvers.fdtd.setup.options import FdtdOptions
    from emdose.solvers.fdtd.setup.problem import FdtdProblem
    from emdose.solvers.results.fields import Fields


def near_metal(solver: FdtdOptions, exposure: Exposure, domain: Domain | None = None) -> ImplantedBody:
    """The equal cells around implants as a body of their own with the metal in it.

    Raises
    ------
    InputError
        Without implants or without ``metal_cell_m``.
    """
    if not exposure.implants or solver.metal_cell_m is None:
        raise InputError(
            "no cells of their own around metal", field="metal_cell_m", expected="a cell size, and implants"
        )
    domain = domain or make_domain(solver, exposure)
    cut = tuple(slice(s.start, s.stop - 1) for s in domain.window)
    labels, grid = labels_of(exposure, domain, solver.metal)[cut], _grid(domain)
    body = replace(exposure.tissue, grid=grid, labels=owned(labels.copy()), regions={})
    return implanted(body, exposure.implants)


def near_fields(problem: FdtdProblem, runs: Sequence[SteppedRun], whole: Fields) -> Fields:
    """The fields of runs on these cells.

    Parameters
    ----------
    problem : FdtdProblem
        What was solved.
    runs : sequence of SteppedRun
        Its runs.
    whole : Fields
        Their fields on the voxels of the body.

    Returns
    -------
    Fields
        ``power`` is that of these cells but the outermost ones, ``extinction_W`` what flows into them.
    """
    domain, metal = problem.domain, problem.metal
    body = near_metal(problem.solver, problem.exposure, domain)
    cut = (slice(None), slice(None), *domain.window)
    E, B = (v[cut].copy() for v in RunPhasors(problem, runs).on_cells(shares_of(problem, runs)))
    for c in range(3):
        for a in range(3):
            np.moveaxis((E if a == c else B)[:, c], a + 1, 0)[-1] = 0
    root = 1.0 if metal is None or metal.cut is None else np.sqrt(metal.cut.edges[cut[1:]])
    absorbed, out = power_of_box(E * root, B, problem.conductivity[cut[1:]], _grid(domain))
    tissue = body.phantom
    return replace(
        whole,
        grid=tissue.grid,
        E=owned(E),
        B=owned(B),
        body=np.asarray(tissue.body, bool),
        body_mass_kg=float(tissue.mass_kg),
        power=PowerBalance(absorbed, -out, np.zeros_like(out)),
        metal=body,
        convergence={**whole.convergence, "cells_across_tissue": cells_across(tissue.labels, tissue.spacing_m)},
        provenance={**whole.provenance, "phantom": phantom_told(tissue, problem.frequency_Hz)},
        lead_currents={},
    )


def _grid(domain: Domain) -> Grid:
    planes = [domain.cells.nodes(a)[s] for a, s in enumerate(domain.window)]
    shape, spacing = [len(p) - 1 for p in planes], [float(p[-1] - p[0]) / (len(p) - 1) for p in planes]
    return Grid(tuple(shape), tuple(spacing), tuple(float(p[0]) for p in planes))  # type: ignore[arg-type]
