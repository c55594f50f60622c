"""The tables of a scenario of kind ``rf``: a body in the RF field of a coil, its SAR, and the limits on it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emdose.scenarios.kinds.rf.thermal_table import RfThermalTable
from emdose.scenarios.shared.body_tables import DutyCycle, Phantom, Slab
from emdose.scenarios.shared.circuit_tables import FdtdTable, TuningTable, VsieTable
from emdose.scenarios.shared.coil_tables import Coil, ExposureTable, VieTable, require_solver_fits
from emdose.scenarios.shared.driving.drive_tables import PLACES as PLACES
from emdose.scenarios.shared.driving.drive_tables import DriveTable as DriveTable
from emdose.scenarios.shared.driving.drive_tables import NormaliseTable as NormaliseTable
from emdose.scenarios.shared.objects.confirmed_table import ReadBy
from emdose.scenarios.shared.tables import (
    Header,
    Table,
    bad_value,
    file_name,
    number,
    numbers,
    one_of,
    switch,
    text,
    texts,
)


class DosimetryTable(Table):
    """How SAR is computed from E and averaged. 1 g and 10 g are always there; more masses can be asked for."""

    rule: Literal["trapezium", "linear", "mid-ordinate"] = "trapezium"
    masses_kg: Annotated[tuple[float, ...], numbers("averaging masses in kg,", None, 1e-6, 10)] = (1e-3, 1e-2)


class ChecksTable(Table):
    """Which limits are looked at, and under which circumstances."""

    standard: Annotated[str, text("the name of a standard")] = "IEC 60601-2-33"
    edition: Annotated[str, text("an edition, such as '2022'")] = "2022"
    coil_type: Literal["volume", "local", "array"] | None = None
    patient: Annotated[bool, switch("whether the phantom stands for a patient")] | None = None
    duty_cycle: DutyCycle = 1.0
    duty_cycle_10s: DutyCycle | None = None
    ambient_degC: Annotated[float, number("a room temperature in degC", -50, 60)] = 25.0
    patient_mass_kg: Annotated[float, number("a mass in kg", 0, 1000, above=True)] | None = None
    head: Annotated[str, text("the name of a head region of the phantom")] | None = None
    exposed_z_m: Slab | None = None
    extremities: Annotated[tuple[str, ...], texts("regions of the phantom that are arms or legs")] | None = None
    extremities_z_m: Slab | None = None
    relative_uncertainty: (
        Annotated[float, number("expanded uncertainty (k = 2) of SAR as a fraction", 0, 100)] | None
    ) = None
    verified_by: ReadBy | None = None
    verified_by_file: Annotated[str, file_name("a file of confirmed limits (.csv, .toml)")] | None = None
    use_values: Annotated[tuple[str, ...], texts("names of limits whose confirmed value is used")] | None = None

    @model_validator(mode="after")
    def _fit_each_other(self) -> ChecksTable:
        if self.duty_cycle_10s is not None and self.duty_cycle_10s < self.duty_cycle:
            raise bad_value("duty_cycle_10s >= duty_cycle")
        for key in ("exposed_z_m", "extremities_z_m"):
            slab = getattr(self, key)
            if slab is not None and slab[0] >= slab[1]:
                raise bad_value(f"{key} = [lowest, highest]")
        if self.extremities is not None and self.extremities_z_m is not None:
            raise bad_value("either extremities or extremities_z_m")
        return self


class RfOutputTable(Table):
    """What is written besides the numbers."""

    fields: Annotated[bool, switch("keep E and B, so that limits can be checked again without solving")] = True
    paraview: Annotated[bool, switch("write fields.vti")] = True


Solver = Annotated[
    VieTable | FdtdTable | VsieTable, Field(discriminator="type"), one_of(VieTable, FdtdTable, VsieTable)
]


class RfScenario(Table):
    """A scenario of kind ``rf``."""

    scenario: Header
    phantom: Phantom
    coil: Coil
    exposure: ExposureTable
    drive: DriveTable = Field(default_factory=DriveTable)
    normalise: NormaliseTable
    solver: Solver = Field(default_factory=VieTable)
    tuning: TuningTable | None = None
    dosimetry: DosimetryTable = Field(default_factory=DosimetryTable)
    checks: ChecksTable = Field(default_factory=ChecksTable)
    thermal: RfThermalTable | None = None
    output: RfOutputTable = Field(default_factory=RfOutputTable)

    @model_validator(mode="after")
    def _solver_fits_coil(self) -> RfScenario:
        require_solver_fits(self.coil, self.solver, self.tuning)
        return self
