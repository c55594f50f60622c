"""Circuit coils on a grid: connectivity, symmetry, gaps, tight shields, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import emdose as em
from emdose.models.coils.conductors import (
    FeedPort,
    LumpedElement,
    Plate,
    Strip,
    Wire,
    solid_box,
    solid_cylinder,
    solid_sphere,
)
from emdose.models.coils.cylinder import Shield
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_grid.coil_raster import rasterise, shield_edges
from emdose.solvers.yee_grid.staircase import staircase


def uniform(cells, step, along=None):
    """Cells centred on the isocentre, with a node there when the count is even; ``along`` z as many unless given."""
    return RectilinearGrid.from_grid(em.Grid((cells, cells, cells if along is None else along), step))


GRID = uniform(80, 5e-3)


def graph(pec, extra=()):
    """Nodes, edges and components of metal edges and of further edges (c, i, j, k)."""
    rows = np.argwhere(pec)
    if len(extra):
        rows = np.concatenate([rows, np.concatenate(extra)])
    high = rows[:, 1:] + np.eye(3, dtype=int)[rows[:, 0]]
    flat = np.stack([np.ravel_multi_index(tuple(p.T), pec.shape[1:]) for p in (rows[:, 1:], high)])
    nodes, ends = np.unique(flat, return_inverse=True)
    ends = ends.reshape(2, -1)
    count = connected_components(coo_array((np.ones(len(rows)), (ends[0], ends[1])), shape=(len(nodes),) * 2))[0]
    return len(nodes), len(rows), int(count)


def quarter_turn(a):
    """A node-centred array of edges (component, x, y, z) turned by 90 degrees about z."""
    n = a.shape[1]
    ex, ey, ez = (np.transpose(c, (1, 0, 2)) for c in a)
    out = np.zeros_like(a)
    out[1] = ex[::-1]
    # An edge along y from (i, j) to (i, j + 1) becomes one along x from (-j - 1, i).
    out[0, : n - 1] = ey[: n - 1][::-1]
    out[2] = ez[::-1]
    return out


@pytest.mark.parametrize(
    ("kind", "rungs", "cells", "step"),
    [
        ("high-pass", 8, 80, 5e-3),
        ("high-pass", 12, 81, 5e-3),
        ("high-pass", 16, 88, 4e-3),
        ("low-pass", 12, 80, 5e-3),
        ("low-pass", 16, 81, 5e-3),
        ("low-pass", 8, 88, 4e-3),
        ("band-pass", 16, 80, 5e-3),
        ("band-pass", 8, 81, 5e-3),
        ("band-pass", 12, 88, 4e-3),
    ],
)
def test_birdcage_is_connected_as_designed(kind, rungs, cells, step):
    # Oracle: graph theory. With its elements an N-rung cage has N + 1 independent loops and is in one piece; without,
    # it falls into N rungs, 2 rings, or 2 N stubs.
    coil = em.CircuitBirdcage(rungs, kind=kind)
    r = rasterise(coil, uniform(cells, step, 60))
    lumped = [g.edges for g in r.gaps]
    nodes, edges, parts = graph(r.pec, lumped)
    assert parts == 1
    assert edges - nodes + parts == rungs + 1
    assert graph(r.pec)[2] == {"high-pass": rungs, "low-pass": 2, "band-pass": 2 * rungs}[kind]


@pytest.mark.parametrize(
    ("kind", "rungs", "width", "cells"),
    [
        ("high-pass", 16, 0.02, 80),
        ("high-pass", 8, None, 81),
        ("low-pass", 16, 0.02, 81),
        ("low-pass", 12, None, 80),
        ("band-pass", 12, 0.015, 80),
        ("band-pass", 16, 0.02, 81),
    ],
)
def test_birdcage_keeps_the_symmetry_of_the_grid(kind, rungs, width, cells):
    # Oracle: a quarter turn about z maps the metal, and the set of gaps, onto themselves.
    coil = em.CircuitBirdcage(rungs, kind=kind, strip_width_m=width, shield_radius_m=0.185, gap_m=8e-3)
    r = rasterise(coil, uniform(cells, 5e-3, 64))
    np.testing.assert_array_equal(quarter_turn(r.pec), r.pec)
    gaps = np.zeros_like(r.pec)
    for g in r.gaps:
        gaps[tuple(g.edges.T)] = True
    np.testing.assert_array_equal(quarter_turn(gaps), gaps)
    first, second = (r.ports[i].edges for i in (0, 1))
    feed = np.zeros((2, *r.pec.shape), bool)
    feed[0][tuple(first.T)] = feed[1][tuple(second.T)] = True
    np.testing.assert_array_equal(quarter_turn(feed[0]), feed[1])


def test_strips_are_wide_and_gaps_cut_them_through():
    # Oracle: counting. A strip of four cells is five lines of edges; a gap of two edges takes ten of them and the two
    # inner cross-pieces of four.
    coil = em.CapacitorLoop(size_m=(0.2, 0.1), strip_width_m=0.02, capacitors=1, gap_m=0.01)
    closed = em.CircuitCoil(
        "strip",
        [Strip([[-0.05, 0, 0], [0.05, 0, 0]], 0.02, (0, 0, 1))],
        [],
        [FeedPort("f", (-0.005, 0, 0), (0.005, 0, 0))],
    )
    r = rasterise(closed, GRID)
    assert r.pec[0].sum() == 5 * 18
    assert r.pec[1].sum() == 4 * 20
    assert len(r.gaps[0].edges) == 2
    assert graph(r.pec)[2] == 2
    r = rasterise(coil, GRID)
    assert graph(r.pec)[2] == 1
    assert graph(r.pec, [r.gaps[0].edges])[2] == 1


def test_other_coils_are_connected_as_designed():
    # Oracle: number of pieces and loops.
    for coil, pieces, loops in (
        (em.CapacitorLoop(0.06), 4, 1),
        (em.CapacitorLoop(0.06, normal=(1, 0, 0), capacitors=1), 1, 1),
        (em.CapacitorLoop(0.06, normal=(1, 1, 1)), 4, 1),
        (em.CapacitorLoop(size_m=(0.11, 0.07), normal=(0, 1, 0), capacitors=6), 6, 1),
        (em.CapacitorLoopArray(8), 32, 8),
        (em.Dipole(0.2), 2, 0),
        (em.Dipole(0.2, direction=(1, 1, 0)), 2, 0),
    ):
        r = rasterise(coil, GRID)
        assert graph(r.pec)[2] == pieces
        nodes, edges, parts = graph(r.pec, [g.edges for g in r.gaps])
        assert parts == max(1, loops)
        assert edges - nodes + parts == loops


def test_signs_of_gaps():
    # Oracle: definition; the path runs from start to end.
    for a, b, c, sign in (((-2e-3, 0, 0), (2e-3, 0, 0), 0, 1), ((0, 6e-3, 0), (0, -6e-3, 0), 1, -1)):
        tip = np.eye(3)[c] * 0.05
        coil = em.CircuitCoil("c", [Wire([-tip, tip], 1e-3)], [], [FeedPort("f", a, b)])
        r = rasterise(coil, GRID)
        port = r.ports[0]
        assert port.component == c
        assert set(port.sign.tolist()) == {sign}
        if len(port.edges) > 1:
            assert np.diff(port.edges[:, 1 + c]).tolist() == [sign] * (len(port.edges) - 1)
        assert port.length_m(GRID) == pytest.approx(5e-3 * len(port.edges))
        assert r.wires[0].radius_m == 1e-3
        assert len(r.wires[0].edges) == r.pec.sum()


@pytest.mark.parametrize(("cells", "radius"), [(80, 0.1), (80, 0.1234), (81, 0.1), (81, 0.18)])
def test_shield_is_tight(cells, radius):
    # Oracle: flood fill. A wave passes a face unless its four edges conduct; with lids on, nothing gets out.
    grid = uniform(cells, 5e-3, 50)
    edges = shield_edges(Shield(radius, 0.2), grid)
    pec = np.zeros((3, *grid.node_shape), bool)
    pec[tuple(edges.T)] = True
    n = grid.shape
    number = np.arange(math.prod(n)).reshape(n)
    z = np.flatnonzero(np.abs(grid.centres(2)) < 0.1)
    open_x = ~(pec[1, 1:-1, :-1, :-1] & pec[1, 1:-1, :-1, 1:] & pec[2, 1:-1, :-1, :-1] & pec[2, 1:-1, 1:, :-1])
    open_y = ~(pec[0, :-1, 1:-1, :-1] & pec[0, :-1, 1:-1, 1:] & pec[2, :-1, 1:-1, :-1] & pec[2, 1:, 1:-1, :-1])
    pairs = np.concatenate(
        [
            np.stack([number[:-1][open_x], number[1:][open_x]]),
            np.stack([number[:, :-1][open_y], number[:, 1:][open_y]]),
            np.stack([number[:, :, z[:-1]].ravel(), number[:, :, z[1:]].ravel()]),
        ],
        axis=1,
    )
    label = connected_components(coo_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(number.size,) * 2))[
        1
    ]
    label = label.reshape(n)
    inside = label[n[0] // 2, n[1] // 2, z[0]]
    x, y = np.meshgrid(grid.centres(0), grid.centres(1), indexing="ij")
    np.testing.assert_array_equal(label[:, :, z[0]] == inside, np.hypot(x, y) < radius)
    # Without the layer of lids the wave leaves at the open ends, so the fill is no artefact.
    assert not pec[:, :, :, : z[0]].any()


def test_solids_and_plates():
    # Oracle: counting nodes of a box, and of a sphere by the same rule from its definition.
    tip = Wire([[0.05, 0, 0], [0.1, 0, 0]])
    feed = FeedPort("f", (0.07, 0, 0), (0.075, 0, 0))
    r = rasterise(em.CircuitCoil("box", [solid_box((0, 0, 0), (0.1, 0.02, 0.02)), tip], [], [feed]), GRID)
    assert r.pec[1].sum() == 21 * 4 * 5
    assert graph(r.pec)[2] == 2
    r = rasterise(em.CircuitCoil("ball", [solid_sphere((0, 0, 0), 0.05), tip], [], [feed]), GRID)
    x = GRID.nodes(0)
    inside = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2 <= 0.05**2 * (1 + 1e-9)
    assert r.pec[2].sum() == (inside[:, :, 1:] & inside[:, :, :-1]).sum()
    rod = solid_cylinder((-0.05, 0, 0), (0.05, 0, 0), 0.0101)
    r = rasterise(em.CircuitCoil("rod", [rod, tip], [], [feed]), GRID)
    assert r.pec[1].sum() == 21 * 8
    r = rasterise(em.CircuitCoil("plate", [Plate((0, 0, 0), (0.05, 0, 0), (0, 0.03, 0)), tip], [], [feed]), GRID)
    assert (r.pec[0].sum(), r.pec[1].sum(), r.pec[2].sum()) == (10 * 7 + 9, 11 * 6, 0)


def test_what_does_not_fit_the_grid_is_one_clear_line():
    # Oracle: the list of bad input of the FDTD issue.
    line = Wire([[0, 0, -0.1], [0, 0, 0.1]])
    feed = FeedPort("f", (0, 0, 0.05), (0, 0, 0.055))
    cap = lambda a, b: LumpedElement("C", a, b, capacitance_F=1e-12)  # noqa: E731
    block = solid_box((0, 0, 0.05), (0.05, 0.05, 0.05))
    near = Wire([[0.002, 0, -0.1], [0.002, 0, 0]])
    loose = Wire([[0.05, 0, -0.1], [0.05, 0, 0.1]])
    cases = [
        ([line], [cap((0, 0, 0), (0.03, 0.03, 0))], "not along an edge"),
        ([line], [cap((0, 0, 0), (0.001, 0, 0))], "shorter than a cell"),
        ([line], [cap((0.05, 0.05, 0), (0.06, 0.05, 0))], "does not end on a conductor"),
        ([line, block], [], "inside metal"),
        ([line], [cap((0, 0, 0.051), (0, 0, 0.056))], "two ports on one edge"),
        ([line, near], [], "merge on this grid"),
        ([line, Wire([[0.1, 0, 0], [0.5, 0, 0]])], [], "leaves the grid"),
        ([line, solid_sphere((0.05, 0.05, 0.0513), 1e-3)], [], "smaller than a cell"),
        ([line, solid_sphere((0.2, 0.05, 0.05), 0.02)], [], "leaves the grid"),
        ([line, Plate((0.05, 0, 0), (0.3, 0, 0), (0, 0.03, 0))], [], "leaves the grid"),
    ]
    for metal, elements, words in cases:
        with pytest.raises(em.InputError, match=words) as caught:
            rasterise(em.CircuitCoil("c", metal, elements, [feed]), GRID)
        assert "\n" not in str(caught.value)
    rasterise(em.CircuitCoil("c", [line, loose], [cap((0, 0, 0), (0.05, 0, 0))], [feed]), GRID)
    closing = Wire([[0, 0, 0], [0.05, 0, 0], [0.05, 0.05, 0], [0, 0, 0]])
    with pytest.raises(em.InputError, match="closing point"):
        rasterise(em.CircuitCoil("c", [closing], [], [FeedPort("f", (0.004, 0, 0), (0.003, 0.003, 0))]), GRID)
    with pytest.raises(em.InputError, match="shield leaves"):
        rasterise(em.CircuitBirdcage(shield_radius_m=0.21), GRID)
    aside = Wire([[0.149, 0, -0.05], [0.149, 0, 0.05]])
    with pytest.raises(em.InputError, match=r"the shield merge on this grid"):
        rasterise(em.CircuitCoil("c", [line, aside], [], [feed], shield=Shield(0.1525, 0.3)), uniform(40, 0.01))
    with pytest.raises(em.InputError, match="shorter than a cell"):
        rasterise(em.CircuitBirdcage(rungs=32), uniform(10, 0.05))


@given(
    st.lists(st.tuples(*(st.floats(-0.18, 0.18),) * 3), min_size=2, max_size=5, unique=True),
    st.sampled_from([GRID, uniform(81, 5e-3)]),
)
@settings(max_examples=40, deadline=None)
def test_staircases_follow_their_chain(points, grid):
    # Oracle: definition. Every step changes one index by one, every node is within half a cell of the chain along each
    # axis, the ends are the nearest nodes, and the way back is the same.
    chain = np.array(points)
    if np.linalg.norm(np.diff(chain, axis=0), axis=1).min() < 1e-6:
        return
    path = staircase(chain, grid)
    assert (np.abs(np.diff(path.nodes, axis=0)).sum(axis=1) == 1).all()
    assert (np.diff(path.at_m) >= -1e-12).all()
    place = np.stack([grid.nodes(a)[path.nodes[:, a]] for a in range(3)], axis=1)
    samples = np.concatenate([a + np.linspace(0, 1, 500)[:, None] * (b - a) for a, b in pairwise(chain)])
    for node in place:
        assert np.abs(samples - node).max(axis=1).min() <= 2.5e-3 + 2e-3
    for end, node in ((chain[0], place[0]), (chain[-1], place[-1])):
        assert np.abs(end - node).max() <= 2.5e-3 + 1e-7
    back = staircase(chain[::-1], grid)
    assert {tuple(n) for n in back.nodes.tolist()} == {tuple(n) for n in path.nodes.tolist()} or len(
        back.nodes
    ) == pytest.approx(len(path.nodes), abs=2 * len(chain))


def test_graded_grids_carry_coils():
    # Oracle: the same number of loops as on a uniform grid, and planes where the coil has edges.
    from emdose.solvers.fdtd.graded.grading import graded_grid, planes_of

    coil = em.CapacitorLoop(size_m=(0.1, 0.06), capacitors=2)
    planes = planes_of(coil)
    grid = graded_grid((-0.15, -0.15, -0.1), (0.15, 0.15, 0.1), 2e-3, 8e-3, snap_m=planes)
    r = rasterise(coil, grid)
    nodes, edges, parts = graph(r.pec, [g.edges for g in r.gaps])
    assert (parts, edges - nodes + parts) == (1, 1)
    for value in (-0.05, 0.05):
        assert np.abs(grid.x - value).min() < 1e-12
    assert r.gaps[0].length_m(grid) == pytest.approx(5e-3)


@pytest.mark.parametrize(("height_m", "joined"), [(2e-3, True), (0.0, False), (5e-3, False)])
def test_a_plate_that_merges_with_a_wire_is_said(height_m, joined):
    # Oracle: 2 mm above a wire on cells of 5 mm a plate falls on its nodes; at 0 it touches, at 5 mm it is free.
    ring = [(0, 0.05, 0), (0.05, 0.05, 0), (0.05, -0.05, 0), (-0.05, -0.05, 0), (-0.05, 0.05, 0), (0, 0.05, 0)]
    plate = Plate((-0.02, 0.02, height_m), (0.04, 0, 0), (0, 0.06, 0))
    feed = FeedPort("feed", (0.05, -0.0025, 0), (0.05, 0.0025, 0))
    coil = em.CircuitCoil("ring below a plate", [Wire(ring), plate], [], [feed])
    if joined:
        with pytest.warns(em.EmdoseWarning, match=r"\(wire\) and conductor 1 \(plate\) are apart but joined"):
            rasterise(coil, GRID)
    else:
        rasterise(coil, GRID)


def test_a_wire_that_is_not_thin_is_refused_before_anything_runs():
    # Oracle: the bound of the thin-wire model, 0.6 cells; a plan is enough to learn of it.
    line = [[0, 0, -0.1], [0, 0, 0.1]]
    feed = FeedPort("feed", (0, 0, -0.0025), (0, 0, 0.0025))
    rasterise(em.CircuitCoil("rod", [Wire(line, 2.9e-3)], [], [feed]), GRID)
    with pytest.raises(em.InputError, match=r"wire_radius_m: a wire is not thin.*found 0\.0031.*0\.003 m"):
        rasterise(em.CircuitCoil("rod", [Wire(line, 3.1e-3)], [], [feed]), GRID)
    ball = em.phantoms.sphere(radius_m=0.05, spacing_m=1.25e-2)
    thick = em.Dipole(0.3, centre_m=(0.1, 0, 0), wire_radius_m=9e-3, gap_m=12.5e-3)
    with pytest.raises(em.InputError, match="not thin"):
        em.Fdtd(margin_m=0.04).plan(em.Exposure(ball, thick, 128e6), device="cpu")


@pytest.mark.parametrize(("gap_m", "said"), [(2.4e-3, True), (2.6e-3, False), (5e-3, False), (8e-3, False)])
def test_a_gap_below_half_a_cell_is_said(gap_m, said, recwarn):
    # Oracle: definition, on cells of 5 mm; one warning for all gaps.
    coil = em.CircuitBirdcage(rungs=8, radius_m=0.1, length_m=0.1, gap_m=gap_m)
    rasterise(coil, GRID)
    told = [str(w.message) for w in recwarn if w.category is em.EmdoseWarning]
    assert len(told) == said
    assert not said or "and 15 more are shorter than half a cell: 2.4 mm became one edge of 5 mm" in told[0]


@pytest.mark.parametrize(("width_m", "said"), [(2.4e-3, True), (2.6e-3, False), (10e-3, False)])
def test_a_strip_below_half_a_cell_is_said(width_m, said, recwarn):
    # Oracle: definition, on cells of 5 mm.
    strip = Strip([(0, 0, -0.05), (0, 0, 0.05)], width_m, (1, 0, 0))
    rasterise(em.CircuitCoil("strip", [strip], [], [FeedPort("feed", (0, 0, -0.0025), (0, 0, 0.0025))]), GRID)
    rasterise(em.CircuitBirdcage(rungs=8, radius_m=0.1, length_m=0.1, strip_width_m=width_m), GRID)
    told = [str(w.message) for w in recwarn if w.category is em.EmdoseWarning]
    assert len(told) == 2 * said
    assert not said or "conductor 0 (strip) is narrower than half a cell: 2.4 mm on cells of 5 mm" in told[0]
