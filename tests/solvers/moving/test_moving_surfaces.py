"""Bodies of surfaces that move: closed forms, and the same motions in voxels."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models import UniformField
from emdose.models.bodies import tissues
from emdose.solvers.moving.on_surfaces import voxels_of
from emdose.validation.cases.induced.surfaces import ball
from emdose.validation.closed_forms.low_frequency import induced_bodies as exact

QUIET = {"device": "cpu", "progress": False}
SEMI = np.array((0.075, 0.095, 0.11))


def path(velocity, turn, at=(0.0, 0.0, 0.0)):
    """Through a place at t = 1 s with these velocities."""
    t = np.linspace(0, 2, 9)
    return em.Trajectory("path", t, np.asarray(at) + np.outer(t - 1, velocity), np.outer(t - 1, turn))


def test_a_ball_of_surfaces_that_turns_has_the_closed_form() -> None:
    """Oracle: r x dB/dt / 2 at all centres of voxels, however near to the surface."""
    body = em.SurfaceBody((ball(3, 0.085, 0.33),))
    turning = path((0, 0, 0), (0.4, 0.1, 0))
    # Any motion: the six unit motions along and about the body's axes.
    got = em.Moving(em.Bem(), any_motion=True, spacing_m=0.012).solve(body, UniformField((0, 0, 1)), turning, **QUIET)
    course = got.along(turning, [0.5, 1.6])
    for n, t in enumerate(course.times_s):
        wanted = exact.sphere_E(got.induced.points_m, course.dBdt_T_s[n, 0].astype(float)).T
        assert np.linalg.norm(course.field(t) - wanted) < 3e-3 * np.linalg.norm(wanted)
        assert np.abs(course.field(t) - wanted).max() < 0.02 * np.abs(wanted).max()
    weights, rest = got.six(turning, [0.5])
    together = turning.poses([0.5]).drives @ weights[0]
    np.testing.assert_allclose(got.induced.combined(together[0]), course.field(0.5), atol=1e-4)
    assert rest.max() < 1e-3
    assert got.phantom.tissues[1].conductivity(10.0) == pytest.approx(0.33)
    assert got.induced.balance.max() < 1e-3


def test_a_head_of_two_layers_beside_its_voxels() -> None:
    """Oracle: Moving by voxels, at the same places and times beside a magnet, 20 mm and more from either surface."""
    skull = tissues.Tissue("shell", 1500.0, tissues.Constant(1.0, 0.33))
    inner = SEMI - 0.02
    body = em.SurfaceBody((ball(3, SEMI, skull, "scalp"), ball(3, inner, 0.06, "brain")))
    nod, magnet = path((0.1, 0, -0.5), (0.8, 0.2, 0.0), at=(0.1, 0.05, 1.4)), em.scanner_magnet(3.0)
    solver = em.Moving(em.Bem(), spacing_m=0.01)
    got = solver.solve(body, magnet, nod, **QUIET)
    voxels = em.Moving(em.Quasistatic(tolerance=1e-6)).solve(got.phantom, magnet, nod, **QUIET)
    np.testing.assert_array_equal(got.induced.cells, voxels.induced.cells)
    assert {t.name for t in got.phantom.tissues[1:]} == {"shell", "0.06 S/m"}
    deep = np.min([np.abs(np.linalg.norm(got.induced.points_m / s, axis=1) - 1) * s.min() for s in (SEMI, inner)], 0)
    away = deep > 0.02
    one, other = got.along(nod), voxels.along(nod)
    for t in (0.25, 1.0, 1.75):
        a, b = one.field(t)[:, away], other.field(t)[:, away]
        assert np.linalg.norm(a - b, axis=0).max() < 0.03 * np.linalg.norm(other.field(t), axis=0).max()
        assert np.linalg.norm(a - b) < 0.03 * np.linalg.norm(b)
    assert set(one.percentiles()) == {"shell", "0.06 S/m"}


def test_plans_of_surfaces_and_what_does_not_go_together() -> None:
    body, field, turning = em.SurfaceBody((ball(1, 0.085, 0.33),)), UniformField(), path((0, 0, 0), (0.4, 0.1, 0))
    plan = em.Moving(em.Bem()).plan(body, field, turning, device="cpu")
    assert "80 triangles" in str(plan)
    assert plan.motions == plan.solution.sources
    voxels, shell = voxels_of(body)
    assert max(voxels.grid.shape) == 30
    assert np.count_nonzero(shell >= 0) == np.count_nonzero(voxels.labels)
    box, bem = em.phantoms.gel_box(0.02, (0.1, 0.1, 0.1)), em.Moving(em.Bem())
    for solver, given, words in (
        (bem, box, "Bem needs a body of surfaces"),
        (em.Moving(), body, "a body of surfaces needs the solver Bem"),
        (em.Moving(spacing_m=0.01), box, "a body of voxels has its own"),
        (em.Moving(em.Bem(), spacing_m=0.5), body, "spacing_m"),
    ):
        with pytest.raises(InputError, match=words):
            solver.solve(given, field, turning, **QUIET)
    with pytest.raises(InputError, match="takes no implants"):
        bem.solve(body, field, turning, implants=[em.implants.sphere(0.02)], **QUIET)
    with pytest.raises(InputError, match="spacing_m"):
        em.Moving(em.Bem(), spacing_m=-1.0)
