"""The tables of a scenario of kind ``implant-gradient``: metal, what surrounds it, exposures to dB/dt, and the heat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from emdose.scenarios.shared.body_tables import Angles, DutyCycle, Phantom, Point, TissueChangeTable
from emdose.scenarios.shared.tables import (
    Header,
    Quantity,
    Table,
    bad_value,
    count,
    file_name,
    number,
    numbers,
    one_of,
    switch,
    text,
)

Length = Annotated[float, number("a length in metres (a hip stem of 142 mm is 0.142)", 0, 1, above=True)]
MetalName = Annotated[str, text("the name of a metal, such as 'CoCrMo' or 'Ti6Al4V'", longest=60)]
Seconds = Annotated[float, number("a time in seconds", 0, 1e7, above=True)]
Frequency = Annotated[float, number("a frequency in Hz", 1, 1e6)]
Rate = Annotated[float, number("an rms dB/dt in T/s", 0, 1e6, above=True)]
Axis = Literal["x", "y", "z"]
LengthUnit = Literal["m", "cm", "mm", "um", "in"]


def _name() -> Quantity:
    expected = "a short name of letters, digits, spaces and - _ + ( ) /"

    def check(value: Any) -> str:
        allowed = isinstance(value, str) and all(c.isalnum() or c in " -_+()/" for c in value)
        if not allowed or not value.strip() or len(value) > 40:
            raise bad_value(expected)
        return str(value)

    return Quantity(check, expected)


def _direction(value: Any) -> Any:
    if value == "worst":
        return value
    good = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3
    good = good and all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e6 for v in value)
    if not good or not any(value):
        raise bad_value("'worst' (the orientation of the largest power) or a direction [x, y, z]")
    return tuple(float(v) for v in value)


def _growing(what: str, low: float, high: float) -> Quantity:
    inner = numbers(what, None, low, high)
    expected = f"{inner.expected}, growing"  # type: ignore[attr-defined]

    def check(value: Any) -> tuple[float, ...]:
        found: tuple[float, ...] = inner.func(value)  # type: ignore[call-arg]
        if any(b <= a for a, b in pairwise(found)):
            raise bad_value(expected)
        return found

    return Quantity(check, expected)


ShortName = Annotated[str, _name()]
Direction = Annotated[Literal["worst"] | tuple[float, float, float], BeforeValidator(_direction)]
"""Direction of a linearly polarised field, or the one that heats most."""


class ImplantTable(Table):
    """Pose of any implant: turned about the middle of its box, then that middle is put to a place."""

    rotate_deg: Angles = (0.0, 0.0, 0.0)
    position_m: Point = (0.0, 0.0, 0.0)


class HipTable(ImplantTable):
    """Parametric hip: stem with taper, head, shell and screw of metal."""

    type: Literal["hip"]
    metal: MetalName = "CoCrMo"


class KneeTable(ImplantTable):
    """Parametric knee."""

    type: Literal["knee"]
    metal: MetalName = "CoCrMo"


class ShoulderTable(ImplantTable):
    """Parametric shoulder."""

    type: Literal["shoulder"]
    metal: MetalName = "CoCrMo"


class MetalSphereTable(ImplantTable):
    """A ball of metal."""

    type: Literal["sphere"]
    radius_m: Length
    metal: MetalName = "CoCrMo"


class MetalCylinderTable(ImplantTable):
    """A rod of metal along z before it is turned."""

    type: Literal["cylinder"]
    radius_m: Length
    length_m: Length
    metal: MetalName = "Ti6Al4V"


class MetalRingTable(ImplantTable):
    """A ring of round wire in the x-y plane before it is turned."""

    type: Literal["ring"]
    radius_m: Length
    wire_radius_m: Length
    metal: MetalName = "CoCrMo"


class SurfaceFileTable(ImplantTable):
    """One closed surface from a file: STL, PLY, OBJ or VTK."""

    type: Literal["file"]
    file: Annotated[str, file_name("the name of a surface file, such as 'stem.stl'")]
    unit: LengthUnit
    metal: MetalName


class PartTable(Table):
    """One part of an assembly."""

    file: Annotated[str, file_name("the name of a surface file, such as 'stem.stl'")]
    unit: LengthUnit
    metal: MetalName


class SurfaceFilesTable(ImplantTable):
    """Closed surfaces of several metals from files that share their coordinates."""

    type: Literal["files"]
    parts: dict[ShortName, PartTable]

    @model_validator(mode="after")
    def _some(self) -> SurfaceFilesTable:
        if not 1 <= len(self.parts) <= 100:
            raise bad_value("1 to 100 tables [implant.parts.NAME]")
        return self


class MetalTable(Table):
    """A metal of the scenario's own: values that replace those of the metal that it is like."""

    like: MetalName = "CoCrMo"
    conductivity_S_m: Annotated[float, number("a conductivity in S/m", 1e3, 1e9)] | None = None
    density_kg_m3: Annotated[float, number("a density in kg/m3", 0, 1e5, above=True)] | None = None
    heat_capacity_J_kg_K: Annotated[float, number("a heat capacity in J/kg/K", 0, 1e5, above=True)] | None = None
    thermal_conductivity_W_m_K: (
        Annotated[float, number("a thermal conductivity in W/m/K", 0, 1e4, above=True)] | None
    ) = None


