"""The tables of a scenario of kind ``body-gradient``: a body in switched gradients, and what stimulates it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.body_tables import Phantom
from emdose.scenarios.shared.implants.gradient_tables import Exposure, Gradients, PresetExposureTable, by_coils
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.induced.solver_table import QuasistaticTable
from emdose.scenarios.shared.objects.confirmed_table import ReadBy
from emdose.scenarios.shared.tables import Header, Table, bad_value, number, text, texts


class GradientChecksTable(Table):
    """Which limits of stimulation are looked at."""

    standard: Literal["IEC 60601-2-33"] = "IEC 60601-2-33"
    edition: Annotated[str, text("an edition, such as '2022'")] = "2022"
    coil_type: Literal["whole-body", "head", "insert", "other"] | None = None
    criterion: Literal["dB/dt", "E", "nerve response"] | None = None
    statistic: Annotated[str, text("a statistic of E, such as 'cube p99.9'")] = "cube p99.9"
    radius_m: Annotated[float, number("a radius in metres", 0, 1, above=True)] = 0.2
    half_length_m: Annotated[float, number("a length in metres", 0, 2, above=True)] = 0.25
    verified_by: ReadBy | None = None
    use_values: Annotated[tuple[str, ...], texts("names of limits whose confirmed value is used")] | None = None


class BodyGradientScenario(Table):
    """A scenario of kind ``body-gradient``."""

    scenario: Header
    phantom: Phantom
    gradients: Gradients | None = None
    exposures: dict[ShortName, Exposure]
    implant: Implant | None = None
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    solver: QuasistaticTable = Field(default_factory=QuasistaticTable)
    checks: GradientChecksTable = Field(default_factory=GradientChecksTable)

    @model_validator(mode="after")
    def _complete(self) -> BodyGradientScenario:
        if not 1 <= len(self.exposures) <= 12:
            raise bad_value("1 to 12 tables [exposures.NAME]")
        needy = by_coils(self.exposures)
        if needy and self.gradients is None:
            raise bad_value(f"a table [gradients]: the exposure '{needy[0]}' is a gradient waveform")
        if self.gradients is not None and self.gradients.bore is not None:
            raise bad_value("a table [gradients] without a bore: the body stays where it is")
        for name, one in self.exposures.items():
            if isinstance(one, PresetExposureTable):
                raise bad_value(f"an exposure '{name}' of another type: presets are tests of implants, not of patients")
        return self
