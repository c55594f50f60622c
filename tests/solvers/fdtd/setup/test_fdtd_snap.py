"""Grids of the FDTD that pass through the edges of coils: planes, ratios, bounds, what does not fit, and costs."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps import worst_ratio

from emdose.errors import EmdoseWarning, InputError
from emdose.models import bodies
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.circuit_loops import CapacitorLoop
from emdose.models.coils.conductors import FeedPort, Wire
from emdose.models.coils.dipole import Dipole
from emdose.models.coils.ideal import Birdcage
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd.graded.grading import planes_of
from emdose.solvers.fdtd.setup.domain import make_domain
from emdose.solvers.fdtd.setup.snap import Snap
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.yee_grid.coil_raster import rasterise
from emdose.validation.cases.volume_integral import gel

H = 0.01
RATIO = 1.3


def body(radius_m=0.04):
    """A ball whose grid ends a voxel beyond it, at 5 cm."""
    return bodies.sphere(radius_m, H, gel())


def missed(coil, grid, extent):
    """Largest distance of the coil's planes beyond the body's grid from planes of a grid [m]."""
    out = []
    for a, planes in enumerate(planes_of(coil)):
        out += [np.abs(grid.nodes(a) - p).min() for p in planes if not extent[0][a] <= p <= extent[1][a]]
    assert out
    return max(out)


@pytest.mark.parametrize(
    "coil",
    [
        CapacitorLoop(size_m=(0.1734, 0.1312), capacitors=4, centre_m=(0, 0, 0.0877), gap_m=H),
        CapacitorLoop(size_m=(0.173, 0.151), capacitors=1, centre_m=(0, 0, 0.0877), strip_width_m=0.012, gap_m=H),
        CircuitBirdcage(rungs=8, radius_m=0.123, length_m=0.161, shield_radius_m=0.1503, gap_m=H),
        Dipole(0.2074, centre_m=(0.083, 0, 0), wire_radius_m=1e-3),
    ],
    ids=["loop", "strips", "birdcage", "dipole"],
)
def test_the_coil_lies_on_planes(coil):
    """Oracle: the coordinates that the coil was built with, the body's own planes, and the bounds of the grading."""
    phantom = body()
    exposure = Exposure(phantom, coil, 128e6)
    domain = make_domain(Fdtd(snap=True), exposure)
    grid = domain.grid
    assert missed(coil, grid, phantom.grid.bounds_m) < 1e-12
    assert missed(coil, make_domain(Fdtd(), exposure).grid, phantom.grid.bounds_m) > 1e-3
    for a in range(3):
        nodes, steps = grid.nodes(a), grid.steps(a)
        np.testing.assert_allclose(nodes[domain.core[a]], phantom.grid.nodes(a), atol=1e-12)
        assert worst_ratio(nodes) <= RATIO * (1 + 1e-6)
        assert steps.min() >= 0.5 * H * (1 - 1e-6)
        assert steps[domain.source[0][a] : domain.source[1][a]].max() <= RATIO * H * (1 + 1e-6)
        assert steps.max() <= 4 * H
        cells = domain.absorber_cells
        for end in (steps[: cells + 1], steps[-cells - 1 :]):
            assert np.ptp(end) < 1e-12
        # The cells around a source in its middle are its mirror image.
        if abs(sum(e[a] for e in coil.extent_m)) < 1e-12 and a < 2:
            np.testing.assert_allclose(nodes, -nodes[::-1], atol=1e-12)