class EddyCurrentTable(Table):
    """Options of the eddy-current solver."""

    type: Literal["eddy-current"] = "eddy-current"
    spacing_m: Annotated[float | Literal["auto"], number("a voxel size in metres", 1e-5, 0.02, word="auto")] = "auto"
    engine: Literal["auto", "voxel", "thin-skin"] = "auto"
    tolerance: Annotated[float, number("a relative residual", 1e-9, 1e-2)] = 1e-4
    max_steps: Annotated[int, count("steps of the Lanczos process", 1, 1000)] = 80
    dtype: Literal["float32", "float64"] = "float32"
    frequencies_Hz: (
        Annotated[tuple[float, ...], _growing("frequencies in Hz at which the power tensor is solved,", 1, 1e6)] | None
    ) = None
    richardson: Annotated[bool, switch("larger voxels as well, and extrapolate the power to voxels of no size")] = False
    linear_terms: Annotated[bool, switch("also the five linear terms of the field of gradient coils")] | None = None
    cache: Annotated[bool, switch("keep the power tensor for other scenarios with the same implant")] = True


class BoreTable(Table):
    """Places of the implant's middle for which power is mapped: a cylinder about the isocentre, along z."""

    radius_m: Annotated[float, number("a radius in metres", 0, 1, above=True)] = 0.2
    length_m: Annotated[float, number("a length in metres", 0, 5, above=True)] = 0.5
    step_m: Annotated[float, number("a distance in metres", 1e-3, 0.5)] = 0.05


class GradientsTable(Table):
    """Place of the scenario's origin in the scanner, and whether the whole bore is mapped."""

    position_m: Point
    bore: BoreTable | None = None


class IdealGradientsTable(GradientsTable):
    """Ideal linear gradients with their concomitant components."""

    type: Literal["ideal"]


class WholeBodyGradientsTable(GradientsTable):
    """A generated set of whole-body gradient coils without shield."""

    type: Literal["whole-body"]
    radius_m: Annotated[float, number("a radius in metres", 0.1, 1)] = 0.35
    length_m: Annotated[float, number("a length in metres", 0.3, 5)] = 1.4
    turns: Annotated[int, count("turns of every winding", 4, 200)] = 20


class WireGradientsTable(GradientsTable):
    """Gradient coils of wire paths from files."""

    type: Literal["wires"]
    x_file: Annotated[str, file_name("the name of a wire path (.csv, .txt, .vtk, .vtp) of the x gradient")]
    y_file: Annotated[str, file_name("the name of a wire path of the y gradient")]
    z_file: Annotated[str, file_name("the name of a wire path of the z gradient")]
    unit: Literal["m", "cm", "mm"]


class GradientExposureTable(Table):
    """What every exposure can have; a duration of its own replaces that of [thermal]."""

    duration_s: Seconds | None = None
    unusual: Annotated[bool, switch("strengths and times that no gradient system has are meant")] = False


class PresetExposureTable(GradientExposureTable):
    """A named exposure of a document, with its duration unless another is given."""

    type: Literal["preset"]
    preset: Annotated[str, text("the name of an exposure, such as 'iso-10974-clause-9'")] = "iso-10974-clause-9"
    direction: Direction = "worst"


class SinusoidExposureTable(GradientExposureTable):
    """A uniform sinusoidal field."""

    type: Literal["sinusoid"]
    frequency_Hz: Frequency
    dbdt_rms_T_s: Rate
    direction: Direction = "worst"


class TrapezoidExposureTable(GradientExposureTable):
    """Trapezoids of alternating sign of a uniform field: dB/dt is a train of rectangular pulses."""

    type: Literal["trapezoids"]
    field_T: Annotated[float, number("a flux density in tesla", 0, 100, above=True)]
    rise_s: Seconds
    flat_s: Annotated[float, number("a time in seconds", 0, 1e4)] = 0.0
    gap_s: Annotated[float, number("a time in seconds", 0, 1e4)] = 0.0
    direction: Direction = "worst"


class EpiExposureTable(GradientExposureTable):
    """A train of echo-planar imaging; needs the table [gradients]."""

    type: Literal["epi"]
    gradient_T_m: Annotated[float, number("a gradient in T/m (30 mT/m is 0.03)", 0, 10, above=True)] = 30e-3
    slew_T_m_s: Annotated[float, number("a slew rate in T/m/s", 0, 1e5, above=True)] = 150.0
    echo_spacing_s: Seconds = 0.6e-3
    echoes: Annotated[int, count("lobes a train", 2, 100_000)] = 64
    repetition_s: Seconds = 0.06
    blip_T_m: Annotated[float, number("a gradient in T/m", 0, 10)] = 5e-3
    readout: Axis = "x"
    phase: Axis = "y"


