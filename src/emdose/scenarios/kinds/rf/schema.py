"""The tables of a scenario of kind ``rf``: a body in the RF field of a coil, its SAR, and the limits on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from emdose.models.exposure import HIGHEST_FREQUENCY_HZ, LOWEST_FREQUENCY_HZ
from emdose.scenarios.kinds.rf.thermal_table import ThermalTable
from emdose.scenarios.shared.circuit_tables import (
    CIRCUIT_COILS,
    CapacitorLoop,
    CapacitorLoopArray,
    CircuitBirdcage,
    Dipole,
    FdtdTable,
    Tuning,
)
from emdose.scenarios.shared.tables import (
    Header,
    Table,
    bad_key,
    bad_value,
    count,
    file_name,
    number,
    numbers,
    one_of,
    switch,
    text,
    texts,
)

Frequency = Annotated[float, number("a frequency in Hz (64 MHz is 64e6)", LOWEST_FREQUENCY_HZ, HIGHEST_FREQUENCY_HZ)]
Length = Annotated[float, number("a length in metres", 0, 100, above=True)]
VoxelSize = Annotated[float, number("a voxel size in metres", 1e-4, 0.1)]
VoxelSizes = Annotated[tuple[float, ...], numbers("voxel size in metres,", 3, 1e-4, 0.1, one_for_all=True)]
Point = Annotated[tuple[float, ...], numbers("x, y, z in metres,", 3, -100, 100)]
Slab = Annotated[tuple[float, ...], numbers("lowest and highest z in metres,", 2, -100, 100)]
Direction = Annotated[tuple[float, ...], numbers("a direction x, y, z,", 3, -1e6, 1e6)]
Angles = Annotated[tuple[float, ...], numbers("angles about x, y and z in degrees,", 3, -360, 360)]
Name = Annotated[str, text("a name")]
TissueName = Annotated[str, text("the name of a tissue")]
Samples = Annotated[int, count("points per voxel and axis", 1, 16)]
Power = Annotated[float, number("a power in W", 0, 1e9, above=True)]
DutyCycle = Annotated[float, number("a fraction of the time", 0, 1, above=True)]


class TissueChange(Table):
    """Values that replace those of the tissue table."""

    relative_permittivity: Annotated[float, number("a relative permittivity", 1, 1e8)] | None = None
    conductivity_S_m: Annotated[float, number("a conductivity in S/m", 0, 1e8)] | None = None
    density_kg_m3: Annotated[float, number("a density in kg/m3", 0, 1e5, above=True)] | None = None
    heat_capacity_J_kg_K: Annotated[float, number("a heat capacity in J/kg/K", 0, 1e5, above=True)] | None = None
    thermal_conductivity_W_m_K: (
        Annotated[float, number("a thermal conductivity in W/m/K", 0, 1e4, above=True)] | None
    ) = None
    perfusion_mL_min_kg: Annotated[float, number("a perfusion in mL/min/kg", 0, 1e5)] | None = None
    metabolic_heat_W_kg: Annotated[float, number("a metabolic heat in W/kg", 0, 1e4)] | None = None


class PhantomTable(Table):
    """What can be done with any phantom: changed tissues, then new voxels, turned, cropped, moved, in this order."""

    tissues: dict[Name, TissueChange] = Field(default_factory=dict)
    resample_spacing_m: VoxelSizes | None = None
    rotate_deg: Angles | None = None
    crop_margin_m: Annotated[float, number("a length in metres", 0, 10)] | None = None
    translate_m: Point | None = None


class LayeredHead(PhantomTable):
    """Adult head and neck of smooth layers."""

    type: Literal["layered-head"]
    spacing_m: Annotated[float, number("a voxel size in metres", 0.5e-3, 10e-3)] = 5e-3
    scale: Annotated[float, number("a factor on all dimensions", 0.5, 1.5)] = 1.0


class StylisedAdult(PhantomTable):
    """Whole adult of stylised solids."""

    type: Literal["stylised-adult"]
    spacing_m: Annotated[float, number("a voxel size in metres", 1e-3, 20e-3)] = 5e-3
    landmark: Literal["head", "neck", "heart", "liver", "pelvis", "knee"] = "heart"
    fat_m: Annotated[float, number("thickness of the fat under the skin in metres", 0, 0.05)] = 10e-3


class Sphere(PhantomTable):
    """One homogeneous sphere."""

    type: Literal["sphere"]
    radius_m: Length
    spacing_m: VoxelSize = 5e-3
    tissue: TissueName = "head_liquid"
    samples: Samples = 1


class LayeredSphere(PhantomTable):
    """Concentric spheres, from the inside out."""

    type: Literal["layered-sphere"]
    radii_m: Annotated[tuple[float, ...], numbers("growing radii in metres,", None, 0, 100, above=True)]
    layers: Annotated[tuple[str, ...], texts("names of tissues from the core outwards")]
    spacing_m: VoxelSize = 5e-3
    samples: Samples = 1


class Cylinder(PhantomTable):
    """Circular cylinder along z."""

    type: Literal["cylinder"]
    radius_m: Length
    length_m: Length
    spacing_m: VoxelSize = 5e-3
    tissue: TissueName = "head_liquid"
    samples: Samples = 1


class GelBox(PhantomTable):
    """Box of gel; by default the rectangular phantom of ASTM F2182."""

    type: Literal["gel-box"]
    size_m: Annotated[tuple[float, ...], numbers("edges along x, y, z in metres,", 3, 0, 100, above=True)] = (
        0.42,
        0.09,
        0.65,
    )
    spacing_m: VoxelSize = 5e-3
    tissue: TissueName = "gel"
    samples: Samples = 1


class PhantomFile(PhantomTable):
    """Labels from a file: NIfTI, raw voxel body, NumPy or HDF5."""

    type: Literal["file"]
    file: Annotated[str, file_name("the name of a phantom file, such as 'head.nii.gz'")]
    labels: Annotated[str, file_name("the name of a label table, such as 'labels.csv'")] | None = None
    tissue_table: Annotated[str, file_name("the name of a table of tissue properties")] | None = None
    spacing_m: VoxelSizes | None = None
    axes: Annotated[str, text("where the axes of a raw or NumPy file point, such as 'RAS'", longest=3)] = "RAS"


class Birdcage(Table):
    """Birdcage of ideal currents around z."""

    type: Literal["birdcage"]
    rungs: Annotated[int, count("number of rungs", 4, 512)] = 16
    radius_m: Length = 0.15
    length_m: Length = 0.20
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None


class Loop(Table):
    """One circular loop."""

    type: Literal["loop"]
    radius_m: Length
    centre_m: Point = (0.0, 0.0, 0.0)
    normal: Direction = (0.0, 0.0, 1.0)


class LoopArray(Table):
    """Rectangular loops on a cylinder around z, one port each."""

    type: Literal["loop-array"]
    elements: Annotated[int, count("number of loops", 1, 512)] = 8
    radius_m: Length = 0.14
    length_m: Length = 0.16
    coverage: Annotated[float, number("angle of a loop over the pitch", 0, 256, above=True)] = 0.9
    shield_radius_m: Length | None = None
    shield_length_m: Length | None = None


class PlaneWave(Table):
    """A plane wave; unit drive is its amplitude. The phases turn the polarisation elliptic or circular."""

    type: Literal["plane-wave"]
    direction: Direction = (0.0, 0.0, 1.0)
    polarisation: Annotated[tuple[float, ...], numbers("amplitudes of Ex, Ey, Ez,", 3, -1e6, 1e6)] = (1.0, 0.0, 0.0)
    polarisation_phase_deg: Annotated[tuple[float, ...], numbers("phases of Ex, Ey, Ez in degrees,", 3, -360, 360)] = (
        0.0,
        0.0,
        0.0,
    )
    amplitude_V_m: Annotated[float, number("a peak amplitude in V/m", 0, 1e9, above=True)] = 1.0


class ExposureTable(Table):
    """Frequency."""

    frequency_Hz: Frequency


class Drive(Table):
    """How the ports are driven: by the name of a drive of the coil, or by amplitudes and phases.

    Without any, "quadrature" for a birdcage, "circular" for an array, and unit drive for one port.
    """

    name: Annotated[str, text("the name of a drive of the coil, such as 'quadrature'")] | None = None
    amplitudes: Annotated[tuple[float, ...], numbers("amplitude of each port,", None, 0, 1e9)] | None = None
    phases_deg: Annotated[tuple[float, ...], numbers("phase of each port in degrees,", None, -3600, 3600)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Drive:
        if self.name is not None and (self.amplitudes or self.phases_deg):
            raise bad_value("either name, or amplitudes and phases_deg")
        if self.phases_deg and (self.amplitudes is None or len(self.amplitudes) != len(self.phases_deg)):
            raise bad_value("as many amplitudes as phases_deg")
        if self.amplitudes is not None and not any(self.amplitudes):
            raise bad_value("at least one amplitude > 0")
        return self


PLACES = ("isocentre", "slice", "body", "head")


def _place(value: Any) -> Any:
    if (isinstance(value, str) and value in PLACES) or (isinstance(value, list | tuple) and len(value) == 3):
        return value
    raise bad_value(f"{', '.join(repr(p) for p in PLACES)} or a point [x, y, z] in metres")


class Normalise(Table):
    """The one quantity that the fields are scaled to."""

    b1plus_rms_T: Annotated[float, number("a B1+rms in tesla (2 uT is 2e-6)", 0, 1, above=True)] | None = None
    whole_body_sar_W_kg: Annotated[float, number("a whole-body SAR in W/kg", 0, 1e6, above=True)] | None = None
    absorbed_power_W: Power | None = None
    input_power_W: Power | None = None
    over: Annotated[Literal["isocentre", "slice", "body", "head"] | Point, BeforeValidator(_place)] = "isocentre"

    @model_validator(mode="after")
    def _exactly_one(self) -> Normalise:
        if len(self.target) != 1:
            targets = [k for k in type(self).model_fields if k != "over"]
            raise bad_value(f"exactly one of {', '.join(targets)}; there are {len(self.target)}")
        return self

    @property
    def target(self) -> dict[str, float]:
        """The target as a keyword of ``Fields.scale``."""
        return {k: v for k in type(self).model_fields if k != "over" and (v := getattr(self, k)) is not None}


class VieTable(Table):
    """Options of the volume integral solver."""

    type: Literal["vie"] = "vie"
    tolerance: Annotated[float, number("a relative residual", 1e-12, 0.1)] = 1e-4
    restart: Annotated[int, count("vectors kept by GMRES", 2, 1000)] = 50
    max_iterations: Annotated[int, count("products with the operator", 1, 1_000_000)] = 1000
    dtype: Literal["complex64", "complex128"] = "complex64"
    method: Literal["auto", "gmres", "bicgstab"] = "auto"


class Dosimetry(Table):
    """How SAR is computed from E and averaged. 1 g and 10 g are always there; more masses can be asked for."""

    rule: Literal["trapezium", "linear", "mid-ordinate"] = "trapezium"
    masses_kg: Annotated[tuple[float, ...], numbers("averaging masses in kg,", None, 1e-6, 10)] = (1e-3, 1e-2)


class ChecksTable(Table):
    """Which limits are looked at, and under which circumstances."""

    standard: Annotated[str, text("the name of a standard")] = "IEC 60601-2-33"
    edition: Annotated[str, text("an edition, such as '2022'")] = "2022"
    coil_type: Literal["volume", "local"] = "volume"
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


class Output(Table):
    """What is written besides the numbers."""

    fields: Annotated[bool, switch("keep E and B, so that limits can be checked again without solving")] = True
    paraview: Annotated[bool, switch("write fields.vti")] = True


Phantom = Annotated[
    LayeredHead | StylisedAdult | Sphere | LayeredSphere | Cylinder | GelBox | PhantomFile,
    Field(discriminator="type"),
    one_of(LayeredHead, StylisedAdult, Sphere, LayeredSphere, Cylinder, GelBox, PhantomFile),
]
Coil = Annotated[
    Birdcage | Loop | LoopArray | PlaneWave | CircuitBirdcage | CapacitorLoop | CapacitorLoopArray | Dipole,
    Field(discriminator="type"),
    one_of(Birdcage, Loop, LoopArray, PlaneWave, *CIRCUIT_COILS),
]


Solver = Annotated[VieTable | FdtdTable, Field(discriminator="type"), one_of(VieTable, FdtdTable)]


class Scenario(Table):
    """A scenario of kind ``rf``."""

    scenario: Header
    phantom: Phantom
    coil: Coil
    exposure: ExposureTable
    drive: Drive = Field(default_factory=Drive)
    normalise: Normalise
    solver: Solver = Field(default_factory=VieTable)
    tuning: Tuning | None = None
    dosimetry: Dosimetry = Field(default_factory=Dosimetry)
    checks: ChecksTable = Field(default_factory=ChecksTable)
    thermal: ThermalTable | None = None
    output: Output = Field(default_factory=Output)

    @staticmethod
    def completed(raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parsed tables with a solver that has a type: its name alone will do, and "vie" is the default."""
        solver = raw.get("solver")
        if isinstance(solver, str):
            return {**raw, "solver": {"type": solver}}
        if isinstance(solver, Mapping):
            return {**raw, "solver": {"type": "vie", **solver}}
        return raw

    @model_validator(mode="after")
    def _solver_fits_coil(self) -> Scenario:
        circuit = isinstance(self.coil, CIRCUIT_COILS)
        if circuit and not isinstance(self.solver, FdtdTable):
            raise bad_key("solver", f'"fdtd" for a coil of type "{self.coil.type}": only it finds the currents')
        if self.tuning is not None and not circuit:
            raise bad_key("tuning", f"no such table for a coil of given currents, type '{self.coil.type}'")
        return self
