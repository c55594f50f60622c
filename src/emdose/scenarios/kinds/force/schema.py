"""The tables of a scenario of kind ``force``: metal, magnet, motion, and gradients."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.implants.eddy_table import EddyCurrentTable
from emdose.scenarios.shared.implants.gradient_tables import Exposure, Gradients, by_coils
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.implants.magnet_tables import MagnetismTable
from emdose.scenarios.shared.tables import Header, Table, bad_key, bad_value, file_name, number, numbers, one_of, switch

Tesla = Annotated[float, number("a flux density in tesla", 0, 30, above=True)]
Slope = Annotated[float, number("a gradient in T/m", 0, 200)]
Unit = Annotated[tuple[float, ...], numbers("a direction x, y, z,", 3, -1e6, 1e6)]


class MagnetTable(Table):
    """The static field at the isocentre."""

    B0_T: Tesla
    B0_direction: Unit = (0.0, 0.0, 1.0)

    @model_validator(mode="after")
    def _direction(self) -> MagnetTable:
        if not any(self.B0_direction):
            raise bad_key("B0_direction", "a direction, such as [0, 0, 1]")
        return self


class PointMagnetTable(MagnetTable):
    """Forces at one place of the field."""

    type: Literal["point"]
    B_T: Tesla
    gradient_T_m: Slope


class MapMagnetTable(MagnetTable):
    """Forces at the worst place of a scanner's map."""

    type: Literal["map"]
    file: Annotated[str, file_name("a table (.csv) with the columns r, z, B and gradB, each with its unit")]


class ProductMagnetTable(MagnetTable):
    """Forces for a product B |grad B|, taken at the field of the isocentre."""

    type: Literal["product"]
    product_T2_m: Annotated[float, number("a product B |grad B| in T2/m", 0, 5000, above=True)]


class MotionTable(Table):
    """How patient and table move."""

    turn_rad_s: Annotated[float, number("an angular velocity in rad/s", 0, 100)] = 1.0
    speed_m_s: Annotated[float, number("a speed in m/s", 0, 10)] = 0.2


class ForceOutputTable(Table):
    """What is written besides the numbers."""

    loads: Annotated[bool, switch("write J x B0 of the strongest harmonic of every exposure for structural codes")] = (
        False
    )


Magnet = Annotated[
    PointMagnetTable | MapMagnetTable | ProductMagnetTable,
    Field(discriminator="type"),
    one_of(PointMagnetTable, MapMagnetTable, ProductMagnetTable),
]


class ForceScenario(Table):
    """A scenario of kind ``force``."""

    scenario: Header
    implant: Implant
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    magnetism: dict[ShortName, MagnetismTable] = Field(default_factory=dict)
    magnet: Magnet
    motion: MotionTable = Field(default_factory=MotionTable)
    solver: EddyCurrentTable = Field(default_factory=EddyCurrentTable)
    gradients: Gradients | None = None
    exposures: dict[ShortName, Exposure] = Field(default_factory=dict)
    output: ForceOutputTable = Field(default_factory=ForceOutputTable)

    @model_validator(mode="after")
    def _complete(self) -> ForceScenario:
        if len(self.exposures) > 12:
            raise bad_value("up to 12 tables [exposures.NAME]")
        needy = by_coils(self.exposures)
        if needy and self.gradients is None:
            raise bad_value(f"a table [gradients]: the exposure '{needy[0]}' is a gradient waveform")
        return self
