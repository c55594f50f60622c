"""The tables of a scenario of kind ``ptx``: an array of channels around a body, and which drives are looked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.body_tables import DutyCycle, Phantom, Point, Power
from emdose.scenarios.shared.circuit_tables import (
    CapacitorLoopArrayTable,
    CircuitBirdcageTable,
    FdtdTable,
    MicrostripArrayTable,
    SegmentsTable,
    StripArrayTable,
    TuningTable,
    VsieTable,
    is_circuit,
)
from emdose.scenarios.shared.coil_tables import (
    BirdcageTable,
    ExposureTable,
    LoopArrayTable,
    VieTable,
    require_solver_fits,
)
from emdose.scenarios.shared.driving.drive_tables import PLACES, DriveTable, place_of
from emdose.scenarios.shared.implants.implant_tables import ShortName
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

PHASES, UNLIMITED, EVEN, STRONG = "phase-only", "unlimited", "homogeneous", "efficient"
FOUND = (PHASES, UNLIMITED, EVEN, STRONG)
"""Drives that can be looked for."""
MOST_DRIVES = 12

Array = Annotated[
    LoopArrayTable
    | BirdcageTable
    | SegmentsTable
    | CapacitorLoopArrayTable
    | CircuitBirdcageTable
    | StripArrayTable
    | MicrostripArrayTable,
    Field(discriminator="type"),
    one_of(
        LoopArrayTable,
        BirdcageTable,
        SegmentsTable,
        CapacitorLoopArrayTable,
        CircuitBirdcageTable,
        StripArrayTable,
        MicrostripArrayTable,
    ),
]
Solver = Annotated[
    VieTable | FdtdTable | VsieTable, Field(discriminator="type"), one_of(VieTable, FdtdTable, VsieTable)
]


class B1TargetTable(Table):
    """What B1+ is to be, and where; means over that place while the RF is on."""

    b1plus_rms_T: Annotated[float, number("a B1+ in tesla (2 uT is 2e-6)", 0, 1, above=True)] = 1e-6
    over: Annotated[Literal["isocentre", "slice", "body", "head"] | Point, place_of(*PLACES)] = "head"


class MatricesTable(Table):
    """How matrices are made and compressed."""

    rule: Literal["trapezium", "linear", "mid-ordinate"] = "trapezium"
    overestimate: Annotated[float, number("a fraction of the largest eigenvalue", 1e-4, 1)] = 0.1
    relative: Annotated[bool, switch("overestimate is relative to the SAR of each drive")] = False
    added: Literal["identity", "global"] = "identity"
    method: Literal["cover", "clusters"] = "cover"
    bounds: Annotated[str, file_name("a file of bounds of another run, such as its vops.npz")] | None = None


class SarLimitsTable(Table):
    """Limits that drives are found under: those of an operating mode of the standard, and of the hardware."""

    mode: Literal["normal", "first level"] = "normal"
    local_sar_W_kg: Annotated[float, number("a 10 g SAR in W/kg", 0, 1e6, above=True)] | None = None
    safety_factor: Annotated[float, number("a factor that limits of SAR are divided by", 1, 100)] = 1.0
    with_uncertainty: Annotated[bool, switch("drives keep the limits with value + U, not with the value")] = False
    peak_amplitude_A: Annotated[float, number("a peak current in A", 0, 1e6, above=True)] | None = None
    peak_amplitude_V: Annotated[float, number("a peak voltage of a source in V", 0, 1e6, above=True)] | None = None
    forward_power_W: Power | None = None

    @property
    def peak_amplitude(self) -> float | None:
        """Largest peak amplitude of a channel, in the unit of its drive."""
        return self.peak_amplitude_A if self.peak_amplitude_V is None else self.peak_amplitude_V


class ArrayDriveTable(DriveTable):
    """A drive of the user's own: a named one of the coil, or amplitudes and phases."""

    scaled: Annotated[bool, switch("scale it to the target B1+; otherwise its amplitudes count as they are")] = True


