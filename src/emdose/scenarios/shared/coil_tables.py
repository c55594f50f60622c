"""Tables of a scenario that say which coil or wave, at which frequency, and how the volume integral is solved."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from emdose.scenarios.shared.body_tables import Direction, Frequency, Length, Point
from emdose.scenarios.shared.circuit_tables import (
    CIRCUIT_COILS,
    CapacitorLoopArrayTable,
    CapacitorLoopTable,
    CircuitBirdcageTable,
    CoilTable,
    DipoleTable,
    MicrostripArrayTable,
    SegmentsTable,
    StripArrayTable,
    TuningTable,
    VsieTable,
    is_circuit,
)
from emdose.scenarios.shared.tables import Table, bad_key, count, file_name, number, numbers, one_of


class BirdcageTable(CoilTable):
    """Birdcage of ideal currents around z."""

    type: Literal["birdcage"]
    rungs: Annotated[int, count("number of rungs", 4, 512)] = 16
    radius_m: Length = 0.15
    length_m: Length = 0.20
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None


class LoopTable(CoilTable):
    """One circular loop."""

    type: Literal["loop"]
    radius_m: Length
    centre_m: Point = (0.0, 0.0, 0.0)
    normal: Direction = (0.0, 0.0, 1.0)


class LoopArrayTable(CoilTable):
    """Rectangular loops on a cylinder around z, one port each."""

    type: Literal["loop-array"]
    elements: Annotated[int, count("number of loops", 1, 512)] = 8
    radius_m: Length = 0.14
    length_m: Length = 0.16
    coverage: Annotated[float, number("angle of a loop over the pitch", 0, 256, above=True)] = 0.9
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None


class PlaneWaveTable(CoilTable):
    """A plane wave; unit drive is its amplitude. The phases turn the polarisation elliptic or circular."""

    type: Literal["plane-wave"]
    direction: Direction = (0.0, 0.0, 1.0)
    polarisation: Annotated[tuple[float, ...], numbers("amplitudes of Ex, Ey, Ez,", 3, -1e6, 1e6)] = (1.0, 0.0, 0.0)
    polarisation_phase_deg: Annotated[tuple[float, ...], numbers("phases of Ex, Ey, Ez in degrees,", 3, -360, 360)] = (
        0.0,
        0.0,
        0.0,
    )
    amplitude_V_m: Annotated[float, number("a peak amplitude in V/m", 0, 1e9, above=True)] = 1.0


class CurrentElementTable(CoilTable):
    """A short straight current of 1 A with charge at its ends: a Hertzian dipole."""

    type: Literal["current-element"]
    length_m: Length
    centre_m: Point = (0.0, 0.0, 0.0)
    direction: Direction = (0.0, 0.0, 1.0)


class IncidentFieldTable(CoilTable):
    """The field of a source without the body, from a file; its frequency is that of the exposure."""

    type: Literal["incident-field"]
    file: Annotated[str, file_name("the name of an HDF5 file with x, y, z, E and perhaps H, such as 'coil.h5'")]


class ExposureTable(Table):
    """Frequency."""

    frequency_Hz: Frequency


class VieTable(Table):
    """Options of the volume integral solver."""

    type: Literal["vie"] = "vie"
    tolerance: Annotated[float, number("a relative residual", 1e-12, 0.1)] = 1e-4
    restart: Annotated[int, count("vectors kept by GMRES", 2, 1000)] = 50
    max_iterations: Annotated[int, count("products with the operator", 1, 1_000_000)] = 1000
    dtype: Literal["auto", "complex64", "complex128"] = "auto"
    method: Literal["auto", "gmres", "cocr", "bicgstab"] = "auto"
    E_error: Annotated[float, number("a relative error of E", 1e-9, 1)] = 0.02
    metal: Literal["perfect", "real"] = "perfect"


Coil = Annotated[
    BirdcageTable
    | LoopTable
    | LoopArrayTable
    | PlaneWaveTable
    | CurrentElementTable
    | IncidentFieldTable
    | SegmentsTable
    | CircuitBirdcageTable
    | CapacitorLoopTable
    | CapacitorLoopArrayTable
    | StripArrayTable
    | MicrostripArrayTable
    | DipoleTable,
    Field(discriminator="type"),
    one_of(
        BirdcageTable,
        LoopTable,
        LoopArrayTable,
        PlaneWaveTable,
        CurrentElementTable,
        IncidentFieldTable,
        SegmentsTable,
        *CIRCUIT_COILS,
    ),
]


def require_solver_fits(coil: Any, solver: Any, tuning: TuningTable | None) -> None:
    """Raise the error of a table unless a solver finds the fields of that coil, and there is something to be tuned."""
    circuit = is_circuit(coil)
    if circuit and isinstance(solver, VieTable):
        raise bad_key("solver", f'"vsie" or "fdtd" for a coil of type "{coil.type}": they find the currents')
    if not circuit and isinstance(solver, VsieTable):
        expected = f'"vie" or "fdtd" for a source of type "{coil.type}", which has no metal with gaps'
        raise bad_key("solver", expected)
    if tuning is not None and not circuit:
        raise bad_key("tuning", f"no such table for a coil of given currents, type '{coil.type}'")
