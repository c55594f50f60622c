"""Ports, lumped elements and thin wires against circuit theory and reciprocity."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from emdose.compute import backend
from emdose.constants import C_0, EPS_0, MU_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import (
    PEC,
    Cpml,
    CurrentSource,
    EdgeMaterials,
    Engine,
    FaceFactors,
    Gaussian,
    Lumped,
    ModulatedGaussian,
    VoltagePort,
    YeeProblem,
    materials_from_edges,
    materials_from_voxels,
    thin_wire,
    vacuum,
)
from emdose.solvers.yee_engine.setup import stability
from emdose.solvers.yee_engine.setup.stability import stable_step
from emdose.solvers.yee_engine.tables import lattice

CPU = backend.get("cpu")
PLATES = ("pmc", "pmc", "pmc", "pmc", "pec", "pec")


def cell(n: int = 1, d: float = 0.01) -> RectilinearGrid:
    """A plate capacitor of n x n x n cells between metal plates, open (magnetic walls) at the sides."""
    return RectilinearGrid(*(np.arange(n + 1) * d for _ in range(3)))


def column(n: int, i: int = 0, j: int = 0) -> np.ndarray:
    return np.array([[2, i, j, k] for k in range(n)])


@pytest.mark.parametrize("topology", ["series", "parallel"])
@pytest.mark.parametrize("n", [1, 3])
def test_resonance_of_a_lumped_circuit(topology: str, n: int) -> None:
    """Oracle: circuit theory, with the trapezium rule's own frequency w' = 2/dt atan(w dt / 2) for the element.

    One cell between plates is the capacitance eps0 A / d; with an inductor across it, it rings at
    1 / sqrt(L (C + C_cell)).
    """
    grid, L, C = cell(1), 2e-9, 0.3e-12
    if n == 3:  # the same cell of three edges in series
        grid = RectilinearGrid(grid.x, grid.y, np.linspace(0, 0.01, 4))
    plates = EPS_0 * 0.01  # the cell's four edges are one node by the plates' symmetry only if all four are driven
    total = {"series": 1 / (1 / C + 1 / plates), "parallel": C + plates}[topology]
    elements = [Lumped(f"{i}{j}", column(n, i, j), None, 4 * L, C / 4, topology) for i in (0, 1) for j in (0, 1)]
    kick = [
        CurrentSource(
            "kick",
            np.concatenate([column(n, i, j) for i in (0, 1) for j in (0, 1)]),
            np.full(4 * n, 0.25),
            Gaussian(3e9),
        )
    ]
    engine = Engine(YeeProblem(grid, vacuum(grid), PLATES, lumped=elements, sources=kick), CPU, "float64")
    engine.advance(int(kick[0].waveform.duration_s / engine.dt) + 1)
    begin = engine.step
    engine.advance(4_000)
    v = engine.records["00"].voltage[begin:]
    v = v - v.mean()
    crossings = np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))
    exact = crossings - v[crossings] / (v[crossings + 1] - v[crossings])
    found = (len(exact) - 1) / ((exact[-1] - exact[0]) * engine.dt)
    w = 1 / math.sqrt(L * total)
    # All storage here is stepped by the trapezium rule or, the cell, by the leapfrog; both shift w by (w dt)^2 / 12.
    assert found == pytest.approx(w / (2 * math.pi), rel=2 * (w * engine.dt) ** 2 + 1e-6)


def test_resistor_discharges_a_cell() -> None:
    """Oracle: closed form of the semi-implicit step, V <- V (1 - q) / (1 + q) with q = dt / (2 R C)."""
    grid = cell()
    loads = [Lumped(f"{i}{j}", column(1, i, j), 4 * 100.0) for i in (0, 1) for j in (0, 1)]
    engine = Engine(YeeProblem(grid, vacuum(grid), PLATES, lumped=loads), CPU, "float64")
    engine.tables.lattice.view(engine.tables.e)[2, :, :, 0] = 1.0
    engine.tables.state.reshape(-1, 3)[:, 0] = 1.0
    before = engine.energy()
    engine.advance(50)
    q = engine.dt / (2 * 100.0 * EPS_0 * 0.01)
    np.testing.assert_allclose(engine.records["00"].voltage, ((1 - q) / (1 + q)) ** np.arange(1, 51), rtol=1e-10)
    lost = sum(r.energy for r in engine.records.values())
    first = 0.5 * 0.5 / 400.0 * engine.dt * 4  # the record does not know the voltage before its first step
    assert lost + engine.energy() == pytest.approx(before, rel=first / before + 1e-3)


def test_port_obeys_its_own_law_and_gives_the_energy_it_says() -> None:
    """Oracle: V = Vs - R I at every frequency, and the energy of the box against what the port delivered."""
    rng = np.random.default_rng(4)
    grid = RectilinearGrid(*(np.concatenate([[0], np.cumsum(0.01 * rng.uniform(0.8, 1.2, n))]) for n in (8, 9, 7)))
    port = VoltagePort("p", np.array([[0, 3, 4, 3], [0, 4, 4, 3]]), 50.0, ModulatedGaussian(1e9, 5e8), amplitude_V=2.0)
    engine = Engine(YeeProblem(grid, vacuum(grid), ("pec",) * 6, ports=[port]), CPU, "float64")
    engine.advance(400)
    record = engine.records["p"]
    V, current, Vs = record.spectrum(np.array([8e8, 1e9, 1.3e9]))
    np.testing.assert_allclose(V, Vs - 50 * current, rtol=1e-12)
    np.testing.assert_allclose(Vs, engine.source_spectrum([8e8, 1e9, 1.3e9], "p"), rtol=1e-12)
    assert record.energy == pytest.approx(engine.energy(), rel=1e-9)


@pytest.mark.parametrize("graded", [False, True])
def test_two_ports_are_reciprocal(graded: bool) -> None:
    """Oracle: reciprocity, Z12 = Z21, with tissue, a wire, a lumped element and absorbing layers between the ports."""
    rng = np.random.default_rng(5)
    steps = [0.01 * (1 + 0.3 * graded * rng.random(n)) for n in (26, 24, 28)]
    grid = RectilinearGrid(*(np.concatenate([[0], np.cumsum(s)]) for s in steps))
    labels = np.zeros(grid.shape, np.uint8)
    labels[8:14, 8:16, 9:20] = 1
    wire = np.array([[2, 17, 12, k] for k in range(9, 19)])
    materials = materials_from_voxels(grid, labels, np.array([1.0, 40.0]), np.array([0.0, 0.5])).with_pec(wire)
    paths = [np.array([[2, 18, 11, 13], [2, 18, 11, 14]]), np.array([[0, 9, 17, 15]])]
    coil = Lumped("L", np.array([[0, 16, 12, 14]]), 1.0, 5e-9)
    spectra = []
    for driven in (0, 1):
        ports = [
            VoltagePort(str(n), p, 50.0 + 25 * n, Gaussian(800e6) if n == driven else None) for n, p in enumerate(paths)
        ]
        engine = Engine(YeeProblem(grid, materials, ports=ports, lumped=[coil], cpml=Cpml(6)), CPU, "float64")
        engine.advance(700)
        f = np.array([2e8, 5e8])
        spectra.append(engine.records[str(1 - driven)].spectrum(f)[1] / engine.source_spectrum(f, str(driven)))
    np.testing.assert_allclose(spectra[0], spectra[1], rtol=1e-9)


def tube_impedance(radius: float, n: int = 10, d: float = 0.01) -> float:
    """Voltage over current, halfway along, of a pulse on a thin wire along z in a square metal tube."""
    length, middle = 40, n // 2
    grid = RectilinearGrid(np.arange(n + 1) * d, np.arange(n + 1) * d, np.arange(length + 1) * d)
    wire = np.array([[2, middle, middle, k] for k in range(length)])
    thin = thin_wire(grid, wire, radius)
    materials = vacuum(grid).scaled(thin.edges, thin.permittivity).with_pec(wire[1:])
    port = VoltagePort("p", wire[:1], 50.0, Gaussian(600e6))
    problem = YeeProblem(grid, materials, ("pec",) * 6, ports=[port], face_factors=thin.faces, courant=0.7)
    engine = Engine(problem, CPU, "float64")
    e, h = (engine.tables.lattice.view(f) for f in (engine.tables.e, engine.tables.h))
    V, current = [], []
    while engine.time < 1.2 * length * d / C_0:  # before the end of the tube answers
        engine.advance(1)
        V.append(-e[0, middle:, middle, 20].sum())
        current.append(
            [
                h[1, middle, middle, k]
                - h[1, middle - 1, middle, k]
                - h[0, middle, middle, k]
                + h[0, middle, middle - 1, k]
                for k in (19, 20)
            ]
        )
    # The current is half a cell and half a step away on either side.
    mean = np.mean(current, axis=1)
    here = 0.5 * (mean + np.concatenate([[0.0], mean[:-1]]))
    return float(abs(np.sum(V * here) / np.sum(here**2)))


def test_thin_wires_have_the_impedance_of_their_radius() -> None:
    """Oracle: closed form of a wire of radius a in a square tube of width w, (eta0 / 2 pi) ln(1.0787 w / (2 a)).

    S. Frankel, Proc. IRE 30 (1942) 182-190. The scheme's own wire has radius 0.1985 cells.
    """
    for radius in (0.2e-3, 0.5e-3, 1.985e-3, 3.5e-3):
        expected = MU_0 * C_0 / (2 * math.pi) * math.log(1.0787 * 0.1 / (2 * radius))
        assert tube_impedance(radius) == pytest.approx(expected, rel=0.01), radius


def largest_step(grid: RectilinearGrid, materials: EdgeMaterials, faces: FaceFactors) -> float:
    """Limit of stability in a metal box, 2 over the largest singular value of the weighted curl [s].

    The curl is put together from differences of whole arrays, without anything of the engine.
    """
    n, entries = grid.node_shape, np.arange(3 * math.prod(grid.node_shape)).reshape(3, *grid.node_shape)
    steps = [np.append(grid.steps(a), 1.0).reshape([-1 if b == a else 1 for b in range(3)]) for a in range(3)]
    dual = [grid.dual_steps(a).reshape([-1 if b == a else 1 for b in range(3)]) for a in range(3)]
    inside = materials.ids != PEC
    mu = np.ones(entries.shape)
    mu[tuple(faces.faces.T)] = faces.permeability
    weight_e, weight_h, terms = np.zeros(entries.shape), np.zeros(entries.shape), []
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        cut = [slice(None)] * 3
        for axis, end in ((a, 0), (a, -1), (b, 0), (b, -1), (c, -1)):
            wall = list(cut)
            wall[axis] = end
            inside[(c, *wall)] = False
        weight_e[c] = steps[c] / (dual[a] * dual[b])
        weight_h[c] = dual[c] / (steps[a] * steps[b]) / mu[c]
        face = entries[(c, *(slice(0, n[axis] - (axis != c)) for axis in range(3)))]
        for edge, axis, sign in ((b, a, 1.0), (a, b, -1.0)):
            for up in (0, 1):
                cut = [slice(0, n[d] - (d != c)) for d in range(3)]
                cut[axis] = slice(up, n[axis] - 1 + up)
                terms.append((face.ravel(), entries[(edge, *cut)].ravel(), np.full(face.size, sign * (2 * up - 1))))
    rows, columns, values = (np.concatenate(t) for t in zip(*terms, strict=True))
    weight_e *= np.where(inside, EPS_0 / materials.permittivity[materials.ids], 0.0)
    values *= np.sqrt(weight_h.ravel()[rows] * weight_e.ravel()[columns])
    curl = scipy.sparse.coo_array((values, (rows, columns)), shape=(entries.size,) * 2).tocsr()
    largest = scipy.sparse.linalg.svds(curl, k=1, return_singular_vectors=False, tol=1e-6, rng=0)[0]
    return float(2 / (C_0 * largest))


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("cells", [0.01, 0.1, 0.3, 0.55])
def test_the_time_step_is_stable_beside_thin_wires(cells: float, graded: bool) -> None:
    """Oracle: the largest singular value of the curl, for a branched wire with a gap and with a loose end."""
    rng = np.random.default_rng(1)
    grid = RectilinearGrid(
        *(np.concatenate([[0], np.cumsum(0.01 * (1 + 0.5 * graded * rng.random(m)))]) for m in (9, 9, 12))
    )
    wire = np.array([[2, 4, 5, k] for k in range(3, 9)] + [[0, i, 5, 6] for i in range(4, 7)])
    thin = thin_wire(grid, wire, cells * min(grid.steps(a).min() for a in range(3)))
    for metal in (wire, np.delete(wire, 2, axis=0)):
        materials = vacuum(grid).scaled(thin.edges, thin.permittivity).with_pec(metal)
        limit = largest_step(grid, materials, thin.faces)
        assert 0.86 * limit < stable_step(grid, materials, thin.faces) < limit


def test_the_engine_takes_the_stable_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: 3 % above the largest singular value's limit the energy grows without end, at the step taken it does not.

    All three radii ask for less than 0.9 of the step in vacuum.
    """
    grid = RectilinearGrid(*(np.arange(n + 1) * 0.01 for n in (9, 9, 12)))
    wire = np.array([[2, 4, 5, k] for k in range(3, 9)])
    for radius in (1e-5, 1e-4, 5.9e-3):
        thin = thin_wire(grid, wire, radius)
        materials = vacuum(grid).scaled(thin.edges, thin.permittivity).with_pec(np.delete(wire, 2, axis=0))
        aside = CurrentSource(
            "aside", np.array([[0, 3, 5, 4], [1, 4, 5, 6], [0, 2, 3, 2]]), np.array([1.0, 0.6, -0.3]), Gaussian(2e9)
        )
        problem = YeeProblem(
            grid,
            materials,
            ("pec",) * 6,
            sources=[aside],
            ports=[VoltagePort("p", wire[2:3], 50.0)],
            face_factors=thin.faces,
        )
        engine = Engine(problem, CPU)
        assert engine.dt < 0.9 * stable_step(grid)
        engine.advance(500)
        early = engine.energy()
        engine.advance(2500)
        assert 0 < engine.energy() < 1.001 * early
        above = 1.03 * largest_step(grid, materials, thin.faces) / problem.courant
        with monkeypatch.context() as patch:
            patch.setattr(lattice, "stable_step", lambda *_, above=above: above)
            engine = Engine(problem, CPU)
        engine.advance(500)
        assert not abs(engine.energy()) < 1e6 * early


def test_the_bound_for_very_many_cells_is_that_of_the_least_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: in a medium of half the permittivity everywhere both bounds are Courant's limit over sqrt(2)."""
    grid = RectilinearGrid(*(np.arange(n + 1) * 0.01 for n in (6, 7, 8)))
    thin = materials_from_edges(np.full((3, *grid.node_shape), 0.5), np.zeros((3, *grid.node_shape)))
    assert stable_step(grid, thin) == pytest.approx(stable_step(grid) / math.sqrt(2), rel=1e-9)
    monkeypatch.setattr(stability, "MOST_CELLS", 1)
    assert stable_step(grid, thin) == pytest.approx(stable_step(grid) / math.sqrt(2), rel=1e-9)
