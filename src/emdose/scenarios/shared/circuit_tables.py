"""Tables of an ``rf`` scenario for coils of metal and capacitors, their tuning, and the solver that they need."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import model_validator

from emdose.scenarios.shared.body_tables import Angles, Direction, Length, Point
from emdose.scenarios.shared.tables import Table, bad_key, bad_value, count, file_name, number, numbers, switch

Capacitance = Annotated[float, number("a capacitance in F (20 pF is 20e-12)", 1e-16, 1e-3)]
Slots = Annotated[int, count("number of slots along the shield", 0, 256)]
Resistance = Annotated[float, number("a resistance in ohm", 0, 1e6, above=True)]


class CoilTable(Table):
    """Place of any coil or wave: what the rest of its table describes is moved there from the isocentre."""

    position_m: Point = (0.0, 0.0, 0.0)


class CircuitBirdcageTable(CoilTable):
    """Birdcage of metal and capacitors around z."""

    type: Literal["circuit-birdcage"]
    kind: Literal["high-pass", "low-pass", "band-pass"] = "high-pass"
    rungs: Annotated[int, count("number of rungs", 4, 128)] = 16
    radius_m: Length = 0.15
    length_m: Length = 0.20
    capacitance_F: Capacitance = 20e-12
    rung_capacitance_F: Capacitance | None = None
    resistance_ohm: Resistance | None = None
    strip_width_m: Length | None = None
    wire_radius_m: Length | None = None
    gap_m: Length = 5e-3
    feeds: Literal[1, 2, 4] = 2
    feed_impedance_ohm: Resistance = 50.0
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None
    shield_slots: Slots = 0
    shield_slot_width_m: Length = 2e-3


class CapacitorLoopTable(CoilTable):
    """One loop of metal and capacitors, circular or rectangular."""

    type: Literal["capacitor-loop"]
    radius_m: Length | None = None
    size_m: Annotated[tuple[float, ...], numbers("edges in metres,", 2, 0, 100, above=True)] | None = None
    capacitors: Annotated[int, count("number of capacitors", 1, 64)] = 4
    capacitance_F: Capacitance = 10e-12
    resistance_ohm: Resistance | None = None
    wire_radius_m: Length | None = None
    strip_width_m: Length | None = None
    gap_m: Length = 5e-3
    feed_impedance_ohm: Resistance = 50.0
    centre_m: Point = (0.0, 0.0, 0.0)
    normal: Direction = (0.0, 0.0, 1.0)

    @model_validator(mode="after")
    def _one_shape(self) -> CapacitorLoopTable:
        if (self.radius_m is None) == (self.size_m is None):
            raise bad_value("either radius_m or size_m")
        return self


class CapacitorLoopArrayTable(CoilTable):
    """Rectangular loops of metal and capacitors on a cylinder around z, one feed each."""

    type: Literal["capacitor-loop-array"]
    elements: Annotated[int, count("number of loops", 1, 64)] = 8
    radius_m: Length = 0.14
    length_m: Length = 0.16
    coverage: Annotated[float, number("angle of a loop over the pitch", 0, 2, above=True)] = 0.8
    capacitors: Annotated[int, count("number of capacitors of a loop", 1, 64)] = 4
    capacitance_F: Capacitance = 10e-12
    resistance_ohm: Resistance | None = None
    wire_radius_m: Length | None = None
    strip_width_m: Length | None = None
    decoupling_F: Capacitance | None = None
    overlap_gap_m: Length = 4e-3
    gap_m: Length = 5e-3
    feed_impedance_ohm: Resistance = 50.0
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None
    shield_slots: Slots = 0
    shield_slot_width_m: Length = 2e-3


class StripArrayTable(CoilTable):
    """Strips along z on a cylinder, one or several side by side per channel, with feeds in series."""

    type: Literal["strip-array"]
    elements: Annotated[int, count("number of channels", 1, 64)] = 8
    radius_m: Length = 0.14
    length_m: Length = 0.30
    strip_width_m: Length = 0.012
    between_m: Annotated[tuple[float, ...], numbers("distances in metres,", None, 0, 10, above=True)] | None = None
    feed_from_end_m: Length | None = None
    feeds_between: Annotated[bool, switch("feeds across the distances between strips as well")] = False
    gap_m: Length = 5e-3
    feed_impedance_ohm: Resistance = 50.0
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None
    shield_slots: Slots = 0
    shield_slot_width_m: Length = 2e-3


class MicrostripArrayTable(CoilTable):
    """Strips along z above plates or a shield, with capacitors to them at both ends and a feed at the lower one."""

    type: Literal["microstrip-array"]
    elements: Annotated[int, count("number of strips", 1, 64)] = 8
    radius_m: Length = 0.13
    length_m: Length = 0.20
    strip_width_m: Length = 0.015
    height_m: Length = 0.02
    ground: Literal["plates", "shield"] = "plates"
    ground_width_m: Length = 0.06
    ground_length_m: Length | None = None
    capacitance_F: Capacitance = 5e-12
    resistance_ohm: Resistance | None = None
    feed_impedance_ohm: Resistance = 50.0
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None
    shield_slots: Slots = 0
    shield_slot_width_m: Length = 2e-3


class DipoleTable(CoilTable):
    """One straight wire fed in its middle."""

    type: Literal["dipole"]
    length_m: Length
    wire_radius_m: Length | None = None
    gap_m: Length = 5e-3
    feed_impedance_ohm: Resistance = 50.0
    centre_m: Point = (0.0, 0.0, 0.0)
    direction: Direction = (0.0, 0.0, 1.0)


class SegmentsTable(CoilTable):
    """A coil whose conductors stand in a file: ideal currents, or metal where a table of gaps is named."""

    type: Literal["segments"]
    file: Annotated[str, file_name("the name of a table of points or of VTK lines, such as 'coil.csv'")]
    unit: Literal["m", "cm", "mm", "um", "in"] | None = None
    closed: Annotated[bool, switch("join the last point of every conductor to its first")] = False
    drives: Annotated[str, file_name("the name of a table of drives: drive, port, amplitude, phase_deg")] | None = None
    rotate_deg: Angles = (0.0, 0.0, 0.0)
    gaps: Annotated[str, file_name("the name of a table of gaps with capacitors and feeds")] | None = None
    gap_m: Length = 5e-3
    feed_impedance_ohm: Resistance = 50.0
    wire_radius_m: Length | None = None
    strip_width_m: Length | None = None
    metal: Annotated[str, file_name("the name of a closed surface of more metal, such as 'plate.stl'")] | None = None
    metal_unit: Literal["m", "cm", "mm", "um", "in"] | None = None
    repeat: Annotated[int, count("number of equal elements, the file holding the first", 1, 512)] = 1
    repeat_axis: Literal["x", "y", "z"] = "z"
    repeat_angle_deg: Annotated[float, number("an angle between neighbours in degrees", -360, 360)] | None = None
    repeat_shift_m: Point = (0.0, 0.0, 0.0)
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None

    @model_validator(mode="after")
    def _fit_each_other(self) -> SegmentsTable:
        if self.gaps is None and self.metal is not None:
            raise bad_key("metal", "gaps as well: only a coil of metal with feeds has more metal")
        if self.metal is None and self.metal_unit is not None:
            raise bad_key("metal_unit", "metal as well, the file that it is the unit of")
        return self


CIRCUIT_COILS = (
    CircuitBirdcageTable,
    CapacitorLoopTable,
    CapacitorLoopArrayTable,
    StripArrayTable,
    MicrostripArrayTable,
    DipoleTable,
)


CIRCUIT_TYPES = tuple(get_args(table.model_fields["type"].annotation)[0] for table in CIRCUIT_COILS)


def is_circuit(table: CoilTable) -> bool:
    """Whether a coil is one of metal, capacitors and feeds."""
    return is_circuit_type(getattr(table, "type", None), getattr(table, "gaps", None))


def is_circuit_type(name: object, gaps: object = None) -> bool:
    """Whether a table [coil] of this type, with this file of gaps, is one of metal, capacitors and feeds."""
    return name in CIRCUIT_TYPES or (name == "segments" and gaps is not None)


class TuningTable(Table):
    """Tune and match a circuit coil with its load at the frequency of the exposure: circuit algebra after the runs."""

    tune: Annotated[bool, switch("scale the capacitances until the useful mode of the coil is at the frequency")] = True
    match: Annotated[
        bool, switch("match every feed to its impedance by a network of two elements, of capacitors if possible")
    ] = True
    span: Annotated[float, number("width of the plotted band over the frequency", 0, 1.5, above=True)] = 0.4
    points: Annotated[int, count("frequencies at which the network is kept", 3, 2001)] = 81


LEAST_ACROSS = 2
"""Cells that a strip has at least."""


class VsieTable(Table):
    """Options of boundary elements for the metal of a coil, coupled to the volume integral of the body."""

    type: Literal["vsie"]
    tolerance: Annotated[float, number("a relative residual", 1e-12, 0.1)] = 1e-4
    E_error: Annotated[float, number("a relative error of E", 1e-9, 1)] = 0.02
    network_tolerance: Annotated[float, number("a relative residual of the trial currents", 1e-6, 0.1)] = 1e-2
    restart: Annotated[int, count("vectors kept by GMRES", 2, 1000)] = 50
    max_iterations: Annotated[int, count("products with the operator", 1, 1_000_000)] = 1000
    dtype: Literal["auto", "complex64", "complex128"] = "auto"
    method: Literal["auto", "gmres"] = "auto"
    conductivity_S_m: Annotated[float, number("a conductivity in S/m", 0, 1e12, above=True)] = 5.8e7
    thickness_m: Length | None = None
    lossless: Annotated[bool, switch("metal without loss")] = False
    across: Annotated[int, count("cells across a strip", 2, 64)] = 4
    shield_around: Annotated[int, count("cells of the shield around its axis", 8, 1024)] = 48
    shield_along: Annotated[int, count("cells of the shield along its axis", 2, 1024)] = 12
    refine: Annotated[float, number("how many times smaller the cells of the metal are", 0.1, 10)] = 1.0
    second_mesh: Annotated[float, number("how many times larger the cells of a second mesh are", 1.2, 4)] | None = None

    @model_validator(mode="after")
    def _second_is_another(self) -> VsieTable:
        if self.second_mesh is not None and self.across * self.refine / self.second_mesh < LEAST_ACROSS:
            raise bad_key(
                "second_mesh", f"across of {LEAST_ACROSS} x second_mesh at least: a strip has two cells or more"
            )
        return self


MESH_KEYS = ("across", "shield_around", "shield_along")
"""Keys of a table of coupled boundary elements that say how the metal is meshed."""
VSIE_KEYS = (
    "tolerance",
    "E_error",
    "network_tolerance",
    "restart",
    "max_iterations",
    "dtype",
    "method",
    "thickness_m",
)
"""Those that the solver takes as they are."""


class FdtdTable(Table):
    """Options of the finite differences in time."""

    type: Literal["fdtd"]
    spacing_m: Annotated[float, number("a cell size in metres", 1e-4, 0.1)] | None = None
    margin_m: Length | None = None
    coarsest_m: Length | None = None
    growth: Annotated[float, number("ratio of neighbouring steps", 1, 2)] = 1.3
    snap: Annotated[bool, switch("planes of the grid pass through the edges of the coil beyond the phantom's grid")] = (
        False
    )
    finest_m: Length | None = None
    cpml_cells: Annotated[int, count("cells of the absorbing layer", 4, 64)] = 10
    tolerance: Annotated[float, number("what is still to come over what is there", 1e-6, 0.1)] = 1e-3
    max_periods: Annotated[float, number("periods until it gives up", 0, 1e6, above=True)] = 400.0
    courant: Annotated[float, number("time step over the limit of stability", 0.01, 0.999)] = 0.99
    dtype: Literal["float32", "float64"] = "float32"
    metal: Literal["cut", "cells"] = "cut"
    metal_cell_m: Length | None = None
    metal_margin_m: Length = 0.01
    checkpoint_s: Annotated[float, number("seconds between saved states of a run", 0, 86400, above=True)] = 60.0
