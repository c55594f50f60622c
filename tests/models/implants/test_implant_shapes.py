"""Implants of simple shape, their poses, and those of a signed distance."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.models.implants import signed_distance as sd
from emdose.models.implants.dual_contour import triangulate
from emdose.models.implants.implant import Implant, Part
from emdose.models.implants.surface_repair import crossing_triangles

PI = math.pi
SIMPLE = [
    (em.implants.sphere(0.015), 4 / 3 * PI * 0.015**3, 4 * PI * 0.015**2),
    (em.implants.box((0.01, 0.02, 0.03), divisions=3), 6e-6, 2.2e-3),
    (em.implants.cylinder(0.01, 0.05, axis="y"), PI * 1e-4 * 0.05, 2 * PI * (1e-4 + 5e-4)),
    (em.implants.tube(0.02, 0.01, 0.03), PI * 3e-4 * 0.03, 2 * PI * (3e-4 + 0.03 * 0.03)),
    (em.implants.ring(0.03, 0.004, axis="x"), 2 * PI**2 * 0.03 * 0.004**2, 4 * PI**2 * 0.03 * 0.004),
    (em.implants.hollow_sphere(0.02, 0.01), 4 / 3 * PI * 7e-6, 4 * PI * 5e-4),
]


def euler(part: Part) -> int:
    edges = np.sort(np.concatenate([part.triangles[:, [n, (n + 1) % 3]] for n in range(3)]), axis=1)
    return len(np.unique(part.triangles)) - len(np.unique(edges, axis=0)) + len(part.triangles)


def is_closed(part: Part) -> bool:
    """Oracle: every directed edge once, and its reverse."""
    pairs = np.concatenate([part.triangles[:, [n, (n + 1) % 3]] for n in range(3)]).tolist()
    forward = {tuple(p) for p in pairs}
    return len(forward) == len(pairs) and forward == {(b, a) for a, b in forward}


@pytest.mark.parametrize(("implant", "volume", "area"), SIMPLE, ids=lambda x: getattr(x, "name", ""))
def test_volume_is_exact_and_surface_closed(implant: Implant, volume: float, area: float) -> None:
    """Oracle: elementary geometry; areas of polyhedra are right to second order."""
    assert implant.volume_m3 == pytest.approx(volume, rel=1e-10)
    assert implant.area_m2 == pytest.approx(area, rel=4e-3)
    assert is_closed(implant.parts[0])
    assert implant.mass_kg == pytest.approx(volume * 8400)
    np.testing.assert_allclose(implant.centroid_m, 0, atol=1e-12)


def test_holes() -> None:
    """Oracle: Euler's number, 2 for a ball, 0 for one hole, 4 for a shell."""
    assert [euler(s[0].parts[0]) for s in SIMPLE] == [2, 2, 2, 0, 0, 4]


def test_ellipsoid_second_moments() -> None:
    """Oracle: the mean of x^2 in an ellipsoid is a^2/5; divergence theorem with x^3/3 on the facets."""
    semi = (0.07, 0.01, 0.015)
    implant = em.implants.ellipsoid(semi)
    c, n = implant.parts[0].corners, implant.parts[0].area_vectors
    for d in range(3):
        x = c[:, :, d]
        cubes = (x**3).sum(1) + (x**2 * (x.sum(1)[:, None] - x)).sum(1) + x.prod(1)
        moment = (n[:, d] * cubes / 10).sum() / 3
        assert moment / implant.volume_m3 == pytest.approx(semi[d] ** 2 / 5, rel=1.5e-3)


def test_poses() -> None:
    implant = em.implants.box((0.01, 0.02, 0.03)).moved((0.1, 0, 0))
    turned = implant.rotated(90, "z")
    np.testing.assert_allclose(turned.centroid_m, (0, 0.1, 0), atol=1e-12)
    np.testing.assert_allclose(turned.size_m, (0.02, 0.01, 0.03))
    around = implant.rotated(90, (0, 0, 2), about_m=(0.1, 0, 0))
    np.testing.assert_allclose(around.centroid_m, (0.1, 0, 0), atol=1e-12)
    placed = implant.placed((1, 2, 3), 30, "x")
    np.testing.assert_allclose(placed.centroid_m, (1, 2, 3), atol=1e-12)
    assert placed.volume_m3 == pytest.approx(6e-6)
    assert implant.scaled(2).volume_m3 == pytest.approx(48e-6)
    back = turned.rotated(np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]]))
    assert back.hash() == implant.hash() != turned.hash()
    assert implant.with_metal("gold").hash() != implant.hash()
    skew = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    implant.rotated(np.eye(3) + 0.9e-6 * skew)  # R R^t is one to a millionth
    for bad in (np.eye(3) * 2, np.eye(3) + 1.1e-6 * skew, np.diag([1, 1, -1]), np.eye(2)):
        with pytest.raises(em.InputError, match="rotation"):
            implant.rotated(bad)