@given(
    planes=st.lists(st.floats(-0.3, 0.3), max_size=6),
    reach=st.tuples(st.floats(0.05, 0.35), st.floats(0.05, 0.35)),
    ratio=st.floats(1.1, 2.0),
    finest=st.floats(0.2, 1.0),
    coarse=st.floats(1.1, 6.0),
)
@settings(max_examples=50, deadline=None)
def test_ratio_and_bounds_hold_whatever_the_planes(planes, reach, ratio, finest, coarse):
    """Oracle: the definition; a plane is met, or said, or nearer than the finest step to one that is kept."""
    core = H * np.arange(-5, 6)
    coarsest = max(coarse, ratio) * H
    snap = Snap(np.unique(planes), finest * H, finest * H, coarsest, ratio)
    inner, off = snap.around(core, -reach[0], reach[1])
    first = int(np.searchsorted(inner, core[0]))
    np.testing.assert_array_equal(inner[first : first + len(core)], core)
    steps = np.diff(inner)
    assert worst_ratio(inner) <= ratio * (1 + 1e-6)
    assert steps.min() >= finest * H * (1 - 1e-6)
    assert steps.max() <= coarsest * (1 + 1e-6)
    assert abs(inner[0] + reach[0]) < H
    assert abs(inner[-1] - reach[1]) < H
    for p in [*planes, -reach[0], reach[1]]:
        if -reach[0] <= p <= reach[1] and abs(p) > core[-1] and p not in off:
            near = np.abs(inner - p).min()
            assert near < 1e-12 or min(abs(p - q) for q in inner) < finest * H
    walls = sorted([*snap.planes_m, -reach[0], core[0], core[-1], reach[1]])
    if ratio > 1.2 and finest < 0.6 and all(b - a > 3 * H for a, b in itertools.pairwise(walls)):
        assert not off


def test_a_gap_beyond_the_body_has_its_length():
    """Oracle: the gap that the coil was built with, where it lies beyond the body's grid along its own axis."""
    c = 0.08
    points = np.array([[0, -c, c], [c, -c, c], [c, c, c], [-c, c, c], [-c, -c, c], [0, -c, c]])
    feed = FeedPort("feed", (c, 0.0645, c), (c, 0.0715, c))
    coil = CircuitCoil("loop", [Wire(points)], [], [feed])
    exposure = Exposure(body(), coil, 128e6)
    length = [
        rasterise(coil, grid).ports[0].length_m(grid)
        for grid in (make_domain(Fdtd(snap=s), exposure).grid for s in (False, True))
    ]
    assert length[0] == pytest.approx(0.01)
    assert length[1] == pytest.approx(0.007)


def test_planes_that_are_too_close_become_one_and_others_are_said():
    """Oracle: planes 2 mm apart, steps of at least 5 mm; a plane 6.7 mm from voxels of 10 mm, which none meet."""
    phantom = body()
    near = CapacitorLoop(size_m=(0.14, 0.14), capacitors=1, strip_width_m=0.004, centre_m=(0, 0, 0.08), gap_m=H)
    domain = make_domain(Fdtd(snap=True), Exposure(phantom, near, 128e6))
    assert [v for v in (0.068, 0.07, 0.072) if np.abs(domain.grid.x - v).min() < 1e-12] == [0.072]
    loop = CapacitorLoop(size_m=(0.126, 0.3), capacitors=1, centre_m=(0, 0, 0.0567), gap_m=H)
    with pytest.warns(EmdoseWarning, match=r"no steps fit .* z = 56.7 mm: they go to the nearest planes") as caught:
        domain = make_domain(Fdtd(snap=True), Exposure(phantom, loop, 128e6))
    assert len(caught) == 1
    assert worst_ratio(domain.grid.z) <= RATIO * (1 + 1e-6)
    assert domain.grid.z[domain.source[1][2]] == pytest.approx(0.06)
    # With a larger ratio one step of 6.7 mm fits.
    exact = make_domain(Fdtd(snap=True, growth=1.5), Exposure(phantom, loop, 128e6))
    assert np.abs(exact.grid.z - 0.0567).min() < 1e-12


