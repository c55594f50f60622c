"""Local SAR from B1+ and properties. Oracles: plane wave in a lossy medium, and E_z of the layered cylinder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.constants import EPS_0, MU_0
from emdose.ept.local_sar import electric_field, local_sar
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import PropertyMap
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
    e = electric_field(b1, maps(grid))
    assert np.abs(e[2] / field - 1)[2:-2].max() < 5e-3
    assert np.abs(e[:2]).max() < 1e-9
    sar = local_sar(b1, maps(grid), 1000.0)
    assert np.abs(sar / (SIGMA * np.abs(field) ** 2 / 2000) - 1)[2:-2].max() < 0.01


def test_wave_that_varies_along_z() -> None:
    """Ampere's law: B1+ alone (the other rotating part zero) of the form exp(a z) has E_y = -j E_x."""
    grid = Grid((6, 7, 9), 2e-3)
    z = np.broadcast_to(grid.centre_points()[2], grid.shape)
    plus = 1e-6 * np.exp(5 * z)
    b1 = B1Map(grid, FREQUENCY, plus, np.zeros(grid.shape), phase_kind="transmit")
    e = electric_field(b1, maps(grid))
    admittivity = MU_0 * (SIGMA + 1j * W * EPS_0 * EPSILON)
    assert np.allclose(e[0], 1j * 5 * plus / admittivity, rtol=1e-3)
    assert np.allclose(e[1], -1j * e[0])


def test_unit_of_the_magnitude_enters_squared() -> None:
    """Scaling law."""
    grid = Grid((8, 8, 8), 2e-3)
    b1, _ = wave(grid)
    micro = replace(b1, magnitude=b1.magnitude * 1e6)
    assert np.allclose(local_sar(micro, maps(grid), 1000.0, b1_unit_T=1e-6), local_sar(b1, maps(grid), 1000.0))


def test_bad_input() -> None:
    """One clear line each."""
    grid = Grid((8, 8, 8), 2e-3)
    b1, _ = wave(grid)
    with pytest.raises(InputError, match="both properties"):
        local_sar(b1, replace(maps(grid), permittivity=None), 1000.0)
    with pytest.raises(InputError, match="density is not positive"):
        local_sar(b1, maps(grid), 0.0)
    with pytest.raises(InputError, match="no magnitude"):
        local_sar(replace(b1, magnitude=None), maps(grid), 1000.0)
