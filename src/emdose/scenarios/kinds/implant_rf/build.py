"""From the tables of an ``implant-rf`` scenario to body, surgery and solvers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import unknown
from emdose.models.implants import BoneCut, ImplantShell, ReamedCanal, Surgery
from emdose.scenarios.shared.coil_tables import VieTable
from emdose.scenarios.shared.coils import vie

if TYPE_CHECKING:
    from emdose.models.grids.grid import Grid
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.kinds.implant_rf import schema


def engine(table: Any) -> Any:
    """The solver of the body."""
    from emdose.solvers.fdtd.solver import Fdtd

    return vie(table) if isinstance(table, VieTable) else Fdtd(**table.model_dump(exclude={"type"}))


def subdomain(table: schema.SubdomainTable | None) -> Any:
    """The solver of the fine grid; None where the implant is solved on the voxels of the body."""
    if table is None:
        return None
    from emdose.solvers.subdomain.solver import Subdomain

    return Subdomain(**table.model_dump())


def surgery(table: schema.SurgeryTable | None) -> Surgery | None:
    """What is done to the body; None for nothing."""
    if table is None or not (table.shell or table.canals or table.cuts):
        return None
    shell = None if table.shell is None else ImplantShell(**_words(table.shell))
    canals = tuple(ReamedCanal(**_words(c)) for c in table.canals.values())
    return Surgery(shell, canals, tuple(BoneCut(**_words(c)) for c in table.cuts.values()))


def _words(table: Any) -> dict[str, Any]:
    values = table.model_dump()
    return {**values, "within": values["within"] or ()}


def beside_wall(implant: Implant, body: Any, test: schema.TestMethodTable | None) -> Implant:
    """The implant at the distance to the side wall, on the side of x > 0, that a method of test asks for."""
    if test is None:
        return implant
    return implant.moved((0.5 * body.size_m[0] - test.wall_m - implant.bounds_m[1][0], 0.0, 0.0))


def drive_name(name: str | None, source: Any, file: object = None) -> str:
    """Name of the drive; raises InputError for one that the coil does not have."""
    known = list(source.drives)
    if name is None:
        return next(n for n in ("quadrature", "circular", known[0]) if n in known)
    if name not in known:
        raise unknown("unknown drive of this coil", name, known, file=file, field="drive.name")
    return name


def near(grid: Grid, implant: Implant, reach_m: float) -> np.ndarray:
    """Voxels with their centre in the box around an implant and a margin, (nx, ny, nz) bool."""
    inside = []
    for axis, (low, high) in enumerate(zip(*implant.bounds_m, strict=True)):
        x = grid.centres(axis)
        inside.append((x > low - reach_m) & (x < high + reach_m))
    return np.asarray(inside[0][:, None, None] & inside[1][:, None] & inside[2])
