"""Metal in a body that moves: closed forms, a body without metal, and what the metal itself feels."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose import mechanics
from emdose.errors import InputError
from emdose.models import IdealGradient, UniformField
from emdose.models.bodies import solids
from emdose.solvers.quasistatic import medium
from emdose.validation.cases.induced.bodies import body_of, tissue
from emdose.validation.closed_forms.low_frequency import induced_bodies as exact

QUIET = {"device": "cpu", "progress": False}
PLACE, RADIUS = np.array((0.03, 0.01, -0.02)), 0.015


def moved(velocity=(0.0, 0.0, 0.0), turn=(0.0, 0.0, 0.0), at=(0.0, 0.0, 0.0)):
    """Through a place at t = 1 s with these velocities."""
    t = np.linspace(0, 2, 9)
    return em.Trajectory("moved", t, np.asarray(at) + np.outer(t - 1, velocity), np.outer(t - 1, turn))


def test_turning_with_a_ball_of_metal_is_a_changing_field_around_it() -> None:
    """Oracles: a perfect conductor in a conductor in uniform dB/dt, between 1.4 and 2 radii, where the body's surface
    adds 5 %; the same body in a switched field."""
    body = em.phantoms.sphere(0.1, 2.5e-3, tissue("gel", 0.3), samples=1)
    ball = em.implants.sphere(RADIUS).moved(tuple(PLACE))
    path = moved(turn=(0.4, 0, 0))
    got = em.Moving(em.Quasistatic(tolerance=1e-8)).solve(body, UniformField((0, 0, 1)), path, implants=[ball], **QUIET)
    rate = np.array((0, 0.4, 0))  # Omega x B is (0, -0.4, 0), and the body sees minus that
    assert got.phantom is got.induced.implanted.phantom
    field = got.along(path, [1.0]).field(1.0)
    points = got.induced.points_m
    wanted = exact.inclusion_E(points, PLACE, RADIUS, np.inf, 0.3, rate).real
    effect = wanted - exact.sphere_E(points, rate)
    d = np.linalg.norm(points - PLACE, axis=1)
    near = (d > 1.4 * RADIUS) & (d < 2 * RADIUS)
    assert np.linalg.norm((field.T - wanted)[near]) < 0.07 * np.linalg.norm(effect[near])
    switched = em.Switched(UniformField(tuple(rate / 0.4)), "T/s")
    direct = 0.4 * em.Quasistatic(tolerance=1e-8).solve(body, switched, implants=[ball], **QUIET).E[0]
    np.testing.assert_allclose(field, direct, atol=2e-5 * np.abs(direct).max())


def test_turning_with_an_insulated_ball_is_a_changing_field_around_it() -> None:
    """Oracle: a hole in a conductor in uniform dB/dt, between 1.4 and 2 radii: metal whose coat insulates it."""
    gel, coat = tissue("gel", 0.3), tissue("coat", 0.0, 3.0)
    parts = [solids.ellipsoid(t, c, (r,) * 3) for t, c, r in ((gel, (0, 0, 0), 0.1), (coat, tuple(PLACE), RADIUS))]
    body = body_of(parts, 2.5e-3)
    path = moved(turn=(0.4, 0, 0))
    got = em.Moving(em.Quasistatic()).solve(body, UniformField((0, 0, 1)), path, **QUIET)
    field, points, rate = got.along(path, [1.0]).field(1.0), got.induced.points_m, np.array((0, 0.4, 0))
    wanted = exact.inclusion_E(points, PLACE, RADIUS, 0.0, 0.3, rate).real
    effect = wanted - exact.sphere_E(points, rate)
    d = np.linalg.norm(points - PLACE, axis=1)
    near = (d > 1.4 * RADIUS) & (d < 2 * RADIUS)
    assert np.linalg.norm((field.T - wanted)[near]) < 0.1 * np.linalg.norm(effect[near])
    assert d.min() > 0.8 * RADIUS


def test_metal_of_the_tissue_s_own_conductivity_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the body without it."""
    monkeypatch.setattr(medium, "METAL_CONTRAST", 1.0)
    body, magnet = em.phantoms.gel_box(0.01, (0.16, 0.1, 0.2)), em.scanner_magnet(3.0)
    path = moved((0, 0, -0.6), (0.3, 0.2, 0), at=(0, 0.1, 1.6))
    solver = em.Moving(em.Quasistatic(tolerance=1e-9))
    bare = solver.solve(body, magnet, path, **QUIET)
    box = em.implants.box((0.04, 0.02, 0.04))
    got = solver.solve(body, magnet, path, implants=[box], **QUIET)
    assert [s.name for s in got.induced.sources] == [s.name for s in bare.induced.sources]
    assert len(bare.induced.cells) - len(got.induced.cells) == 32
    same = np.isin(bare.induced.cells, got.induced.cells)
    np.testing.assert_allclose(
        got.induced.E, bare.induced.E[:, :, same], atol=1e-5 * float(np.abs(bare.induced.E).max())
    )
    course = got.along(path)
    assert course.E.shape[2] == len(got.sample.index)
    assert got.about["implants"] == [box.name]


