"""The tables of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from emdose.scenarios.shared import tables, toml
from emdose.scenarios.shared.implants.eddy_table import EddyCurrentTable, growing
from emdose.scenarios.shared.implants.gradient_tables import Exposure, by_coils
from emdose.scenarios.shared.implants.implant_tables import Implant, MetalTable, ShortName
from emdose.scenarios.shared.tables import Table, bad_value, number, numbers, text

Place = Annotated[tuple[float, ...], numbers("x, y, z in metres,", 3, -2, 2)]
MOST_CASES = 20_000


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


class SweepHeatTable(Table):
    """How the heat around the metal is computed: in gel without perfusion."""

    spacing_m: Annotated[float, number("a voxel size in metres", 2e-4, 0.05)] = 5e-3
    margin_m: Annotated[float, number("gel kept around the implant in metres", 1e-3, 1)] = 0.04


class SweepFile(Table):
    """A sweep."""

    sweep: SweepTable = Field(default_factory=SweepTable)
    implants: dict[ShortName, SweptImplantTable]
    metals: dict[ShortName, MetalTable] = Field(default_factory=dict)
    sequences: dict[ShortName, Exposure]
    regions: dict[ShortName, RegionTable]
    solver: EddyCurrentTable = Field(default_factory=EddyCurrentTable)
    thermal: SweepHeatTable = Field(default_factory=SweepHeatTable)

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
        if self.cases > MOST_CASES:
            raise bad_value(f"up to {MOST_CASES} cases, not {self.cases}")
        return self

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
