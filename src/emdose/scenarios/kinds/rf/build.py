"""From the tables of an ``rf`` scenario to phantom, coil, exposure and solver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emdose.errors import InputError
from emdose.scenarios.kinds.rf import schema
from emdose.scenarios.kinds.rf.circuits.tuned import TunedCoil
from emdose.scenarios.shared import circuit_tables, coil_tables
from emdose.scenarios.shared.coils import vie, vsie
from emdose.scenarios.shared.driving.drives import drive_of as drive_of
from emdose.scenarios.shared.driving.drives import place_of as place_of
from emdose.scenarios.shared.driving.drives import require_tissue as require_tissue
from emdose.scenarios.shared.driving.drives import scaled as scaled
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


def solver(tables: schema.RfScenario, band: bool = True) -> Any:
    """The solver of a scenario: Vie, Fdtd, or what solves a circuit coil, tuned and matched if asked.

    Without ``band`` the network of a circuit coil is found at the frequency of the exposure only.
    """
    from emdose.solvers.fdtd.solver import Fdtd

    if isinstance(tables.solver, coil_tables.VieTable):
        return vie(tables.solver)
    if isinstance(tables.solver, circuit_tables.VsieTable):
        return tuned_by(vsie(tables.solver), tables.tuning, band)
    fdtd = Fdtd(**tables.solver.model_dump(exclude={"type"}))
    return tuned_by(fdtd, tables.tuning, band) if circuit_tables.is_circuit(tables.coil) else fdtd


def tuned_by(engine: Any, tuning: circuit_tables.TuningTable | None, band: bool = True) -> TunedCoil:
    """An engine that finds the network of a coil, with the tuning that is asked for, or none."""
    return TunedCoil(engine, tuning or circuit_tables.TuningTable(tune=False, match=False), band)


def require_on_grid(tables: schema.RfScenario, body: Phantom, file: object = None) -> None:
    """Raise InputError for a coil of metal whose place the cells of the body's grid would round away.

    Metal lies on the planes of the grid that are nearest: moved by parts of a cell it stays, or jumps.
    """
    from emdose.solvers.fdtd.setup.domain import refinement
    from emdose.solvers.fdtd.solver import Fdtd

    moved, options = tables.coil.position_m, tables.solver
    if not circuit_tables.is_circuit(tables.coil) or not isinstance(options, circuit_tables.FdtdTable):
        return
    if not any(moved) or options.snap:
        return
    with blamed_on(file, "solver"):
        cells = [h / refinement(Fdtd(**options.model_dump(exclude={"type"})), body.grid) for h in body.spacing_m]
    if any(abs(x / h - round(x / h)) > 1e-6 for x, h in zip(moved, cells, strict=True)):
        raise InputError(
            "the grid would put the metal of this coil beside its place",
            file=file,
            field="coil.position_m",
            found=list(moved),
            expected=f"multiples of its cells ({', '.join(f'{h:g}' for h in cells)} m), or snap = true in [solver]",
        )