def test_bad_parts() -> None:
    v = np.eye(3)
    with pytest.raises(em.InputError, match="triangle without vertex"):
        Part("p", v, np.array([[0, 1, 3]]), "gold")
    with pytest.raises(em.InputError, match="no triangles"):
        Part("p", v, np.zeros((0, 3), int), "gold")
    with pytest.raises(em.InputError, match="bad vertices"):
        Part("p", v * np.nan, np.array([[0, 1, 2]]), "gold")
    with pytest.raises(em.InputError, match="at least one part"):
        Implant("i", ())
    with pytest.raises(em.InputError, match="bad length"):
        em.implants.sphere(-1)


SHAPES = [
    (sd.ball(0.015), 4 / 3 * PI * 0.015**3, 2),
    (sd.rod(0.01, 0.05), PI * 1e-4 * 0.05, 2),
    (sd.cone(0.007, 0.006, 0.02), PI * 0.02 / 3 * 127e-6, 2),
    (sd.torus(0.02, 0.005), 2 * PI**2 * 0.02 * 0.005**2, 0),
    (sd.ball(0.033) - sd.ball(0.025), 4 / 3 * PI * (0.033**3 - 0.025**3), 4),
    (sd.ellipsoid((0.07, 0.01, 0.015)), 4 / 3 * PI * 0.07 * 0.01 * 0.015, 2),
    (sd.cuboid((0.01, 0.02, 0.03)).rotated(33, (1, 2, 3)), 6e-6, 2),
    (sd.capsule((0, 0, 0), (0.01, 0.02, 0.02), 0.004), PI * 1.6e-5 * (0.03 + 4 / 3 * 0.004), 2),
]


@pytest.mark.parametrize(("shape", "volume", "number"), SHAPES)
def test_surfaces_of_distances(shape: sd.Shape, volume: float, number: int) -> None:
    """Oracle: elementary volumes; the error falls at least with the square of the step (fourth order where smooth)."""
    errors = []
    for step in (2e-3, 1e-3):
        part = shape.part("p", "gold", step)
        assert is_closed(part)
        assert euler(part) == number
        errors.append(abs(part.volume_m3 / volume - 1))
        c = part.corners
        edges = np.linalg.norm(c - np.roll(c, 1, axis=1), axis=2)
        assert np.quantile(4 * math.sqrt(3) * part.areas_m2 / (edges**2).sum(1), 0.05) > 0.4  # 1: equilateral
    assert errors[0] < 3e-3
    assert errors[1] < max(errors[0] / 3, 1e-6)
    assert len(crossing_triangles(part.vertices, part.triangles)) == 0


def test_user_shape_and_cuts() -> None:
    """Oracle: a plate of 20 x 20 x 4 mm with a hole of 6 mm radius, and half of a ball."""
    plate = sd.cuboid((0.02, 0.02, 0.004)) - sd.rod(0.006, 0.01)
    part = plate.implant("plate", "cpTi", 0.7e-3).parts[0]
    assert part.volume_m3 == pytest.approx(1.6e-6 - PI * 3.6e-5 * 0.004, rel=5e-3)
    assert euler(part) == 0
    own = em.implants.Shape(lambda p: np.linalg.norm(p, axis=1) - 0.01, (-0.01,) * 3, (0.01,) * 3)
    half = own & sd.half_space((0, 0, 1), (0, 0, 0), own)
    assert half.part("half", "gold", 1e-3).volume_m3 == pytest.approx(2 / 3 * PI * 1e-6, rel=3e-3)


def test_distance_from_a_straight_loft_is_that_of_a_rod() -> None:
    """Oracle: elementary geometry of a flat-ended rod: beside it, over its end, over its rim, and inside."""
    path = np.array([[0.0, 0.0], [0.0, 0.02], [0.0, 0.05]])
    rod = sd.loft(path, np.full((3, 2), 0.01), [2.0] * 3)
    for point, distance in (
        ((0.015, 0.0, 0.03), 0.005),
        ((0.0, 0.012, 0.01), 0.002),
        ((0.004, 0.003, 0.057), 0.007),
        ((0.0, 0.0, -0.003), 0.003),
        ((0.014, 0.0, 0.053), 0.005),
        ((0.0, 0.014, -0.003), 0.005),
        ((0.006, 0.0, 0.025), -0.004),
    ):
        assert rod.distance(np.array([point]))[0] == pytest.approx(distance, rel=1e-6), point


def test_bad_distances() -> None:
    with pytest.raises(em.InputError, match="nothing is inside"):
        sd.ball(1e-4).moved((0.5e-3, 0, 0)).part("p", "gold", 5e-3)
    with pytest.raises(em.InputError, match="leaves its box"):
        triangulate(lambda p: np.linalg.norm(p, axis=1) - 1, np.full(3, -0.1), np.full(3, 0.1), 0.01)
    with pytest.raises(em.InputError, match="bad step"):
        sd.ball(0.1).part("p", "gold", 0)
    with pytest.raises(em.InputError, match="too many lattice points"):
        sd.ball(1.0).part("p", "gold", 1e-4)


