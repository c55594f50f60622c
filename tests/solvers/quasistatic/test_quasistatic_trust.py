"""What holds for any body: reciprocity, gauge, disconnected parts, metal, admittivity, tensors, memory, bad input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emdose as em
from emdose.compute import backend
from emdose.constants import EPS_0
from emdose.errors import ConvergenceError, ResourceError
from emdose.models import UniformField
from emdose.models.bodies import solids
from emdose.models.grids.grid import Grid
from emdose.solvers.quasistatic import planning, sampling
from emdose.solvers.quasistatic.medium import Medium
from emdose.validation.cases.induced.bodies import OBLIQUE, GrowingDipole, body_of, errors, tissue, uniform
from emdose.validation.closed_forms.low_frequency import induced_bodies as exact
from emdose.validity import NOT_VALID, judge

PLACE, RADIUS = (0.03, 0.01, -0.02), 0.03


@dataclass(frozen=True)
class Added:
    """A source with the gradient of c(x, y, z) = a x^2 y + b z + c x z added, which induces nothing."""

    source: Any
    factors: tuple[float, float, float] = (0.1, -0.003, 0.05)
    name: str = "shifted"
    drive_unit: str = "T/s"

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        (a, b, c), (x, y, z) = self.factors, np.asarray(points_m).T
        return self.source.impressed_E(points_m) + np.stack([2 * a * x * y + c * z, a * x**2, b + c * x], axis=1)


def patchwork(seed: int, shape: tuple[int, int, int] = (9, 8, 7), filled: float = 0.5) -> em.Phantom:
    """Voxels of three tissues anywhere."""
    rng = np.random.default_rng(seed)
    tissues = (tissue("fat", 0.02), tissue("muscle", 0.35), tissue("fluid", 1.8))
    labels = np.where(rng.random(shape) < filled, rng.integers(1, 4, shape), 0).astype(np.uint8)
    labels[4, 4, 4] = 1
    air = em.phantoms.sphere(0.02, 0.01, tissues[0], samples=1).tissues[0]
    return em.Phantom(Grid(shape, (2e-3, 3e-3, 2.5e-3)), labels, (air, *tissues))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.3, 0.7, 1.0]))
def test_any_patchwork_converges_and_balances_in_any_gauge(seed: int, filled: float) -> None:
    """Oracles: conservation of energy, and a gradient that is added to the source and induces nothing."""
    body = patchwork(seed, filled=filled)
    sources = (uniform(), GrowingDipole((0.0, 0.05, 0.03)), Added(uniform()))
    found = em.Quasistatic(tolerance=1e-10).solve(body, sources, progress=False)
    assert np.all(np.isfinite(found.E))
    assert found.residual.max() <= 1e-10
    assert found.balance.max() < 1e-6
    # A gradient induces nothing: what it adds is what its own rounding leaves.
    assert np.abs(found.E[0] - found.E[2]).max() < 1e-5 * np.abs(found.E[0]).max() + 1e-9


def test_two_sources_are_reciprocal() -> None:
    """Oracle: the work of one source on the currents of the other, both ways, and the power they share."""
    body = patchwork(3, (24, 20, 22), 0.8)
    medium = Medium(body, 1e3)
    pair = (uniform(), GrowingDipole((0.0, 0.08, 0.05)))
    found = em.Quasistatic(tolerance=1e-10, keep_edges=True).solve(body, pair)
    emf = [sampling.line_integrals(medium.box, s, medium.exists).everywhere() for s in pair]
    assert found.edges is not None
    E = np.zeros((2, 3, int(np.prod(medium.box.corners))))
    E[:, :, found.edges.corners] = found.edges.E
    voltage = E.reshape(2, 3, *medium.box.corners) * np.asarray(body.grid.spacing_m)[:, None, None, None]
    flow = [medium.flow(v) for v in voltage]
    shared = float(np.vdot(flow[0], voltage[1]))
    assert float(np.vdot(flow[0], emf[1])) == pytest.approx(shared, rel=1e-5)
    assert float(np.vdot(flow[1], emf[0])) == pytest.approx(shared, rel=1e-5)
    # The same as a sum over voxels, to what edges of one voxel differ by.
    own = np.sqrt(np.vdot(flow[0], voltage[0]) * np.vdot(flow[1], voltage[1]))
    assert abs(shared) < own


def test_parts_that_do_not_touch_and_single_voxels() -> None:
    """Oracles: a ball beside others has the field of a ball alone; a voxel alone has none at its centre."""
    balls = [solids.ellipsoid(tissue("gel", 0.3), (x, 0, 0), (0.03,) * 3) for x in (-0.05, 0.05)]
    body = body_of(balls, 4e-3)
    labels = np.array(body.labels)
    far = tuple(np.asarray(labels.shape) // 2)
    assert not labels[far[0], 1:4, 1:4].any()
    labels[far[0], 2, 2] = 1
    body = em.Phantom(body.grid, labels, body.tissues)
    turning = em.Switched(UniformField((0, 0, 1)), "T/s")
    found = em.Quasistatic(tolerance=1e-9).solve(body, turning)
    assert sorted(np.bincount(found.parts))[0] == 1
    assert len(np.bincount(found.parts)) == 3
    alone = np.bincount(found.parts).argmin()
    assert np.abs(found.E[0][:, found.parts == alone]).max() < 1e-7 * np.abs(found.E).max() + 1e-12
    for part, x in ((p, found.points_m[found.parts == p, 0].mean()) for p in range(3) if p != alone):
        here = found.parts == part
        wanted = exact.sphere_E(found.points_m[here] - (x, 0, 0), (0, 0, 1))
        assert errors(found.E[0][:, here], wanted)["L2"] < 0.12


def test_metal_draws_the_field_around_it() -> None:
    """Oracle: a perfect conductor in a conductor, between 1.4 and 2 radii, where the body's surface adds 5 %."""
    body = em.phantoms.sphere(0.1, 2.5e-3, tissue("gel", 0.3), samples=1)
    ball = em.implants.sphere(0.5 * RADIUS).moved(PLACE)
    found = em.Quasistatic().solve(body, uniform((0, 0, 1)), implants=[ball])
    wanted = exact.inclusion_E(found.points_m, np.array(PLACE), 0.5 * RADIUS, np.inf, 0.3, np.array((0, 0, 1))).real
    d = np.linalg.norm(found.points_m - PLACE, axis=1)
    near = (d > 0.7 * RADIUS) & (d < RADIUS)
    effect = wanted - exact.sphere_E(found.points_m, np.array((0, 0, 1)))
    assert np.linalg.norm((found.E[0].T - wanted)[near]) < 0.07 * np.linalg.norm(effect[near])
    assert found.implanted is not None
    assert not found.implanted.metal.reshape(-1)[found.cells].any()
    assert found.iterations < 25
    assert judge(found.measures()).state == "valid"