def test_tissue_at_the_end_of_its_grid_has_a_cell_alike_beyond():
    """Oracle: edges on the surface of a grid cut close to the body have the dual lengths of equal voxels, as in Vie."""
    phantom = bodies.sphere(0.04, H, gel()).crop_to_body(0)
    assert phantom.body[0].any()
    coil = CapacitorLoop(size_m=(0.173, 0.131), capacitors=1, centre_m=(0, 0, 0.0877), gap_m=H)
    domain = make_domain(Fdtd(snap=True), Exposure(phantom, coil, 128e6))
    for a in range(3):
        np.testing.assert_allclose(domain.grid.dual_steps(a)[domain.core[a]], H, rtol=1e-9)
    assert np.abs(domain.grid.z - 0.0877).min() < 1e-12


def test_ideal_currents_snap_to_their_shield():
    """Oracle: the shield's radius and length."""
    coil = Birdcage(rungs=8, radius_m=0.12, length_m=0.15, shield_radius_m=0.1537)
    domain = make_domain(Fdtd(snap=True), Exposure(body(), coil, 128e6))
    assert coil.shield is not None
    for nodes, reach in ((domain.grid.x, 0.1537), (domain.grid.y, 0.1537), (domain.grid.z, 0.5 * coil.shield.length_m)):
        assert np.abs(np.abs(nodes) - reach).min() < 1e-12


def test_the_plan_counts_the_grid_and_says_what_small_steps_cost():
    """Oracle: Courant's limit: steps of a tenth along one axis make the time step (102 / 3)^(1/2) smaller."""
    exposure = Exposure(body(), Dipole(0.2074, centre_m=(0.083, 0, 0), gap_m=H), 300e6)
    plain, snapped = (Fdtd(snap=s).plan(exposure, "cpu") for s in (False, True))
    grid = make_domain(Fdtd(snap=True), exposure).grid
    assert snapped.cells == np.prod(grid.shape) != plain.cells
    assert plain.slowdown == 1.0
    assert 1.0 <= snapped.slowdown < 2.0
    with pytest.warns(EmdoseWarning, match=r"steps of 1.06 mm at the coil make the time step \S+ times smaller"):
        fine = Fdtd(snap=True, finest_m=1e-3).plan(exposure, "cpu")
    assert fine.slowdown == pytest.approx(plain.time_step_s / fine.time_step_s, rel=1e-6)
    assert 34**0.5 < fine.slowdown <= 10 * (1 + 1e-6)
    assert fine.steps == pytest.approx(plain.steps * fine.slowdown, rel=0.01)


def test_bad_input_is_one_line():
    """Oracle: the list of bad input of the FDTD issue."""
    for options, words in (
        ({"snap": 1}, "snap: bad option"),
        ({"finest_m": 1e-3}, "finest_m: finest step without snapping"),
        ({"snap": True, "finest_m": -1.0}, "finest_m: bad option"),
        ({"snap": True, "growth": 1.0}, "growth: grading ratio out of bounds"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            Fdtd(**options)
        assert "\n" not in str(caught.value)
    loop = Exposure(body(), CapacitorLoop(size_m=(0.17, 0.17), capacitors=1, gap_m=H), 128e6)
    wave = Exposure(body(), PlaneWave(), 128e6)
    for options, exposure, words in (
        ({"finest_m": 0.02}, loop, "finest_m: finest step does not go with the body's cells"),
        ({"finest_m": 1e-7}, loop, "finest_m: finest step does not go with the body's cells"),
        ({"coarsest_m": 0.004}, loop, "coarsest_m: coarsest step below the body's cells"),
        ({}, wave, "snap: a plane wave needs equal steps"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            make_domain(Fdtd(snap=True, **options), exposure)
        assert "\n" not in str(caught.value)


def test_without_snapping_nothing_changes():
    """Oracle: the grid as it was laid out before there was anything to snap to (stored hash of its planes)."""
    coil = CircuitBirdcage(rungs=8, radius_m=0.123, length_m=0.161, shield_radius_m=0.1503, gap_m=H)
    domain = make_domain(Fdtd(), Exposure(body(), coil, 128e6))
    planes = b"".join(np.ascontiguousarray(domain.grid.nodes(a)).tobytes() for a in range(3))
    assert hashlib.sha256(planes).hexdigest()[:16] == "d9ae30f39087d14c"
