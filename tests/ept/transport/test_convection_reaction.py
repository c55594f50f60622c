"""Convection-reaction EPT.

Oracles: the closed form of a layered cylinder; a slice against a volume; transposes by dot products; EPTlib's recorded
results.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emdose.compute import backend
from emdose.ept import Flag, relative_noise
from emdose.ept.judging.monte_carlo import noisy
from emdose.ept.maps.b1map import B1Map
from emdose.ept.transport import artificial_diffusion, convection_reaction
from emdose.ept.transport.convection_reaction import UNDERSMOOTHING, ConvectionReaction
from emdose.ept.transport.log_inversion import FLOOR, Equation, _Neighbours, invert
from emdose.errors import ConvergenceError, InputError
from emdose.io.maps.maps3d import read_map
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

LAYERED = Path(__file__).parents[2] / "data" / "eptlib_layered.h5"
CYLINDER = LayeredCylinder([0.03, 0.055], [52.0, 70.0], [0.35, 0.9], 128e6)


def case(
    spacing_m: tuple[float, float, float] = (3e-3, 3e-3, 3e-3),
    half_m: float = 0.06,
    nz: int = 6,
    cylinder: LayeredCylinder = CYLINDER,
) -> tuple:
    nx, ny = (round(2 * half_m / d) for d in spacing_m[:2])
    x = (np.arange(nx) + 0.5 - nx / 2) * spacing_m[0]
    y = (np.arange(ny) + 0.5 - ny / 2) * spacing_m[1]
    x, y = np.meshgrid(x, y, indexing="ij")
    plus, minus = cylinder.transmit_and_receive(x, y)
    mask = np.hypot(x, y) < 0.054

    def deep(a: np.ndarray) -> np.ndarray:
        return np.repeat(np.where(mask, a, 0)[..., None], nz, axis=2)

    sigma, permittivity = cylinder.properties(x, y)
    b1 = B1Map(
        Grid((nx, ny, nz), spacing_m),
        128e6,
        deep(np.abs(plus)),
        deep(np.angle(plus * minus)),
        mask=deep(np.ones_like(x)) > 0,
    )
    return b1, deep(sigma), deep(permittivity)


def error(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.median(np.abs(found - truth)[where] / truth[where]))


@pytest.fixture(scope="module")
def layered() -> tuple:
    return case()


def test_complex_slice_is_right_up_to_the_rim_without_noise(layered: tuple) -> None:
    """Closed form: median over the whole mask, interfaces and rim included, below 3 % (found 0.9 and 1.7 %)."""
    b1, sigma, permittivity = layered
    found = ConvectionReaction(slices=[3]).reconstruct(b1)
    slab = np.zeros_like(b1.mask)
    slab[:, :, 3] = b1.mask[:, :, 3]
    assert np.array_equal(found.valid, slab)
    assert error(found.conductivity, sigma, slab) < 0.03
    assert error(found.permittivity, permittivity, slab) < 0.03
    assert 0 < found.settings["residual"] < 0.02
    assert np.isnan(found.conductivity[~slab]).all()


@pytest.mark.parametrize("spacing_m", [(2.5e-3, 3.2e-3, 4e-3)])
def test_anisotropic_voxels_and_a_rectangular_grid(spacing_m: tuple[float, float, float]) -> None:
    """Closed form, sizes that are odd and even, voxels that are not cubes."""
    b1, sigma, permittivity = case(spacing_m, half_m=0.0575, nz=5)
    assert b1.grid.shape[0] != b1.grid.shape[1]
    found = ConvectionReaction(slices=[2]).reconstruct(b1)
    assert error(found.conductivity, sigma, found.valid) < 0.03
    assert error(found.permittivity, permittivity, found.valid) < 0.03


def test_noise_sets_the_smoothing(layered: tuple) -> None:
    """Closed form at an SNR of 100 (EPTlib and linear least squares: above 10 %); discrepancy principle."""
    b1, sigma, permittivity = layered
    known = noisy(relative_noise(b1, 0.01), np.random.default_rng(1))
    found = ConvectionReaction(slices=[3], radius=3).reconstruct(known)
    assert error(found.conductivity, sigma, found.valid) < 0.08
    assert error(found.permittivity, permittivity, found.valid) < 0.08
    assert found.settings["smoothing"] > 2 * FLOOR
    # Four times as much meets the principle, and is the largest that does: the search ends within 3^(1/8) = 1.15 of it.
    least, more = (
        ConvectionReaction(slices=[3], radius=3, smoothing=f * UNDERSMOOTHING * found.settings["smoothing"])
        for f in (1, 1.17)
    )
    share = 0.7 * found.settings["noise"]
    assert least.reconstruct(known).settings["residual"] < 1.05 * share
    assert more.reconstruct(known).settings["residual"] > 0.99 * share
    unknown = replace(known, u_magnitude=None, u_phase=None)
    guessed = ConvectionReaction(slices=[3], radius=3).reconstruct(unknown)
    assert guessed.settings["noise_source"] == "estimated"
    assert guessed.settings["noise"] == pytest.approx(found.settings["noise"], rel=0.15)


def test_volume_of_a_field_that_does_not_vary_along_z_equals_the_slice(layered: tuple) -> None:
    """Another solver for the same minimum: conjugate gradients on the volume against sparse LU of a slice."""
    b1, sigma, _ = layered
    flat = ConvectionReaction(slices=[3], smoothing=1.0, edge=0.0).reconstruct(b1)
    deep = ConvectionReaction(volume=True, smoothing=1.0, edge=0.0).reconstruct(b1)
    assert deep.settings["linear_residual"] <= 3e-3
    both = flat.valid & deep.valid
    assert np.abs(deep.conductivity / flat.conductivity - 1)[both].max() < 0.02
    assert error(deep.conductivity, sigma, deep.valid) < 0.03


def test_phase_form_is_biased_as_it_says(layered: tuple) -> None:
    """Closed form: the reported bias of the neglected gradient of abs(B1+) explains the error of a homogeneous object.

    With layers the gradient of the magnitude also enters the convection, which is not in the estimate.
    """
    b1, sigma, _ = case(cylinder=LayeredCylinder([0.055], [60.0], [0.6], 128e6))
    found = ConvectionReaction(form="phase", slices=[3]).reconstruct(b1)
    assert found.permittivity is None
    assert error(found.conductivity, sigma, found.valid) > 0.1
    assert error(found.conductivity - found.bias_conductivity, sigma, found.valid) < 0.02
    b1, sigma, _ = layered
    found = ConvectionReaction(form="phase", slices=[3]).reconstruct(b1)
    raw = error(found.conductivity, sigma, found.valid)
    assert error(found.conductivity - found.bias_conductivity, sigma, found.valid) < raw


def test_low_convection_is_flagged_where_the_gradient_vanishes(layered: tuple) -> None:
    """The field of a birdcage is flat on the axis and nowhere else."""
    b1, _, _ = layered
    found = ConvectionReaction(slices=[3]).reconstruct(b1)
    flagged = np.argwhere(found.flags & np.uint8(Flag.LOW_CONVECTION))
    distance = np.hypot(*((flagged[:, :2] + 0.5 - np.array(b1.grid.shape[:2]) / 2) * 3e-3).T)
    assert flagged.size > 0
    assert distance.max() < 0.02


def test_boundary_values_are_kept(layered: tuple) -> None:
    """Prescribed numbers come back at the rim; a map does the same."""
    b1, sigma, permittivity = layered
    by_map = ConvectionReaction(slices=[3], boundary=(np.where(sigma > 0, sigma, np.nan), permittivity.clip(1)))
    by_number = ConvectionReaction(slices=[3], boundary=(0.9, 70.0))
    one, two = by_map.reconstruct(b1), by_number.reconstruct(b1)
    rim = one.valid & ~np.roll(one.valid, 1, 0)
    assert np.abs(one.conductivity[rim] - 0.9).max() < 0.02
    assert np.allclose(one.conductivity[one.valid], two.conductivity[one.valid], rtol=1e-6)


def test_transposes(layered: tuple) -> None:
    """Dot products: <A x, y> = <x, A^T y> for the differences within labels."""
    rng = np.random.default_rng(0)
    regions = rng.integers(0, 3, (7, 6, 5))
    near = _Neighbours(np, regions, (1e-3, 2e-3, 3e-3))
    for a in range(3):
        x, y = rng.normal(size=(2, *regions.shape))
        assert (near.forward(x, a) * y).sum() == pytest.approx((x * near.forward_t(y, a)).sum(), rel=1e-12)
        assert (near.slope(x, a) * y).sum() == pytest.approx((x * near.slope_t(y, a)).sum(), rel=1e-12)


def recorded(phase_only: bool = True) -> B1Map:
    def load(name: str) -> np.ndarray:
        return read_map(f"{LAYERED}:/input/{name}", name, "zyx").values

    return B1Map(
        Grid((44, 44, 18), 3e-3), 128e6, None if phase_only else load("tx_sens"), load("trx_phase"), mask=load("mask")
    )


def test_artificial_diffusion_in_a_slice_equals_eptlib() -> None:
    """EPTlib 0.4.4 (recorded, its tolerance 1e-8): the same scheme; measured difference 5e-10."""
    method = ConvectionReaction(kernel="cross", radius=1, diffusion=5e-3, boundary=(1.0, None), slices=[9])
    mine = method.reconstruct(recorded()).conductivity[:, :, 9:10]
    theirs = read_map(f"{LAYERED}:/eptlib/convection_reaction_phase_2d/sigma", "sigma", "zyx").values
    assert np.array_equal(np.isfinite(mine), np.isfinite(theirs))
    assert np.nanmax(np.abs(mine / theirs - 1)) < 1e-8


def test_artificial_diffusion_in_a_volume_equals_eptlib_away_from_its_end_slices() -> None:
    """EPTlib 0.4.4 (recorded). Measured difference in the 6 middle slices: median 0.08 %, largest 0.5 %.

    EPTlib has equations in the slices whose window leaves the image, with zeros for what is outside: 16 slices against
    14, and a difference that grows towards them.
    """
    method = ConvectionReaction(kernel="cross", radius=1, diffusion=5e-3, boundary=(1.0, None), volume=True)
    mine = method.reconstruct(recorded()).conductivity
    theirs = read_map(f"{LAYERED}:/eptlib/convection_reaction_phase_3d/sigma", "sigma", "zyx").values
    middle = np.abs(mine / theirs - 1)[:, :, 6:12]
    assert np.nanmedian(middle) < 0.0015
    assert np.nanmax(middle) < 0.01
    assert np.count_nonzero(np.isfinite(theirs).any(axis=(0, 1))) == 16
    assert np.count_nonzero(np.isfinite(mine).any(axis=(0, 1))) == 14


def in_tesla(b1: B1Map) -> B1Map:
    """The same field as a scanner gives it."""
    return replace(b1, magnitude=1e-6 * b1.magnitude / b1.magnitude.max())


@pytest.mark.parametrize(
    ("voxels", "slices", "least", "limit"),
    [(60, 16, 20_000, 0.1), pytest.param(200, 11, 150_000, 0.02, marks=pytest.mark.slow)],
)
def test_complex_form_with_diffusion_in_a_volume_at_the_size_of_users(
    voxels: int, slices: int, least: int, limit: float
) -> None:
    """Closed form; B1+ in tesla, so that the coefficients are small numbers, and a residual that is met."""
    b1, sigma, permittivity = case((0.12 / voxels,) * 3, nz=slices)
    method = ConvectionReaction(kernel="cross", radius=1, volume=True, diffusion=5e-8, boundary=(0.9, 70.0))
    found = method.reconstruct(in_tesla(b1))
    assert np.count_nonzero(found.valid) > least
    assert found.settings["residual"] < 1e-8
    assert error(found.conductivity, sigma, found.valid) < limit
    assert error(found.permittivity, permittivity, found.valid) < limit


@pytest.fixture(scope="module")
def fine_slices() -> tuple:
    """Three slices of 200 x 200, B1+ in tesla."""
    b1, sigma, permittivity = case((0.6e-3,) * 3, nz=3)
    return in_tesla(b1), sigma, permittivity


def fine(diffusion: float) -> ConvectionReaction:
    return ConvectionReaction(kernel="cross", radius=1, slices=[1], diffusion=diffusion, boundary=(0.9, 70.0))


@pytest.mark.parametrize(("diffusion", "left_out"), [(1e-11, 0.03), (1e-10, 0.3)])
def test_complex_form_with_little_diffusion_in_a_slice_of_200_x_200(
    fine_slices: tuple, diffusion: float, left_out: float
) -> None:
    """Closed form, 24 000 unknowns solved to rounding; voxels that the equations leave open carry no value."""
    b1, sigma, permittivity = fine_slices
    found = fine(diffusion).reconstruct(b1)
    failed = np.count_nonzero(found.flags & np.uint8(Flag.FAILED))
    assert found.settings["backward_error"] < 1e-15
    assert np.count_nonzero(found.valid) + failed > 24_000
    assert failed < left_out * 24_000
    for values, truth in ((found.conductivity, sigma), (found.permittivity, permittivity)):
        assert error(values, truth, found.valid) < 2e-3
        assert np.percentile(np.abs(values - truth)[found.valid] / truth[found.valid], 90) < 0.02


def test_diffusion_that_magnifies_errors_is_refused(fine_slices: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between little and much diffusion lie coefficients whose solution is garbage, however well it is solved."""
    b1, sigma, _ = fine_slices
    with pytest.raises(ConvergenceError, match=r"error of 1 % .* changes the result by 100 % in \d+ of 24\d+"):
        fine(1e-8).reconstruct(b1)
    # Without that refusal: solved to rounding, and wrong.
    monkeypatch.setattr(artificial_diffusion, "UNDETERMINED", np.inf)
    found = fine(1e-8).reconstruct(b1)
    assert found.settings["backward_error"] < 1e-15
    assert found.settings["residual"] < 1e-8
    assert error(found.conductivity, sigma, found.valid) > 0.5