# ---- prostheses ------------------------------------------------------------------------------------------------------
def test_hip_has_its_published_size() -> None:
    """Oracle: stem 142 mm, head 30 mm, shell 66 mm outside, 8 mm thick (ISMRM 2021, abstract 0361)."""
    stem = em.implants.hip(with_cup=False, step_m=3e-3)
    low, high = np.array(stem.bounds_m)
    assert high[2] == pytest.approx(0.015, abs=3e-4)  # the head is centred at the origin
    taper_rim = (3e-3 + 6e-3) * math.sqrt(0.5)
    assert taper_rim - low[2] == pytest.approx(0.142, abs=5e-4)
    assert 0.2 < stem.mass_kg < 0.5
    cup = em.implants.hip(with_screw=False, step_m=2e-3).parts[1]
    assert cup.volume_m3 == pytest.approx(2 / 3 * PI * (0.033**3 - 0.025**3), rel=3e-3)
    screw = em.implants.hip(step_m=2e-3).parts[1]
    bolt = PI * 3.25e-3**2 * (0.034 - 4e-3 - 3.25e-3) + 2 / 3 * PI * 3.25e-3**3
    assert screw.volume_m3 - cup.volume_m3 == pytest.approx(bolt, rel=0.05)


def test_knee_has_its_notch_and_its_gap() -> None:
    """Oracle: a notch of a quarter of the width at the back, the insert's gap above the plate, the keel's length."""
    tibial, femoral = em.implants.knee(step_m=1.5e-3).parts
    assert tibial.vertices[:, 2].max() == pytest.approx(0.0, abs=1e-4)
    assert tibial.vertices[:, 2].min() == pytest.approx(-0.044, abs=3e-4)
    assert np.ptp(tibial.vertices[:, :2], axis=0) == pytest.approx((0.070, 0.046), abs=5e-4)
    assert femoral.vertices[:, 2].min() == pytest.approx(0.010, abs=3e-4)
    back = femoral.vertices[femoral.vertices[:, 1] > 0.012]
    assert np.abs(back[:, 0]).min() == pytest.approx(0.125 * 0.070, abs=3e-4)
    front = femoral.vertices[femoral.vertices[:, 1] < 0.0]
    assert np.abs(front[:, 0]).min() < 2e-3


def test_shoulder_points_where_it_says() -> None:
    """Oracle: the docstring: shaft to -z with its tip at the stem's length, head of that height up and to +x."""
    stem, head = em.implants.shoulder(step_m=2.5e-3).parts
    assert stem.vertices[:, 2].min() == pytest.approx(-0.120, abs=1e-3)
    tip = stem.vertices[stem.vertices[:, 2] < -0.1].mean(axis=0)
    assert tip[0] < -0.015
    assert abs(tip[1]) < 1e-3
    up = np.array([1.0, 0.0, 1.0]) / math.sqrt(2)
    assert (head.vertices @ up).max() == pytest.approx(0.018, abs=5e-4)
    assert (head.vertices @ up).min() == pytest.approx(0.0, abs=5e-4)
    assert (stem.vertices @ up).max() < 5e-4
    across = head.vertices - np.outer(head.vertices @ up, up)
    assert np.linalg.norm(across, axis=1).max() == pytest.approx(0.024, abs=5e-4)
    R, h = 0.024, 0.018
    assert head.volume_m3 == pytest.approx(PI * h / 6 * (3 * R * R + h * h), rel=0.01)


@pytest.mark.parametrize(
    "make",
    [
        lambda: em.implants.hip(step_m=2.5e-3),
        lambda: em.implants.hip("Ti6Al4V", "CoCrMo", "Ti6Al4V", step_m=2.5e-3),
        lambda: em.implants.knee(step_m=2e-3),
        lambda: em.implants.shoulder(step_m=2.5e-3),
        lambda: em.implants.shoulder("cpTi", "cpTi", step_m=2.5e-3),
    ],
)
def test_prostheses_are_sound(make) -> None:
    """Oracle: closed surfaces that do not cross themselves; masses of metal joints, 50 g to 1 kg."""
    implant = make()
    for part in implant.parts:
        assert is_closed(part)
        assert len(crossing_triangles(part.vertices, part.triangles)) == 0
        assert 0.05 < part.mass_kg < 1


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(em.InputError, match="head_diameter_m"):
        em.implants.hip(head_diameter_m=30)
    with pytest.raises(em.InputError, match="shell_thickness_m"):
        em.implants.hip(shell_thickness_m=0.02)
    with pytest.raises(em.InputError, match="stem"):
        em.implants.hip(stem_length_m=0.01)
