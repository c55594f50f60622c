"""Gradient EPT. Oracle: closed form of line sources around a layered cylinder, with a receiver's phase on top."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.constants import EPS_0
from emdose.ept import Flag
from emdose.ept.maps.b1map import B1Map
from emdose.ept.transport.gradient import Gradient, Seed
from emdose.errors import ConvergenceError, InputError
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.channels import array_fields
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

CYLINDER = LayeredCylinder([0.028, 0.05], [52.0, 70.0], [0.35, 0.9], 128e6)


def case(spacing_m: float = 2.5e-3, nz: int = 5, channels: int = 8, cylinder: LayeredCylinder = CYLINDER) -> tuple:
    n = round(0.11 / spacing_m)
    x = (np.arange(n) + 0.5 - n / 2) * spacing_m
    x, y = np.meshgrid(x, x, indexing="ij")
    plus, minus = array_fields(cylinder, x, y, channels)
    mask = np.hypot(x, y) < 0.049

    def deep(a: np.ndarray) -> np.ndarray:
        return np.repeat(np.where(mask, a, 0)[..., None], nz, axis=-1)

    sigma, permittivity = cylinder.properties(x, y)
    phase = np.angle(plus * minus[2])  # transceive phase of every channel with the same receiver, wrapped
    b1 = B1Map(Grid((n, n, nz), spacing_m), 128e6, deep(np.abs(plus)), deep(phase), mask=deep(np.ones_like(x)) > 0)
    return b1, deep(sigma), deep(permittivity)


def error(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.median(np.abs(found - truth)[where] / truth[where]))


@pytest.fixture(scope="module")
def layered() -> tuple:
    return case()


def test_array_fields_obey_maxwell_in_the_inner_layer() -> None:
    """Helmholtz equation of B1+ by differences, and continuity at the interface."""
    x = np.array([[0.010, 0.0101, 0.0099], [0.010, 0.010, 0.010]])
    y = np.array([[0.005, 0.005, 0.005], [0.005, 0.0051, 0.0049]])
    plus, _ = array_fields(CYLINDER, x, y)
    laplacian = (plus[:, :, 1] + plus[:, :, 2] - 2 * plus[:, :, 0]).sum(axis=1) / 1e-8
    assert np.allclose(laplacian, -(CYLINDER.wavenumbers()[0] ** 2) * plus[:, 0, 0], rtol=1e-3)
    sides, _ = array_fields(CYLINDER, np.array([0.028 - 1e-7, 0.028 + 1e-7]), np.zeros(2))
    assert np.allclose(sides[:, 0], sides[:, 1], rtol=1e-4)


def test_local_step_of_a_homogeneous_object() -> None:
    """Closed form: properties within 2 %, and a gradient that vanishes."""
    b1, sigma, permittivity = case(cylinder=LayeredCylinder([0.05], [60.0], [0.6], 128e6))
    found = Gradient(slices=[2], radius=1, local_only=True).reconstruct(b1)
    assert error(found.conductivity, sigma, found.valid) < 0.02
    assert error(found.permittivity, permittivity, found.valid) < 0.02
    local = Gradient(slices=[2], radius=1).local_gradient(b1)
    assert np.nanmedian(np.abs(local["g"])) * 0.1 < 0.05  # ln eps_c over the whole object
    assert np.nanmedian(local["eps_c"].real) / EPS_0 == pytest.approx(60, rel=0.02)


def test_global_step_keeps_the_interface(layered: tuple) -> None:
    """Closed form of two layers, whole slice with interface and rim, without knowledge of the phase."""
    b1, sigma, permittivity = layered
    found = Gradient(slices=[2], radius=1).reconstruct(b1)
    assert error(found.conductivity, sigma, found.valid) < 0.05
    assert error(found.permittivity, permittivity, found.valid) < 0.02
    assert np.count_nonzero(found.valid) > 0.9 * np.count_nonzero(b1.mask[:, :, 2])
    assert (found.flags[~b1.mask] == Flag.OUTSIDE).all()


def test_receiver_phase_does_not_matter(layered: tuple) -> None:
    """Invariance: any phase common to all channels drops out."""
    b1, _, _ = layered
    i, j, _ = np.meshgrid(*map(np.arange, b1.grid.shape), indexing="ij")
    other = replace(b1, phase=np.where(b1.mask, b1.phase + 0.05 * i - 0.002 * j**2, 0))
    method = Gradient(slices=[2], radius=1)
    one, two = method.reconstruct(b1), method.reconstruct(other)
    assert np.allclose(one.conductivity[one.valid], two.conductivity[one.valid], rtol=1e-6)


def test_volume() -> None:
    """Closed form; nothing varies along z, which the local step has to notice rather than divide by it."""
    b1, sigma, permittivity = case(spacing_m=3e-3)  # the factors of a volume at 2.5 mm take eight times as long
    found = Gradient(volume=True, radius=1).reconstruct(b1)
    assert error(found.conductivity, sigma, found.valid) < 0.1
    assert error(found.permittivity, permittivity, found.valid) < 0.03
    slices = Gradient(slices=[2], radius=1).reconstruct(b1)  # the same but for weights
    both = found.valid & slices.valid
    assert error(found.conductivity, slices.conductivity, both) < 0.05
    assert error(found.permittivity, slices.permittivity, both) < 0.02


def test_seed_is_kept_and_sets_the_level(layered: tuple) -> None:
    """The seed's voxel has its value; without regularisation by local values the rest follows from the gradient."""
    b1, sigma, permittivity = layered
    centre = (b1.grid.shape[0] // 2, b1.grid.shape[1] // 2, 2)
    found = Gradient(slices=[2], radius=1, regularisation=0.0, seeds=[Seed(centre, 0.35, 52.0)]).reconstruct(b1)
    assert found.conductivity[centre] == pytest.approx(0.35, rel=1e-9)
    assert found.permittivity[centre] == pytest.approx(52.0, rel=1e-9)
    assert error(found.permittivity, permittivity, found.valid) < 0.25
    assert error(found.conductivity, sigma, found.valid) < 0.4


def seeds(n: int, slice_: int) -> list[Seed]:
    """One in each layer."""
    middle, out = n // 2, round(0.04 / (0.11 / n))
    return [Seed((middle, middle, slice_), 0.35, 52.0), Seed((middle + out, middle, slice_), 0.9, 70.0)]


@pytest.mark.slow
def test_seeds_alone_in_a_slice_at_the_size_of_users() -> None:
    """Closed form, 20 900 voxels, no regularisation: seeds are values, not heavy rows that hide the residual."""
    b1, sigma, permittivity = case(spacing_m=0.11 / 184, nz=3)
    found = Gradient(slices=[1], radius=1, regularisation=0.0, seeds=seeds(184, 1)).reconstruct(b1)
    assert np.count_nonzero(found.valid) > 20_000
    assert error(found.conductivity, sigma, found.valid) < 0.1  # found 0.04 and 0.065
    assert error(found.permittivity, permittivity, found.valid) < 0.1


def test_seeds_alone_in_a_thin_stack_take_few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form, 6 700 unknowns; they took 195 iterations, and did not converge above."""
    b1, sigma, permittivity = case(spacing_m=0.11 / 48, nz=7)
    monkeypatch.setattr("emdose.ept.transport.least_squares.ITERATIONS", 20)
    found = Gradient(volume=True, radius=1, regularisation=0.0, seeds=seeds(48, 3)).reconstruct(b1)
    assert error(found.conductivity, sigma, found.valid) < 0.25
    assert error(found.permittivity, permittivity, found.valid) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "slices", "regularisation", "limit"),
    [(170, 7, 0.0, 0.15), (300, 11, 0.0, 0.05)],
)
def test_volumes_that_seeds_alone_did_not_solve(n: int, slices: int, regularisation: float, limit: float) -> None:
    """Closed form, 88 600 and 500 000 unknowns; both ended in ConvergenceError with seeds alone."""
    b1, sigma, permittivity = case(spacing_m=0.11 / n, nz=slices)
    method = Gradient(volume=True, radius=1, regularisation=regularisation, seeds=seeds(n, slices // 2))
    found = method.reconstruct(b1)
    assert error(found.conductivity, sigma, found.valid) < limit
    assert error(found.permittivity, permittivity, found.valid) < limit


@pytest.mark.slow
@pytest.mark.parametrize(("regularisation", "limit"), [(0.0, 0.25), (1.0, 0.01)])
def test_volume_of_200_x_200_x_11(regularisation: float, limit: float) -> None:
    """Closed form, 220 000 unknowns; what seeds leave open (holomorphic functions) is the rest of the error."""
    b1, sigma, permittivity = case(spacing_m=0.11 / 200, nz=11)
    method = Gradient(volume=True, radius=1, regularisation=regularisation, seeds=seeds(200, 5))
    found = method.reconstruct(b1)
    assert np.count_nonzero(found.valid) > 200_000
    assert error(found.conductivity, sigma, found.valid) < limit
    assert error(found.permittivity, permittivity, found.valid) < limit


def test_global_step_that_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: one iteration is not enough between slices."""
    b1, _, _ = case(spacing_m=5e-3)
    monkeypatch.setattr("emdose.ept.transport.least_squares.ITERATIONS", 1)
    with pytest.raises(ConvergenceError, match=r"residual .* wanted 1e-06"):
        Gradient(volume=True, radius=1).reconstruct(b1)


def test_bad_input(layered: tuple) -> None:
    """One clear line each."""
    b1, _, _ = layered
    with pytest.raises(InputError, match="several transmit channels; found 1; expected at least 5"):
        Gradient().reconstruct(b1.channel(0))
    four = replace(b1, magnitude=b1.magnitude[:4], phase=b1.phase[:4])
    with pytest.raises(InputError, match="found 4"):
        Gradient().reconstruct(four)
    with pytest.raises(InputError, match="no magnitude"):
        Gradient().reconstruct(replace(b1, magnitude=None))
    with pytest.raises(InputError, match="seed outside"):
        Gradient(slices=[2], seeds=[Seed((0, 0, 2), 1.0, 50.0)]).reconstruct(b1)
    with pytest.raises(InputError, match="seed out of range"):
        Gradient(seeds=[Seed((1, 1, 1), -1.0, 50.0)])
    with pytest.raises(InputError, match="no such slice"):
        Gradient(slices=[99]).reconstruct(b1)
