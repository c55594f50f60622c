"""Fields that users give and current elements, through both engines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from memory_checkpoint import Memory

import emdose as em
from emdose.constants import EPS_0, MU_0
from emdose.errors import InputError
from emdose.solvers.yee_grid.edge_materials import edge_mean
from emdose.solvers.yee_grid.incident import field_at

F = 298e6
H = 1e-2
BALL = em.phantoms.sphere(0.05, H, "muscle")
INSIDE = edge_mean(BALL.body.astype(float), 0.0) > 0
WAVE = em.PlaneWave((1, 2, 0.5), tuple(np.cross((1, 2, 0.5), (1, 0, 1j))), amplitude_V_m=3.0)
LOOP = em.Loop(0.04, centre_m=(0, 0, 0.09))
ELEMENT = em.CurrentElement(0.02, centre_m=(0.02, 0, 0.1), direction=(1, 0, 0.3), current_A=1 + 1j)


def given(*sources, magnetic=True):
    def ask(n, factor):
        return lambda p: np.concatenate([field_at(s, p, F)[n] for s in sources]) * factor

    names = [s.name for s in sources]
    return em.IncidentField(ask(0, 1.0), ask(1, 1 / MU_0) if magnetic else None, frequency_Hz=F, ports=names)


def relative(a, b):
    return float(np.linalg.norm((a - b)[INSIDE]) / np.linalg.norm(b[INSIDE]))


@pytest.mark.parametrize("source", [WAVE, LOOP, ELEMENT], ids=lambda s: s.name)
def test_the_volume_integral_takes_a_given_field_as_its_own(source):
    # Oracle: the same source by name; without H, B is found from curl E.
    solver = em.Vie(tolerance=1e-6, dtype="complex128")
    own = solver.solve(em.Exposure(BALL, source, F), device="cpu")
    for magnetic, tolerance in ((True, 1e-12), (False, 5e-3)):
        fields = solver.solve(em.Exposure(BALL, given(source, magnetic=magnetic), F), device="cpu")
        np.testing.assert_allclose(fields.E, own.E, rtol=1e-9, atol=1e-12 * np.abs(own.E).max())
        assert np.linalg.norm(fields.B - own.B) < tolerance * np.linalg.norm(own.B)
        assert fields.power.power()["absorbed_W"] == pytest.approx(own.power.power()["absorbed_W"], rel=1e-9)
        assert "incident_field" in [m.name for m in fields.measures()]


def test_both_engines_agree_for_given_fields_of_several_ports():
    # Oracle: the volume integral on the same lattice, port by port, their powers, and energy.
    exposure = em.Exposure(BALL, given(WAVE, ELEMENT), F)
    expected = em.Vie(tolerance=1e-5).solve(exposure, device="cpu")
    fields = em.Fdtd(tolerance=1e-4).solve(exposure, device="cpu")
    assert fields.ports == ("plane wave", "current element")
    away = (slice(None), slice(2, -2), slice(2, -2), slice(2, -2))
    for p in range(2):
        assert relative(fields.E[p], expected.E[p]) < 1e-3
        wrong = fields.B[p][away] - expected.B[p][away]
        assert np.linalg.norm(wrong) < 1e-3 * np.linalg.norm(expected.B[p][away])
    size = np.sqrt(np.outer(*2 * [np.diag(expected.power.absorbed_W).real]))
    for name in ("absorbed_W", "extinction_W"):
        np.testing.assert_array_less(np.abs(getattr(fields.power, name) - getattr(expected.power, name)) / size, 3e-3)
    for v in np.eye(2):
        assert fields.power.power(v)["closure"] < 1e-3


@pytest.mark.slow
def test_the_time_domain_takes_given_waves_as_its_own():
    # Oracle: the plane wave that enters through the box of total field, on voxels of two cells.
    small = em.phantoms.sphere(0.03, H, "muscle")
    inside = edge_mean(small.body.astype(float), 0.0) > 0
    solver, wave = em.Fdtd(tolerance=3e-4, spacing_m=H / 2), em.PlaneWave()
    own, fields = (solver.solve(em.Exposure(small, s, F), device="cpu") for s in (wave, given(wave)))
    wrong = (fields.E[0] - own.E[0])[inside]
    assert np.linalg.norm(wrong) < 2e-3 * np.linalg.norm(own.E[0][inside])
    assert fields.power.power()["absorbed_W"] == pytest.approx(own.power.power()["absorbed_W"], rel=2e-3)


def test_elements_agree_in_both_engines_and_are_kept_apart_by_checkpoints():
    # Oracle: the volume integral; a checkpoint of another element is refused.
    exposure = em.Exposure(BALL, ELEMENT, F)
    expected = em.Vie(tolerance=1e-5).solve(exposure, device="cpu")
    store, solver = Memory(), em.Fdtd(tolerance=1e-4)
    fields = solver.solve(exposure, device="cpu", checkpoint=store)
    assert relative(fields.E[0], expected.E[0]) < 1e-3
    assert fields.power.power()["closure"] < 2e-3
    again = solver.solve(exposure, device="cpu", checkpoint=store)
    np.testing.assert_array_equal(again.E, fields.E)
    other = em.CurrentElement(0.02, centre_m=(0.02, 0, 0.1), direction=(1, 0, 0.3), current_A=1 + 1.01j)
    with pytest.raises(InputError, match="checkpoint was made with other coil"):
        solver.solve(em.Exposure(BALL, other, F), device="cpu", checkpoint=store)
    with pytest.raises(InputError, match="no edges to snap to"):
        em.Fdtd(snap=True).plan(exposure, "cpu")


def test_two_elements_with_a_body_between_are_reciprocal():
    # Oracle: E2 that the currents under element 1 make at element 2, times its moment, is the reaction of these
    # currents on the field of element 2 alone: the left side comes from the lattice, the right one from closed forms.
    h, f = 5e-3, 128e6
    grid = em.Grid((32, 14, 14), (h,) * 3, (-16 * h, -7 * h, -7 * h))
    x, y, z = grid.centre_points()
    body = em.Phantom(grid, (x * x + y * y + z * z <= 0.035**2).astype(int), BALL.tissues)
    a, b = (
        em.CurrentElement(1e-3, centre_m=(s * 14 * h, y, 0.5 * h), direction=(0, 0, 1))
        for s, y in ((-1, 0.0), (1, 2 * h))
    )
    fields = [em.Vie(tolerance=1e-6, dtype="complex128").solve(em.Exposure(body, s, f), device="cpu") for s in (a, b)]
    eps = edge_mean(np.asarray(body.complex_permittivity(f)), 1.0)
    currents = [2j * math.pi * f * EPS_0 * (eps - 1) * x.E[0] for x in fields]
    points = [np.stack([np.broadcast_to(p, grid.node_shape).ravel() for p in grid.edge_points(c)], 1) for c in range(3)]

    def reaction(J, source):
        there = [np.flatnonzero(J[c].ravel()) for c in range(3)]
        E = [field_at(source, points[c][there[c]], f)[0][0, :, c] for c in range(3)]
        return h**3 * sum(E[c] @ J[c].ravel()[there[c]] for c in range(3))

    def scattered(x, source, at):
        i, j, k = (round((at.segments.mean(1)[0][n] - grid.origin_m[n]) / h - (n == 2) / 2) for n in range(3))
        centre = np.array([grid.nodes(0)[i], grid.nodes(1)[j], grid.centres(2)[k]])
        np.testing.assert_allclose(centre, at.segments.mean(1)[0], atol=1e-9)
        return 1e-3 * (x.E[0, 2, i, j, k] - field_at(source, centre[None], f)[0][0, 0, 2])

    there, back = reaction(currents[0], b), reaction(currents[1], a)
    assert there == pytest.approx(back, rel=1e-4)
    assert scattered(fields[0], a, b) == pytest.approx(there, rel=0.03)
    assert scattered(fields[1], b, a) == pytest.approx(back, rel=0.03)
