"""From the tables [coil] and [solver] of any scenario to a source and the volume integral."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.circuit_loops import CapacitorLoop, CapacitorLoopArray
from emdose.models.coils.current_element import CurrentElement
from emdose.models.coils.dipole import Dipole
from emdose.models.coils.ideal import Birdcage, Coil, Loop, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.scenarios.shared import coil_tables
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.incident_field import IncidentField
    from emdose.solvers.vie.solver import Vie


def coil(table: Any, file: object = None, accept: Sequence[str] = ()) -> Coil | PlaneWave | CircuitCoil | IncidentField:
    """The coil, wave or field of a scenario; raises InputError naming scenario and key.

    Parameters
    ----------
    table : Table
        The table [coil].
    file : Path or str, optional
        The scenario.
    accept : sequence of str
        Names of thresholds that the scenario accepts.
    """
    with blamed_on(file, "coil"):
        made = _at_the_isocentre(table, accept)
        return made.translate(table.position_m) if any(table.position_m) else made


def _at_the_isocentre(table: Any, accept: Sequence[str]) -> Any:
    """What a table describes, where it is before position_m moves it."""
    values = table.model_dump(exclude={"type", "position_m"})
    if isinstance(table, coil_tables.IncidentFieldTable):
        from emdose.io.incident_fields import read_incident_field

        return read_incident_field(table.file, accept=[a for a in accept if a == "incident_field"])
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
    "current-element": CurrentElement,
    "circuit-birdcage": CircuitBirdcage,
    "capacitor-loop": CapacitorLoop,
    "capacitor-loop-array": CapacitorLoopArray,
    "dipole": Dipole,
}


def vie(table: coil_tables.VieTable) -> Vie:
    """The volume integral with the options of a table."""
    from emdose.solvers.vie.solver import Vie

    return Vie(**table.model_dump(exclude={"type"}))
