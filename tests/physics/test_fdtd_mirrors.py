"""Runs of gaps that are mirror images of others. Oracle: the run of every gap by itself."""

from __future__ import annotations

import numpy as np
import pytest
from memory_checkpoint import Memory

from emdose.compute import backend
from emdose.models import bodies
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.conductors import FeedPort, LumpedElement, Wire
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd import run as fdtd_run
from emdose.solvers.fdtd.fields import RunPhasors
from emdose.solvers.fdtd.run import Reporter, run_all
from emdose.solvers.fdtd.setup.problem import FdtdProblem
from emdose.solvers.fdtd.solver import Fdtd
from emdose.validation.cases.volume_integral import gel

F, H = 128e6, 12.5e-3


def ball() -> bodies.Phantom:
    """Voxels whose centres lie in a sphere: unlike those of a given mass they are their own image in every plane."""
    whole = bodies.sphere(0.05, H, gel())
    radius = np.sqrt(sum(x**2 for x in whole.grid.centre_points()))
    return bodies.Phantom(whole.grid, (radius < 0.05).astype(np.uint8), whole.tissues)


def cage(rungs: int = 8, kind: str = "high-pass") -> CircuitBirdcage:
    return CircuitBirdcage(rungs, kind=kind, radius_m=0.1, length_m=0.125, shield_radius_m=0.1375, gap_m=H)


def loop() -> CircuitCoil:
    """A square of thin wire above the body, feed and capacitor on opposite sides and counted against each other."""
    a, z = 4 * H, 8 * H
    corners = [(a, a, z), (a, -a, z), (-a, -a, z), (-a, a, z), (a, a, z)]
    return CircuitCoil(
        "square",
        conductors=[Wire(corners, radius_m=1e-3)],
        elements=[LumpedElement("C", (-a, -H, z), (-a, H, z), capacitance_F=10e-12)],
        feeds=[FeedPort("feed", (a, H, z), (a, -H, z))],
    )


def problem_of(coil: CircuitCoil, moved: tuple[float, float, float], **options) -> FdtdProblem:
    body = ball().translate(moved)
    # In double precision, so that nothing but the order of sums is left between a run and an image.
    solver = Fdtd(margin_m=0.04, cpml_cells=6, tolerance=5e-2, dtype="float64", **options)
    return FdtdProblem(solver, Exposure(body, coil, F), backend.get("cpu"), [0.9 * F, F])


def runs_of(problem: FdtdProblem, checkpoint=None):
    return run_all(problem, Reporter(None, problem, problem.plan()), checkpoint, {})


CASES = {  # coil, place of the ball, planes, runs of all gaps
    "cage": (lambda: cage(4, "low-pass"), (H, 0.0, 0.0), (1,), (3, 4)),
    "loop": (loop, (0.0, H, 0.0), (0,), (1, 2)),
}


@pytest.mark.parametrize("name", [pytest.param("cage", marks=pytest.mark.slow), "loop"])
def test_images_equal_runs(name, monkeypatch):
    # Sums as they are: an extrapolation looks at planes that need not be their own images, and differs by less than
    # the tolerance.
    monkeypatch.setattr(fdtd_run, "EXTRAPOLATION", 0)
    make, moved, axes, (few, all_) = CASES[name]
    problem, direct = problem_of(make(), moved), problem_of(make(), moved)
    direct.mirrors = ()
    assert tuple(m.axis for m in problem.mirrors) == axes
    assert (problem.plan().runs, direct.plan().runs) == (few, all_)
    with_images, alone = runs_of(problem), runs_of(direct)
    assert [bool(r.image_of) for r in with_images].count(False) == few
    assert [r.name for r in with_images] == [r.name for r in alone]
    for one, other in zip(with_images, alone, strict=True):
        np.testing.assert_allclose(one.voltages, other.voltages, atol=1e-11 * np.abs(other.voltages).max())
        np.testing.assert_allclose(one.currents, other.currents, atol=1e-11 * np.abs(other.currents).max())
    found, true = RunPhasors(problem, with_images), RunPhasors(direct, alone)
    for matrix in ("absorbed", "radiated"):  # the one from the voxels, the other from the faces of the box
        exact = getattr(true, matrix)
        np.testing.assert_allclose(getattr(found, matrix), exact, atol=1e-11 * np.abs(exact).max())
    ports = np.eye(all_)
    for field, exact in zip(found.on_voxels(ports), true.on_voxels(ports), strict=True):
        np.testing.assert_allclose(field, exact, atol=1e-11 * np.abs(exact).max())


@pytest.mark.parametrize(
    ("make", "moved", "axes"),
    [
        (cage, (H, 0.0, H), {1}),
        (cage, (H, H, H), set()),
        (loop, (H, 0.0, 0.0), {1}),  # the plane that both gaps lie in
        (loop, (0.0, 0.0, 0.0), {0, 1}),
    ],
)
def test_a_body_out_of_the_middle_takes_a_plane_away(make, moved, axes):
    problem = problem_of(make(), moved)
    assert {m.axis for m in problem.mirrors} == axes


def test_one_voxel_of_another_tissue_takes_the_plane_away():
    problem = problem_of(cage(), (H, 0.0, 0.0))
    assert len(problem.mirrors) == 2
    body = problem.exposure.phantom
    labels = body.labels.copy()
    inside = np.argwhere(body.body)
    labels[tuple(inside[0])] = 0
    changed = bodies.Phantom(body.grid, labels, body.tissues)
    exposure = Exposure(changed, problem.exposure.coil, F)
    assert not FdtdProblem(problem.solver, exposure, problem.be, [F]).mirrors


def test_a_resumed_network_is_the_same():
    # Oracle: the same runs without a checkpoint, bit for bit.
    checkpoint = Memory()
    whole = runs_of(problem_of(loop(), (0.0, H, 0.0)), checkpoint)
    again = runs_of(problem_of(loop(), (0.0, H, 0.0)), checkpoint)
    assert [r.resumed for r in again] == [True, True]
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one.voltages, other.voltages)
        np.testing.assert_array_equal(one.E["core"], other.E["core"])


def test_fields_say_which_runs_are_images():
    problem = problem_of(loop(), (0.0, H, 0.0))
    told = problem.solver.cosimulate(problem.exposure, [F], device="cpu").fields().convergence
    assert (told["runs"], told["image_of"]) == (["feed", "C"], ["", "feed"])
