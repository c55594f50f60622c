"""The tables of a scenario of kind ``motion``: a body that moves in the field of a magnet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.body_tables import Length, Phantom, Point
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.induced.solver_table import QuasistaticTable
from emdose.scenarios.shared.objects.confirmed_table import ReadBy
from emdose.scenarios.shared.tables import (
    Header,
    Table,
    bad_key,
    bad_value,
    count,
    file_name,
    number,
    one_of,
    switch,
    text,
    texts,
)

FIELDS_T = (1.5, 3.0, 7.0)
GROUPS = {
    "occupational": ("Directive 2013/35/EU", "ICNIRP 2014", "ICNIRP 2009", "ICNIRP 2010"),
    "patient": ("IEC 60601-2-33",),
    "public": ("ICNIRP 2009", "ICNIRP 2010"),
}
"""Documents that have limits of movements for a group."""
DEFAULTS = {"occupational": GROUPS["occupational"][:3], "patient": GROUPS["patient"], "public": GROUPS["public"]}

Distance = Annotated[float, number("a distance from the isocentre in metres", 0, 50)]
Aside = Annotated[float, number("a distance to the side in metres", -50, 50)]
Speed = Annotated[float, number("a speed in m/s", 0, 10, above=True)]
Angle = Annotated[float, number("an angle in degrees", 0, 180, above=True)]
Seconds = Annotated[float, number("a time in seconds", 0.05, 100)]


class ScannerMagnetTable(Table):
    """A made-up whole-body magnet with an active shield."""

    type: Literal["scanner"]
    field_T: Annotated[float, number("a field in tesla (3 T is 3.0)", 0, 30, above=True)]

    @model_validator(mode="after")
    def _known(self) -> ScannerMagnetTable:
        if self.field_T not in FIELDS_T:
            raise bad_key("field_T", "1.5, 3 or 7 T: others by their coils (solenoid) or a map")
        return self


class MagnetCoilTable(Table):
    """A cylindrical sheet of current around the axis."""

    radius_m: Length
    low_m: Annotated[float, number("an end along z in metres", -20, 20)]
    high_m: Annotated[float, number("an end along z in metres", -20, 20)]
    ampere_turns: Annotated[float, number("a current times turns in A", -1e9, 1e9)]


class SolenoidMagnetTable(Table):
    """A magnet by its coils, its isocentre at the origin and its axis along z."""

    type: Literal["solenoid"]
    coils: dict[ShortName, MagnetCoilTable]
    bore_radius_m: Length
    outer_radius_m: Length
    length_m: Length


class MappedMagnetTable(Table):
    """A measured or given map over distance from the axis and place along it."""

    type: Literal["map"]
    file: Annotated[str, file_name("a table (.csv) with the columns r, z, Br, Bz, each with its unit")]
    bore_radius_m: Length | None = None
    outer_radius_m: Length | None = None
    length_m: Length | None = None

    @model_validator(mode="after")
    def _wall(self) -> MappedMagnetTable:
        wall = (self.bore_radius_m, self.outer_radius_m, self.length_m)
        if any(v is None for v in wall) and any(v is not None for v in wall):
            raise bad_value("bore_radius_m, outer_radius_m and length_m together, or none of them")
        return self


class TrajectoryTable(Table):
    """How a body moves."""

    samples: Annotated[int, count("poses", 12, 4000)] | None = None
    part: Literal["body", "head"] | None = None


class StandingTable(TrajectoryTable):
    """Somebody who stands on the floor in front of the bore and faces it."""

    floor_m: Annotated[float, number("a height over the magnet's axis in metres", -3, 3)] = -1.0


class WalkUpTable(StandingTable):
    """Walking up to the bore along the axis, and stopping."""

    type: Literal["walk-up"]
    from_m: Distance = 3.0
    to_m: Distance = 1.1
    aside_m: Aside = 0.0
    speed_m_s: Speed = 1.3


class WalkPastTable(StandingTable):
    """Walking past the opening of the bore."""

    type: Literal["walk-past"]
    distance_m: Distance = 1.2
    reach_m: Distance = 2.5
    speed_m_s: Speed = 1.3


class TurningTable(StandingTable):
    """Turning to one side, to the other, and back."""

    distance_m: Distance = 1.1
    aside_m: Aside = 0.0
    angle_deg: Angle = 60.0
    period_s: Seconds = 2.0
    pivot_m: Point | None = None


class TurnTable(TurningTable):
    """Turning on the spot as a whole."""

    type: Literal["turn"]


class NodTable(TurningTable):
    """Nodding: the head alone, unless `part` says otherwise."""

    type: Literal["nod"]


class ShakeTable(TurningTable):
    """Shaking the head: the head alone, unless `part` says otherwise."""

    type: Literal["shake"]


class BendTable(StandingTable):
    """Bending over towards the bore."""

    type: Literal["bend"]
    distance_m: Distance = 1.9
    aside_m: Aside = 0.0
    angle_deg: Angle = 60.0
    duration_s: Seconds = 1.5


class TableInTable(TrajectoryTable):
    """The patient table moves in, head first and face up."""

    type: Literal["table-in"]
    landmark_m: Point = (0.0, 0.0, 0.0)
    from_m: Annotated[float, number("a distance in metres", 0, 10, above=True)] = 2.0
    speed_m_s: Speed = 0.2


class PosesTable(TrajectoryTable):
    """Poses from a file."""

    type: Literal["file"]
    file: Annotated[str, file_name("a table (.csv) with the columns t, x, y, z, rx, ry, rz, each with its unit")]
    centre_m: Point = (0.0, 0.0, 0.0)


Magnet = Annotated[
    ScannerMagnetTable | SolenoidMagnetTable | MappedMagnetTable,
    Field(discriminator="type"),
    one_of(ScannerMagnetTable, SolenoidMagnetTable, MappedMagnetTable),
]
Movement = Annotated[
    WalkUpTable | WalkPastTable | TurnTable | NodTable | ShakeTable | BendTable | TableInTable | PosesTable,
    Field(discriminator="type"),
    one_of(WalkUpTable, WalkPastTable, TurnTable, NodTable, ShakeTable, BendTable, TableInTable, PosesTable),
]


class MovingSolverTable(QuasistaticTable):
    """The scalar potential on voxels, for the motions that all others are sums of."""

    left_out: Annotated[float, number("a part of dB/dt", 1e-6, 0.05)] = 1e-3
    most_motions: Annotated[int, count("motions", 1, 1000)] = 60


class MotionChecksTable(Table):
    """Who moves, and which limits are looked at."""

    group: Literal["occupational", "patient", "public"] = "occupational"
    standards: Annotated[tuple[str, ...], texts("names of documents, such as 'ICNIRP 2014'")] | None = None
    controlled: Annotated[bool, switch("the conditions are controlled: sensory effects are prevented or taken")] = False
    edition: Annotated[str, text("an edition of IEC 60601-2-33, such as '2022'")] = "2022"
    verified_by: ReadBy | None = None
    use_values: Annotated[tuple[str, ...], texts("names of limits whose confirmed value is used")] | None = None

    @model_validator(mode="after")
    def _for_the_group(self) -> MotionChecksTable:
        known = GROUPS[self.group]
        for name in self.standards or ():
            if name not in known:
                raise bad_key("standards", f"documents for the group '{self.group}': {', '.join(known)}")
        return self

    @property
    def documents(self) -> tuple[str, ...]:
        """The documents."""
        return self.standards or DEFAULTS[self.group]


class MotionScenario(Table):
    """A scenario of kind ``motion``."""

    scenario: Header
    phantom: Phantom
    magnet: Magnet
    trajectories: dict[ShortName, Movement]
    implant: Implant | None = None
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    solver: MovingSolverTable = Field(default_factory=MovingSolverTable)
    checks: MotionChecksTable = Field(default_factory=MotionChecksTable)

    @model_validator(mode="before")
    @classmethod
    def _some(cls, data: Any) -> Any:
        named = data.get("trajectories") if isinstance(data, dict) else None
        if isinstance(named, dict) and not 1 <= len(named) <= 12:
            raise bad_key("trajectories", "1 to 12 tables [trajectories.NAME]")
        return data
