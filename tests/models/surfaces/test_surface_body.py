"""Bodies between closed surfaces: what lies within what, and one line for every surface that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import icosphere

import emdose as em
from emdose.errors import EmdoseWarning, InputError
from emdose.models.surfaces import shells


def ball(radius: float, inside: object, centre: tuple[float, float, float] = (0, 0, 0), **more: object) -> em.Interface:
    v, f = icosphere(2, radius)
    return em.Interface(str(more.pop("name", f"ball {radius:g}")), v + centre, f, inside, **more)


def test_what_lies_within_what_does_not_depend_on_the_order() -> None:
    """Oracle: the drawing: a head of two layers with a hole of air, and a hand beside it."""
    parts = [
        ball(0.03, "air", (0.02, 0, 0), name="hole"),
        ball(0.1, "skull"),
        ball(0.07, 0.3),
        ball(0.02, "muscle", (0.3, 0, 0)),
    ]
    for order in (parts, parts[::-1]):
        body = em.SurfaceBody(order)
        around = {
            body.interfaces[k].name: tuple(getattr(m, "name", m) for m in body.materials[n])
            for n, k in enumerate(body.shells.interface)
        }
        assert around == {
            "hole": ("air", 0.3),
            "ball 0.1": ("skull", "air"),
            "ball 0.07": (0.3, "skull"),
            "ball 0.02": ("muscle", "air"),
        }
        assert {tuple(sorted(p)) for p in body.parts()} == {("ball 0.07", "ball 0.1"), ("ball 0.02",)}
        at = body.shell_at(np.array([[0.02, 0, 0], [-0.05, 0, 0], [0, 0.085, 0], [0.3, 0, 0], [0.2, 0, 0]]))
        names = [body.interfaces[body.shells.interface[n]].name if n >= 0 else "" for n in at]
        assert names == ["hole", "ball 0.07", "ball 0.1", "ball 0.02", ""]


def test_cavity_of_one_interface_holds_what_is_around_it() -> None:
    v, f = icosphere(2)
    hollow = em.Interface("bone", np.concatenate([v, 0.5 * v]), np.concatenate([f, f[:, ::-1] + len(v)]), 0.02)
    body = em.SurfaceBody([hollow, em.Interface("muscle", 2 * v, f, 0.3)])
    assert body.admittivity(1.0).tolist() == [[0.02, 0.3], [0.3, 0.02], [0.3, 0.0]]


def test_admittivity_has_displacement_currents_when_asked() -> None:
    body = em.SurfaceBody([ball(0.1, "fat")])
    fat = em.tissues.get("fat")
    sigma, y = body.admittivity(2e6), body.admittivity(2e6, displacement=True)
    assert y[0, 0].imag == pytest.approx(2 * np.pi * 2e6 * 8.8541878e-12 * fat.permittivity(2e6))
    np.testing.assert_allclose(y.real, sigma)
    assert sigma[0, 1] == 0


def test_distance_between_surfaces() -> None:
    """Oracle: concentric spheres; corners of the one against triangles of the other, 4 % of a radius too near."""
    body = em.SurfaceBody([ball(0.1, 0.3), ball(0.08, 0.2)])
    assert 0.017 < body.closest[0] <= 0.02
    assert em.SurfaceBody([ball(0.1, 0.3)]).closest == (np.inf, np.inf)
    corners = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]] * 4)
    points = np.array([[0.2, 0.2, 0.5], [-1, 0, 0], [0.5, -2, 0], [1, 1, 0.0]])
    np.testing.assert_allclose(shells.point_triangle(points, corners), [0.5, 1, 2, np.sqrt(0.5)])


def test_every_bad_surface_is_one_line() -> None:
    v, f = icosphere(2)
    shifted = (0.05, 0, 0)
    for interfaces, message in (
        ([em.Interface("open", v, f[1:], 1.0)], "open: surface is not closed"),
        ([em.Interface("mixed", v, np.concatenate([f[:1, ::-1], f[1:]]), 1.0)], "mixed: triangles look to different"),
        ([em.Interface("in", v, f[:, ::-1], 1.0)], "in: surface is inside out"),
        ([ball(0.1, 1.0), ball(0.0999999, 0.5)], "surfaces (touch|intersect)"),
        ([ball(0.1, 1.0), ball(0.07, 0.5, shifted)], "ball 0.1 and ball 0.07: surfaces intersect"),
        ([ball(0.1, 1.0), ball(0.1, 1.0)], "two surfaces of the same name"),
        ([ball(0.1, 1.0), ball(0.07, 0.5, outside=0.3)], "tissue around a surface is not"),
        ([em.Interface("flat", np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), [[0, 1, 2], [0, 2, 1]], 1.0)], "volume"),
        ([], "body without a surface"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            em.SurfaceBody(interfaces)
        assert "\n" not in str(caught.value)
    for inside, message in ((-1.0, "no tissue or conductivity"), ("fatt", "did you mean 'fat'")):
        with pytest.raises(InputError, match=message):
            ball(0.1, inside)
    with pytest.raises(InputError, match="a shell of a surface lies within another"):
        em.SurfaceBody([em.Interface("two", np.concatenate([v, v / 2]), np.concatenate([f, f + len(v)]), 1.0)])


def test_surfaces_of_a_voxel_body_keep_volume_and_stay_apart() -> None:
    """Oracle: radii of the balls that the voxels are; the gap asked for."""
    grid = em.Grid((44, 44, 44), 5e-3, origin_m=(-0.11,) * 3)
    x = np.stack(np.meshgrid(*([(np.arange(44) - 21.5) * 5e-3] * 3), indexing="ij"))
    r = np.linalg.norm(x, axis=0)
    labels = (r < 0.1).astype(np.uint8) + (r < 0.09) + (r < 0.06)
    labels[40:, 40:, 40:] = 1  # a lost part
    names = ("air", "fat", "muscle", "blood")
    phantom = em.Phantom(grid, labels, tuple(em.tissues.get(n) for n in names), name="balls")
    with pytest.warns(EmdoseWarning, match="dropped 1 parts"):
        body = em.SurfaceBody.from_phantom(phantom, ("fat", "muscle", "blood"), size_m=0.015, gap_m=5e-3)
    assert [[m.name for m in pair] for pair in body.materials] == [
        ["fat", "air"],
        ["muscle", "fat"],
        ["blood", "muscle"],
    ]
    for n, radius in enumerate((0.1, 0.09, 0.06)):
        assert body.shells.volume_m3[n] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)
    assert body.closest[0] > 4e-3
    with pytest.raises(InputError, match="tissue not in this phantom"):
        em.SurfaceBody.from_phantom(phantom, ("fat", "skull"))
