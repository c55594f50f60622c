"""Voxels across the metal: what the solver says about its own error, refuses, chooses by itself and extrapolates."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import emdose as em
from emdose.compute import backend
from emdose.errors import EmdoseWarning, InputError, ResourceError
from emdose.models.implants import shapes
from emdose.models.implants.implant import Implant
from emdose.models.implants.voxels import voxelise
from emdose.solvers.eddy.options import EddyOptions
from emdose.solvers.eddy.spacing import finer, resolved
from emdose.solvers.results.power_errors import largest_share
from emdose.validation.closed_forms.low_frequency import eddy_low_frequency, eddy_sphere
from emdose.validity import judge

SIGMA = 1.16e6
BALL = shapes.sphere(1e-3, subdivisions=4)
PLATE = shapes.box((0.02, 0.012, 0.001))
DISC = shapes.cylinder(0.01, 0.002)
F = 10.0
BE = backend.get("cpu")


def solved(implant: object, spacing: object, **options: object) -> em.PowerTensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)
        return em.EddyCurrent(spacing_m=spacing, **options).solve(implant, F)  # type: ignore[arg-type]


def errors(tensor: em.PowerTensor, exact: object) -> np.ndarray:
    return np.diag(tensor.matrix[0]).real / np.asarray(exact) - 1


def estimates(tensor: em.PowerTensor) -> np.ndarray:
    return np.array([tensor.error([F], [axis])["total"] for axis in np.eye(3)])


@pytest.mark.parametrize("cells", [2, 3, 5, 8, 13])
def test_estimate_of_balls(cells: int) -> None:
    """Oracle: closed form of the sphere, 2 to 13 voxels across: -27 to -1 %; within a factor of 2."""
    tensor = solved(BALL, 2e-3 / cells)
    ratio = estimates(tensor) / np.abs(errors(tensor, eddy_sphere.sphere_power(1e-3, SIGMA, F)))
    assert ratio.min() > 0.9
    assert ratio.max() < 2


@pytest.mark.parametrize("size", [(0.02, 0.012, 0.001), (0.01, 0.01, 0.01), (0.012, 0.003, 0.003)])
@pytest.mark.parametrize("cells", [2, 4])
def test_estimate_of_boxes(size: tuple[float, float, float], cells: int) -> None:
    """Oracle: torsion of rectangular bars, field along every edge of plate, cube and bar: -3 to -56 %."""
    h = min(size) / cells
    tensor = solved(shapes.box(size), tuple(min(max(s / 12, h), 2 * h) for s in size))
    ratio = estimates(tensor) / np.abs(errors(tensor, eddy_low_frequency.box_power(size, SIGMA)))
    assert ratio.min() > 0.5
    assert ratio.max() < 2


def test_what_used_to_be_silent_is_not_valid() -> None:
    """Oracle: closed forms; a ball of 2 mm on 1 mm is 27 % off, a disc of 2 mm in plane 25 % by the midpoint rule."""
    for body in (BALL, DISC):
        with pytest.warns(EmdoseWarning, match=r"a spacing_m of 0\.\d+ mm would leave out 1 %"):
            tensor = em.EddyCurrent(spacing_m=1e-3).solve(body, F)
        found = judge(tensor.measures())
        assert found.state == "not valid"
        assert [f.name for f in found.findings] == ["eddy_error"]
    along, across = tensor.error([F], [[1, 0, 0]]), tensor.error([F], [[0, 0, 1]])
    assert along["total"] == pytest.approx(0.25, abs=0.05)
    assert across["total"] < 0.02
    assert along["total"] == pytest.approx(along["iteration"] + max(along["skin_depth"], along["discretisation"]))


def test_a_sheet_of_one_voxel_is_refused_or_wholly_uncertain() -> None:
    """Oracle: currents along one layer cannot turn; the power of a field along it is 0 and all of it is missing."""
    with pytest.raises(InputError, match=r"1 voxels across the thinnest wall.*at most 0\.5 mm.*auto"):
        em.EddyCurrent(spacing_m=1e-3).plan(PLATE, F)
    with pytest.warns(EmdoseWarning, match="100 % of the power"):
        tensor = em.EddyCurrent().solve(voxelise(PLATE, 1e-3, check_walls=False), F)
    assert np.abs(tensor.matrix[0, :2, :2]).max() == 0
    assert estimates(tensor)[:2] == pytest.approx(1.0)
    # What is left out is the power itself, for the cut across which the field varies is the whole plate.
    exact = eddy_low_frequency.box_power((0.02, 0.012, 0.001), SIGMA)
    assert np.diag(tensor.left_out[0])[:2] == pytest.approx(exact[:2], rel=0.05)


def test_what_a_sheet_leaves_out_does_not_hang_on_the_gauge() -> None:
    """Oracle: a field along y by three potentials that differ by gradients drives one power."""
    sheet = voxelise(PLATE, 1e-3, check_walls=False)
    gauges = [
        lambda p: np.stack([0.5 * p[:, 2], 0 * p[:, 0], -0.5 * p[:, 0]], axis=1),
        lambda p: np.stack([p[:, 2], 0 * p[:, 0], 0 * p[:, 0]], axis=1),
        lambda p: np.stack([0 * p[:, 0], 0 * p[:, 0], -p[:, 0]], axis=1),
    ]
    with pytest.raises(InputError, match="drive no current"):
        em.EddyCurrent().solve(sheet, F, sources=gauges)
    across = lambda p: np.stack([-p[:, 1], 0 * p[:, 0], 0 * p[:, 0]], axis=1)  # noqa: E731
    with pytest.warns(EmdoseWarning, match="coarse"):
        tensor = em.EddyCurrent().solve(sheet, F, sources=[*gauges, across])
    exact = eddy_low_frequency.box_power((0.02, 0.012, 0.001), SIGMA)[1]
    assert tensor.left_out[0, :3, :3] == pytest.approx(np.full((3, 3), exact), rel=0.05)


@pytest.mark.parametrize("factor", [0.97, 1.0])
def test_two_voxels_across_a_wall_are_the_least(factor: float) -> None:
    """Oracle: the rule, from both sides; facets may be 2 % thinner."""
    spacing = (2e-3, 2e-3, 0.5e-3 / factor)
    if factor == 1.0:
        assert em.EddyCurrent(spacing_m=spacing).plan(PLATE, F).voxels
    else:
        with pytest.raises(InputError, match="thinnest wall"):
            em.EddyCurrent(spacing_m=spacing).plan(PLATE, F)


@pytest.mark.parametrize(
    ("body", "size_m"),
    [(BALL, 2e-3), (shapes.box((0.004, 0.003, 0.001)), 1e-3), (shapes.cylinder(1e-3, 0.006), 2e-3)],
)
def test_auto_puts_enough_voxels_across_the_metal(body: Implant, size_m: float) -> None:
    """Oracle: closed forms; about 13 voxels across, the estimate below 2 %, the error below that."""
    tensor = em.EddyCurrent().solve(body, F)
    assert size_m / tensor.grid.spacing_m[0] == pytest.approx(13, abs=3)
    assert estimates(tensor).max() < 0.02
    if body is BALL:
        assert np.abs(errors(tensor, eddy_sphere.sphere_power(1e-3, SIGMA, F))).max() < 0.015
    elif "box" in body.name:
        assert np.abs(errors(tensor, eddy_low_frequency.box_power((0.004, 0.003, 0.001), SIGMA))).max() < 0.015
    else:
        assert abs(errors(tensor, eddy_low_frequency.disc_power(1e-3, 0.006, SIGMA))[2]) < 0.015
    assert judge(tensor.measures()).state == "valid"


def test_auto_refines_where_the_first_choice_was_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: closed form of the sphere; a first choice of 4 voxels across is corrected by what it says of itself."""
    monkeypatch.setattr("emdose.solvers.eddy.spacing.WEAK", 0.16)
    tensor = em.EddyCurrent().solve(BALL, F)
    assert len(tensor.provenance["runs"]) == 2
    assert tensor.provenance["runs"][0]["spacing_m"][0] == pytest.approx(0.5e-3, rel=0.02)
    assert estimates(tensor).max() < 0.02
    assert np.abs(errors(tensor, eddy_sphere.sphere_power(1e-3, SIGMA, F))).max() < 0.02
    assert tensor.provenance["options"]["spacing_m"] == "auto"


