"""Incident fields of filaments, waves and shields against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import C_0
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.ideal import Birdcage, Coil, Loop
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.grids.grid import Grid
from emdose.solvers.yee_grid.filaments import Pieces
from emdose.solvers.yee_grid.incident import field_at, incident_B, incident_E
from emdose.validation.closed_forms.coils import loops

F = 127.74e6
FINE = Loop(0.1, segments=720)


@pytest.mark.parametrize("frequency", [1e5, 127.74e6, 3e9])
def test_loop_on_its_axis(frequency):
    # Oracle: closed form with retardation, every point of the loop at the same distance.
    z = np.array([0.0, 0.03, 0.1, 0.4])
    _, B = field_at(FINE, np.stack([0 * z, 0 * z, z], axis=1), frequency)
    expected = loops.axis_B(0.1, z, frequency)
    assert np.abs(B[0, :, 2] / expected - 1).max() < 1e-6
    assert np.abs(B[0, :, :2]).max() < 1e-9 * np.abs(expected).max()


def test_loop_off_axis_static():
    # Oracle: complete elliptic integrals; 1 kHz is static at these distances.
    rho, z = np.array([0.02, 0.08, 0.097, 0.3]), np.array([0.01, 0.0, 0.002, 0.1])
    E, B = field_at(FINE, np.stack([rho, 0 * rho, z], axis=1), 1e3)
    radial, axial = loops.static_B(0.1, rho, z)
    assert np.allclose(E[0, :, 1], -2j * math.pi * 1e3 * loops.static_potential(0.1, rho, z), rtol=2e-5)
    assert np.allclose(B[0, :, 2], axial, rtol=2e-4)
    assert np.allclose(B[0, :, 0], radial, rtol=2e-4, atol=1e-5 * np.abs(axial).max())


@pytest.mark.parametrize(("rho", "z"), [(0.05, 0.01), (0.09, 0.0), (0.3, 0.2)])
def test_loop_off_axis_retarded(rho, z):
    # Oracle: adaptive quadrature of the retarded potential.
    frequency = 500e6
    E, _ = field_at(FINE, np.array([[rho, 0, z]]), frequency)
    expected = -2j * math.pi * frequency * loops.retarded_potential(0.1, rho, z, frequency)
    assert abs(E[0, 0, 1] / expected - 1) < 1e-5


def test_polygon_converges_to_the_circle_with_second_order():
    # Oracle: order of convergence in the number of sides.
    point = np.array([[0.08, 0, 0.02]])
    exact = loops.static_B(0.1, np.array([0.08]), np.array([0.02]))[1][0]
    error = [abs(field_at(Loop(0.1, segments=n), point, 1e3)[1][0, 0, 2] / exact - 1) for n in (48, 96, 192)]
    assert error[0] / error[1] > 3
    assert error[1] / error[2] > 3


def test_b_is_the_curl_of_e():
    # Oracle: Faraday's law by central differences.
    h, p = 1e-3, np.array([0.03, 0.08, 0.05])
    around = np.array([p] + [p + s * h * e for e in np.eye(3) for s in (1, -1)])
    E, B = field_at(Birdcage(), around, F)
    D = np.array([(E[:, 1 + 2 * i] - E[:, 2 + 2 * i]) / (2 * h) for i in range(3)])
    curl = np.stack([D[1][:, 2] - D[2][:, 1], D[2][:, 0] - D[0][:, 2], D[0][:, 1] - D[1][:, 0]], axis=1)
    assert np.abs(curl / (-2j * math.pi * F) - B[:, 0]).max() < 3e-4 * np.abs(B[:, 0]).max()


def test_a_wire_close_by_has_the_field_of_a_line():
    # Oracle: mu0 I / (2 pi r) close to a long wire.
    a = 50.0
    nodes = np.array([[0, 0, -a], [0, 0, a], [a, 0, a], [a, 0, -a]])
    coil = Coil("long", np.stack([nodes, np.roll(nodes, -1, axis=0)], axis=1), np.ones((1, 4)), ("a",), {})
    _, B = field_at(coil, np.array([[-0.005, 0, 0.0]]), 1e3)
    assert abs(B[0, 0, 1] / (-2e-7 / 0.005) - 1) < 1e-3


@pytest.mark.parametrize("frequency", [1e6, 128e6, 3e9])
def test_kernel_equals_reference(frequency, reference_backend):
    # Oracle: the NumPy reference; they differ by where they change between near and far formulas.
    coil = Birdcage()
    pieces = Pieces.of(coil.segments, coil.currents, frequency)
    points = np.random.default_rng(1).uniform(-0.2, 0.2, (3, 1003))
    points[:, :200] = points[:, :200] * 0.02 + np.array([[0.15], [0], [0]])
    for magnetic in (False, True):
        for c in range(3):
            a = pieces.field(points, c, magnetic, backend.get("cpu"))
            b = pieces.field(points, c, magnetic, reference_backend)
            assert np.abs(a - b).max() < 2e-6 * np.abs(b).max()


def test_yee_arrays_hold_the_point_values():
    # Oracle: the same field at the coordinates of edges and faces.
    grid, be = Grid((4, 3, 5), 0.01), backend.get("cpu")
    for source in (Birdcage(), PlaneWave((1, 2, -1), (2, -1, 0))):
        E, B = (f(source, grid, F, be, complex) for f in (incident_E, incident_B))
        for c in range(3):
            for array, points, which, last in ((E, grid.edge_points(c), 0, c), (B, grid.face_points(c), 1, None)):
                at = np.stack([np.broadcast_to(p, grid.node_shape) for p in points], axis=-1)
                ref = field_at(source, at.reshape(-1, 3), F)[which][..., c].reshape(-1, *grid.node_shape)
                valid = np.ones(grid.node_shape, bool)
                for a in range(3):
                    if (a == last) if which == 0 else (a != c):
                        valid[tuple(-1 if b == a else slice(None) for b in range(3))] = False
                assert np.allclose(array[:, c][:, valid], ref[:, valid], rtol=1e-6, atol=1e-7 * np.abs(ref).max())
                assert not array[:, c][:, ~valid].any()


def test_plane_wave_obeys_the_wave_impedance():
    # Oracle: B = d x E / c.
    wave = PlaneWave((1, 2, -1), (2, -1, 0), amplitude_V_m=3.0)
    E, B = field_at(wave, np.random.default_rng(0).uniform(-1, 1, (5, 3)), 1e9)
    assert np.allclose(B, np.cross(wave.direction, E) / C_0)
    assert np.allclose(np.linalg.norm(E, axis=-1), 3.0)


def test_long_shield_acts_like_image_currents():
    # Oracle: images of line currents in an infinite conducting tube (static, two dimensions).
    bare = Birdcage(length_m=2.0, radius_m=0.15)
    point = np.array([[0.06, 0.03, 0.0]])
    expected = loops.tube_lines_B(0.15, 0.2, np.cos(2 * np.pi * np.arange(16) / 16), 0.06, 0.03)
    error = []
    for around, along in ((16, 30), (32, 60)):
        coil = bare.with_shield(Shield(0.2, 2.2, around, along))
        B = field_at(coil, point, 1e5)[1][0, 0, :2]
        error.append(np.abs(B - expected).max() / np.abs(expected).max())
    assert error[1] < 0.012
    assert error[1] < 0.6 * error[0]


def test_shield_cancels_normal_b():
    # Oracle: on the conductor's surface the normal component of B vanishes, outside it the field is weak.
    bare = Birdcage()
    coil = bare.with_shield(Shield(0.2, 0.3))
    phi = (np.arange(32) + 0.5) * 2 * np.pi / 32
    for j in (8, 10):
        z = 0.3 * ((j + 0.5) / 16 - 0.5)
        n = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
        points = 0.2 * n * math.cos(math.pi / 32) + np.array([0, 0, z])
        with_shield, without = (np.einsum("pnc,nc->pn", field_at(c, points, F)[1], n) for c in (coil, bare))
        assert np.linalg.norm(with_shield) < 0.03 * np.linalg.norm(without)
