"""From the tables [coil] and [solver] of any scenario to a source and the volume integral."""

from __future__ import annotations

import cmath
import math
from typing import TYPE_CHECKING, Any

from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.circuit_loops import CapacitorLoop, CapacitorLoopArray
from emdose.models.coils.dipole import Dipole
from emdose.models.coils.ideal import Birdcage, Coil, Loop, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.scenarios.shared import coil_tables
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.solvers.vie.solver import Vie


def coil(table: Any, file: object = None) -> Coil | PlaneWave | CircuitCoil:
    """The coil or wave of a scenario; raises InputError naming scenario and key."""
    values = table.model_dump(exclude={"type"})
    with blamed_on(file, "coil"):
        if isinstance(table, coil_tables.PlaneWaveTable):
            phases = values.pop("polarisation_phase_deg")
            values["polarisation"] = tuple(
                a * cmath.exp(1j * math.radians(p)) for a, p in zip(table.polarisation, phases, strict=True)
            )
        return _SOURCES[table.type](**values)


_SOURCES = {
    "birdcage": Birdcage,
    "loop": Loop,
    "loop-array": LoopArray,
    "plane-wave": PlaneWave,
    "circuit-birdcage": CircuitBirdcage,
    "capacitor-loop": CapacitorLoop,
    "capacitor-loop-array": CapacitorLoopArray,
    "dipole": Dipole,
}


def vie(table: coil_tables.VieTable) -> Vie:
    """The volume integral with the options of a table."""
    from emdose.solvers.vie.solver import Vie

    return Vie(**table.model_dump(exclude={"type"}))
