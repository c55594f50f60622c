"""The engine's kernels and schedules: compiled against reference, blocks in time against plain steps, restart."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.kernel_loader import CudaModule
from emdose.compute.kernel_text import source
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import (
    Cpml,
    CurrentSource,
    Dft,
    DftRegion,
    Engine,
    Gaussian,
    ImposedEmf,
    ImposedVoltage,
    IncidentWave,
    Lumped,
    VoltagePort,
    YeeProblem,
    materials_from_voxels,
    thin_wire,
)
from emdose.solvers.yee_engine.tables.lattice import VECTOR
from emdose.solvers.yee_engine.tables.tables import Tables
from emdose.solvers.yee_engine.walks.blocks import Blocks, Walk
from emdose.solvers.yee_engine.walks.cells import Cells
from emdose.solvers.yee_engine.walks.one_pass import TILE, OnePass

RESULTS = ("e", "h", "psi", "state", "dft")


def everything(graded: bool, boundaries: tuple[str, ...], wave: bool = False, wide: bool = False) -> YeeProblem:
    """A problem with all that the engine knows, paths along every axis included."""
    rng = np.random.default_rng(1)
    steps = [0.01 * (1 + graded * 0.3 * rng.random(n)) for n in (34, 31, 37)]
    grid = RectilinearGrid(*(np.concatenate([[0.0], np.cumsum(s)]) for s in steps))
    labels = (rng.random(grid.shape) < 0.1).astype(np.uint8)
    labels[:, :15] = 0
    wire = np.array([[2, 22, 12, k] for k in range(12, 18)])
    thin = thin_wire(grid, wire, 0.001)
    materials = materials_from_voxels(grid, labels, np.array([1.0, 50.0]), np.array([0.0, 0.7]))
    materials = materials.scaled(thin.edges, thin.permittivity).with_pec(wire)
    if wide:
        materials = replace(materials, ids=materials.ids.astype(np.uint16))
    pulse = Gaussian(500e6)
    return YeeProblem(
        grid,
        materials,
        boundaries,
        Cpml(8),
        sources=[
            CurrentSource("line", np.array([[2, 10, 12, k] for k in range(12, 18)]), np.ones(6), pulse),
            ImposedVoltage("metal", wire[1:4], np.array([1.0, -0.5, 0.2]), pulse),
        ],
        emfs=[ImposedEmf("cut", np.array([[0, 12, 13, 20], thin.faces.faces[3]]), np.array([0.3, -0.7]), pulse)],
        ports=[
            VoltagePort("along x", np.array([[0, 14, 15, 16], [0, 15, 15, 16], [0, 16, 15, 16]]), 50.0, pulse),
            VoltagePort("along y", np.array([[1, 20, 18, 16], [1, 20, 19, 16]]), 50.0, signs=np.array([-1, -1])),
        ],
        lumped=[
            Lumped("series", np.array([[2, 12, 15, 16]]), 1.0, 1e-9, 1e-12),
            Lumped("parallel", np.array([[2, 12, 18, 16]]), 100.0, 1e-9, 1e-12, "parallel"),
        ],
        wave=IncidentWave((9, 9, 9), (23, 22, 27), (1, 0.3, 0.2), (-0.3, 1, 0), pulse) if wave else None,
        face_factors=thin.faces,
        dft=Dft(
            [1e8, 2e8], [DftRegion("inside", (2, 3, 4), (30, 29, 31)), DftRegion("E", (0, 0, 0), (9, 9, 9), "E")], 4
        ),
    )


CASES = {
    "uniform": {"graded": False, "boundaries": ("cpml",) * 6, "wave": True, "wide": True},
    "graded": {"graded": True, "boundaries": ("pmc", "pec", "cpml", "pmc", "pec", "cpml")},
}


def run(problem: YeeProblem, be: backend.Backend, schedule: type, dtype: str, **options: int) -> Engine:
    engine = Engine(problem, be, dtype)
    engine._schedule = schedule(engine.tables, be, **options)
    engine.advance(21)
    engine.advance(18)
    return engine


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_engine_equals_its_reference(case: str, dtype: str, reference_backend: backend.Backend) -> None:
    """Oracle: the NumPy reference, to rounding; and the energy that both report."""
    problem, cpu = everything(**CASES[case]), backend.get("cpu")
    reference, compiled = run(problem, reference_backend, Walk, dtype), run(problem, cpu, Walk, dtype)
    rounding = 2e-6 if dtype == "float32" else 1e-13
    for name in RESULTS:
        found, expected = getattr(compiled.tables, name), getattr(reference.tables, name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=rounding * np.abs(expected).max(), err_msg=name)
    assert compiled.energy() == pytest.approx(reference.energy(), rel=10 * rounding)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("depth", "strip", "chunks"), [(5, 9, 2), (3, 40, 3), (2, 5, 1)])
def test_blocks_in_time_change_no_bit(case: str, depth: int, strip: int, chunks: int) -> None:
    """Oracle: the plain walk, which takes one step after the other over the whole lattice."""
    problem, cpu = everything(**CASES[case]), backend.get("cpu")
    plain = run(problem, cpu, Walk, "float32")
    blocks = run(problem, cpu, Blocks, "float32", depth=depth, strip=strip, chunks=chunks)
    for name in RESULTS:
        assert np.array_equal(getattr(plain.tables, name), getattr(blocks.tables, name)), name
    for name, record in plain.records.items():
        assert np.array_equal(record.voltage, blocks.records[name].voltage)
        assert np.array_equal(record.current, blocks.records[name].current)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("schedule", "oracle", "dtype"),
    [(Cells, Walk, "float64"), (OnePass, Walk, "float64"), (OnePass, Cells, "float32")],
)
def test_schedules_of_a_gpu_change_no_bit(case: str, schedule: type, oracle: type, dtype: str) -> None:
    """Oracle: the plain walk; here the kernels of a GPU, compiled for the CPU.

    In float32 it is the two sweeps of a GPU, because the walk drops numbers below the smallest normal one.
    """
    problem, cpu = everything(**CASES[case]), backend.get("cpu")
    plain, cells = run(problem, cpu, oracle, dtype), run(problem, cpu, schedule, dtype)
    for name in RESULTS:
        assert np.array_equal(getattr(plain.tables, name), getattr(cells.tables, name)), name
    assert np.array_equal(plain.records["series"].current, cells.records["series"].current)


@pytest.mark.parametrize("case", CASES)
def test_restored_run_equals_the_uninterrupted_one(case: str) -> None:
    """Oracle: the same run without a break, bit for bit, after a trip through a state of plain arrays."""
    problem, cpu = everything(**CASES[case]), backend.get("cpu")
    whole = Engine(problem, cpu)
    whole.advance(40)
    first = Engine(problem, cpu)
    first.advance(17)
    state = {name: np.array(value) for name, value in first.state().items()}
    second = Engine(problem, cpu)
    second.restore(state)
    second.advance(23)
    for name in RESULTS:
        assert np.array_equal(getattr(whole.tables, name), getattr(second.tables, name)), name
    assert np.array_equal(whole.records["along x"].current, second.records["along x"].current)
    assert np.array_equal(whole.phasors("inside").B, second.phasors("inside").B)


def test_numbers_that_kernels_and_python_both_spell_agree() -> None:
    """Oracle: the texts. What structs hold is spelled there alone; the loader refuses what does not fit."""
    walk = source("emdose.solvers.yee_engine.walks", "yee_walk")
    spelled = {k: int(v) for k, v in re.findall(r"\b(VECTOR|BOX|BLOCK_X|BLOCK_Y|LAW)(?: =)? (\d+)\b", walk)}
    tables = Tables(everything(**CASES["graded"]), backend.get("cpu"), "float32")
    assert spelled["VECTOR"] == VECTOR
    assert (spelled["BLOCK_X"], spelled["BLOCK_Y"], 1) == CudaModule.THREADS
    assert (spelled["BLOCK_Y"] - 1, spelled["BLOCK_X"] - 1) == TILE
    assert spelled["LAW"] == tables.branches.law.shape[1]
    assert spelled["BOX"] * len(tables.regions) == Walk(tables, backend.get("cpu"))._structs["samples"]["box"].size


def test_wide_numbers_give_what_narrow_ones_give() -> None:
    """Oracle: the same materials numbered in 8 bits."""
    narrow, wide = (everything(False, ("cpml",) * 6, wide=wide) for wide in (False, True))
    a, b = (run(p, backend.get("cpu"), Blocks, "float32") for p in (narrow, wide))
    assert np.array_equal(a.tables.e, b.tables.e)


def test_plan_names_the_memory() -> None:
    """Oracle: the arrays of an engine; the speed table asks for 36 bytes per cell at most in float32."""
    problem = everything(False, ("cpml",) * 6)
    engine = Engine(problem, backend.get("cpu"))
    t, told = engine.tables, engine.plan()
    assert told["fields_bytes"] == t.e.nbytes + t.h.nbytes
    assert told["materials_bytes"] == t.ids.nbytes
    assert told["dft_bytes"] == t.dft.nbytes
    assert told["layers_bytes"] == pytest.approx(t.psi.nbytes, rel=1e-3)