def test_thin_metal_does_not_vanish() -> None:
    """Oracle: a plate of one voxel is a short circuit beside it."""
    body = body_of([solids.box(tissue("gel", 0.3), (0, 0, 0), (0.04,) * 3)], 4e-3)
    turning = uniform((0, 0, 1))
    plate = em.implants.box((0.04, 0.004, 0.04)).moved((0.0, 0.022, 0.002))
    without, found = (em.Quasistatic().solve(body, turning, implants=i) for i in ((), [plate]))
    assert found.implanted is not None
    assert 0 < found.implanted.metal.any(axis=(0, 2)).sum() <= 2
    beside = np.abs(found.points_m - (0, 0.026, 0)).max(axis=1) < 6e-3
    same = np.isin(without.cells, found.cells[beside])
    along = [float(np.abs(E[0, 0]).mean()) for E in (found.E[:, :, beside], without.E[:, :, same])]
    assert along[0] < 0.6 * along[1]


@pytest.mark.filterwarnings("ignore:Gabriel")
def test_thin_metal_converges() -> None:
    """A hip in voxels of 10 mm, whose walls are one voxel thick, turned in a uniform field: 200 steps were too few."""
    body = em.phantoms.stylised_adult(spacing_m=0.01, landmark="pelvis")
    hip = em.implants.hip().rotated(180, "z").placed((0.085, 0.0, -0.06))
    turning = em.RigidMotion(UniformField((0, 0, 1)), turn_rad_s=(1.0, 0, 0))
    found = em.Quasistatic().solve(body, turning, implants=[hip])
    assert found.iterations < 100
    assert found.residual.max() <= 1e-6
    assert found.balance.max() < 1e-5