def test_metal_feels_torque_and_drag_of_its_motion() -> None:
    """Oracles: lenz_torque and drag_tensor, differences of the field over time, and that heat is what the motion
    loses."""
    M = np.diag([2e-3, 5e-3, 9e-3])
    turn, at = np.array((0.4, -0.2, 0.1)), (0.02, 0.01, 0.05)
    one_T = (0.6, 0, 0.8)
    spun = mechanics.metal_course(UniformField(one_T), moved(turn=turn), M, (0, 0, 0), [1.0])
    np.testing.assert_allclose(spun.torque_N_m[0], mechanics.lenz_torque(M, turn, one_T), atol=1e-12)
    assert spun.heat_W[0] == pytest.approx(mechanics.motion_heat(M, turn, one_T))
    assert np.abs(spun.drag_N).max() < 1e-9
    slope, v = IdealGradient("z"), np.array((0.1, 0.2, -0.3))
    slid = mechanics.metal_course(slope, moved(v), M, at, [1.0])
    np.testing.assert_allclose(slid.drag_N[0], -mechanics.drag_tensor(M, slope.slope) @ v, atol=1e-9)
    magnet, path = em.scanner_magnet(3.0), moved((0.1, 0, -0.7), turn, at=(0.1, 0, 1.4))
    both, h = mechanics.metal_course(magnet, path, M, at), 1e-3
    three = mechanics.metal_course(magnet, path, M, at, [1 - h, 1.0, 1 + h])
    np.testing.assert_allclose(three.dBdt_T_s[1], (three.B_T[2] - three.B_T[0]) / (2 * h), atol=2e-3)
    poses = path.poses()
    drives = poses.drives
    # Of the metal's middle, in the axes of the body.
    velocity = drives[:, :3] + np.cross(drives[:, 3:], np.asarray(at) - poses.centre_m)
    lost = -(both.drag_N * velocity).sum(1) - (both.torque_N_m * drives[:, 3:]).sum(1)
    np.testing.assert_allclose(both.heat_W, lost, rtol=1e-6)
    assert both.energy_J == pytest.approx(np.trapezoid(lost, both.times_s))
    assert both.largest_torque_N_m > 0
    assert both.largest_drag_N > 0


def test_bad_metal_ends_in_one_line() -> None:
    class Bare:
        def solve(self, phantom, sources, frequency_Hz, device, progress):
            raise AssertionError

    body, magnet, path = em.phantoms.gel_box(0.02, (0.1, 0.1, 0.1)), em.scanner_magnet(3.0), moved((0, 0, 0.5))
    ball = em.implants.sphere(0.02)
    with pytest.raises(InputError, match="takes no implants"):
        em.Moving(Bare()).solve(body, UniformField(), path, implants=[ball], **QUIET)
    with pytest.raises(InputError, match="implant outside the phantom"):
        em.Moving().solve(body, magnet, path, implants=[ball.moved((0.3, 0, 0))], **QUIET)
    with pytest.raises(InputError, match="negative eigenvalue"):
        mechanics.metal_course(magnet, path, -np.eye(3), (0, 0, 0))
    with pytest.raises(InputError, match="through the magnet's wall"):
        mechanics.metal_course(magnet, path, np.eye(3), (0.6, 0, 0))
