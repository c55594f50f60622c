"""A body without a coil. Oracles: reciprocity, conservation of energy, and the solver with a source."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import EPS_0
from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage
from emdose.models.exposure import Exposure
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.vie.problem import VieProblem, plan, plan_body
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.incident import incident_E
from emdose.solvers.yee_grid.radiation import radiated_power

FREQUENCY_HZ = 128e6
COIL = Birdcage(rungs=4, radius_m=0.1, length_m=0.1)
EXACT = Vie(tolerance=1e-9, dtype="complex128")


@pytest.fixture(scope="module")
def body():
    return bodies.layered_sphere([0.03, 0.045], ["muscle", "fat"], 0.0125).pad(2)


def operator(body, solver=EXACT):
    return BodyOperator(solver, body, FREQUENCY_HZ, backend.get("cpu"))


def random_currents(n, count=2):
    rng = np.random.default_rng(5)
    return rng.normal(size=(count, n)) + 1j * rng.normal(size=(count, n))


def test_green_operator_is_complex_symmetric(body):
    # Oracle: reciprocity, x N y = y N x without conjugates.
    one = operator(body)
    x, y = random_currents(len(one.index))
    Nx, Ny = one.green_operator(np.stack([x, y]))
    assert abs(x @ Ny - y @ Nx) < 1e-12 * abs(x @ Ny)
    assert one.products == 1


def test_any_currents_conserve_energy(body):
    # Oracle: the power that the incident field spends on currents is absorbed or radiated; E_inc follows from J.
    one = operator(body)
    x = random_currents(len(one.index))
    incident = one.field(x) - (one.green_operator(x) - x) / (1j * one.omega * EPS_0)
    spent = 0.5 * one.h**3 * (incident.conj() @ x.T)
    radiated = radiated_power([one.expand(v[None])[0] for v in x], one.h, one.k, one.be)
    absorbed = one.absorbed(x)
    np.testing.assert_allclose(absorbed, absorbed.conj().T)
    difference = 0.5 * (spent + spent.conj().T) - absorbed - radiated
    assert np.abs(difference).max() < 1e-6 * np.abs(absorbed).max()


def test_a_field_that_comes_from_elsewhere_is_that_of_the_coil(body):
    # Oracle: the equations that know the coil.
    be, one = backend.get("cpu"), operator(body)
    whole = VieProblem(EXACT, Exposure(body, COIL, FREQUENCY_HZ), be)
    E = incident_E(COIL, body.grid, FREQUENCY_HZ, be, np.complex128)[(slice(None), slice(None), *one.box)]
    assert E.shape == (2, 3, *one.shape)
    b = one.right_hand_side(one.rows(E))
    np.testing.assert_array_equal(b, whole.right_hand_sides([0, 1]))
    np.testing.assert_array_equal(one.apply(b), whole.apply(b))
    assert one.origin_m == pytest.approx([-0.05] * 3)
    assert one.shape == (9, 9, 9)


def test_plan_needs_no_coil(body):
    # Oracle: the plan of an exposure with as many ports.
    be = backend.get("cpu")
    known = plan(Vie(), Exposure(body, COIL, FREQUENCY_HZ), be)
    assert plan_body(Vie(), body, FREQUENCY_HZ, 2, be) == known
    assert plan_body(Vie(), body, FREQUENCY_HZ, 32, be).bytes > known.bytes


def test_tissue_that_gives_off_power_is_refused(body):
    tissue = body.tissues[1]
    bad = dataclasses.replace(body, tissues=(body.tissues[0], _Active(tissue), *body.tissues[2:]))
    with pytest.raises(InputError, match="conductivity >= 0"):
        operator(bad)


class _Active:
    """A tissue with a negative conductivity."""

    def __init__(self, tissue):
        self._tissue = tissue

    def __getattr__(self, name):
        return getattr(self._tissue, name)

    def complex_permittivity(self, frequency_Hz):
        return self._tissue.complex_permittivity(frequency_Hz).conjugate()