def test_admittivity_of_a_ball_in_a_ball() -> None:
    """Oracle: the closed form with complex admittivities, where displacement and conduction currents are alike."""
    f = 2e6
    body = body_of(
        [
            solids.ellipsoid(tissue("gel", 0.05, 500.0), (0, 0, 0), (0.1,) * 3),
            solids.ellipsoid(tissue("ball", 0.5, 20.0), PLACE, (RADIUS,) * 3),
        ],
        5e-3,
    )
    found = em.Quasistatic(displacement=True).solve(body, uniform((0, 0, 1)), f)
    inner, outer = (s + 2j * np.pi * f * EPS_0 * e for s, e in ((0.5, 20.0), (0.05, 500.0)))
    wanted = exact.inclusion_E(found.points_m, np.array(PLACE), RADIUS, inner, outer, (0, 0, 1))
    inside = np.linalg.norm(found.points_m - PLACE, axis=1) < 0.6 * RADIUS
    assert found.E.dtype == np.complex64
    for part in (np.real, np.imag):
        a, b = part(found.E[0].T[inside]), part(wanted[inside])
        assert np.linalg.norm(a - b) < 0.05 * np.linalg.norm(wanted[inside])
    assert np.linalg.norm(wanted[inside].imag) > 0.1 * np.linalg.norm(wanted[inside].real)
    assert found.balance.max() < 1e-5
    assert found.iterations < 60


def test_without_displacement_currents_the_admittivity_is_the_conductivity() -> None:
    body = patchwork(5)
    plain = em.Quasistatic(tolerance=1e-9).solve(body, uniform())
    slow = em.Quasistatic(tolerance=1e-9, displacement=True).solve(body, uniform(), 1.0)
    assert np.abs(slow.E - plain.E).max() < 2e-6 * np.abs(plain.E).max()


def test_tensor_in_a_sphere() -> None:
    """Oracle: the closed form for a rotated tensor of 1 : 3 : 9, and the isotropic one as a tensor."""
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    S = turn @ np.diag([0.1, 0.3, 0.9]) @ turn.T
    wrong = []
    for h in (8e-3, 4e-3):
        body = em.phantoms.sphere(0.1, h, tissue("gel", 0.3), samples=1)
        found = em.Quasistatic(tensors={"gel": S}).solve(body, uniform())
        wanted = exact.anisotropic_sphere_E(found.points_m, S, OBLIQUE)
        deep = np.linalg.norm(found.points_m, axis=1) < 0.08
        wrong.append(errors(found.E[0][:, deep], wanted[deep])["L2"])
        assert found.balance.max() < 1e-5
    assert wrong[1] < 0.03
    assert wrong[1] < 0.6 * wrong[0]
    body = patchwork(6)
    same = em.Quasistatic(tolerance=1e-9, tensors={"muscle": 0.35 * np.eye(3)}).solve(body, uniform())
    plain = em.Quasistatic(tolerance=1e-9).solve(body, uniform())
    assert np.abs(same.E - plain.E).max() < 2e-6 * np.abs(plain.E).max()


def test_closed_form_of_the_tensor() -> None:
    """Oracles: curl E = -b, and J without normal on the sphere, both to rounding."""
    S = np.array([[0.5, 0.1, 0.05], [0.1, 0.3, -0.02], [0.05, -0.02, 0.2]])
    at = np.random.default_rng(0).normal(size=(50, 3))
    at /= np.linalg.norm(at, axis=1)[:, None]
    E = exact.anisotropic_sphere_E(at, S, OBLIQUE)
    assert np.abs(np.einsum("na,ab,nb->n", at, S, E)).max() < 1e-14
    M = exact.anisotropic_sphere_E(np.eye(3), S, OBLIQUE).T
    assert np.allclose([M[2, 1] - M[1, 2], M[0, 2] - M[2, 0], M[1, 0] - M[0, 1]], -np.array(OBLIQUE))


def test_interpolated_sources_say_how_far_off_they_are() -> None:
    """Oracle: the direct integrals at every edge."""
    body = em.phantoms.sphere(0.1, 5e-3, tissue("gel", 0.3), samples=1)
    medium = Medium(body, 1e3)
    for source, few in (
        (uniform(), True),
        (GrowingDipole((0.1, 0.25, 0.1)), True),
        (GrowingDipole((0.0, 0.0, 0.12)), False),
    ):
        found = sampling.line_integrals(medium.box, source, medium.exists)
        emf, how = found.everywhere(), found.about
        direct = np.zeros_like(emf)
        for axis in range(3):
            there = np.flatnonzero(medium.exists[axis].reshape(-1))
            direct[axis].reshape(-1)[there] = sampling.direct(medium.box, source, axis, there)
        wrong = np.abs((emf - direct) * medium.exists).max()
        scale = np.sqrt(np.mean(direct[medium.exists] ** 2))
        assert wrong <= 3 * max(how["E_error"], 1e-12) * scale
        assert (how["points"] < medium.exists.sum()) == few
        assert how["curl_error"] <= sampling.CURL_ERROR