class ShimTable(Table):
    """Which drives are looked for."""

    drives: Annotated[tuple[str, ...], texts(f"drives to look for, of {', '.join(FOUND)}")] | Literal["none"] = FOUND
    updates: Annotated[int, count("updates of the phase of the target", 1, 10_000)] = 100
    least: Annotated[float, number("a part of the mean of B1+", 0, 0.9)] = 0.25

    @model_validator(mode="after")
    def _known(self) -> ShimTable:
        for name in self.names:
            if name not in FOUND:
                raise bad_key("drives", f'some of {", ".join(FOUND)}, or "none"')
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the drives."""
        return () if isinstance(self.drives, str) else tuple(dict.fromkeys(self.drives))


class TradeoffTable(Table):
    """The curve of homogeneity over the limit of local SAR."""

    points: Annotated[int, count("points; 0 for no curve", 0, 100)] = 9
    lowest: Annotated[float, number("a factor on the limit", 1e-3, 1)] = 0.1
    highest: Annotated[float, number("a factor on the limit", 1, 1e3)] = 4.0


class ArrayChecksTable(Table):
    """Which limits stand beside the chosen drive, and under which circumstances."""

    standard: Annotated[str, text("the name of a standard")] = "IEC 60601-2-33"
    edition: Annotated[str, text("an edition, such as '2022'")] = "2022"
    coil_type: Literal["volume", "local", "array"] = "array"
    patient: Annotated[bool, switch("whether the phantom stands for a patient")] | None = None
    duty_cycle: DutyCycle = 1.0
    duty_cycle_10s: DutyCycle | None = None
    ambient_degC: Annotated[float, number("a room temperature in degC", -50, 60)] = 25.0
    patient_mass_kg: Annotated[float, number("a mass in kg", 0, 1000, above=True)] | None = None
    head: Annotated[str, text("the name of a head region of the phantom")] | None = None
    relative_uncertainty: (
        Annotated[float, number("expanded uncertainty (k = 2) of SAR as a fraction", 0, 100)] | None
    ) = None
    verified_by: ReadBy | None = None
    verified_by_file: Annotated[str, file_name("a file of confirmed limits (.csv, .toml)")] | None = None
    use_values: Annotated[tuple[str, ...], texts("names of limits whose confirmed value is used")] | None = None

    @model_validator(mode="after")
    def _fit_each_other(self) -> ArrayChecksTable:
        if self.duty_cycle_10s is not None and self.duty_cycle_10s < self.duty_cycle:
            raise bad_value("duty_cycle_10s >= duty_cycle")
        return self


class PtxScenario(Table):
    """A scenario of kind ``ptx``."""

    scenario: Header
    phantom: Phantom
    coil: Array
    exposure: ExposureTable
    target: B1TargetTable = Field(default_factory=B1TargetTable)
    solver: Solver = Field(default_factory=VieTable)
    tuning: TuningTable | None = None
    matrices: MatricesTable = Field(default_factory=MatricesTable)
    limits: SarLimitsTable = Field(default_factory=SarLimitsTable)
    drives: dict[ShortName, ArrayDriveTable] = Field(default_factory=dict)
    shim: ShimTable = Field(default_factory=ShimTable)
    tradeoff: TradeoffTable = Field(default_factory=TradeoffTable)
    checks: ArrayChecksTable = Field(default_factory=ArrayChecksTable)

    @model_validator(mode="after")
    def _complete(self) -> PtxScenario:
        require_solver_fits(self.coil, self.solver, self.tuning)
        if getattr(self.solver, "second_mesh", None) is not None:
            raise bad_key("solver.second_mesh", "no second mesh of the metal: kind rf has one")
        wrong, right = ("A", "V") if is_circuit(self.coil) else ("V", "A")
        if getattr(self.limits, f"peak_amplitude_{wrong}") is not None:
            what = "sources behind the impedance of their feeds" if right == "V" else "channels of given currents"
            raise bad_key(f"limits.peak_amplitude_{wrong}", f"peak_amplitude_{right}: drives are of {what}")
        for name in self.drives:
            if name in FOUND:
                raise bad_key("drives", f"another name than '{name}', which is that of a drive that is looked for")
        if len(self.drives) > MOST_DRIVES:
            raise bad_key("drives", f"at most {MOST_DRIVES} tables [drives.NAME]")
        largest = self.limits.peak_amplitude
        for name, drive in self.drives.items():
            if largest is not None and not drive.scaled and max(drive.amplitudes or (1.0,)) > largest:
                raise bad_key(f"drives.{name}.amplitudes", f"amplitudes up to the largest in [limits], {largest:g}")
        return self
