"""Tables of a scenario that say what the body is, and the words for lengths and places that tables share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emdose.models.exposure import HIGHEST_FREQUENCY_HZ, LOWEST_FREQUENCY_HZ
from emdose.scenarios.shared.tables import Table, count, file_name, number, numbers, one_of, text, texts

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


class TissueChangeTable(Table):
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

    tissues: dict[Name, TissueChangeTable] = Field(default_factory=dict)
    resample_spacing_m: VoxelSizes | None = None
    rotate_deg: Angles | None = None
    crop_margin_m: Annotated[float, number("a length in metres", 0, 10)] | None = None
    translate_m: Point | None = None


class LayeredHeadTable(PhantomTable):
    """Adult head and neck of smooth layers."""

    type: Literal["layered-head"]
    spacing_m: Annotated[float, number("a voxel size in metres", 0.5e-3, 10e-3)] = 5e-3
    scale: Annotated[float, number("a factor on all dimensions", 0.5, 1.5)] = 1.0


class StylisedAdultTable(PhantomTable):
    """Whole adult of stylised solids."""

    type: Literal["stylised-adult"]
    spacing_m: Annotated[float, number("a voxel size in metres", 1e-3, 20e-3)] = 5e-3
    landmark: Literal["head", "neck", "heart", "liver", "pelvis", "thigh", "knee"] = "heart"
    fat_m: Annotated[float, number("thickness of the fat under the skin in metres", 0, 0.05)] = 10e-3
    mass_kg: Annotated[float, number("a mass in kg", 20, 300)] | None = None
    stature_m: Annotated[float, number("a height in metres", 1.3, 2.1)] | None = None


class KneeBodyTable(PhantomTable):
    """Adult knee with 40 cm of its leg, of stylised solids: an extremity."""

    type: Literal["knee"]
    spacing_m: Annotated[float, number("a voxel size in metres", 1e-3, 10e-3)] = 3e-3
    side: Literal["right", "left"] = "right"
    scale: Annotated[float, number("a factor on all dimensions", 0.5, 1.5)] = 1.0


class SphereTable(PhantomTable):
    """One homogeneous sphere."""

    type: Literal["sphere"]
    radius_m: Length
    spacing_m: VoxelSize = 5e-3
    tissue: TissueName = "head_liquid"
    samples: Samples | None = None


class LayeredSphereTable(PhantomTable):
    """Concentric spheres, from the inside out."""

    type: Literal["layered-sphere"]
    radii_m: Annotated[tuple[float, ...], numbers("growing radii in metres,", None, 0, 100, above=True)]
    layers: Annotated[tuple[str, ...], texts("names of tissues from the core outwards")]
    spacing_m: VoxelSize = 5e-3
    samples: Samples | None = None


class CylinderTable(PhantomTable):
    """Circular cylinder along z."""

    type: Literal["cylinder"]
    radius_m: Length
    length_m: Length
    spacing_m: VoxelSize = 5e-3
    tissue: TissueName = "head_liquid"
    samples: Samples | None = None


class GelBoxTable(PhantomTable):
    """Box of gel; by default the rectangular phantom of ASTM F2182."""

    type: Literal["gel-box"]
    size_m: Annotated[tuple[float, ...], numbers("edges along x, y, z in metres,", 3, 0, 100, above=True)] = (
        0.42,
        0.09,
        0.65,
    )
    spacing_m: VoxelSize = 5e-3
    tissue: TissueName = "gel"
    samples: Samples | None = None


class PhantomFileTable(PhantomTable):
    """Labels from a file: NIfTI, raw voxel body, NumPy or HDF5."""

    type: Literal["file"]
    file: Annotated[str, file_name("the name of a phantom file, such as 'head.nii.gz'")]
    labels: Annotated[str, file_name("the name of a label table, such as 'labels.csv'")] | None = None
    tissue_table: Annotated[str, file_name("the name of a table of tissue properties")] | None = None
    spacing_m: VoxelSizes | None = None
    axes: Annotated[str, text("where the axes of a raw or NumPy file point, such as 'RAS'", longest=3)] = "RAS"


Phantom = Annotated[
    LayeredHeadTable
    | StylisedAdultTable
    | KneeBodyTable
    | SphereTable
    | LayeredSphereTable
    | CylinderTable
    | GelBoxTable
    | PhantomFileTable,
    Field(discriminator="type"),
    one_of(
        LayeredHeadTable,
        StylisedAdultTable,
        KneeBodyTable,
        SphereTable,
        LayeredSphereTable,
        CylinderTable,
        GelBoxTable,
        PhantomFileTable,
    ),
]