def test_plan_names_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    body = em.phantoms.sphere(0.1, 5e-3, tissue("gel", 0.3), samples=1)
    planned = em.Quasistatic().plan(body, [uniform()] * 6)
    assert (planned.size, planned.sources, planned.together) == (33552, 6, planning.TOGETHER)
    assert "33552 voxels" in str(planned)
    be = backend.get("cpu")
    monkeypatch.setattr(be, "memory_free_bytes", lambda: planned.bytes)
    assert em.Quasistatic().plan(body, [uniform()] * 6, device=be).together < planning.TOGETHER
    monkeypatch.setattr(be, "memory_free_bytes", lambda: 2**20)
    with pytest.raises(ResourceError, match="a spacing of"):
        em.Quasistatic().solve(body, uniform(), device=be)


def test_events_tell_of_every_step() -> None:
    events: list[Any] = []
    em.Quasistatic().solve(
        em.phantoms.sphere(0.1, 1e-2, tissue("gel", 0.3), samples=1), uniform(), progress=events.append
    )
    left = [e.residual for e in events if getattr(e, "residual", None) is not None]
    assert left[-1] <= 1e-6 < left[0]
    assert events[0].stage == "setup"
    assert events[-1].stage == "done"


def test_a_result_is_judged() -> None:
    from dataclasses import replace

    found = em.Quasistatic().solve(em.phantoms.sphere(0.1, 1e-2, tissue("gel", 0.3), samples=1), uniform())
    assert judge(found.measures()).state == "valid"
    bad = replace(found, balance=np.array([0.2]))
    assert judge(bad.measures()).state == NOT_VALID


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tensors": {"bone": np.eye(3)}}, "no such tissue"),
        ({"tensors": {"gel": -np.eye(3)}}, "positive eigenvalues"),
        ({"tensors": {"gel": np.eye(2)}}, "tensors"),
    ],
)
def test_tensors_that_are_none(change: dict[str, Any], words: str) -> None:
    body = em.phantoms.sphere(0.1, 2e-2, tissue("gel", 0.3), samples=1)
    with pytest.raises(em.InputError, match=words):
        em.Quasistatic(**change).solve(body, uniform())


def test_bodies_that_insulate_and_no_source() -> None:
    body = em.phantoms.sphere(0.1, 2e-2, tissue("oil", 0.0, 2.0), samples=1)
    with pytest.raises(em.InputError, match="nothing in this body conducts"):
        em.Quasistatic().solve(body, uniform())
    with pytest.raises(em.InputError, match="no source"):
        em.Quasistatic().plan(patchwork(1), [])


def test_what_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from emdose.solvers.quasistatic import krylov

    monkeypatch.setattr(krylov, "MOST", 2)
    with pytest.raises(ConvergenceError, match="after 2 iterations"):
        em.Quasistatic(displacement=True).solve(patchwork(1), uniform(), 1e6)


def test_the_volume_integral_refers_to_it_below_its_range() -> None:
    from types import SimpleNamespace

    from emdose.solvers.vie.solver import missed

    told = {"E_error_estimate": [0.5], "iterations": [40], "dtype": "complex128"}
    for frequency, there in ((10e3, True), (64e6, False)):
        fields: Any = SimpleNamespace(residual=np.array([1e-2]), convergence=told, frequency_Hz=frequency)
        assert ("Quasistatic(displacement=True)" in missed(fields, em.Vie(), ["1"])) == there


@pytest.mark.slow
def test_a_body_of_a_user() -> None:
    """Oracle: half of r times the rate; 4.2 million voxels, a wire coil's worth of sources in one call."""
    body = em.phantoms.layered_sphere(
        (0.06, 0.08, 0.09, 0.1),
        (tissue("brain", 0.33), tissue("CSF", 1.8), tissue("skull", 0.01), tissue("scalp", 0.33)),
        1e-3,
        samples=1,
    )
    found = em.Quasistatic().solve(body, [uniform(), GrowingDipole()])
    assert len(found.cells) > 4e6
    assert found.iterations < 30
    here = np.linalg.norm(found.points_m, axis=1) < 0.05
    assert errors(found.E[0][:, here], exact.sphere_E(found.points_m[here], OBLIQUE))["L2"] < 0.01
    assert (
        errors(found.E[1], exact.sphere_dipole_E(found.points_m, GrowingDipole().place_m, GrowingDipole().rate))["L2"]
        < 0.07
    )
