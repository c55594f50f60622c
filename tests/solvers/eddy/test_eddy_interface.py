"""What EddyCurrent promises its users: options, sources, checkpoints, plans, warnings and errors."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from memory_checkpoint import Memory

import emdose as em
from emdose.compute import backend
from emdose.errors import ConvergenceError, EmdoseWarning, InputError, ResourceError
from emdose.models.gradients.coils import UniformField
from emdose.models.implants import shapes
from emdose.models.implants.metals import Metal
from emdose.models.implants.voxels import voxelise

BALL = shapes.sphere(0.01, subdivisions=3)
SOLVER = em.EddyCurrent(spacing_m=2e-3, engine="voxel")
F = [300.0, 1e3]


def test_checkpoint_and_progress() -> None:
    """Oracle: the uninterrupted run; a checkpoint of another body is not used."""
    memory, events = Memory(), []
    first = SOLVER.solve(BALL, F, progress=events.append, checkpoint=memory)
    assert [e.stage for e in events[:: len(events) - 1]] == ["setup", "done"]
    steps = [e.residual for e in events if e.stage == "modes"]
    assert steps == sorted(steps, reverse=True)
    assert len(memory.kept) == len(steps)
    del memory.kept[max(memory.kept)]
    again = SOLVER.solve(BALL, F, checkpoint=memory)
    assert again.provenance["engines"]["voxel"]["resumed_steps"] == len(steps) - 1
    assert again.matrix == pytest.approx(first.matrix, rel=1e-5, abs=1e-12)
    other = shapes.sphere(0.01, "Ti6Al4V", subdivisions=3)
    fresh = SOLVER.solve(other, F, checkpoint=memory)
    assert fresh.provenance["engines"]["voxel"]["resumed_steps"] == 0
    assert fresh.matrix[0, 0, 0].real == pytest.approx(0.5 * first.matrix[0, 0, 0].real, rel=0.01)


def test_a_vector_potential_is_a_source() -> None:
    """Oracle: the uniform source along the same direction; functions and objects alike."""
    uniform = SOLVER.solve(BALL, F)
    u = np.array([0.6, 0.0, 0.8])
    field = UniformField(tuple(u))
    custom = SOLVER.solve(BALL, F, sources=[field, lambda points: 2 * field.vector_potential(points)])
    expected = np.einsum("i,fij,j->f", u, uniform.matrix, u)
    assert custom.sources == ("uniform field", "source 2")
    assert custom.matrix[:, 0, 0] == pytest.approx(expected, rel=1e-5)
    assert custom.matrix[:, 1, 1] == pytest.approx(4 * expected, rel=1e-5)


def test_voxels_and_precision() -> None:
    """Oracles: the same body cut beforehand; double precision."""
    single = SOLVER.solve(BALL, F)
    cut = SOLVER.solve(voxelise(BALL, 2e-3), F)
    assert cut.matrix == pytest.approx(single.matrix, rel=1e-6, abs=1e-12)
    double = em.EddyCurrent(spacing_m=2e-3, engine="voxel", dtype="float64", tolerance=1e-8).solve(BALL, F)
    assert np.abs(double.matrix - single.matrix).max() < 1e-5 * np.abs(double.matrix).max()
    assert double.identity.max() < 1e-9
    assert double.residual.max() < 1e-8


def test_field_of_the_currents_is_that_of_a_dipole() -> None:
    """Oracle: far from a small sphere its currents are a magnetic dipole, m from the power: P = -(w/2) Im(m B*)."""
    solution = SOLVER.currents(BALL, 1e3)
    f, at = 1e3, np.array([[0.1, 0.0, 0.0], [0.0, 0.0, 0.1]])
    field = solution.magnetic_field(at, f)
    matrix, _ = solution.power(solution.currents(f))
    w = 2 * np.pi * f
    imaginary = -w * matrix[2, 2].real  # of m along z for 1 T along z
    assert field[2, 0, 2].imag == pytest.approx(-1e-7 * imaginary / 0.1**3, rel=0.01)
    assert field[2, 1, 2].imag == pytest.approx(2e-7 * imaginary / 0.1**3, rel=0.01)


def test_low_resolution_warns() -> None:
    """Oracle: the rule; skin depth over step below three."""
    with pytest.warns(EmdoseWarning, match="skin depth"):
        tensor = SOLVER.solve(BALL, [3e4])
    assert tensor.warnings
    assert tensor.skin_depth_over_step[0] < 3


def test_plan_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the rule; the text names a spacing that fits."""
    planned = SOLVER.plan(BALL, F)
    assert planned.bytes > 0
    assert planned.voxels < np.prod(planned.shape)
    assert planned.frequencies == len(F)
    cpu = backend.get("cpu")
    monkeypatch.setattr(type(cpu), "memory_free_bytes", lambda self: 200_000)
    with pytest.raises(ResourceError, match=r"a spacing of .* mm would fit"):
        SOLVER.solve(BALL, F)