class PulseqExposureTable(GradientExposureTable):
    """The gradients of a Pulseq sequence; needs the table [gradients]."""

    type: Literal["pulseq"]
    file: Annotated[str, file_name("the name of a Pulseq sequence (.seq)")]


class SampledExposureTable(GradientExposureTable):
    """A waveform from a table of samples: time [s], then one column an axis. Gradients need the table [gradients]."""

    type: Literal["samples"]
    file: Annotated[str, file_name("the name of a table (.csv, .txt) with the columns t, x, y, z")]
    quantity: Literal["gradient", "field", "dB/dt"]


class ImplantThermalTable(Table):
    """How the heat is computed."""

    duration_s: Seconds = 900.0
    spacing_m: Annotated[float, number("a voxel size in metres", 2e-4, 0.05)] = 2e-3
    cells_across: Annotated[float, number("cells of the heat across the metal; 0 splits no voxels", 0, 64)] = 4.0
    margin_m: Annotated[float, number("tissue kept around the implant in metres", 1e-3, 1)] = 0.05
    edges: Literal["surface", "insulated", "fixed"] = "insulated"
    surface_W_m2_K: Annotated[float, number("an exchange coefficient in W/m2/K", 0, 1e5)] = 8.0
    perfusion: Annotated[bool, switch("blood carries heat away; gel has none")] = True
    curve_points: Annotated[int, count("points of the heating curve", 2, 1000)] = 45
    thresholds_K: Annotated[tuple[float, ...], _growing("temperature rises in kelvin,", 1e-6, 100)] = (1.0, 2.0, 5.0)
    baseline_degC: Annotated[float, number("a temperature in degC, for CEM43", 0, 60)] = 37.0


class RfTable(Table):
    """SAR of a finished RF run, to heat together with the gradients; its phantom is used."""

    file: Annotated[str, file_name("result.h5 of a finished run of kind rf")]
    duty_cycle: DutyCycle = 1.0


class ImplantOutputTable(Table):
    """What is written besides the numbers."""

    paraview: Annotated[bool, switch("write fields.vtu")] = True
    loss_maps: Annotated[bool, switch("keep the power density of every pair of directions in result.h5")] = True


Implant = Annotated[
    HipTable
    | KneeTable
    | ShoulderTable
    | MetalSphereTable
    | MetalCylinderTable
    | MetalRingTable
    | SurfaceFileTable
    | SurfaceFilesTable,
    Field(discriminator="type"),
    one_of(
        HipTable,
        KneeTable,
        ShoulderTable,
        MetalSphereTable,
        MetalCylinderTable,
        MetalRingTable,
        SurfaceFileTable,
        SurfaceFilesTable,
    ),
]
Gradients = Annotated[
    IdealGradientsTable | WholeBodyGradientsTable | WireGradientsTable,
    Field(discriminator="type"),
    one_of(IdealGradientsTable, WholeBodyGradientsTable, WireGradientsTable),
]
Exposure = Annotated[
    PresetExposureTable
    | SinusoidExposureTable
    | TrapezoidExposureTable
    | EpiExposureTable
    | PulseqExposureTable
    | SampledExposureTable,
    Field(discriminator="type"),
    one_of(
        PresetExposureTable,
        SinusoidExposureTable,
        TrapezoidExposureTable,
        EpiExposureTable,
        PulseqExposureTable,
        SampledExposureTable,
    ),
]


def by_coils(exposures: Mapping[str, Any]) -> list[str]:
    """Names of the exposures whose field gradient coils make."""
    return [
        n
        for n, e in exposures.items()
        if isinstance(e, EpiExposureTable | PulseqExposureTable)
        or (isinstance(e, SampledExposureTable) and e.quantity == "gradient")
    ]


class ImplantScenario(Table):
    """A scenario of kind ``implant-gradient``."""

    scenario: Header
    implant: Implant
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    phantom: Phantom | None = None
    gel: TissueChangeTable | None = None
    solver: EddyCurrentTable = Field(default_factory=EddyCurrentTable)
    gradients: Gradients | None = None
    exposures: dict[ShortName, Exposure]
    thermal: ImplantThermalTable = Field(default_factory=ImplantThermalTable)
    rf: RfTable | None = None
    output: ImplantOutputTable = Field(default_factory=ImplantOutputTable)

    @model_validator(mode="after")
    def _complete(self) -> ImplantScenario:
        if not 1 <= len(self.exposures) <= 12:
            raise bad_value("1 to 12 tables [exposures.NAME]")
        needy = by_coils(self.exposures)
        if needy and self.gradients is None:
            raise bad_value(f"a table [gradients]: the exposure '{needy[0]}' is a gradient waveform")
        if self.rf is not None and self.phantom is not None:
            raise bad_value("no [phantom] beside [rf]: the phantom of the RF run is used")
        if self.gel is not None and (self.rf is not None or self.phantom is not None):
            raise bad_value("no [gel] beside [phantom] or [rf]: it is the gel that surrounds an implant without them")
        return self
