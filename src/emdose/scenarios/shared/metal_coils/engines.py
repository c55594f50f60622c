"""The solver of a coil's fields: for given currents, and for metal with capacitors and feeds, tuned and matched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emdose.errors import InputError
from emdose.scenarios.shared.circuit_tables import FdtdTable, TuningTable, VsieTable, is_circuit
from emdose.scenarios.shared.coil_tables import VieTable
from emdose.scenarios.shared.coils import vie, vsie
from emdose.scenarios.shared.metal_coils.tuned import TunedCoil
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

CODE = tuple(f"scenarios/shared/metal_coils/{name}.py" for name in ("engines", "tuned"))
"""Files that fields of a coil depend on beside its solver."""


def engine(coil: Any, solver: Any, tuning: TuningTable | None, band: bool = True) -> Any:
    """The solver of the tables [coil], [solver] and [tuning]: Vie, Fdtd, or what solves a circuit coil.

    Without ``band`` the network of a circuit coil is found at the frequency of the exposure only.
    """
    from emdose.solvers.fdtd.solver import Fdtd

    if isinstance(solver, VieTable):
        return vie(solver)
    if isinstance(solver, VsieTable):
        return tuned_by(vsie(solver), tuning, band)
    fdtd = Fdtd(**solver.model_dump(exclude={"type"}))
    return tuned_by(fdtd, tuning, band) if is_circuit(coil) else fdtd


def tuned_by(solver: Any, tuning: TuningTable | None, band: bool = True) -> TunedCoil:
    """A solver that finds the network of a coil, with the tuning that is asked for, or none."""
    return TunedCoil(solver, tuning or TuningTable(tune=False, match=False), band)


def require_on_grid(coil: Any, solver: Any, body: Phantom, file: object = None) -> None:
    """Raise InputError for a coil of metal whose place the cells of the body's grid would round away.

    Metal lies on the planes of the grid that are nearest: moved by parts of a cell it stays, or jumps.
    """
    from emdose.solvers.fdtd.setup.domain import refinement
    from emdose.solvers.fdtd.solver import Fdtd

    moved = coil.position_m
    if not is_circuit(coil) or not isinstance(solver, FdtdTable) or not any(moved) or solver.snap:
        return
    with blamed_on(file, "solver"):
        cells = [h / refinement(Fdtd(**solver.model_dump(exclude={"type"})), body.grid) for h in body.spacing_m]
    if any(abs(x / h - round(x / h)) > 1e-6 for x, h in zip(moved, cells, strict=True)):
        raise InputError(
            "the grid would put the metal of this coil beside its place",
            file=file,
            field="coil.position_m",
            found=list(moved),
            expected=f"multiples of its cells ({', '.join(f'{h:g}' for h in cells)} m), or snap = true in [solver]",
        )
