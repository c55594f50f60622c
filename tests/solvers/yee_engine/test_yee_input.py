"""What the engine refuses, and how materials are numbered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import EPS_0
from emdose.errors import ConvergenceError, InputError
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
    Sampled,
    VoltagePort,
    YeeProblem,
    materials_from_edges,
    materials_from_voxels,
    vacuum,
)
from emdose.solvers.yee_engine.walks.schedules import SCHEDULES
from emdose.solvers.yee_grid.edge_materials import edge_mean

CPU = backend.get("cpu")
GRID = RectilinearGrid(*(np.arange(31) * 0.01 for _ in range(3)))
HERE = np.array([[2, 15, 15, 15]])


def problem(**changes) -> YeeProblem:
    return YeeProblem(**({"grid": GRID, "materials": vacuum(GRID), "cpml": Cpml(8)} | changes))


def port(name: str = "p", edges: np.ndarray = HERE) -> VoltagePort:
    return VoltagePort(name, edges, 50.0, Gaussian(1e9))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"courant": 1.01}, "time step above the limit"),
        ({"boundaries": ("cpml",) * 5}, "bad walls"),
        ({"cpml": Cpml(15)}, "absorbing layers fill the grid"),
        ({"ports": [port(edges=np.array([[2, 15, 15, 30]]))]}, "not on edges of the grid"),
        ({"ports": [port(edges=np.array([[2, 15, 15, 3]]))]}, "inside the absorbing layer"),
        ({"sources": [CurrentSource("s", np.array([[0, 2, 15, 15]]), np.ones(1), Gaussian(1e9))]}, "'s' is inside"),
        ({"sources": [ImposedVoltage("v", HERE, np.ones(1), Gaussian(1e9))]}, "'v' imposes a voltage outside of metal"),
        ({"ports": [port("a"), port("b")]}, "'b' and 'a' are on one edge"),
        ({"ports": [port("a"), port("a", HERE + np.array([0, 1, 1, 1]))]}, "of one name"),
        ({"materials": vacuum(GRID).with_pec(HERE), "ports": [port()]}, "inside metal"),
        ({"dft": Dft([1e8], [DftRegion("r", (0, 0, 0), (40, 1, 1))])}, "region outside the grid"),
        ({"wave": IncidentWave((4, 9, 9), (20, 20, 20), (0, 0, 1), (1, 0, 0), Gaussian(1e9))}, "outside the interior"),
        ({"materials": replace(vacuum(GRID), ids=np.ones((3, 5, 5, 5), np.uint8))}, "do not fit the grid"),
    ],
)
def test_bad_problems_are_refused(changes, text) -> None:
    with pytest.raises(InputError, match=text) as caught:
        problem(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lumped("L", HERE, inductance_H=0.0),
        lambda: Lumped("C", HERE, capacitance_F=float("inf")),
        lambda: Lumped("none", HERE),
        lambda: Lumped("t", HERE, 1.0, topology="star"),
        lambda: VoltagePort("p", HERE, 0.0),
        lambda: VoltagePort("p", np.zeros((0, 4)), 50.0),
        lambda: Dft([], []),
        lambda: DftRegion("r", (1, 1, 1), (1, 2, 2)),
        lambda: Cpml(1),
        lambda: Gaussian(-1.0),
        lambda: Sampled(np.array([1.0, 0.0]), np.zeros(2)),
        lambda: IncidentWave((1, 1, 1), (2, 2, 2), (0, 0, 1), (0, 1, 1), Gaussian(1e9)),
    ],
)
def test_bad_parts_are_refused(make) -> None:
    with pytest.raises(InputError):
        make()


def test_state_of_another_problem_is_refused() -> None:
    small, large = Engine(problem(), CPU), Engine(problem(cpml=Cpml(9)), CPU)
    with pytest.raises(InputError, match="another problem"):
        large.restore(small.state())


def test_a_field_that_is_no_number_is_named_with_its_cell() -> None:
    """Oracle: the cell where it was planted."""
    engine = Engine(problem(), CPU)
    engine.tables.lattice.view(engine.tables.e)[1, 12, 13, 14] = np.nan
    with pytest.raises(ConvergenceError, match=r"\(12, 13, 14\), in the grid"):
        engine.check()
    engine.tables.lattice.view(engine.tables.e)[1, 12, 13, 14] = 1e3
    with pytest.raises(ConvergenceError, match=r"grows.*\(12, 13, 14\)"):
        engine.check(limit=1e-12)


def test_numbers_of_voxels_are_the_edge_means() -> None:
    """Oracle: edge_mean, as used by the volume integral, inside the grid; on walls only what is inside counts."""
    rng = np.random.default_rng(3)
    grid = RectilinearGrid(*(np.arange(n + 1) * 0.01 for n in (6, 7, 8)))
    labels = rng.integers(0, 3, grid.shape).astype(np.uint8)
    eps, sigma = np.array([1.0, 40.0, 7.0]), np.array([0.0, 0.6, 0.1])
    found = materials_from_voxels(grid, labels, eps, sigma)
    for table, values, scale in ((found.permittivity, eps, EPS_0), (found.conductivity, sigma, 1.0)):
        expected = edge_mean(np.pad(values[labels], 1, mode="edge"), 0.0)[:, 1:-1, 1:-1, 1:-1]
        for c in range(3):
            cut = tuple(slice(0, n + (a != c)) for a, n in enumerate(grid.shape))
            np.testing.assert_allclose(table[found.ids[c][cut]] / scale, expected[c][cut], rtol=1e-6, atol=1e-9)


def test_numbers_of_edges_keep_their_values() -> None:
    """Oracle: the values themselves; with too many of them, to the digits that are kept."""
    rng = np.random.default_rng(4)
    few = rng.choice([1.0, 2.5, 40.0], (3, 9, 9, 9)).astype(np.float32)
    pec = rng.random(few.shape) < 0.1
    found = materials_from_edges(few, 0.01 * few, pec)
    assert found.ids.dtype == np.uint8
    assert np.all((found.ids == 0) == pec)
    np.testing.assert_allclose(found.permittivity[found.ids[~pec]], EPS_0 * few[~pec], rtol=1e-7)
    many = rng.uniform(1, 80, (3, 40, 41, 42)).astype(np.float32)
    rounded = materials_from_edges(many, np.zeros_like(many))
    assert rounded.ids.dtype == np.uint16
    np.testing.assert_allclose(rounded.permittivity[rounded.ids], EPS_0 * many, rtol=2e-3)


def test_schedules_have_names() -> None:
    """Each name that a device has steps; another is one line that tells the names."""
    kernels = CPU.kernels.load("emdose.solvers.yee_engine.walks", "yee_rows").kind
    for name in SCHEDULES[kernels]:
        Engine(problem(), CPU, schedule=name).advance(1)
    with pytest.raises(InputError, match=r"schedule: no such schedule; found .two-pass.; expected .*one-pass"):
        Engine(problem(), CPU, schedule="two-pass")


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("side", [0, 1])
def test_ports_in_metal_walls_are_refused_and_on_magnetic_ones_not(axis: int, side: int) -> None:
    """Oracle: the tangential field vanishes on an electric wall and does not on a magnetic one, on both sides alike."""
    along = (axis + 1) % 3
    edge = [along, 15, 15, 15]
    edge[1 + axis] = (0, 30)[side]
    ports = [port(edges=np.array([edge]))]
    walls = ["pec"] * 6
    with pytest.raises(InputError, match="inside metal"):
        problem(boundaries=tuple(walls), ports=ports)
    walls[2 * axis + side] = "pmc"
    problem(boundaries=tuple(walls), ports=ports)
    across = [axis, 15, 15, 15]  # an edge that ends on the wall is not in it
    across[1 + axis] = (0, 29)[side]
    problem(boundaries=("pec",) * 6, ports=[port(edges=np.array([across]))])


@pytest.mark.parametrize(("count", "error"), [(65535, 0.0), (65536, 2e-3)])
def test_as_many_materials_as_16_bits_number(count: int, error: float) -> None:
    """Oracle: every edge gets its own permittivity back, 65 535 of them beside metal; of more, to the stated 0.2 %."""
    eps = (1 + np.arange(count) / 1000.0).astype(np.float32)
    made = materials_from_edges(eps.reshape(1, 1, 1, -1), np.zeros((1, 1, 1, count)))
    assert made.ids.dtype == np.uint16
    assert made.ids.min() > 0
    np.testing.assert_allclose(made.permittivity[made.ids.ravel()] / EPS_0, eps, rtol=error + 1e-12)
    assert (len(made.permittivity) == count + 1) == (error == 0)


@pytest.mark.parametrize("kind", [ImposedVoltage, ImposedEmf])
def test_imposed_voltages_have_a_number_for_every_place(kind):
    with pytest.raises(InputError, match="a place twice"):
        kind("v", np.zeros((2, 4), int), np.ones(2), Gaussian(1e9))
    with pytest.raises(InputError, match="bad weights_V"):
        kind("v", HERE, np.ones(2), Gaussian(1e9))
    with pytest.raises(InputError, match="bad places"):
        kind("v", np.zeros((0, 4), int), np.ones(0), Gaussian(1e9))
