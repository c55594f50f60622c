"""The tables of a scenario of kind ``label``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emdose.models.bodies.stylised_adult import LANDMARKS_MM
from emdose.scenarios.shared.implants.eddy_table import EddyCurrentTable, growing
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.implants.magnet_tables import MagnetismTable
from emdose.scenarios.shared.tables import Header, Quantity, Table, bad_value, file_name, number, numbers, text

Minutes = Annotated[float, number("a time in minutes", 0.1, 600)]


def _landmarks() -> Quantity:
    expected = f"a list of landmarks: {', '.join(LANDMARKS_MM)}"

    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not value or not all(v in LANDMARKS_MM for v in value):
            raise bad_value(expected)
        return tuple(dict.fromkeys(value))

    return Quantity(check, expected)


class SheetTable(Table):
    """What the sheet is for: scanners, places of the patient, and what may not be passed."""

    fields_T: Annotated[tuple[float, ...], growing("fields of scanners in tesla", 0.01, 30)] = (1.5, 3.0)
    landmarks: Annotated[tuple[str, ...], _landmarks()] = ("head", "heart", "pelvis", "knee")
    site: Literal["head", "neck", "heart", "liver", "pelvis", "thigh", "knee"] = "pelvis"
    site_offset_m: Annotated[tuple[float, ...], numbers("x, y, z in metres,", 3, -1, 1)] = (0.10, 0.0, 0.0)
    scan_min: Minutes = 15.0
    longest_min: Minutes = 60.0
    rises_K: Annotated[tuple[float, ...], growing("temperature rises in kelvin", 1e-3, 100)] = (1.0, 2.0, 5.0)
    rise_K: Annotated[float, number("the rise that decides, in kelvin", 1e-3, 100)] = 2.0
    rf_poses: Literal["search", "given"] = "search"
    dose_min: Annotated[float, number("a dose CEM43 in minutes", 1e-3, 1e4)] = 2.0
    baseline_degC: Annotated[float, number("a temperature in degC", 0, 60)] = 37.0

    @model_validator(mode="after")
    def _fits(self) -> SheetTable:
        if self.scan_min > self.longest_min:
            raise bad_value("longest_min of at least scan_min")
        return self


class ReferenceTable(Table):
    """The switched field that shares are told of: a named exposure, or a sinusoid."""

    preset: Annotated[str, text("the name of an exposure, such as 'iso-10974-clause-9'")] = "iso-10974-clause-9"
    frequency_Hz: Annotated[float, number("a frequency in Hz", 1, 1e6)] | None = None
    dbdt_rms_T_s: Annotated[float, number("an rms dB/dt in T/s", 0, 1e6, above=True)] | None = None


class ForcePlaceTable(Table):
    """Static fields that forces are computed for, one per field of a scanner, as its data sheet says."""

    products_T2_m: Annotated[tuple[float, ...], numbers("products B |grad B| in T2/m", None, 0, 5000)] | None = None
    turn_rad_s: Annotated[float, number("an angular velocity in rad/s", 0, 100)] = 1.0


class SheetThermalTable(Table):
    """How the heat around the metal is computed: in gel without perfusion, as in tests of implants."""

    spacing_m: Annotated[float, number("a voxel size in metres", 2e-4, 0.05)] = 4e-3
    margin_m: Annotated[float, number("gel kept around the implant in metres", 1e-3, 1)] = 0.05


class RfRunTable(Table):
    """A finished run of kind implant-rf with this implant: RF heating for one field and landmark."""

    file: Annotated[str, file_name("result.h5 of a finished run of kind implant-rf")]
    field_T: Annotated[float, number("a field in tesla", 0.01, 30)]
    landmark: Annotated[str, text("what lay at the isocentre")]


class LeftOutTable(Table):
    """A field and landmark that there is no run for, and why."""

    field_T: Annotated[float, number("a field in tesla", 0.01, 30)]
    landmark: Annotated[str, text("what lay at the isocentre")]
    reason: Annotated[str, text("a sentence", longest=2000)]


class LabelScenario(Table):
    """A scenario of kind ``label``."""

    scenario: Header
    implant: Implant
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    magnetism: dict[ShortName, MagnetismTable] = Field(default_factory=dict)
    sheet: SheetTable = Field(default_factory=SheetTable)
    reference: ReferenceTable = Field(default_factory=ReferenceTable)
    forces: ForcePlaceTable = Field(default_factory=ForcePlaceTable)
    rf: dict[ShortName, RfRunTable] = Field(default_factory=dict)
    left_out: dict[ShortName, LeftOutTable] = Field(default_factory=dict)
    solver: EddyCurrentTable = Field(default_factory=EddyCurrentTable)
    thermal: SheetThermalTable = Field(default_factory=SheetThermalTable)

    @model_validator(mode="after")
    def _complete(self) -> LabelScenario:
        products = self.forces.products_T2_m
        if products is not None and len(products) != len(self.sheet.fields_T):
            raise bad_value(f"forces.products_T2_m with one product per field, {len(self.sheet.fields_T)}")
        for name, run in self.rf.items():
            if run.field_T not in self.sheet.fields_T or run.landmark not in self.sheet.landmarks:
                raise bad_value(f"rf.{name} with a field and a landmark of [sheet]")
        if (self.reference.frequency_Hz is None) != (self.reference.dbdt_rms_T_s is None):
            raise bad_value("reference.frequency_Hz and reference.dbdt_rms_T_s together")
        return self
