"""The tables of a scenario of kind ``ept``: B1+ maps, the methods that reconstruct them, and how they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emdose.scenarios.shared.body_tables import Phantom, VoxelSizes
from emdose.scenarios.shared.coil_tables import Coil, ExposureTable, VieTable
from emdose.scenarios.shared.tables import (
    Header,
    Quantity,
    Table,
    bad_value,
    count,
    file_name,
    number,
    numbers,
    one_of,
    scan_name,
    switch,
    text,
)

LARGEST_RADIUS = 50
Conductivity = Annotated[float, number("a conductivity in S/m", 0, 1e3)]
Permittivity = Annotated[float, number("a relative permittivity", 1, 1e6)]
Snr = Annotated[float, number("a signal-to-noise ratio", 0, 1e12, above=True)]


def _is_radius(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_RADIUS


def _radius() -> Quantity:
    expected = (
        f"half-widths in voxels: an integer from 1 to {LARGEST_RADIUS}, or a list of three, one of which may be 0"
    )

    def check(value: Any) -> tuple[int, ...]:
        values = [value] * 3 if _is_radius(value) else value
        if not isinstance(values, list | tuple) or len(values) != 3 or not all(_is_radius(v, 0) for v in values):
            raise bad_value(expected)
        if sum(v == 0 for v in values) > 1:
            raise bad_value(expected)
        return tuple(values)

    return Quantity(check, expected)


def _counts(what: str, low: int, high: int) -> Quantity:
    expected = f"a list of 1 to 32 integers from {low} to {high}: {what}"

    def check(value: Any) -> tuple[int, ...]:
        good = (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and 1 <= len(value) <= 32
            and all(isinstance(v, int) and not isinstance(v, bool) and low <= v <= high for v in value)
        )
        if not good:
            raise bad_value(expected)
        return tuple(value)

    return Quantity(check, expected)


def _phase_unit() -> Quantity:
    expected = "'rad', 'deg', 'pi', 'turns', or radians per unit: a number > 0"

    def check(value: Any) -> str | float:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6
        if not number and value not in ("rad", "deg", "pi", "turns"):
            raise bad_value(expected)
        return value if isinstance(value, str) else float(value)

    return Quantity(check, expected)


Radius = Annotated[tuple[int, ...], _radius()]
Kernel = Literal["cuboid", "ellipsoid", "cross"]
Degree = Annotated[int, count("degree of the polynomials", 2, 8)]


class SimulatedTable(Table):
    """B1+ of a coil around a phantom, by the volume integral, with noise: a digital reference object of known truth."""

    type: Literal["simulated"]
    snr: Snr | None = 100.0
    seed: Annotated[int, count("seed of the noise", 0, 2**31 - 1)] = 1
    phase: Literal["transceive", "transmit"] = "transceive"
    transmit: Annotated[str, text("the name of a drive of the coil")] = "quadrature"
    receive: Annotated[str, text("the name of a drive of the coil")] = "anti-quadrature"
    channels: Annotated[bool, switch("one transmit channel per port, instead of one drive of all")] = False


_MAP = "the name of a map: .nii, .nii.gz, .h5:/dataset, .mat (v7.3), .npy or .npz"
MapFile = Annotated[str, file_name(_MAP)]
_SCAN = f"{_MAP}; or a folder of DICOM images, or a folder or the beginning of names of NIfTI files in BIDS"
ScanFiles = Annotated[str, scan_name(_SCAN)]


class FilesTable(Table):
    """B1+ maps from files or folders: magnitude, phase or both; or one complex map, or its real and imaginary part."""

    type: Literal["files"]
    magnitude: ScanFiles | None = None
    phase: ScanFiles | None = None
    image: ScanFiles | None = None
    echo_times_s: Annotated[tuple[float, ...], numbers("echo times in s", None, 0, 1)] | None = None
    receivers: Literal["svd", "aligned"] | None = None
    resample: Annotated[bool, switch("bring abs(B1+) onto the voxels of the phase")] = False
    complex: MapFile | None = None
    real: MapFile | None = None
    imaginary: MapFile | None = None
    phase_kind: Literal["transceive", "transmit"] | None = None
    phase_unit: Annotated[str | float, _phase_unit()] | None = None
    phase_sign: Literal[1, -1] = 1
    mask: MapFile | None = None
    segmentation: MapFile | None = None
    labels: Annotated[str, file_name("the name of a label table, such as 'labels.csv'")] | None = None
    reference: MapFile | None = None
    snr: Snr | None = None
    noise: MapFile | None = None
    true_conductivity: MapFile | None = None
    true_permittivity: MapFile | None = None
    spacing_m: VoxelSizes | None = None
    order: Literal["xyz", "zyx"] | None = None

    @model_validator(mode="after")
    def _fit_each_other(self) -> FilesTable:
        parts, whole = self.magnitude or self.phase or self.image, self.complex or self.real or self.imaginary
        if not parts and not whole:
            raise bad_value("magnitude, phase or both; or complex; or real and imaginary")
        if (parts and whole) or (self.complex and (self.real or self.imaginary)):
            raise bad_value("either magnitude and phase, or complex, or real and imaginary")
        if (self.real is None) != (self.imaginary is None):
            raise bad_value("real and imaginary together")
        if whole and self.phase_kind is None:
            raise bad_value("phase_kind: whether the phase of the complex map is 'transmit' or 'transceive'")
        if self.snr is not None and self.noise is not None:
            raise bad_value("either snr or noise")
        if self.labels is not None and self.segmentation is None:
            raise bad_value("a segmentation that the labels are of")
        return self


class FilterTable(Table):
    """A filter of the result within each tissue."""

    type: Literal["median", "weighted-mean"]
    radius: Radius = (1, 1, 1)
    kernel: Kernel = "cuboid"
    by_reference: Annotated[bool, switch("also keep apart what differs in the reference image")] = False
    contrast: Annotated[float, number("a relative contrast", 0, 100, above=True)] = 0.1


class MethodTable(Table):
    """What every method can have."""

    filter: FilterTable | None = None


class HelmholtzTable(MethodTable):
    """Local second derivatives of B1+; assumes constant properties in the window of one tissue."""

    type: Literal["helmholtz"]
    method: Literal["complex", "phase", "magnitude", "split"] = "complex"
    kernel: Kernel = "cuboid"
    radius: Radius = (3, 3, 3)
    degree: Degree = 2
    support: Literal["tissue", "window"] = "tissue"
    contrast: Annotated[float, number("a relative contrast, 0 for none", 0, 100)] = 0.0


class AutomaticHelmholtzTable(MethodTable):
    """Helmholtz with the kernel of the smallest uncertainty and estimated bias in every voxel."""

    type: Literal["automatic-helmholtz"]
    method: Literal["complex", "phase", "magnitude", "split"] = "complex"
    kernel: Kernel = "cuboid"
    radii: Annotated[tuple[int, ...], _counts("half-widths to choose from", 1, LARGEST_RADIUS)] = (2, 3, 4, 5)
    degree: Degree = 2
    support: Literal["tissue", "window"] = "tissue"
    by: Literal["conductivity", "permittivity"] = "conductivity"


class IterativeTable(MethodTable):
    """What methods can have whose uncertainty does not follow from a formula."""

    monte_carlo: Annotated[int, count("draws of the noise for the uncertainty, 0 for none", 0, 10_000)] = 0


class ConvectionReactionTable(IterativeTable):
    """Convection-reaction equation as regularised least squares; valid across boundaries."""

    type: Literal["convection-reaction"]
    form: Literal["auto", "complex", "phase"] = "auto"
    volume: Annotated[bool, switch("the whole volume instead of slice by slice")] = False
    kernel: Kernel = "cuboid"
    radius: Radius = (2, 2, 2)
    degree: Degree = 2
    smoothing: Annotated[float, number("a weight", 0, 1e6)] | None = None
    noise_share: Annotated[float, number("a share of the residual", 0.05, 2)] = 0.7
    edge: Annotated[float, number("a relative jump", 0, 10)] = 0.05
    within_labels: Annotated[bool, switch("fit and smooth inside each tissue only")] = True
    boundary_conductivity_S_m: Conductivity | None = None
    boundary_permittivity: Permittivity | None = None
    diffusion: Annotated[float, number("a coefficient", 0, 1e6)] | None = None
    draw_steps: Annotated[int, count("Gauss-Newton steps of a draw from the result, 0 for the whole", 0, 30)] = 0

    @model_validator(mode="after")
    def _boundary_is_complete(self) -> ConvectionReactionTable:
        if self.boundary_permittivity is not None and self.boundary_conductivity_S_m is None:
            raise bad_value("boundary_conductivity_S_m as well")
        if self.diffusion is not None and self.boundary_conductivity_S_m is None:
            raise bad_value("boundary_conductivity_S_m (artificial diffusion needs values at the rim)")
        return self


class GradientTable(IterativeTable):
    """Gradient EPT from five or more transmit channels."""

    type: Literal["gradient"]
    volume: Annotated[bool, switch("the whole volume instead of slice by slice")] = False
    kernel: Kernel = "cuboid"
    radius: Radius = (2, 2, 2)
    degree: Degree = 2
    local_only: Annotated[bool, switch("stop after the local step")] = False
    regularisation: Annotated[float, number("a weight", 0, 1e6)] = 1.0


class CsiTable(IterativeTable):
    """Contrast-source inversion with the volume integral; needs the coil, of which [coil] is the model."""

    type: Literal["csi"]
    drive: Annotated[str, text("the name of a drive of the coil")] | None = None
    receive: Annotated[str, text("the name of a drive of the coil")] | None = None
    max_iterations: Annotated[int, count("steps of the contrast", 1, 10_000)] = 40
    strength: Annotated[float, number("power of the factor for total variation", 0, 10)] = 0.1
    edge: Annotated[float, number("a relative jump", 0, 10, above=True)] = 0.02
    low_field: Annotated[float, number("a share of the median field", 0, 1)] = 0.1


class EvaluationTable(Table):
    """How the maps are judged."""

    erosion: Annotated[tuple[int, ...], _counts("voxels by which regions are shrunk", 0, 100)] = (0, 2, 4)
    ball_m: (
        Annotated[tuple[float, ...], numbers("radii in m of balls that regions are eroded by", None, 0, 1)] | None
    ) = None
    least_voxels: Annotated[int, count("voxels that a region mean needs", 1, 10_000_000)] = 30


class EptOutputTable(Table):
    """What is written besides the numbers."""

    nifti: Annotated[bool, switch("write every map as NIfTI")] = True
    paraview: Annotated[bool, switch("write fields.vti")] = True


Data = Annotated[SimulatedTable | FilesTable, Field(discriminator="type"), one_of(SimulatedTable, FilesTable)]
AnyMethod = Annotated[
    HelmholtzTable | AutomaticHelmholtzTable | ConvectionReactionTable | GradientTable | CsiTable,
    Field(discriminator="type"),
    one_of(HelmholtzTable, AutomaticHelmholtzTable, ConvectionReactionTable, GradientTable, CsiTable),
]
MethodName = Annotated[str, text("a short name", longest=40)]


class EptScenario(Table):
    """A scenario of kind ``ept``."""

    scenario: Header
    exposure: ExposureTable
    data: Data
    phantom: Phantom | None = None
    coil: Coil | None = None
    solver: VieTable = Field(default_factory=VieTable)
    methods: dict[MethodName, AnyMethod]
    evaluation: EvaluationTable = Field(default_factory=EvaluationTable)
    output: EptOutputTable = Field(default_factory=EptOutputTable)

    @model_validator(mode="after")
    def _complete(self) -> EptScenario:
        simulated = isinstance(self.data, SimulatedTable)
        inverts = any(isinstance(m, CsiTable) for m in self.methods.values())
        for name, needed, allowed in (("phantom", simulated, simulated), ("coil", simulated or inverts, inverts)):
            present = getattr(self, name) is not None
            if needed and not present:
                raise bad_value(f"a table [{name}] for {'simulated data' if simulated else 'the method csi'}")
            if present and not (needed or allowed):
                raise bad_value(f"no [{name}] beside data from files")
        if not 1 <= len(self.methods) <= 12:
            raise bad_value("1 to 12 tables [methods.NAME]")
        return self
