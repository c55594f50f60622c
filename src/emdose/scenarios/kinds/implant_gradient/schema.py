"""The tables of a scenario of kind ``implant-gradient``: metal, what surrounds it, exposures to dB/dt, and the heat."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.body_tables import DutyCycle, Phantom, TissueChangeTable
from emdose.scenarios.shared.implants.eddy_table import EddyCurrentTable, growing
from emdose.scenarios.shared.implants.gradient_tables import Exposure, Gradients, Seconds, by_coils
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.tables import (
    Header,
    Table,
    bad_value,
    count,
    file_name,
    number,
    switch,
)


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
    thresholds_K: Annotated[tuple[float, ...], growing("temperature rises in kelvin,", 1e-6, 100)] = (1.0, 2.0, 5.0)
    baseline_degC: Annotated[float, number("a temperature in degC, for CEM43", 0, 60)] = 37.0


class RfTable(Table):
    """SAR of a finished RF run, to heat together with the gradients; its phantom is used."""

    file: Annotated[str, file_name("result.h5 of a finished run of kind rf")]
    duty_cycle: DutyCycle = 1.0


class ImplantOutputTable(Table):
    """What is written besides the numbers."""

    paraview: Annotated[bool, switch("write fields.vtu")] = True
    loss_maps: Annotated[bool, switch("keep the power density of every pair of directions in result.h5")] = True


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