def test_diffusion_that_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: one step of GMRES is not enough between slices."""
    b1, _, _ = case((6e-3,) * 3, nz=9)
    for name in ("RESTART", "CYCLES"):
        monkeypatch.setattr(f"emdose.ept.transport.artificial_diffusion.{name}", 1)
    method = ConvectionReaction(kernel="cross", radius=1, volume=True, diffusion=5e-9, boundary=(0.9, 70.0))
    with pytest.raises(ConvergenceError, match="raise the diffusion"):
        method.reconstruct(in_tesla(b1))


def test_bad_input(layered: tuple) -> None:
    """One clear line each."""
    b1, _, _ = layered
    with pytest.raises(InputError, match="no phase"):
        ConvectionReaction().reconstruct(replace(b1, phase=None))
    with pytest.raises(InputError, match="form='phase'"):
        ConvectionReaction(form="complex").reconstruct(replace(b1, magnitude=None))
    with pytest.raises(InputError, match="slice"):
        ConvectionReaction(slices=[77]).reconstruct(b1)
    with pytest.raises(InputError, match="rim"):
        ConvectionReaction(diffusion=0.01)
    with pytest.raises(InputError, match="boundary"):
        ConvectionReaction(boundary=(-1.0, 50.0)).reconstruct(b1)
    thin = np.zeros(b1.grid.shape, bool)
    thin[10, 10] = True
    with pytest.raises(InputError, match="neighbours"):
        ConvectionReaction().reconstruct(replace(b1, mask=thin & b1.mask))


@pytest.mark.gpu
def test_volume_on_the_gpu_equals_the_cpu(layered: tuple) -> None:
    """The same minimum from another preconditioner on another device."""
    b1, _, _ = layered
    method = ConvectionReaction(volume=True, smoothing=1.0, edge=0.0)
    one, two = (method.reconstruct(b1, backend.get(d).name) for d in ("cpu", "cuda"))
    assert np.nanmax(np.abs(one.conductivity / two.conductivity - 1)) < 0.02


def test_a_voxel_without_a_solution_does_not_hold_up_the_others() -> None:
    """Oracle: exp(k) - 1 = 0 has the solution 0; exp(k) + 1 = 0 has none, and its steps grow without end."""
    shape, hopeless = (12, 10), (5, 4)
    source = np.full(shape, -1.0 + 0j)
    source[hopeless] = 1.0
    regions = np.ones(shape, int)
    regions[hopeless] = 2
    still = np.zeros(shape, complex)
    equation = Equation(
        np.ones(shape, complex), source, (still, still), regions, (1e-3, 1e-3), np.full(shape, 1.0 + 0j)
    )
    found = invert(backend.get("cpu"), equation, 0.3)
    assert found.converged
    assert np.argwhere(found.restless).tolist() == [list(hopeless)]
    others = regions == 1
    assert np.abs(found.k[others]).max() < 1e-6


def test_voxels_that_do_not_settle_are_left_out_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: voxels that are told to be restless; a slice of which much is restless has no value at all."""
    b1, _, _ = case((3e-3,) * 3, nz=5)
    told = convection_reaction.invert
    for share, left in ((0.01, 0.99), (0.2, 0.0)):

        def restless(*args, share=share, **kwargs):
            found = told(*args, **kwargs)
            inside = np.flatnonzero(args[1].regions.ravel() > 0)
            marks = np.zeros(found.k.size, bool)
            marks[inside[: int(share * inside.size)]] = True
            return replace(found, change=0.1, restless=marks.reshape(found.k.shape))

        monkeypatch.setattr(convection_reaction, "invert", restless)
        found = ConvectionReaction(slices=[2], smoothing=1.0).reconstruct(b1)
        failed = (found.flags & np.uint8(Flag.FAILED)) != 0
        reached = failed | found.valid
        assert np.count_nonzero(found.valid) / np.count_nonzero(reached) == pytest.approx(left, abs=0.002)
        assert np.all(np.isnan(found.conductivity[failed]))


def test_a_slice_is_refined_until_its_residual_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the exact factors; here they are off by a thousandth, as rounding makes them with little diffusion."""
    b1, _, _ = case((4e-3,) * 3, nz=3)
    method = ConvectionReaction(kernel="cross", radius=1, slices=[1], diffusion=5e-2, boundary=(0.9, 70.0))
    wanted = method.reconstruct(b1)
    exact = artificial_diffusion.PlaneMultigrid

    def rounded(*args, **kwargs):
        solve = exact(*args, **kwargs)
        return lambda rhs: 1.001 * solve(rhs)

    monkeypatch.setattr(artificial_diffusion, "PlaneMultigrid", rounded)
    found = method.reconstruct(b1)
    assert found.settings["residual"] < 1e-8
    there = wanted.valid
    np.testing.assert_allclose(found.conductivity[there], wanted.conductivity[there], rtol=1e-6)
