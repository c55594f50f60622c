"""The stylised adult against the closed forms of its solids."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.bodies import tissues
from emdose.models.bodies.stylised_adult import LANDMARKS_MM


@pytest.fixture(scope="module")
def adult() -> bodies.Phantom:
    return bodies.stylised_adult(4e-3, fat_m=0.0)


def ellipsoid(a: float, b: float, c: float) -> float:
    return 4 / 3 * math.pi * a * b * c * 1e-9


# Volumes [m^3] from the half-axes in millimetres, for organs that no other organ overlaps.
CLOSED_FORMS = {
    "spleen": ellipsoid(29, 18.8, 51.9),
    "ovary": 2 * ellipsoid(11.7, 5.8, 18),
    "brain": ellipsoid(65.8, 85.7, 57.3),
    "urine": ellipsoid(40.4, 31.5, 28.8),
    "thymus": ellipsoid(30, 5, 40),
    "adrenal_gland": ellipsoid(15, 5, 50),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_organ_volumes(name: str, adult: bodies.Phantom) -> None:
    """Oracle: closed form of the ellipsoid; small organs have few voxels."""
    expected = CLOSED_FORMS[name]
    voxels = expected / adult.grid.voxel_volume_m3
    assert adult.tissue_volume()[name] == pytest.approx(expected, rel=max(0.02, 2.5 / math.sqrt(voxels)))


def test_whole_volume() -> None:
    """Oracle: closed form of trunk, head and legs with 2 mm of skin: elliptic cylinders, half an ellipsoid, cones."""
    adult = bodies.stylised_adult(5e-3)
    trunk = math.pi * 174.5 * 100 * 635
    head = math.pi * 79.7 * 99.6 * (794 - 633) + 2 / 3 * math.pi * 79.7 * 99.6 * 71.2
    slope = 0.08625  # of the cone's radius 86.25 (1 + z / 1000) + 2
    legs = 2 * math.pi * (88.25**3 - (88.25 - slope * 782) ** 3) / (3 * slope)
    assert adult.volume_m3 == pytest.approx((trunk + head + legs) * 1e-9, rel=0.01)


def test_mass_is_plausible() -> None:
    """Oracle: published mass of the size, about 57 kg; muscle is denser than its soft tissue, fat lighter."""
    lean, fat = bodies.stylised_adult(5e-3, fat_m=0.0), bodies.stylised_adult(5e-3)
    assert 57 < fat.mass_kg < lean.mass_kg < 64
    extent = np.ptp(np.flatnonzero(lean.body.any(axis=(0, 1)))) * 5e-3
    assert extent == pytest.approx(1.647, abs=0.01)


def test_mass_is_the_sum_of_volume_times_density(adult: bodies.Phantom) -> None:
    """Oracle: definition, with the densities of the built-in table."""
    volume = adult.tissue_volume()
    assert adult.mass_kg == pytest.approx(sum(v * tissues.get(n).density_kg_m3 for n, v in volume.items()))
    assert len(volume) >= 20


def test_sides_of_the_body(adult: bodies.Phantom) -> None:
    """Oracle: anatomy in RAS+ axes: liver right (x > 0), spleen and stomach left, spine behind, bladder in front."""

    def centre(name: str) -> list[float]:
        where = np.nonzero(adult.labels == [t.name for t in adult.tissues].index(name))
        return [float(adult.grid.centres(a)[where[a]].mean()) for a in range(3)]

    assert centre("liver")[0] > 0.03
    assert centre("spleen")[0] < -0.05
    assert centre("stomach")[0] < -0.05
    assert centre("kidney")[1] < -0.04
    assert centre("urine")[1] > 0.03
    assert centre("brain")[2] > centre("heart")[2] > centre("liver")[2] > centre("urine")[2]


def test_landmark_is_at_the_isocentre() -> None:
    """Oracle: definition: the whole body shifts by the difference of the levels."""
    heart, head = bodies.stylised_adult(8e-3, "heart"), bodies.stylised_adult(8e-3, "head")
    assert heart.grid.bounds_m[1][2] - head.grid.bounds_m[1][2] == pytest.approx(0.794 - 0.4687, abs=8e-3)
    assert head.tissues[head.labels[head.grid.index_of((0.0, 0.0, 0.0))]].name == "brain"


def test_regions(adult: bodies.Phantom) -> None:
    """Oracle: the parts make the whole."""
    parts = [m for n, m in adult.regions.items() if not n.startswith("head (crown")]
    np.testing.assert_array_equal(np.sum(parts, axis=0), adult.body.astype(int))
    assert sum(n.startswith("head") for n in adult.regions) >= 2


def _bone_section(adult: bodies.Phantom, height_mm: float, side: int, least_x_mm: float) -> tuple[float, float, float]:
    """Area [mm^2] and middle (x, y) [mm] of the cortical bone on one side, farther out than a distance, at a height.

    They are means over five layers of voxels: tissues share out the voxels of the whole body, not those of a layer.
    """
    grid = adult.grid
    k = grid.index_of((0.0, 0.0, 1e-3 * (height_mm - LANDMARKS_MM["heart"])))[2]
    bone = adult.labels[:, :, k - 2 : k + 3] == [t.name for t in adult.tissues].index("bone_cortical")
    x, y, _ = np.meshgrid(1e3 * grid.centres(0), 1e3 * grid.centres(1), np.zeros(5), indexing="ij")
    bone &= side * x > least_x_mm
    area = float(bone.sum()) / 5 * grid.spacing_m[0] * grid.spacing_m[1] * 1e6
    return area, float(x[bone].mean()), float(y[bone].mean())


def test_leg_bones_are_the_published_frustums(adult: bodies.Phantom) -> None:
    """Oracles: volume of two frustums of radii 20 mm at the hip and 10 mm at the ankle, 760 mm long; their sections.

    Voxels of 4 mm: 0.5 % of the volume, 6 % of a section and 1 mm of its middle.
    """
    bone = (adult.labels == [t.name for t in adult.tissues].index("bone_cortical")) & adult.regions["legs"]
    frustum = math.pi * 760 / 3 * (20**2 + 20 * 10 + 10**2) * 1e-9
    assert bone.sum() * adult.grid.voxel_volume_m3 == pytest.approx(2 * frustum, rel=0.01)
    z = 1e3 * adult.grid.centres(2)[bone.any(axis=(0, 1))] + LANDMARKS_MM["heart"]
    assert z.min() == pytest.approx(-760 + 2, abs=2)
    for height in (-50.0, -380.0, -700.0):
        radius, out = 20 + 10 * height / 760, 0.5 * 172.5 * (1 + height / 1000)
        for side in (1, -1):
            area, x, y = _bone_section(adult, height, side, 0.0)
            assert area == pytest.approx(math.pi * radius**2, rel=0.12)
            assert (x, y) == pytest.approx((side * out, 0.0), abs=1.5)


def test_arm_bones_are_the_published_cones(adult: bodies.Phantom) -> None:
    """Oracle: sections 12.1 x 26.5 mm in half-axes at the shoulder, half of that at the wrist, below the ribs."""
    for height in (20.0, 150.0, 300.0):
        size = 0.5 * (1 + height / 622)
        for side in (1, -1):
            area, x, y = _bone_section(adult, height, side, 120.0)
            assert area == pytest.approx(math.pi * 12.1 * 26.5 * size**2, rel=0.12)
            assert (x, y) == pytest.approx((side * 158.7, 0.0), abs=1.5)


@pytest.mark.parametrize(("mass", "stature", "fat"), [(95.0, 1.80, 20e-3), (52.0, 1.55, 8e-3)])
def test_mass_and_stature_are_those_asked_for(mass: float, stature: float, fat: float) -> None:
    """Oracle: definition; voxels of 8 mm hold the mass of a body to half a per cent."""
    body = bodies.stylised_adult(8e-3, fat_m=fat, mass_kg=mass, stature_m=stature)
    assert body.mass_kg == pytest.approx(mass, rel=0.01)
    assert np.ptp(np.flatnonzero(body.body.any(axis=(0, 1)))) * 8e-3 == pytest.approx(stature, abs=0.012)
    # The head keeps its breadth: its tissue grows with the stature alone, that of the trunk with all three edges.
    volume, up = body.tissue_volume(), stature / 1.647
    assert volume["brain"] == pytest.approx(up * ellipsoid(65.8, 85.7, 57.3), rel=0.02)
    wide = volume["spleen"] / (up * ellipsoid(29, 18.8, 51.9))
    assert volume["lung"] == pytest.approx(wide * up * 2449e-6, rel=0.03)


def test_the_index_of_the_body_stays_where_no_mass_is_given() -> None:
    """Oracle: definition, but for the head (a tenth of the mass), which grows with the stature alone."""
    small, tall = bodies.stylised_adult(8e-3), bodies.stylised_adult(8e-3, stature_m=1.9)
    assert tall.mass_kg / 1.9**2 == pytest.approx(small.mass_kg / 1.647**2, rel=0.025)


def test_impossible_masses_are_refused() -> None:
    """Oracle: words of the error."""
    with pytest.raises(InputError, match=r"mass_kg: out of range; found 200.*expected .* kg at this stature"):
        bodies.stylised_adult(8e-3, mass_kg=200.0, stature_m=1.5)
