"""Answers of a region, kept for any metal in it. Oracles: the direct solution of every pose; the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memory_checkpoint import Memory

import emdose as em
from emdose.compute import backend
from emdose.solvers.vie.library import part_of_body
from emdose.solvers.vie.library.region import region_mask
from emdose.solvers.yee_grid.edge_materials import edge_mean, metal_edges

F = 127.74e6
BODY = em.phantoms.gel_box(10e-3, (0.08, 0.06, 0.1))
COIL = em.Birdcage(rungs=4, radius_m=0.12, length_m=0.12)
REGION = [(0.0, -0.01, -0.02), (0.02, 0.01, 0.02)]
BAR = em.implants.box((0.018, 0.018, 0.028), "CoCrMo", centre_m=(0.01, 0.0, -0.005))
POSES = [BAR, BAR.moved((0.0, 0.0, 0.01)), em.implants.sphere(0.011, centre_m=(0.01, 0.0, 0.0))]


@pytest.fixture(scope="module")
def library():
    return em.ImplantLibrary.within(BODY, F, REGION, progress=False)


@pytest.fixture(scope="module")
def exposed(library):
    return library.exposed(COIL, progress=False)


def direct(implant, **options):
    return em.Vie(tolerance=1e-7, **options).solve(em.Exposure(BODY, COIL, F, implants=[implant]), progress=False)


def differs(one, other):
    tissue = edge_mean(other.body.astype(float), 0.0) > 0
    return np.linalg.norm((one.E - other.E)[:, tissue]) / np.linalg.norm(other.E[:, tissue])


@pytest.mark.parametrize("metal", ["perfect", "real"])
@pytest.mark.parametrize("pose", [0, 1, 2])
def test_poses_against_their_direct_solution(exposed, pose, metal):
    # Oracle: the equations of the body with this metal, solved for it.
    found = exposed.solve(POSES[pose], solver=em.Vie(metal=metal))
    expected = direct(POSES[pose], metal=metal)
    assert found.convergence["from_library"] == [True, True]
    assert differs(found, expected) < 1e-4
    assert np.linalg.norm(found.B - expected.B) < 1e-4 * np.linalg.norm(expected.B)
    for name in ("absorbed_W", "extinction_W", "scattered_W", "lost_W"):
        a, b = (getattr(f.power, name) for f in (found, expected))
        if b is not None:
            assert np.abs(a - b).max() < 2e-4 * np.abs(b).max()
    assert found.body_mass_kg == expected.body_mass_kg
    assert found.residual.max() <= 1e-4


def test_poses_without_the_answers_of_the_whole_body(library):
    # Oracle: the direct solution; what is kept is a square of the edges.
    small = em.ImplantLibrary.within(BODY, F, REGION, keep="couplings", progress=False)
    assert small.answers.shape == (0, library.answers.shape[1])
    found = small.exposed(COIL, drive="quadrature", progress=False).solve(BAR)
    expected = em.Vie(tolerance=1e-7).solve(
        em.Exposure(BODY, COIL, F, implants=[BAR]), drive="quadrature", progress=False
    )
    assert found.is_driven
    assert differs(found, expected) < 1e-4


MIDDLE = [(-0.02,) * 3, (0.02,) * 3]


def test_a_body_that_is_inverted_as_a_dense_matrix():
    # Oracle: the direct solution. Bodies of up to 15 000 unknowns are, for regions of 300 edges or more.
    library = em.ImplantLibrary.within(BODY, F, MIDDLE, progress=False)
    assert (library.about["solved"], library.about["products"]) == (0, 0)
    assert library.about["part"] == library.answers.shape[1]
    assert library.about["residual"] < 1e-5
    found = library.exposed(COIL, progress=False).solve(BAR)
    assert found.convergence["from_library"] == [True, True]
    assert differs(found, direct(BAR)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["answers", "couplings"])
def test_answers_from_some_edges_and_a_part_of_the_body(monkeypatch, keep):
    # Oracles: the body inverted as a whole; the direct solution.
    whole = em.ImplantLibrary.within(BODY, F, MIDDLE, progress=False)
    monkeypatch.setattr(part_of_body, "MOST", 900)
    planned = em.ImplantLibrary.plan(BODY, F, MIDDLE, keep=keep, compress=True)
    found = em.ImplantLibrary.within(BODY, F, MIDDLE, keep=keep, compress=True, progress=False)
    assert found.about["part"] == planned.part <= 900
    assert 0 < found.about["solved"] < 0.6 * len(found.edges)
    assert found.about["error"] <= 2e-5
    size = np.linalg.norm(whole.near, axis=1)
    assert (np.linalg.norm(found.near - whole.near, axis=1) / size).max() < 1e-4
    pose = found.exposed(COIL, progress=False).solve(BAR)
    assert max(pose.convergence["start_residual"]) < 5e-4
    assert pose.residual.max() <= 1e-4
    assert differs(pose, direct(BAR)) < 5e-4


@pytest.mark.slow
def test_a_region_of_which_nothing_can_be_left_out_is_solved_for(library, monkeypatch):
    # Oracle: answers to every edge; two voxels across, a region is all surface.
    monkeypatch.setattr(part_of_body, "MOST", 900)
    found = em.ImplantLibrary.within(BODY, F, REGION, compress=True, progress=False)
    assert found.about["error"] <= 2e-5
    assert np.linalg.norm(found.near - library.near) < 1e-4 * np.linalg.norm(library.near)


def test_poor_answers_are_iterated(library, exposed):
    # Oracle: the direct solution; the residual of every pose is measured.
    rng = np.random.default_rng(2)
    spoilt = replace(library, near=library.near + 0.01 * rng.normal(size=library.near.shape))
    found = spoilt.exposed(COIL, progress=False).solve(BAR)
    assert found.convergence["from_library"] == [False, False]
    assert found.residual.max() <= 1e-4
    assert differs(found, direct(BAR)) < 5e-4


def test_an_exposure_is_solved_like_by_any_solver(library):
    exposure = em.Exposure(BODY, COIL, F, implants=[BAR])
    found = library.solve(exposure, progress=False)
    assert found.provenance["implants"] == [{"name": BAR.name, "sha256": BAR.hash()}]
    assert found.ports == tuple(COIL.ports)
    assert not found.body[exposure.implanted.metal].any()


def test_what_does_not_fit_is_refused(library, exposed):
    with pytest.raises(em.InputError, match=r"beyond the region.*within \(0, -0.01, -0.02\)"):
        exposed.solve(BAR.moved((0.0, 0.02, 0.0)))
    with pytest.raises(em.InputError, match="another body"):
        exposed.solve(em.Exposure(em.phantoms.gel_box(10e-3, (0.08, 0.06, 0.12)), COIL, F, implants=[BAR]))
    with pytest.raises(em.InputError, match="another frequency"):
        exposed.solve(em.Exposure(BODY, COIL, 64e6, implants=[BAR]))
    with pytest.raises(em.InputError, match="another coil"):
        exposed.solve(em.Exposure(BODY, em.PlaneWave(), F, implants=[BAR]))
    for region, text in (
        ([(1.0, 1.0, 1.0), (2.0, 2.0, 2.0)], "without a voxel"),
        (np.zeros((2, 2, 2), bool), "does not fit the grid"),
        ([1.0, 2.0], "bad region"),
    ):
        with pytest.raises(em.InputError, match=text):
            em.ImplantLibrary.within(BODY, F, region, progress=False)
    with pytest.raises(em.InputError, match="compress"):
        em.ImplantLibrary.plan(BODY, F, REGION, compress="often")
    with pytest.raises(em.InputError, match="keep"):
        em.ImplantLibrary.plan(BODY, F, REGION, keep="all")
    with pytest.raises(em.InputError, match="tolerance"):
        em.ImplantLibrary.within(BODY, F, REGION, tolerance=0.5, progress=False)


def test_plan(library, monkeypatch):
    planned = em.ImplantLibrary.plan(BODY, F, REGION)
    assert (planned.edges, planned.kept) == (len(library.edges), "answers")
    assert planned.size == library.answers.shape[1]
    assert planned.file_bytes == library.near.nbytes + library.answers.nbytes
    be = backend.get("cpu")
    monkeypatch.setattr(type(be), "memory_free_bytes", lambda self: 2 * planned.file_bytes)
    with pytest.raises(em.ResourceError, match="GiB"):
        em.ImplantLibrary.plan(BODY, F, REGION, device=be)
    free = int(planned.bytes / 0.9) - planned.file_bytes // 2
    monkeypatch.setattr(type(be), "memory_free_bytes", lambda self: free)
    with pytest.raises(em.ResourceError, match="keep="):
        em.ImplantLibrary.plan(BODY, F, REGION, keep="answers", device=be)
    assert em.ImplantLibrary.plan(BODY, F, REGION, keep="couplings", device=be).bytes < planned.bytes
    monkeypatch.setattr(type(be), "memory_free_bytes", lambda self: 10**6)
    with pytest.raises(em.ResourceError, match="GiB"):
        em.ImplantLibrary.plan(BODY, F, REGION, device=be)


def test_interrupted_answers_resume(library):
    # Oracle: the uninterrupted library.
    memory, events = Memory(), []

    def stop(event):
        events.append(event)
        if event.stage == "answers" and event.index == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        em.ImplantLibrary.within(BODY, F, REGION, progress=stop, checkpoint=memory)
    assert set(memory.kept) == {"answers-000000", "answers-000008"}
    again = em.ImplantLibrary.within(BODY, F, REGION, progress=False, checkpoint=memory)
    np.testing.assert_array_equal(again.near, library.near)
    np.testing.assert_array_equal(again.answers, library.answers)
    assert events[0].stage == "setup"


def test_kept_on_disk(library, exposed, tmp_path):
    # Oracle: the same fields from the file; damage and another body are refused.
    path = tmp_path / "region.h5"
    em.write_implant_library(library, path)
    again = em.read_implant_library(path, BODY)
    np.testing.assert_array_equal(again.exposed(COIL, progress=False).solve(BAR).E, exposed.solve(BAR).E)
    with pytest.raises(em.InputError, match="another body"):
        em.read_implant_library(path, em.phantoms.sphere(0.04, 10e-3))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(em.InputError, match="HDF5"):
        em.read_implant_library(path, BODY)
    for change, text in (
        ({"near": library.near[:3]}, "do not fit"),
        ({"near": np.full_like(library.near, np.nan)}, "damaged"),
    ):
        em.write_implant_library(replace(library, **change), path)
        with pytest.raises(em.InputError, match=text):
            em.read_implant_library(path, BODY)


def test_region_of_two_corners():
    grid = BODY.grid
    mask = region_mask(grid, REGION)
    assert np.count_nonzero(mask) == 2 * 2 * 4
    assert np.array_equal(region_mask(grid, mask), mask)
    assert metal_edges(mask).sum() > 3 * np.count_nonzero(mask)


@pytest.mark.slow
def test_cement_around_the_metal_and_the_fdtd_of_the_same_grid():
    # Oracles: the direct solution of the body after surgery; peak 1 g SAR of an FDTD on the same voxels.
    shell = em.Surgery(shell=em.implants.ImplantShell(0.012))
    block = em.implants.box((0.018, 0.018, 0.018), centre_m=(0.0, 0.0, 0.0))
    exposure = em.Exposure(BODY, em.PlaneWave((0, 1, 0), (0, 0, 1)), F, implants=[block], surgery=shell)
    library = em.ImplantLibrary.within(BODY, F, [(-0.02,) * 3, (0.02,) * 3], progress=False)
    found = library.solve(exposure, progress=False)
    direct_one = em.Vie(tolerance=1e-7).solve(exposure, progress=False)
    bare = em.Vie().solve(replace(exposure, surgery=None), progress=False)
    assert differs(bare, direct_one) > 0.05
    assert differs(found, direct_one) < 1e-4
    stepped = em.Fdtd(metal="cells").solve(exposure, progress=False)
    tissue, metal = exposure.tissue, exposure.implanted.metal
    peaks = [
        em.mass_average(em.point_sar(f, tissue), tissue.density, tissue.spacing_m, 1e-3, metal=metal).peak
        for f in (found, stepped)
    ]
    assert peaks[0] == pytest.approx(peaks[1], rel=6e-4)
