"""From the tables [coil] and [solver] of any scenario to a source and the volume integral."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.circuit_loops import CapacitorLoop, CapacitorLoopArray
from emdose.models.coils.current_element import CurrentElement
from emdose.models.coils.cylinder import shield_around
from emdose.models.coils.dipole import Dipole
from emdose.models.coils.ideal import Birdcage, Coil, Loop, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.coils.strips.microstrip_array import MicrostripArray
from emdose.models.coils.strips.strip_array import StripArray
from emdose.scenarios.shared import circuit_tables, coil_tables
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.compute.shared import Shared
    from emdose.models.coils.incident_field import IncidentField
    from emdose.solvers.vie.solver import Vie
    from emdose.solvers.vsie.solver import Vsie


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
    if isinstance(table, circuit_tables.SegmentsTable):
        return _from_file(table)
    if isinstance(table, coil_tables.PlaneWaveTable):
        phases = values.pop("polarisation_phase_deg")
        values["polarisation"] = tuple(
            a * cmath.exp(1j * math.radians(p)) for a, p in zip(table.polarisation, phases, strict=True)
        )
    return _SOURCES[table.type](**values)


def _from_file(table: circuit_tables.SegmentsTable) -> Coil | CircuitCoil:
    """The coil of a file, repeated and shielded as asked."""
    from emdose.io.coils.gap_tables import read_drives
    from emdose.io.coils.reading import read_coil
    from emdose.io.coils.surfaces import read_conductor
    from emdose.models.coils.paths.arrays import array_of

    made = read_coil(
        table.file,
        unit=table.unit,
        gaps=table.gaps,
        drives=table.drives if table.repeat == 1 else None,
        closed=table.closed,
        rotate_deg=table.rotate_deg,
        wire_radius_m=table.wire_radius_m,
        strip_width_m=table.strip_width_m,
        gap_m=table.gap_m,
        impedance_ohm=table.feed_impedance_ohm,
        solids=() if table.metal is None else [read_conductor(table.metal, unit=table.metal_unit)],
    )
    if isinstance(made, CircuitCoil) and table.gaps is None:
        expected = "the name of this file as gaps too: the solver must be one for metal"
        raise InputError("the file holds a coil of metal", field="gaps", expected=expected)
    if table.repeat > 1:
        made = array_of(
            made,
            table.repeat,
            axis=table.repeat_axis,
            angle_deg=table.repeat_angle_deg,
            shift_m=table.repeat_shift_m,
        )
        if table.drives is not None:
            made = replace(made, drives={**made.drives, **read_drives(table.drives, made.ports)})
    low, high = made.extent_m
    shield = shield_around(table.shield_radius_m, table.shield_length_m, high[2] - low[2], {})
    return made if shield is None else made.with_shield(shield)


_SOURCES = {
    "birdcage": Birdcage,
    "loop": Loop,
    "loop-array": LoopArray,
    "plane-wave": PlaneWave,
    "current-element": CurrentElement,
    "circuit-birdcage": CircuitBirdcage,
    "capacitor-loop": CapacitorLoop,
    "capacitor-loop-array": CapacitorLoopArray,
    "strip-array": StripArray,
    "microstrip-array": MicrostripArray,
    "dipole": Dipole,
}


def vie(table: coil_tables.VieTable) -> Vie:
    """The volume integral with the options of a table."""
    from emdose.solvers.vie.solver import Vie

    return Vie(**table.model_dump(exclude={"type"}))


def handed_to_vie(shared: Shared | None) -> dict[str, Any]:
    """What a volume integral gets from the jobs before: their memo, and where it may begin with their solutions."""
    if shared is None:
        return {}
    if not shared.reduced:
        return {"shared": shared}
    from emdose.compute.reduced.basis import ReducedBasis

    limit = max(shared.limit_bytes // 2, 1)
    folder = None if shared.folder is None else shared.folder / "reduced basis"
    return {
        "shared": shared,
        "basis": shared.get("reduced basis", lambda: ReducedBasis(limit, folder), bytes=limit),
    }


def vsie(table: circuit_tables.VsieTable, coarser: float = 1.0) -> Vsie:
    """The coupled boundary elements with the options of a table; ``coarser`` makes the cells of the metal larger."""
    from emdose.solvers.mom.meshing.options import MeshOptions
    from emdose.solvers.vsie.solver import Vsie

    mesh = MeshOptions(**{k: getattr(table, k) for k in circuit_tables.MESH_KEYS})
    options = {k: getattr(table, k) for k in circuit_tables.VSIE_KEYS}
    factor = table.refine / coarser
    return Vsie(
        **options,
        conductivity_S_m=None if table.lossless else table.conductivity_S_m,
        mesh=mesh if factor == 1 else mesh.refined(factor),
    )
