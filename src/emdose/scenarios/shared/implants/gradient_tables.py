"""Tables of gradient coils and of exposures to dB/dt, for every kind of scenario that has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from emdose.scenarios.shared.body_tables import Point
from emdose.scenarios.shared.tables import Table, bad_value, count, file_name, number, one_of, switch, text

Seconds = Annotated[float, number("a time in seconds", 0, 1e7, above=True)]
Frequency = Annotated[float, number("a frequency in Hz", 1, 1e6)]
Rate = Annotated[float, number("an rms dB/dt in T/s", 0, 1e6, above=True)]
Axis = Literal["x", "y", "z"]


def _direction(value: Any) -> Any:
    if value == "worst":
        return value
    good = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3
    good = good and all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e6 for v in value)
    if not good or not any(value):
        raise bad_value("'worst' (the orientation of the largest power) or a direction [x, y, z]")
    return tuple(float(v) for v in value)


Direction = Annotated[Literal["worst"] | tuple[float, float, float], BeforeValidator(_direction)]
"""Direction of a linearly polarised field, or the one that heats most."""


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
