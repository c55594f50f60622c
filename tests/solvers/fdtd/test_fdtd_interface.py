"""What the FDTD promises besides numbers: plans, progress, checkpoints, errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from field_promises import require_promises
from memory_checkpoint import Memory

from emdose.compute import backend
from emdose.errors import ConvergenceError, EmdoseWarning, InputError, OutputError, ResourceError
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.models import bodies
from emdose.models.coils.circuit_loops import CapacitorLoop
from emdose.models.coils.ideal import Birdcage
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd.solver import Fdtd
from emdose.validation.cases.volume_integral import gel


@pytest.fixture(scope="module")
def exposure():
    return Exposure(bodies.sphere(0.04, 0.01, gel()), Birdcage(rungs=4, radius_m=0.07, length_m=0.06), 298e6)


def quick(**options):
    """A solver with little air and a thin absorber: good enough for promises, not for numbers."""
    return Fdtd(**{"margin_m": 0.03, "cpml_cells": 6, **options})


@pytest.fixture(scope="module")
def fields(exposure):
    return quick().solve(exposure, device="cpu")


def test_fields_are_complete(exposure, fields):
    # Oracle: the conventions of constants.py.
    require_promises(exposure, fields, "Fdtd", 1e-3)
    assert set(fields.provenance["timing_s"]["per_port"]) == {"0 cosine", "1 sine"}
    assert all(s > 0 for s in fields.convergence["steps"])


def test_power_closes(fields):
    # Oracle: conservation of energy, with the work of the currents, the loss in the body and the flux through a box.
    for drive in ([1, 0], [1, -1j], [0.3, 2j]):
        assert fields.power.power(np.array(drive))["closure"] < 1e-3


def test_progress(exposure):
    events = []
    quick(tolerance=0.05).solve(exposure, device="cpu", progress=events.append)
    stages = [e.stage for e in events]
    assert stages[0] == "setup"
    assert stages[-2:] == ["fields", "done"]
    steps = [e for e in events if e.stage == "port"]
    assert {(e.index, e.name) for e in steps} == {(0, "cosine"), (1, "sine")}
    assert all(0 < e.residual <= 1 for e in steps)
    assert all(e.steps >= e.step for e in steps)
    assert all(e.cells_per_s > 0 and e.eta_s >= 0 for e in steps)
    assert events[-1].residual <= events[-1].tolerance == 0.05


def interrupted(solver, exposure, memory, port, step):
    def stop(event):
        if event.stage == "port" and event.index == port and event.step >= step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solver.solve(exposure, device="cpu", progress=stop, checkpoint=memory)


def test_a_resumed_run_gives_the_same_bits(exposure, fields):
    # Oracle: the run that was not interrupted.
    solver, memory = quick(checkpoint_s=1e-9), Memory()
    steps = fields.convergence["steps"]
    interrupted(solver, exposure, memory, 1, steps[1] // 2)
    assert set(memory.kept) == {"port-0000", "port-state"}
    assert int(memory.kept["port-state"]["run"]) == 1
    again = solver.solve(exposure, device="cpu", checkpoint=memory)
    assert again.convergence["resumed"] == [True, True]
    assert again.convergence["steps"] == steps
    assert np.array_equal(again.E, fields.E)
    assert np.array_equal(again.B, fields.B)
    assert np.array_equal(again.power.extinction_W, fields.power.extinction_W)


def test_a_checkpoint_of_something_else_is_refused(exposure, tmp_path):
    checkpoint = FolderCheckpoint(tmp_path / "c", "key")
    quick(tolerance=0.05).solve(exposure, device="cpu", checkpoint=checkpoint)
    kept = {p.name: p.read_bytes() for p in (tmp_path / "c").iterdir()}
    other = Exposure(exposure.phantom, exposure.coil, 200e6)
    light = exposure.phantom.with_tissue("gel", density_kg_m3=900.0)
    for solver, question, words in (
        (quick(tolerance=0.04), exposure, "options"),
        (quick(tolerance=0.05), other, "frequencies"),
        (quick(tolerance=0.05), Exposure(light, exposure.coil, 298e6), "phantom"),
        (
            quick(tolerance=0.05),
            Exposure(exposure.phantom, Birdcage(rungs=4, radius_m=0.07, length_m=0.07), 298e6),
            "coil",
        ),
    ):
        with pytest.raises(InputError, match=f"checkpoint was made with other .*{words}"):
            solver.solve(question, device="cpu", checkpoint=checkpoint)
    with pytest.raises(InputError, match="checkpoint of another scenario"):
        quick(tolerance=0.05).solve(exposure, device="cpu", checkpoint=FolderCheckpoint(tmp_path / "c", "other"))
    assert {p.name: p.read_bytes() for p in (tmp_path / "c").iterdir()} == kept


def test_a_checkpoint_cut_short_is_said_in_one_line(exposure, tmp_path):
    checkpoint = FolderCheckpoint(tmp_path / "c", "key")
    solver = quick(tolerance=0.05)
    whole = solver.solve(exposure, device="cpu", checkpoint=checkpoint)
    path = tmp_path / "c" / "port-0001.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.warns(EmdoseWarning, match=r"port-0001\.npz: checkpoint damaged .*; this part is solved again") as told:
        again = solver.solve(exposure, device="cpu", checkpoint=checkpoint)
    assert sum(issubclass(w.category, EmdoseWarning) for w in told) == 1
    assert again.convergence["resumed"] == [True, False]
    assert np.array_equal(again.E, whole.E)


def test_a_full_disk_costs_the_checkpoint_not_the_run(exposure):
    class Full(Memory):
        def save(self, name, arrays):
            raise OutputError("c: no space left on the device")

    with pytest.warns(EmdoseWarning, match="no checkpoint from here on, the run itself goes on: .*no space") as told:
        out = quick(tolerance=0.05, checkpoint_s=1e-9).solve(exposure, device="cpu", checkpoint=Full())
    assert len(told) == 1
    assert out.residual.max() <= 0.05


@pytest.mark.filterwarnings("ignore:power balance")
def test_an_unconverged_run_is_no_result(exposure):
    words = r"cosine, sine not rung down after 2 periods .*raise max_periods"
    with pytest.raises(ConvergenceError, match=words) as e:
        quick(max_periods=2).solve(exposure, device="cpu")
    assert e.value.partial.E.shape[0] == 2
    assert e.value.partial.residual.min() > 1e-3


def test_a_blow_up_names_the_place(exposure, monkeypatch):
    # Oracle: a time step above the limit is unstable.
    from emdose.solvers.yee_engine.tables import lattice

    stable = lattice.stable_step
    monkeypatch.setattr(lattice, "stable_step", lambda *a: 1.2 * stable(*a))
    with pytest.raises(ConvergenceError, match=r"port cosine: .*(cell|\()"):
        quick().solve(exposure, device="cpu")


def test_plan_says_what_fits(exposure, monkeypatch):
    plan = quick().plan(exposure, "cpu")
    assert plan.runs == 2
    assert plan.cells == np.prod(plan.shape)
    assert plan.bytes > 36 * plan.cells
    assert plan.seconds > 0
    monkeypatch.setattr(backend.Backend, "memory_free_bytes", lambda self: 2**20)
    with pytest.raises(ResourceError, match=r"needs .* GiB but .* cells of .* mm would fit"):
        quick().solve(exposure, device="cpu")
    gpu = backend.Backend("cuda", np, backend.get("cpu").kernels)
    with pytest.raises(ResourceError, match=r'are free on cuda, .* or device="cpu", which is slower'):
        quick().plan(exposure, gpu)


def test_room_is_checked_before_the_coil_is_put_on_the_grid(exposure, monkeypatch):
    def greedy(*_):
        pytest.fail("arrays of the size of the grid were made")

    monkeypatch.setattr("emdose.solvers.fdtd.setup.problem.rasterise", greedy)
    monkeypatch.setattr(backend.Backend, "memory_free_bytes", lambda self: 2**18)
    coil = CapacitorLoop(0.07, capacitors=2)
    with pytest.raises(ResourceError, match=r"and 2 ports needs .* GiB but .* cells of .* mm would fit"):
        quick().plan(Exposure(exposure.phantom, coil, 298e6), "cpu")


def test_out_of_memory_in_mid_run(exposure, monkeypatch):
    from emdose.solvers import yee_engine

    class Greedy:
        def __init__(self, *args, **options):
            raise MemoryError("16 GiB")

    monkeypatch.setattr(yee_engine, "Engine", Greedy)
    with pytest.raises(ResourceError, match=r"out of memory on cpu with .* cells: use larger cells"):
        quick().solve(exposure, device="cpu")


def test_coarse_voxels_warn():
    body = bodies.sphere(0.05, 0.01, gel())
    with pytest.warns(EmdoseWarning, match="cells per wavelength"):
        Fdtd().plan(Exposure(body, PlaneWave(), 1e9), "cpu")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tolerance": 0}, "bad tolerance"),
        ({"tolerance": 1e-8}, "bad tolerance"),
        ({"tolerance": 0.3}, "bad tolerance"),
        ({"tolerance": float("nan")}, "bad tolerance"),
        ({"spacing_m": -1.0}, "spacing_m"),
        ({"margin_m": "wide"}, "margin_m"),
        ({"growth": 3.0}, "grading ratio out of bounds"),
        ({"courant": 1.01}, "time step above the limit of stability"),
        ({"cpml_cells": 2}, "absorbing layer"),
        ({"cpml_cells": 10.0}, "absorbing layer"),
        ({"dtype": "float16"}, "unknown choice"),
        ({"circuit": "magic"}, "unknown choice"),
        ({"walls": "mur"}, "unknown choice"),
        ({"bounds_m": ((0, 0, 0),)}, "bad box"),
        ({"bounds_m": (1, 2)}, "bad box"),
        ({"bounds_m": ((-1, -1, -1), (1, 1, 1)), "margin_m": 0.1}, "margin and box given"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        Fdtd(**options)


def test_empty_frequency_list(exposure):
    with pytest.raises(InputError, match="empty frequency list"):
        quick().cosimulate(exposure, [])
    for bad in (["wide"], [float("nan")], "64e6 Hz"):
        with pytest.raises(InputError, match="frequencies_Hz: bad frequencies"):
            quick().cosimulate(exposure, bad)
    with pytest.raises(InputError, match="co-simulation needs gaps"):
        quick().cosimulate(exposure)


def test_options_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Fdtd().tolerance = 1.0


@pytest.mark.slow
def test_cells_within_voxels(exposure):
    # Oracle: the same body with voxels cut in two by hand.
    fine = quick(spacing_m=0.005, tolerance=1e-3).solve(Exposure(exposure.phantom, PlaneWave(), 298e6), device="cpu")
    cut = exposure.phantom.resample(0.005)
    whole = quick(tolerance=1e-3).solve(Exposure(cut, PlaneWave(), 298e6), device="cpu")
    mean = 0.5 * (whole.E[0, 0, :-1:2, ::2, ::2] + whole.E[0, 0, 1::2, ::2, ::2])
    assert fine.E.shape[2:] == exposure.phantom.grid.node_shape
    assert np.linalg.norm(fine.E[0, 0, :-1] - mean) < 3e-3 * np.linalg.norm(mean)
    assert fine.power.absorbed_W[0, 0] == pytest.approx(whole.power.absorbed_W[0, 0], rel=3e-3)
