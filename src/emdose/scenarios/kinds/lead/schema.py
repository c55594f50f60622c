"""The tables of a scenario of kind ``lead``: the lead, its transfer function, the field, paths and drives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.body_tables import Phantom
from emdose.scenarios.shared.circuit_tables import is_circuit
from emdose.scenarios.shared.coil_tables import Coil, ExposureTable, VieTable
from emdose.scenarios.shared.driving.drive_tables import DriveTable, NormaliseTable
from emdose.scenarios.shared.implants.implant_tables import ShortName
from emdose.scenarios.shared.tables import (
    Header,
    Quantity,
    Table,
    bad_key,
    bad_value,
    file_name,
    number,
    text,
)
from emdose.scenarios.shared.tables import (
    count as whole,
)

CORNERS = "a list of points [x, y, z] in metres, the tip first, within 3 m"
Millimetres = number("a radius in metres (0.5 mm is 5e-4)", 0, 0.05, above=True)
Part = number("a relative standard uncertainty, such as 0.1", 0, 2)


def _corners(value: Any) -> tuple[tuple[float, ...], ...]:
    rows = value if isinstance(value, list | tuple) else ()
    good = 2 <= len(rows) <= 2000 and all(isinstance(r, list | tuple) and len(r) == 3 for r in rows)
    if not good or not all(
        isinstance(x, int | float) and not isinstance(x, bool) and -3 <= x <= 3 for r in rows for x in r
    ):
        raise bad_value(CORNERS)
    return tuple(tuple(float(x) for x in r) for r in rows)


class LeadTable(Table):
    """The lead: its nominal path, and what the moment method needs of it."""

    path_m: Annotated[tuple[tuple[float, ...], ...], Quantity(_corners, CORNERS)]
    name: Annotated[str, text("the name of the lead")] = "lead"
    conductor_radius_m: Annotated[float, Millimetres] | None = None
    coat_radius_m: Annotated[float, Millimetres] | None = None
    coat_permittivity: Annotated[float, number("a relative permittivity", 1, 1e4)] = 3.0
    bare_tip_m: Annotated[float, number("a length in metres", 0, 3)] = 0.0
    bare_end_m: Annotated[float, number("a length in metres", 0, 3)] = 0.0
    bare_radius_m: Annotated[float, Millimetres] | None = None
    conductivity_S_m: Annotated[float, number("a conductivity in S/m", 1e3, 1e9)] | None = None
    inductance_H_m: Annotated[float, number("an inductance in H/m", 0, 1)] = 0.0
    tip_ball_m: Annotated[float, Millimetres] | None = None
    end_ball_m: Annotated[float, number("a radius in metres", 0, 0.2, above=True)] | None = None


class TransferFunctionTable(Table):
    """Where the transfer function comes from: a file, or the moment method in a homogeneous medium."""

    file: Annotated[str, file_name("a transfer function (.csv, or .json of a piX scan)")] | None = None
    permittivity: Annotated[float, number("a relative permittivity", 1, 1e4)] | None = None
    conductivity_S_m: Annotated[float, number("a conductivity in S/m", 0, 1e3)] | None = None
    time_convention: Literal["exp(+jwt)", "exp(-jwt)"] | None = None
    length_unit: Literal["m", "cm", "mm"] | None = None
    quantity: Literal["tip current", "tip power"] | None = None
    scale: Annotated[float, number("a scale A > 0", 0, 1e30, above=True)] | None = None
    scale_unit: Annotated[str, text("a unit, such as 'K/V^2'")] | None = None

    @model_validator(mode="after")
    def _complete(self) -> TransferFunctionTable:
        if self.file is None and (self.permittivity is None or self.conductivity_S_m is None):
            raise bad_value("a file, or permittivity and conductivity_S_m of the medium that it is computed in")
        if (self.scale is None) != (self.scale_unit is None):
            raise bad_value("scale and scale_unit together")
        if self.file is None and self.scale is not None:
            raise bad_key("scale", "nothing: the moment method has its own")
        if self.file is not None and self.quantity is not None:
            raise bad_key("quantity", "nothing: the file says what it gives")
        return self


class FieldRunTable(Table):
    """Fields of a finished run of kind ``rf``."""

    run: Annotated[str, file_name("the result.h5 of a finished run of kind rf, which kept its fields")]


class PathsTable(Table):
    """Where the lead may lie: random smooth paths around the nominal one."""

    count: Annotated[int, whole("number of paths", 1, 20_000)] = 200
    spread_m: Annotated[float, number("an rms displacement in metres", 0, 0.2)] = 5e-3
    tip_spread_m: Annotated[float, number("a standard deviation of the tip in metres", 0, 0.2)] = 0.0
    bends: Annotated[int, whole("most half waves along the lead", 1, 40)] = 4
    seed: Annotated[int, whole("seed of the random numbers", 0, 2**31 - 1)] = 1


class LeadBudgetTable(Table):
    """Standard uncertainties of what a Tier 3 number rests on."""

    magnitude: Annotated[float, Part] = 0.0
    phase_rad: Annotated[float, number("an angle in radians", 0, 3.2)] = 0.0
    field: Annotated[float, Part] = 0.0
    scale: Annotated[float, Part] = 0.0
    correlation_m: Annotated[float, number("a length in metres", 0, 10, above=True)] = 0.1


class LeadScenario(Table):
    """A scenario of kind ``lead``."""

    scenario: Header
    lead: LeadTable
    transfer_function: TransferFunctionTable
    fields: FieldRunTable | None = None
    phantom: Phantom | None = None
    coil: Coil | None = None
    exposure: ExposureTable | None = None
    drives: dict[ShortName, DriveTable] = Field(default_factory=dict)
    normalise: NormaliseTable | None = None
    solver: VieTable = Field(default_factory=VieTable)
    paths: PathsTable = Field(default_factory=PathsTable)
    budget: LeadBudgetTable | None = None

    @model_validator(mode="after")
    def _one_source_of_fields(self) -> LeadScenario:
        own = {"phantom": self.phantom, "coil": self.coil, "exposure": self.exposure, "normalise": self.normalise}
        if self.fields is not None:
            given = [name for name, table in own.items() if table is not None]
            if given or self.drives:
                raise bad_key(given[0] if given else "drives", "nothing: the run in [fields] has it")
            return self
        missing = [name for name, table in own.items() if table is None]
        if missing:
            raise bad_value(f"a table [{missing[0]}], or [fields] with a finished run")
        if self.coil is not None and is_circuit(self.coil):
            raise bad_key("coil", "a source of given currents; for a coil of metal, [fields] with its finished run")
        if self.normalise is not None and self.normalise.over == "head":
            raise bad_key("normalise.over", "isocentre, slice, body or a point")
        if self.transfer_function.file is None and self.lead.conductor_radius_m is None:
            raise bad_key("lead.conductor_radius_m", "a radius: the transfer function is computed")
        return self

    @property
    def source_tables(self) -> tuple[str, ...]:
        """Names of the tables that the field depends on."""
        return ("fields",) if self.fields is not None else ("phantom", "coil", "exposure", "solver")
