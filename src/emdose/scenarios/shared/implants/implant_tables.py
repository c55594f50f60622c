"""Tables of an implant, its pose and its metals, for every kind of scenario that has one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.body_tables import Angles, Point
from emdose.scenarios.shared.tables import Quantity, Table, bad_value, file_name, number, one_of, text

Length = Annotated[float, number("a length in metres (a hip stem of 142 mm is 0.142)", 0, 1, above=True)]
MetalName = Annotated[str, text("the name of a metal, such as 'CoCrMo' or 'Ti6Al4V'", longest=60)]
LengthUnit = Literal["m", "cm", "mm", "um", "in"]


def _name() -> Quantity:
    expected = "a short name of letters, digits, spaces and - _ + ( ) /"

    def check(value: Any) -> str:
        allowed = isinstance(value, str) and all(c.isalnum() or c in " -_+()/" for c in value)
        if not allowed or not value.strip() or len(value) > 40:
            raise bad_value(expected)
        return str(value)

    return Quantity(check, expected)


ShortName = Annotated[str, _name()]


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


def metal_names(table: Any) -> list[str]:
    """Names of the metals that a table of an implant mentions."""
    names = [p.metal for p in table.parts.values()] if isinstance(table, SurfaceFilesTable) else [table.metal]
    return list(dict.fromkeys(names))
