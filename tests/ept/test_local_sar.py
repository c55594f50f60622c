"""Local SAR from B1+ and properties. Oracles: plane wave in a lossy medium, and E_z of the layered cylinder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.constants import EPS_0, MU_0
from emdose.ept.judging.monte_carlo import noisy
from emdose.ept.local_sar import electric_field, local_sar
from emdose.ept.maps.b1map import B1Map, relative_noise
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.errors import InputError
from emdose.models.grids.grid import Grid

SIGMA, EPSILON, FREQUENCY = 0.6, 60.0, 128e6
W = 2 * np.pi * FREQUENCY


def maps(grid: Grid) -> PropertyMap:
    full = np.ones(grid.shape)
    return PropertyMap(grid, FREQUENCY, SIGMA * full, EPSILON * full, np.zeros(grid.shape, np.uint8))


def wave(grid: Grid) -> tuple[B1Map, np.ndarray]:
    """E_z = exp(-j k x) V/m, B_y = -(k/w) E_z; B1+ = j B_y / 2."""
    k = W * np.sqrt(MU_0 * (EPS_0 * EPSILON - 1j * SIGMA / W))
    x = np.broadcast_to(grid.centre_points()[0], grid.shape)
    field = np.exp(-1j * k * x)
    plus = 0.5j * (-k / W) * field
    return B1Map(grid, FREQUENCY, np.abs(plus), np.unwrap(np.angle(plus), axis=0), phase_kind="transmit"), field


def test_plane_wave() -> None:
    """Closed form: E and SAR of a lossy plane wave, error of the quadratic window below 0.5 %."""
    grid = Grid((24, 9, 8), (2e-3, 2.5e-3, 3e-3))
    b1, field = wave(grid)
    e = electric_field(b1, maps(grid), b1_unit_T=1)
    assert np.abs(e[2] / field - 1)[2:-2].max() < 5e-3
    assert np.abs(e[:2]).max() < 1e-9
    found = local_sar(b1, maps(grid), 1000.0, b1_unit_T=1)
    sar = found.value
    assert found.u is None
    assert found.valid.all()
    assert np.abs(sar / (SIGMA * np.abs(field) ** 2 / 2000) - 1)[2:-2].max() < 0.01


def test_wave_that_varies_along_z() -> None:
    """Ampere's law: B1+ alone (the other rotating part zero) of the form exp(a z) has E_y = -j E_x."""
    grid = Grid((6, 7, 9), 2e-3)
    z = np.broadcast_to(grid.centre_points()[2], grid.shape)
    plus = 1e-6 * np.exp(5 * z)
    b1 = B1Map(grid, FREQUENCY, plus, np.zeros(grid.shape), phase_kind="transmit")
    e = electric_field(b1, maps(grid), b1_unit_T=1)
    admittivity = MU_0 * (SIGMA + 1j * W * EPS_0 * EPSILON)
    assert np.allclose(e[0], 1j * 5 * plus / admittivity, rtol=1e-3)
    assert np.allclose(e[1], -1j * e[0])


def test_unit_of_the_magnitude_enters_squared() -> None:
    """Scaling law."""
    grid = Grid((8, 8, 8), 2e-3)
    b1, _ = wave(grid)
    micro = replace(b1, magnitude=b1.magnitude * 1e6)
    one = local_sar(micro, maps(grid), 1000.0, b1_unit_T=1e-6)
    assert np.allclose(one.value, local_sar(b1, maps(grid), 1000.0, b1_unit_T=1).value)


def test_bad_input() -> None:
    """One clear line each."""
    grid = Grid((8, 8, 8), 2e-3)
    b1, _ = wave(grid)
    with pytest.raises(InputError, match="both properties"):
        local_sar(b1, replace(maps(grid), permittivity=None), 1000.0, b1_unit_T=1)
    for density in (0.0, 1.0, np.nan, 1e6):  # g/cm^3, and mg/dm^3
        with pytest.raises(InputError, match="density cannot be in kg/m"):
            local_sar(b1, maps(grid), density, b1_unit_T=1)
    with pytest.raises(InputError, match="no magnitude"):
        local_sar(replace(b1, magnitude=None), maps(grid), 1000.0, b1_unit_T=1)
    with pytest.raises(InputError, match="cannot be in tesla"):
        local_sar(replace(b1, magnitude=1e8 * b1.magnitude), maps(grid), 1000.0, b1_unit_T=1)
    with pytest.raises(InputError, match="b1_unit_T"):
        local_sar(b1, maps(grid), 1000.0, b1_unit_T=0)
    with pytest.raises(TypeError, match="b1_unit_T"):
        local_sar(b1, maps(grid), 1000.0)
    with pytest.raises(InputError, match="frequencies differ"):
        local_sar(b1, replace(maps(grid), frequency_Hz=64e6), 1000.0, b1_unit_T=1)


def test_uncertainty_is_the_scatter() -> None:
    """Monte Carlo over B1+ and both properties (correlated), voxel by voxel away from the rim and at it."""
    grid = Grid((9, 8, 7), 4e-3)
    clean, _ = wave(grid)
    clean = relative_noise(clean, (0.003, 0.004))
    full, rng = np.ones(grid.shape), np.random.default_rng(3)
    us, ue, rho = 0.05, 3.0, 0.6
    known = replace(maps(grid), u_conductivity=us * full, u_permittivity=ue * full, covariance=rho * us * ue * full)
    stated = local_sar(clean, known, 1000.0, b1_unit_T=1)
    draws = []
    for _ in range(200):
        a, b = rng.normal(size=(2, *grid.shape))
        drawn = replace(
            known, conductivity=SIGMA + us * a, permittivity=EPSILON + ue * (rho * a + np.sqrt(1 - rho**2) * b)
        )
        draws.append(local_sar(noisy(clean, rng), drawn, 1000.0, b1_unit_T=1).value)
    ratio = np.std(draws, axis=0, ddof=1) / stated.u
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.all((ratio > 0.75) & (ratio < 1.3))


def test_flags_follow_the_properties_and_the_mask() -> None:
    """By definition: no value where the properties have none, where the mask ends, or where no fit is found."""
    grid = Grid((8, 8, 8), 2e-3)
    b1, _ = wave(grid)
    mask = np.ones(grid.shape, bool)
    mask[0] = False
    flags = np.zeros(grid.shape, np.uint8)
    flags[3, 3, 3], flags[4, 4, 4] = Flag.FAILED, Flag.INTERFACE
    found = local_sar(replace(b1, mask=mask), replace(maps(grid), flags=flags), 1000.0, b1_unit_T=1)
    assert (found.flags[0] == Flag.OUTSIDE).all()
    assert np.isnan(found.value[3, 3, 3])
    assert found.flags[3, 3, 3] == Flag.FAILED
    assert found.flags[4, 4, 4] == Flag.INTERFACE
    assert np.array_equal(np.isfinite(found.value), found.valid)
    negative = replace(maps(grid), conductivity=np.full(grid.shape, -0.1))
    assert (local_sar(b1, negative, 1000.0, b1_unit_T=1).flags == Flag.UNPHYSICAL).all()
