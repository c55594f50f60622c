"""From the tables of an ``implant-gradient`` scenario to implant, phantom, gradient coils and solvers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies import gel_box
from emdose.scenarios.kinds.implant_gradient import schema
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.implants.gradient_tables import by_coils
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.shared.sar_files import SarRun


def surroundings(tables: schema.ImplantScenario, body: Implant, file: object = None) -> tuple[Phantom, SarRun | None]:
    """What surrounds the implant, on the voxels of the heat: the scenario's phantom, an RF run's, or a box of gel.

    Returns
    -------
    Phantom
        Cut to the implant and a margin.
    SarRun or None
        The RF run.

    Raises
    ------
    InputError
        As for the phantom of an ``rf`` scenario, and when the implant does not lie within it.
    """
    table, result = tables.thermal, None
    if tables.rf is not None:
        from emdose.scenarios.shared.sar_files import read_sar_run

        result = read_sar_run(tables.rf.file)
        whole = result.phantom
    elif tables.phantom is not None:
        whole = phantom(tables.phantom, file)
    else:
        gel = _gel(body, table.margin_m, table.spacing_m)
        changes = {} if tables.gel is None else tables.gel.model_dump(exclude_none=True)
        with blamed_on(file, "gel"):
            return gel.with_tissue("gel", **changes) if changes else gel, None
    _require_inside(body, whole, file)
    return _cut(whole, body, table.margin_m, table.spacing_m), result


def _gel(body: Implant, margin_m: float, step_m: float) -> Phantom:
    low, high = (np.asarray(b) for b in body.bounds_m)
    size = step_m * np.ceil((high - low + 2 * margin_m) / step_m - 1e-9)
    return gel_box(step_m, tuple(size)).translate(tuple(0.5 * (low + high)))


def _cut(whole: Phantom, body: Implant, margin_m: float, step_m: float) -> Phantom:
    """The part of a phantom around the implant, on finer or coarser voxels."""
    grid = whole.grid
    ends = []
    for axis in range(3):
        low, high = body.bounds_m[0][axis] - margin_m, body.bounds_m[1][axis] + margin_m
        first = math.floor((low - grid.origin_m[axis]) / grid.spacing_m[axis])
        last = math.ceil((high - grid.origin_m[axis]) / grid.spacing_m[axis])
        ends.append((max(first, 0), min(last, grid.shape[axis])))
    part = whole.crop(*zip(*ends, strict=True))
    same = all(abs(s / step_m - 1) < 1e-6 for s in grid.spacing_m)
    return part if same else part.resample(step_m)


def _require_inside(body: Implant, whole: Phantom, file: object) -> None:
    low, high = whole.grid.bounds_m
    first, last = body.bounds_m
    if any(a < b for a, b in zip(first, low, strict=True)) or any(a > b for a, b in zip(last, high, strict=True)):
        raise InputError(
            "implant outside the phantom",
            file=file,
            field="implant.position_m",
            found=f"{_mm(first)} to {_mm(last)} mm",
            expected=f"within {_mm(low)} to {_mm(high)} mm",
        )


def _mm(point: Any) -> str:
    return "(" + ", ".join(f"{1e3 * c:.0f}" for c in point) + ")"


def takes_linear_terms(tables: schema.ImplantScenario) -> bool:
    """Whether linear terms of the field are solved: as the scenario says, else where gradient coils make it."""
    said = tables.solver.linear_terms
    return bool(by_coils(tables.exposures)) if said is None else said
