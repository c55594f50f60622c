"""Wires on paths of their own: weights, static elements, energy, schedules, and currents beside a moment method."""

from __future__ import annotations

import math
from dataclasses import replace

import gel_wires
import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.models.leads import Lead
from emdose.solvers.leads.lead_in_medium import lead_in_medium
from emdose.solvers.yee_engine import (
    Cpml,
    CurrentSource,
    Dft,
    DftRegion,
    Engine,
    Gaussian,
    ModulatedGaussian,
    SubcellWire,
    YeeProblem,
    materials_from_voxels,
    vacuum,
)
from emdose.solvers.yee_engine.setup.wire_circuits import circuit_of
from emdose.solvers.yee_engine.setup.wire_paths import node_weights, segment_weights
from emdose.solvers.yee_engine.setup.wire_statics import elastances, inductances, lattice_green
from emdose.solvers.yee_engine.walks.cells import Cells
from emdose.solvers.yee_engine.walks.one_pass import OnePass

D = 5e-3


def graded() -> RectilinearGrid:
    rng = np.random.default_rng(3)
    return RectilinearGrid(*(np.concatenate([[0.0], np.cumsum(D * (1 + 0.3 * rng.random(n)))]) for n in (24, 23, 26)))


def bent(grid: RectilinearGrid, **changed: object) -> SubcellWire:
    """A bent wire of 14 segments, insulated but for its ends."""
    middle = np.array([float(grid.centres(a)[len(grid.centres(a)) // 2]) for a in range(3)])
    s = np.linspace(-1, 1, 15)[:, None]
    nodes = middle + D * (6 * s * np.array([0.6, 0.5, 0.7]) + 2 * s**2 * np.array([0.3, -0.8, 0.2]))
    wire = SubcellWire("lead", nodes, 5e-4, 7.5e-4, 3.0, resistance_ohm_m=5.0)
    coated = wire.node_lengths_m
    coated[0], coated[1], coated[-1] = 0.0, 0.4 * coated[1], 0.0
    return replace(wire, coated_m=coated, **changed)


def problem(boundary: str = "cpml", lossy: bool = True, **changed: object) -> YeeProblem:
    grid = graded()
    labels = np.zeros(grid.shape, np.uint8)
    labels[4:20, 3:20, 4:22] = 1
    labels[10:, 8:16, 4:22] *= 2
    sigma = np.array([0.0, 0.47, 0.2]) if lossy else np.zeros(3)
    materials = materials_from_voxels(grid, labels, np.array([1.0, 80.0, 40.0]), sigma)
    pulse = Gaussian(600e6)
    lead = bent(grid, emf_V=np.linspace(0.5, 1.0, 14), waveform=pulse)
    lead = lead if lossy else replace(lead, resistance_ohm_m=0.0)
    straight = SubcellWire("bare", lead.nodes_m[::2] + np.array([0.01, 0.0, -0.005]), 3e-4)
    parts: dict[str, object] = {
        "sources": [CurrentSource("dipole", np.array([[2, 8, 8, 12]]), np.ones(1), pulse)],
        "wires": [lead, straight],
        "dft": Dft([2e8, 4e8], [DftRegion("inside", (3, 3, 3), (20, 19, 22))], 4),
    }
    return YeeProblem(grid, materials, (boundary,) * 6, Cpml(4), **(parts | changed))  # type: ignore[arg-type]


def test_voltages_of_a_potential_add_up_to_its_difference() -> None:
    """Oracle: the fundamental theorem; so no charge appears but where current ends, on a graded grid as well."""
    grid = graded()
    wire, rng = bent(grid), np.random.default_rng(1)
    potential = rng.normal(size=grid.node_shape)
    e = np.zeros((3, *grid.node_shape))
    for c in range(3):
        cut = tuple(slice(0, n - (a == c)) for a, n in enumerate(grid.node_shape))
        e[(c, *cut)] = -np.diff(potential, axis=c)
    edges, ends = segment_weights(grid, wire.nodes_m), node_weights(grid, wire.nodes_m)
    voltage = np.add.reduceat(edges.weight * e[tuple(edges.at.T)], edges.row[:-1])
    phi = np.add.reduceat(ends.weight * potential[tuple(ends.at[:, 1:].T)], ends.row[:-1])
    np.testing.assert_allclose(voltage, -np.diff(phi), atol=1e-12)


def test_uniform_field_gives_length_along_it() -> None:
    """Oracle: E . l, exactly."""
    grid = graded()
    wire, E = bent(grid), np.array([0.3, -1.0, 2.0])
    w = segment_weights(grid, wire.nodes_m)
    e = np.array([E[c] * grid.steps(c)[n[c]] for c, *n in w.at.tolist()])
    np.testing.assert_allclose(np.add.reduceat(w.weight * e, w.row[:-1]), np.diff(wire.nodes_m, axis=0) @ E, rtol=1e-12)


def test_green_function_of_the_lattice() -> None:
    """Oracle: Watson's integral, and 1 / (4 pi r) far away, with other steps along every axis as well."""
    assert lattice_green((1.0, 1.0, 1.0), 2)[0, 0, 0] == pytest.approx(0.2527310098586630, rel=1e-7)
    table = lattice_green((1.0, 1.0, 1.0), 16)
    assert table[1, 0, 0] == pytest.approx(table[0, 0, 0] - 1 / 6, rel=1e-7)
    far = lattice_green((1.0, 1.2, 0.8), 16)[9, 8, 10]
    assert far == pytest.approx(1 / (4 * math.pi * math.hypot(9, 9.6, 8)), rel=2e-3)


def radii(direction: tuple[float, float, float], offset: tuple[float, float, float]) -> tuple[float, float]:
    """Mean radius r0 over the cell of the middle of a straight wire, from its inductance and its elastance."""
    grid = RectilinearGrid(*(np.arange(41) * D,) * 3)
    along = np.array(direction) / np.linalg.norm(direction)
    nodes = D * (20 + np.array(offset) + np.arange(-9, 10)[:, None] * along)
    wire = SubcellWire("wire", nodes, 2e-4)
    L = inductances(grid, wire, segment_weights(grid, nodes))[6:12] / D
    S = elastances(grid, wire, node_weights(grid, nodes), 2e-4)[6:12] * D
    return tuple(math.exp(2 * math.pi * float(v.mean())) * 2e-4 / D for v in (L / MU_0, S))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("offset", "expected"), [((0, 0, 0.3), 0.6114), ((0.5, 0, 0), 0.6653), ((0.5, 0.5, 0), 0.7178)]
)
def test_radius_of_the_lattice_along_an_axis(offset: tuple[float, float, float], expected: float) -> None:
    """Oracle: the self-potential of the same weights on the square lattice, by its Fourier transform."""
    n = 512
    k = 2 * np.pi * np.fft.fftfreq(n)
    lam = 4 * np.sin(k[:, None] / 2) ** 2 + 4 * np.sin(k / 2) ** 2
    lam[0, 0] = np.inf
    green = np.fft.ifft2(1 / lam).real
    line = []
    for x in offset[:2]:
        w = np.zeros(4)
        for shift in (-0.25, 0.25):
            at = x + 1 + shift
            w[int(at)] += 0.5 * (1 - at % 1)
            w[int(at) + 1] += 0.5 * (at % 1)
        line.append(w)
    weight = np.outer(*line)
    apart = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    pairs = green[apart[:, None, :, None], apart[None, :, None, :]] - green[0, 0]
    potential = 2 * np.pi * np.einsum("ij,ijkl,kl->", weight, pairs, weight)
    flat = math.exp(-potential - 0.5772156649 - 1.5 * math.log(2))
    assert flat == pytest.approx(expected, rel=1e-3)
    assert radii((0, 0, 1), offset) == pytest.approx((flat, flat), rel=3e-3)


@pytest.mark.parametrize("direction", [(1, 0, 1), (1, 1, 1), (0.2, 0.5, 1)])
def test_radius_of_oblique_wires_lies_with_that_of_others(direction: tuple[float, float, float]) -> None:
    """Ratios to 0.61 within 8 % are 8 % of a number within a logarithm."""
    for radius in radii(direction, (0.1, 0.2, 0.3)):
        assert radius == pytest.approx(0.61, rel=0.08)


def test_energy_is_kept_where_nothing_is_lost() -> None:
    """Oracle: conservation, with the energy of the wires among it, after the pulse."""
    engine = Engine(problem("pec", lossy=False), backend.get("cpu"), "float64")
    engine.advance(800)
    before = engine.energy()
    assert np.abs(engine.tables.wire_parts[0]).max() > 1e-6
    for _ in range(3):
        engine.advance(100)
        assert engine.energy() == pytest.approx(before, rel=1e-11)


def run(schedule: type | None, be: backend.Backend, dtype: str) -> Engine:
    engine = Engine(problem(), be, dtype)
    if schedule is not None:
        engine._schedule = schedule(engine.tables, be)
    engine.advance(21)
    engine.advance(18)
    return engine


@pytest.mark.parametrize(("schedule", "dtype"), [(None, "float32"), (Cells, "float64"), (OnePass, "float64")])
def test_compiled_wires_equal_their_reference(
    schedule: type | None, dtype: str, reference_backend: backend.Backend
) -> None:
    """Oracle: the NumPy reference by plain steps."""
    expected, found = run(None, reference_backend, dtype), run(schedule, backend.get("cpu"), dtype)
    rounding = 3e-6 if dtype == "float32" else 1e-12
    for name in ("e", "h", "wire_state", "dft"):
        a, b = getattr(found.tables, name), getattr(expected.tables, name)
        np.testing.assert_allclose(a, b, rtol=0, atol=rounding * np.abs(b).max(), err_msg=name)
    assert found.energy() == pytest.approx(expected.energy(), rel=10 * rounding)


def test_restart_changes_no_bit() -> None:
    straight, first, second = (Engine(problem(), backend.get("cpu")) for _ in range(3))
    straight.advance(70)
    first.advance(33)
    second.restore(first.state())
    second.advance(37)
    for name in ("e", "h", "wire_state", "dft"):
        assert np.array_equal(getattr(straight.tables, name), getattr(second.tables, name)), name
    for name, currents in straight.wire_currents().items():
        assert np.array_equal(currents, second.wire_currents()[name])


def test_sums_of_currents_are_those_of_their_steps() -> None:
    """Oracle: the currents of every step, at (n + 1/2) dt, transformed here."""
    engine = Engine(problem(dft=Dft([3e8], [], 1)), backend.get("cpu"), "float64")
    kept = []
    for _ in range(60):
        engine.advance(1)
        kept.append(engine.tables.wire_parts[0].copy())
    t = (np.arange(60) + 0.5) * engine.dt
    expected = engine.dt * np.exp(-2j * np.pi * 3e8 * t) @ np.array(kept)
    found = np.concatenate([v[0] for v in engine.wire_currents().values()])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("steps", [600, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_growth(steps: int) -> None:
    """A lossless box, so that nothing hides growth: wires in vacuum, at the limit of the step."""
    grid = RectilinearGrid(*(np.arange(17) * D,) * 3)
    lead = bent(grid, resistance_ohm_m=0.0, emf_V=np.ones(14), waveform=ModulatedGaussian(1e9, 1e9))
    bare = SubcellWire("bare", lead.nodes_m[:, [1, 2, 0]], 1e-4)
    made = YeeProblem(grid, vacuum(grid), ("pec",) * 6, wires=[lead, bare], courant=1.0)
    engine = Engine(made, backend.get("cpu"), "float64")
    assert engine.dt < D / math.sqrt(3) / 299792458
    engine.advance(500)
    before = engine.energy()
    engine.advance(steps)
    assert engine.energy() == pytest.approx(before, rel=1e-9)


def test_step_in_tissue_is_that_of_the_lattice() -> None:
    whole, none = Engine(problem(), backend.get("cpu")), Engine(problem(wires=()), backend.get("cpu"))
    assert whole.dt == none.dt


def test_wires_that_cannot_be_are_refused() -> None:
    grid = graded()
    lead = bent(grid)
    air = vacuum(grid)
    with pytest.raises(InputError, match="too thick for its cells"):
        circuit_of(grid, air, SubcellWire("lead", lead.nodes_m, 4e-3))
    metal = air.with_pec(np.array([[2, 12, 11, 12], [2, 12, 11, 13]]))
    with pytest.raises(InputError, match="touches metal"):
        circuit_of(grid, metal, lead)
    with pytest.raises(InputError, match="coat thinner"):
        replace(lead, coat_radius_m=4e-4)
    with pytest.raises(InputError, match="two segments"):
        replace(lead, nodes_m=lead.nodes_m[:2], coated_m=None)
    with pytest.raises(InputError, match="impressed"):
        replace(lead, emf_V=np.ones(3))
    with pytest.raises(InputError, match="insulation"):
        replace(lead, coated_m=np.ones(15))
    with pytest.raises(InputError, match="leaves the interior"):
        problem(wires=[replace(lead, nodes_m=lead.nodes_m + 0.05)])
    with pytest.raises(InputError, match="of one name"):
        problem(wires=[lead, lead])


# ---- currents beside the moment method ------------------------------------------------------------------------------
def expected_of(*case: float) -> complex:
    return gel_wires.reference()[case]  # type: ignore[index]


@pytest.mark.parametrize(
    ("case", "options", "tolerance"),
    [
        ((127.74, 0.5, 0.75, 3.0, 20), {}, 0.02),
        ((127.74, 0.5, 0.75, 3.0, 20), {"direction": (0, 1, 1), "offset": (0.3, 0.1, 0.2)}, 0.02),
        ((127.74, 0.8, 0.8, 1.0, 20), {"direction": (0, 0.5, 0.75**0.5)}, 0.02),
    ],
)
def test_current_in_gel(case: tuple[float, ...], options: dict, tolerance: float) -> None:
    """Oracle: Galerkin's moment method (tests/data/wire_currents.csv); the issue asks for 5 %, bare 5 to 10 %."""
    found, expected = gel_wires.middle(gel_wires.wire_in_gel(*case, **options)), expected_of(*case)
    assert abs(found - expected) < tolerance * abs(expected)


@pytest.mark.parametrize("metal_mm", [0.5, 1.25])
def test_stripped_wires_and_contacts_in_both_engines(metal_mm: float) -> None:
    """Oracle: the moment method with rings of both radii, on segments of 1 mm. The two ends differ by 20 %."""
    lead = Lead([[0, 0, 0], [0, 0, 0.2]], 5e-4, 1.25e-3, 3.0, bare_tip_m=17.5e-3, bare_radius_m=1e-3 * metal_mm)
    expected = lead_in_medium(lead, 127.74e6, 80, 0.47, segment_m=1e-3, kernel="tube").in_field([0, 0, 1.0])
    found = gel_wires.wire_in_gel(127.74, 0.5, 1.25, 3.0, 20, stripped_mm=(17.5, metal_mm))
    for s in (1, 3, 20):
        assert abs(found[s] - expected.at(5e-3 * (s + 0.5))[0]) < 0.025 * abs(found[s])


def test_current_of_a_short_wire_is_proportional_to_the_permittivity_of_its_coat() -> None:
    """Oracle: j omega C' E L^2 / 8 with C' of the coat alone, where the wire is short."""
    low, high = (gel_wires.middle(gel_wires.wire_in_gel(127.74, 0.75, 1.25, eps, 5)) for eps in (2.1, 3.0))
    assert abs(high / low) == pytest.approx(3.0 / 2.1, rel=0.05)
    assert abs(high) == pytest.approx(abs(expected_of(127.74, 0.75, 1.25, 3.0, 5)), rel=0.05)


SLOW = [
    (f, *wire, length)
    for f in (63.87, 127.74)
    for wire in ((0.5, 0.75, 3.0), (0.75, 1.25, 2.1), (0.8, 0.8, 1.0))
    for length in (20, 40, 60)
]


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW)
def test_currents_in_gel_of_all_lengths(case: tuple[float, ...]) -> None:
    """Oracle: the moment method; 5 % (10 % where a coated wire is near its resonance)."""
    found = gel_wires.middle(gel_wires.wire_in_gel(*case, periods=7, gap=8))
    expected = expected_of(*case)
    assert abs(abs(found) / abs(expected) - 1) < (0.1 if abs(expected.imag) < abs(expected.real) else 0.05)


@pytest.mark.slow
def test_without_another_unit_of_time() -> None:
    """Oracle: the moment method, and the run with time in another unit."""
    case = (127.74, 0.5, 0.75, 3.0, 20)
    plain, scaled = (gel_wires.middle(gel_wires.wire_in_gel(*case, scale=s)) for s in (1.0, 16.0))
    assert abs(plain - scaled) < 0.01 * abs(plain)
    assert abs(plain - expected_of(*case)) < 0.02 * abs(plain)


@pytest.mark.slow
def test_resonance_length() -> None:
    """Oracle: the moment method of this package, at the same lengths; within a cell of 5 mm."""
    lengths, largest = np.arange(21.0, 28.0), []
    for solve in (_in_cells, _by_moments):
        currents = np.array([solve(c) for c in lengths])
        top = int(currents.argmax())
        a, b, _ = np.polyfit(lengths[top - 1 : top + 2], currents[top - 1 : top + 2], 2)
        largest.append(-b / (2 * a))
    assert largest[0] == pytest.approx(largest[1], abs=0.5)


def _in_cells(length_cm: float) -> float:
    return abs(gel_wires.middle(gel_wires.wire_in_gel(127.74, 0.5, 0.75, 3.0, length_cm, periods=6, gap=8)))


def _by_moments(length_cm: float) -> float:
    lead = Lead([[0, 0, 0], [0, 0, 1e-2 * length_cm]], 5e-4, 7.5e-4, 3.0)
    found = lead_in_medium(lead, 127.74e6, 80, 0.47).in_field(np.array([0, 0, 1.0]))
    return abs(found.at(0.5e-2 * length_cm)[0])


@pytest.mark.slow
@pytest.mark.parametrize("cells", [2.5, 3.0])
def test_power_around_a_tip(cells: float) -> None:
    """Oracle: a point that delivers the current, I^2 sigma / (8 pi abs(sigma*)^2) (1 / r0 - 1 / r1) of two radii, at
    20 MHz, where the gel's wavelength is beyond them; 5 %. Further out the field along the lead counts."""
    found, expected = gel_wires.power_around_tip(20.0, cells, 12.5)
    assert found == pytest.approx(expected, rel=0.05)
