"""The knee against the closed forms of its solids."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

import emdose as em
from emdose.compliance.circumstances import is_limb, patient_mass
from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.bodies.knee import OUTLINE, VOLUMES_ML


def frusta(inset: float) -> float:
    """Volume under the outline [ml], its wall moved inwards [mm]."""
    total = 0.0
    for (z0, r0), (z1, r1) in pairwise(OUTLINE):
        a, b = r0 - inset, r1 - inset
        total += math.pi * (z1 - z0) * (a * a + a * b + b * b) / 3
    return 1e-3 * total


def cap(semi: tuple[float, float, float], depth: float) -> float:
    """Volume of the part of an ellipsoid within a depth of the end of its second axis [ml]."""
    h = depth / semi[1]
    return 1e-3 * math.pi * semi[0] * semi[1] * semi[2] * h * h * (3 - h) / 3


@pytest.fixture(scope="module")
def right() -> bodies.Phantom:
    return bodies.knee(4e-3)


def test_volumes_of_the_solids() -> None:
    """Oracles: closed forms: frusta of skin; cylinders of marrow; half a shell, a plate and a cap of cartilage."""
    assert VOLUMES_ML["skin"] == pytest.approx(frusta(0) - frusta(2), rel=2e-3)
    assert sum(VOLUMES_ML.values()) == pytest.approx(frusta(0), rel=1e-3)
    marrow = 1e-3 * math.pi * (7**2 * 85 + 6**2 * 120 + 2.5**2 * 170)
    assert VOLUMES_ML["bone_marrow_yellow"] == pytest.approx(marrow, rel=2e-3)
    shell = 1e-3 * 2 / 3 * math.pi * (38 * 31.5 * 27.5 - 35.5 * 29 * 25)
    plate = 1e-3 * math.pi * 35.8 * 22.05 * 3
    # The lowest cartilage of the femur touches the plate within a millimetre and a half.
    assert VOLUMES_ML["cartilage"] == pytest.approx(shell + plate + cap((21.5, 12, 21.5), 4.1), rel=0.01)


@pytest.mark.parametrize("spacing", [3e-3, 5e-3, 8e-3, 10e-3])
def test_mass_on_any_voxels(spacing: float) -> None:
    """Oracle: closed form of the frusta, and the densities of the table."""
    body = bodies.knee(spacing)
    assert body.volume_m3 == pytest.approx(1e-6 * frusta(0), rel=0.01)
    expected = sum(1e-6 * v * em.tissues.get(n).density_kg_m3 for n, v in VOLUMES_ML.items())
    assert body.mass_kg == pytest.approx(expected, rel=0.01)


def test_left_is_the_mirror_of_right(right: bodies.Phantom) -> None:
    """Oracle: the symmetry of the construction; the fibula is on the outer side, which is right of the right knee."""
    left = bodies.knee(4e-3, side="left")
    names = [[t.name for t in b.tissues] for b in (right, left)]
    assert names[0] == names[1]
    np.testing.assert_array_equal(left.labels, right.labels[::-1])
    x, _, z = right.grid.centre_points()
    bone = (right.labels == names[0].index("bone_cortical")) & (z < -0.1) & (np.abs(x) > 0.02)
    assert np.broadcast_to(x, bone.shape)[bone].min() > 0


def test_where_things_are(right: bodies.Phantom) -> None:
    """Oracle: anatomy in RAS+ axes: patella in front, cartilage in the joint, thigh above."""

    def centre(name: str) -> np.ndarray:
        at = np.nonzero(right.labels == [t.name for t in right.tissues].index(name))
        return np.array([right.grid.centres(a)[at[a]].mean() for a in range(3)])

    assert np.abs(centre("cartilage")[[0, 2]]).max() < 0.02
    assert centre("tendon")[1] > 0.03
    area = right.body.sum(axis=(0, 1))
    assert area[-10] > 1.5 * area[10]


def test_scale() -> None:
    """Oracle: half of all lengths is an eighth of the volume."""
    assert bodies.knee(2.5e-3, scale=0.5).volume_m3 == pytest.approx(1e-6 * frusta(0) / 8, rel=0.01)


def test_it_is_an_extremity(right: bodies.Phantom) -> None:
    """Oracle: the definition of the region; a limb is no patient."""
    (name,) = right.regions
    assert name.startswith("extremities")
    np.testing.assert_array_equal(right.regions[name], right.body)
    assert is_limb(right)
    mass, remark = patient_mass(right, [], None)
    assert mass is None
    assert "is a limb, not a patient" in remark
    assert patient_mass(right, [], 75.0)[0] == 75.0


@pytest.mark.parametrize("bad", [{"spacing_m": 0.02}, {"side": "middle"}, {"scale": 3}])
def test_bad_arguments(bad: dict) -> None:
    """Oracle: the contract."""
    with pytest.raises(InputError, match=next(iter(bad))):
        bodies.knee(**bad)
