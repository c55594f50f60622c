"""Answers of a body, kept for any coil. Oracles: the direct solution of every coil; the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import emdose as em
from emdose.solvers.mom.meshing.options import MeshOptions

F = 127.74e6
BODY = em.phantoms.sphere(0.05, 10e-3)
SOLVER = em.Vsie(mesh=MeshOptions(across=2, shield_around=24, shield_along=6))


def cage(shield=0.13, shift=0.0):
    coil = em.CircuitBirdcage(
        8, radius_m=0.1, length_m=0.12, strip_width_m=0.01, shield_radius_m=shield, shield_length_m=0.16
    )
    return coil.translate((0, 0, shift))


@pytest.fixture(scope="module")
def response():
    return em.BodyResponse.around(BODY, F, radius_m=0.09, length_m=0.26, error=1e-2)


@pytest.fixture(scope="module")
def both(response):
    """Of a cage: the co-simulation by the response of the body, and the direct one; the plain cage's are kept."""

    def solved(**options):
        coil = cage(**options)
        return response.cosimulate(coil, solver=SOLVER), SOLVER.cosimulate(em.Exposure(BODY, coil, F), [F])

    plain = solved()
    return lambda **options: solved(**options) if options else plain


@pytest.mark.parametrize("options", [{}, {"shield": 0.125, "shift": 0.013}])
def test_coils_against_their_direct_solution(both, options):
    # Oracle: the coupled equations solved for this coil. Capacitance and resistance of the useful mode.
    coil = cage(**options)
    found, direct = both(**options)
    assert 0 < found.gap_fields.error.max() < 2e-2
    a, b = (c.tune(mode=0).coil.elements[0].capacitance_F for c in (found, direct))
    assert a == pytest.approx(b, rel=1e-3)
    e = np.exp(2j * np.pi * np.arange(8) / 8) / 4
    order = {g.element.name: i for i, g in enumerate(coil.gaps)}
    mode = np.zeros(16, complex)
    for n in range(8):
        mode[order[f"top {n + 1}"]], mode[order[f"bottom {n + 1}"]] = e[n], -e[n]
    one, two = (mode.conj() @ c.network.z[0] @ mode for c in (found, direct))
    assert one.imag == pytest.approx(two.imag, rel=1e-3)
    assert one.real == pytest.approx(two.real, rel=2e-2)


def test_fields_are_solved_for(both):
    # Oracle: the fields of the same circuit by the direct solution; either may be 2 % off (E_error).
    untuned, direct = both()
    found = untuned.tune(mode=0)
    direct = direct.with_values({e.name: e.capacitance_F for e in found.coil.elements})
    one, two = (c.fields().drive("quadrature").scale(absorbed_power_W=1.0) for c in (found, direct))
    assert one.residual.max() <= SOLVER.tolerance
    difference = one.E_centre() - two.E_centre() * np.vdot(two.E, one.E) / np.vdot(two.E, two.E)
    inside = BODY.body
    assert np.linalg.norm(difference[:, :, inside]) < 1e-2 * np.linalg.norm(two.E_centre()[:, :, inside])
    assert one.power.power()["closure"] < 1e-3


def test_kept_on_disk(response, tmp_path):
    # Oracle: the same network from the file; another body is refused.
    em.write_response(response, tmp_path / "body.h5")
    again = em.read_response(tmp_path / "body.h5", BODY)
    first, second = (r.cosimulate(cage(), solver=SOLVER).network.s for r in (response, again))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(em.InputError, match="another body"):
        em.read_response(tmp_path / "body.h5", em.phantoms.sphere(0.04, 10e-3))


def test_metal_within_the_cylinder_is_refused(response):
    with pytest.raises(em.InputError, match="within the cylinder"):
        response.cosimulate(em.CircuitBirdcage(8, radius_m=0.08, length_m=0.12, strip_width_m=0.01))
    with pytest.raises(em.InputError, match="does not hold the body"):
        em.BodyResponse.around(BODY, F, radius_m=0.045, length_m=0.2)


def test_answers_that_do_not_hold_a_coil_say_so(response):
    with pytest.warns(em.EmdoseWarning, match="only, made for"):
        replace(response, error=1e-3).cosimulate(cage(), solver=SOLVER)