def test_auto_takes_what_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the rule; less memory makes voxels larger, down to two across the thinnest wall, then it is refused."""

    def chosen(free: float) -> float:
        monkeypatch.setattr(type(BE), "memory_free_bytes", lambda self: free)
        return resolved(EddyOptions(), PLATE, np.array([F]), 3, BE).spacing_m[0]  # type: ignore[index]

    plenty, some = chosen(8e9), chosen(2e8)
    assert plenty == pytest.approx(0.0766e-3, rel=0.02)
    assert plenty < some <= 0.51e-3
    with pytest.raises(ResourceError, match="two voxels across the thinnest wall of 1 mm"):
        chosen(1e6)
    # Smaller voxels for an error: by its square root, and not at all where hardly smaller ones fit.
    step = np.full(3, 1e-3)
    assert finer(step, 0.04, lambda s: True) == pytest.approx(0.474e-3, rel=0.01)
    assert finer(step, 0.04, lambda s: s.max() > 0.85e-3) is None


def test_extrapolation_over_voxels() -> None:
    """Oracle: torsion of a square bar; order near two, the extrapolated power within its estimate, a map that sums."""
    size = (0.004, 0.004, 0.004)
    exact = eddy_low_frequency.box_power(size, SIGMA)
    plain = solved(shapes.box(size), 0.25e-3)
    tensor = solved(shapes.box(size), 0.25e-3, richardson=True)
    told = tensor.provenance["richardson"]
    assert [s[0] for s in told["spacing_m"]] == pytest.approx([0.25e-3, 0.5e-3, 1e-3])
    assert told["order"][0] == pytest.approx(1.85, abs=0.05)
    assert told["extrapolated"] == [True]
    assert np.abs(errors(plain, exact)).min() > 0.012
    assert np.abs(errors(tensor, exact)).max() < 0.001
    assert np.all(estimates(tensor) > np.abs(errors(tensor, exact)))
    assert estimates(tensor).max() < estimates(plain).max()
    total = tensor.loss[0].sum(-1) * tensor.grid.voxel_volume_m3
    assert total == pytest.approx(tensor.matrix[0], rel=1e-4, abs=1e-4 * float(np.abs(tensor.matrix).max()))
    # Walls that leave room for two spacings only: the order is taken for granted, the whole step is the estimate.
    two = solved(shapes.box(size), 1e-3, richardson=True)
    assert two.provenance["richardson"]["order"] == [None]
    assert np.all(estimates(two) > np.abs(errors(two, exact)))
    with pytest.raises(InputError, match="four for an extrapolation: at most 1 mm"):
        solved(shapes.box(size), 1.5e-3, richardson=True)


def test_powers_that_do_not_go_one_way_are_not_extrapolated() -> None:
    """Oracle: the rule; a ball of ten voxels across, whose coarser ones lie where cut cells cancel."""
    tensor = solved(BALL, 0.2e-3, richardson=True)
    plain = solved(BALL, 0.2e-3)
    assert tensor.provenance["richardson"]["extrapolated"] == [False]
    assert tensor.matrix == pytest.approx(plain.matrix)
    assert np.all(estimates(tensor) > np.abs(errors(tensor, eddy_sphere.sphere_power(1e-3, SIGMA, F))))


def test_largest_share_over_all_directions() -> None:
    """Oracle: diagonal matrices; a rotation changes nothing; directions without power say nothing."""
    M, D = np.diag([3.0, 1.0, 0.0]), np.diag([1.0, 1.0, 0.0])
    assert largest_share(M, D) == pytest.approx(0.5)
    angle = 0.3
    R = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])
    assert largest_share(R @ M @ R.T, R @ D @ R.T) == pytest.approx(0.5)
    assert largest_share(np.zeros((3, 3)), np.diag([0, 0, 2.0])) == 1.0
    assert largest_share(M, -D) == pytest.approx(0.5)
    assert largest_share(np.zeros((3, 3)), np.zeros((3, 3))) == 0.0


def test_power_of_a_box_is_the_torsion_of_its_section() -> None:
    """Oracles: tabulated torsion constant of a square, 0.1406 a^4, and the limit of a thin plate."""
    assert eddy_low_frequency.box_power((1.0, 1.0, 1.0), 1.0) == pytest.approx(0.25 * 0.1406, rel=5e-4)
    thin = eddy_low_frequency.box_power((1.0, 1.0, 1e-3), 1.0)
    assert thin[:2] == pytest.approx(1e-9 / 12, rel=1e-3)


@pytest.mark.parametrize(("cells", "warns"), [(3.9, True), (4.6, False)])
def test_warning_begins_where_a_result_is_not_valid(cells: float, warns: bool) -> None:
    """Oracle: the row eddy_error of the table; 3.9 voxels across a ball leave out more than a tenth, 4.6 less."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tensor = em.EddyCurrent(spacing_m=2e-3 / cells).solve(BALL, F)
    assert any("coarse for the metal" in str(w.message) for w in caught) == warns
    assert bool(tensor.warnings) == warns
    assert (judge(tensor.measures()).state == "not valid") == warns
