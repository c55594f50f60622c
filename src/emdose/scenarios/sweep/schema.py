"""The tables of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from emdose.models.bodies.stylised_adult import LANDMARKS_MM
from emdose.scenarios.shared import tables, toml
from emdose.scenarios.shared.implants.eddy_table import EddyCurrentTable, growing
from emdose.scenarios.shared.implants.gradient_tables import Exposure, by_coils
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.tables import Table, bad_value, number, numbers, text

Place = Annotated[tuple[float, ...], numbers("x, y, z in metres,", 3, -2, 2)]
MOST_CASES = 20_000
SAME_PLACE_M = 2e-3
"""Between the height of a region and that of its landmark, at most."""


class SweepTable(Table):
    """What is swept, and what the cases are sorted by."""

    name: Annotated[str, text("a short name")] = "sweep"
    description: Annotated[str, text("a sentence", longest=2000)] | None = None
    fields_T: Annotated[tuple[float, ...], growing("fields of scanners in tesla", 0.01, 30)] = (1.5, 3.0)
    duration_s: Annotated[float, number("a time in seconds", 1, 1e6)] = 900.0
    classes_K: Annotated[tuple[float, ...], growing("temperature rises in kelvin", 1e-3, 100)] = (1.0, 2.0, 5.0)
    executor: Annotated[str, text("serial, processes, processes:N or dask://host:port")] = "serial"


class SweptImplantTable(Table):
    """One implant and where it sits in the body."""

    site_m: Place
    implant: Implant
    spacing_m: Annotated[float, number("a voxel size in metres", 1e-5, 0.02)] | None = None


class RegionTable(Table):
    """What is examined: the height that lies at the isocentre."""

    height_m: Annotated[float, number("a height in metres", -2, 2)]
    landmark: Literal["head", "neck", "heart", "liver", "pelvis", "thigh", "knee"] | None = None


class SweepHeatTable(Table):
    """How the heat around the metal is computed: in gel without perfusion."""

    spacing_m: Annotated[float, number("a voxel size in metres", 2e-4, 0.05)] = 5e-3
    margin_m: Annotated[float, number("gel kept around the implant in metres", 1e-3, 1)] = 0.04


class SweepRfTable(Table):
    """RF heating as well: the stylised adult in a body coil, and the B1+rms of every sequence."""

    b1plus_rms_T: dict[ShortName, Annotated[float, number("a B1+rms in tesla (2 uT is 2e-6)", 0, 1e-3, above=True)]]
    spacing_m: Annotated[float, number("a voxel size in metres", 1e-3, 20e-3)] = 15e-3
    implant_m: Annotated[float, number("a cell size in metres", 1e-4, 0.02)] = 4e-3
    heat_m: Annotated[float, number("a voxel size in metres", 2e-4, 0.05)] = 5e-3


class SweepFile(Table):
    """A sweep."""

    sweep: SweepTable = Field(default_factory=SweepTable)
    implants: dict[ShortName, SweptImplantTable]
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    sequences: dict[ShortName, Exposure]
    regions: dict[ShortName, RegionTable]
    solver: EddyCurrentTable = Field(default_factory=EddyCurrentTable)
    thermal: SweepHeatTable = Field(default_factory=SweepHeatTable)
    rf: SweepRfTable | None = None

    @model_validator(mode="after")
    def _complete(self) -> SweepFile:
        for key in ("implants", "sequences", "regions"):
            if not getattr(self, key):
                raise bad_value(f"at least one table [{key}.NAME]")
        if set(by_coils(self.sequences)) != set(self.sequences):
            other = next(n for n in self.sequences if n not in by_coils(self.sequences))
            raise bad_value(
                f"sequences of gradients (epi, pulseq, samples of a gradient); '{other}' is a uniform field"
            )
        if self.rf is not None:
            self._rf_complete(self.rf)
        if self.cases > MOST_CASES:
            raise bad_value(f"up to {MOST_CASES} cases, not {self.cases}")
        return self

    def _rf_complete(self, rf: SweepRfTable) -> None:
        if set(rf.b1plus_rms_T) != set(self.sequences):
            raise bad_value("rf.b1plus_rms_T with one B1+rms per sequence")
        for name, region in self.regions.items():
            if region.landmark is None:
                raise bad_value(f"regions.{name}.landmark, as RF heating is computed")
            if abs(1e-3 * LANDMARKS_MM[region.landmark] - region.height_m) > SAME_PLACE_M:
                raise bad_value(f"regions.{name}.height_m of its landmark, {1e-3 * LANDMARKS_MM[region.landmark]:g}")

    @property
    def cases(self) -> int:
        """How many."""
        return len(self.implants) * len(self.sweep.fields_T) * len(self.sequences) * len(self.regions)


def read_sweep(source: Path | str | Mapping[str, Any]) -> SweepFile:
    """A sweep from a TOML file, or from its tables.

    Raises
    ------
    InputError
        In one line: the file, the key, what stands there and what was expected.
    """
    raw, file = (source, Path("sweep")) if isinstance(source, Mapping) else (toml.read(Path(source)), Path(source))
    try:
        found = SweepFile.model_validate(dict(raw))
    except ValidationError as error:
        raise tables.explain(error, raw, file) from None
    made: SweepFile = tables.with_files_at(found, file.parent)
    return made