def test_missed_tolerance_keeps_the_tensor() -> None:
    """Oracle: the rule."""
    with pytest.raises(ConvergenceError, match="max_steps") as caught:
        em.EddyCurrent(spacing_m=2e-3, engine="voxel", max_steps=1).solve(BALL, [3e3])
    assert np.isfinite(caught.value.partial.matrix).all()


def test_bad_input() -> None:
    """Oracle: one clear line each."""
    magnet = shapes.sphere(0.01, Metal("steel", 1e6, 7800, 500, 20, 100.0), subdivisions=2)
    for call, text in (
        (lambda: em.EddyCurrent(spacing_m=-1.0), "voxel size"),
        (lambda: em.EddyCurrent(spacing_m=(1e-3, 2e-3)), "voxel size"),
        (lambda: em.EddyCurrent(spacing_m=(1e-3, 1e-3, 1e-3, 1e-3)), "voxel size"),
        (lambda: em.EddyCurrent(engine="bem"), "unknown choice"),
        (lambda: em.EddyCurrent(tolerance=1e-7), "single precision"),
        (lambda: em.EddyCurrent(max_steps=0), "count"),
        (lambda: SOLVER.solve(BALL, [0.0]), "frequencies"),
        (lambda: SOLVER.solve(BALL, F, sources="gradient"), "unknown sources"),
        (lambda: SOLVER.solve(magnet, F), "magnetisation"),
        (lambda: em.EddyCurrent(engine="thin-skin").solve(voxelise(BALL, 2e-3), F), "surfaces"),
        (lambda: SOLVER.currents(BALL, 1e3).currents(2e3), "outside the solution"),
    ):
        with pytest.raises(InputError, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_spacings_may_differ_along_the_axes() -> None:
    """Oracle: the same ball on cubes, to what voxels of 2 mm leave; and the plan of both."""
    brick = em.EddyCurrent(spacing_m=(2e-3, 1.5e-3, 2e-3), engine="voxel", tolerance=1e-3)
    found, cubes = (s.solve(BALL, [300.0]).matrix[0].real for s in (brick, SOLVER))
    np.testing.assert_allclose(np.diag(found), np.diag(cubes), rtol=0.02)
    assert brick.plan(BALL, F).voxels == pytest.approx(SOLVER.plan(BALL, F).voxels * 4 / 3, rel=0.1)


MEASURED = """
import gc, warnings
import emdose as em
from emdose.models.implants import shapes

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))

# Kernels and libraries are loaded before anything is measured.
em.EddyCurrent(spacing_m=1e-3, engine="voxel").solve(shapes.sphere(0.002, subdivisions=2), [10.0], device="cpu")
solver = em.EddyCurrent(spacing_m={spacing_m}, engine="voxel", tolerance=1e-3)
body = shapes.sphere(0.01, subdivisions=3)
planned = solver.plan(body, [300.0, 1e3], device="cpu").bytes
gc.collect()
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = status("VmRSS")
solver.solve(body, [300.0, 1e3], device="cpu")
print(planned, status("VmHWM") - before)
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no peak of the resident memory")
@pytest.mark.parametrize("spacing_m", [1.2e-3, 0.7e-3])
def test_planned_memory_is_what_it_takes(spacing_m: float) -> None:
    """Oracle: the peak of the resident memory of a process of its own; the plan is that to half as much again."""
    program = MEASURED.format(spacing_m=spacing_m)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    planned, peak = map(int, done.stdout.split())
    assert peak <= planned <= 1.5 * peak
