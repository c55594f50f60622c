"""Flags and bounds of EPT just below and just above, on parabolas that every fit reproduces exactly.

B1+ = b (1 + a r^2) has the Laplacian 4 a b in two dimensions, a phase A r^2 has 4 A: values, gradients and gains of
noise are closed forms.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import emdose as em
from emdose.constants import C_0, EPS_0, MU_0
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag
from emdose.errors import InputError
from emdose.models.grids.grid import Grid

FREQUENCY = 128e6
W = 2 * math.pi * FREQUENCY
GRID = Grid((31, 31, 7), 2e-3)
X, Y, _ = np.broadcast_arrays(*GRID.centre_points())
R = np.hypot(X, Y)


def b1_map(field: np.ndarray, **options: object) -> B1Map:
    """A map from complex B1+, with a transceive phase of twice its own."""
    return B1Map(GRID, FREQUENCY, np.abs(field), 2 * np.unwrap(np.angle(field), axis=0), mask=R < 0.028, **options)


def test_low_convection_of_a_phase() -> None:
    """Oracle: abs(grad phi) = 2 A r is below a tenth of sqrt(laplacian phi) = sqrt(4 A) within r = 0.1 / sqrt(A)."""
    A = 0.25 * W * MU_0 * 0.6  # 0.6 S/m
    b1 = B1Map(GRID, FREQUENCY, None, 2 * A * R**2, mask=R < 0.028)
    found = em.ept.ConvectionReaction(form="phase").reconstruct(b1)
    calm = (found.flags & np.uint8(Flag.LOW_CONVECTION)) != 0
    assert calm.sum() > 100
    np.testing.assert_array_equal(calm[found.valid], (R * math.sqrt(A) < 0.1)[found.valid])


def test_low_convection_of_a_complex_field() -> None:
    """Oracle: abs(grad B1+) = 2 a r against a tenth of k abs(B1+), k^2 that of the median medium."""
    a = -0.25 * (W / C_0) ** 2 * 70
    B = 1 + a * R**2
    found = em.ept.ConvectionReaction(form="complex").reconstruct(b1_map(0.3 * B))  # in any unit
    valid = found.valid
    k2 = -4 * a / np.median(B[valid])
    ratio = 2 * abs(a) * R / np.sqrt(k2 * B * B)
    calm = (found.flags & np.uint8(Flag.LOW_CONVECTION)) != 0
    sure = valid & (np.abs(ratio / 0.1 - 1) > 0.02)  # the grid of distances is coarse
    assert 100 < calm.sum() < valid.sum() / 2
    np.testing.assert_array_equal(calm[sure], (ratio < 0.1)[sure])


@pytest.mark.parametrize(
    ("permittivity", "conductivity", "odd"),
    [(1.02, 0.01, False), (0.98, 0.01, True), (2.0, 1e-4, False), (2.0, -1e-4, True)],
)
def test_unphysical_values(permittivity: float, conductivity: float, odd: bool) -> None:
    """Oracle: definition: a permittivity below 1 or a conductivity below 0, in the middle of the parabola."""
    a = -0.25 * W**2 * MU_0 * EPS_0 * complex(permittivity, -conductivity / (W * EPS_0))
    found = em.ept.Helmholtz(radius=1).reconstruct(b1_map(1 + a * R**2))
    middle = (15, 15, 3)
    assert found.permittivity[middle] == pytest.approx(permittivity, rel=1e-6)
    assert found.conductivity[middle] == pytest.approx(conductivity, rel=1e-5)
    assert bool(found.flags[middle] & Flag.UNPHYSICAL) == odd


@pytest.mark.parametrize(("times", "weak"), [(3.05, False), (2.95, True)])
def test_weak_signal_is_below_three_uncertainties_of_the_fit(times: float, weak: bool) -> None:
    """Oracle: least squares: the variance of the fitted centre is ((X^T X)^-1)_00 of that of one voxel, 2 u^2."""
    points = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    powers = [p for p in itertools.product(range(3), repeat=3) if sum(p) <= 2]
    design = np.prod(points[:, None, :] ** np.array(powers), axis=2).astype(float)
    gain = np.linalg.inv(design.T @ design)[0, 0]
    u = 1 / (times * math.sqrt(2 * gain))
    field = np.ones(GRID.shape, complex)
    # The phase of B1+ is half of the transceive phase, and so is its uncertainty.
    b1 = b1_map(field, u_magnitude=u, u_phase=2 * u)
    found = em.ept.Helmholtz(kernel="cuboid", radius=1, degree=2).reconstruct(b1)
    assert bool(found.flags[15, 15, 3] & Flag.WEAK_SIGNAL) == weak


@pytest.mark.parametrize(("span", "refused"), [(11.9 * math.pi, False), (12.1 * math.pi, True)])
def test_a_phase_beyond_six_turns_is_not_in_radians(span: float, refused: bool) -> None:
    phase = span * (X - X.min()) / np.ptp(X)
    if refused:
        with pytest.raises(InputError, match="not in radians"):
            B1Map(GRID, FREQUENCY, np.ones(GRID.shape), phase, mask=np.ones(GRID.shape, bool))
    else:
        B1Map(GRID, FREQUENCY, np.ones(GRID.shape), phase, mask=np.ones(GRID.shape, bool))


@pytest.mark.parametrize(("spacing_m", "refused"), [(1.9e-5, True), (2.1e-5, False), (0.049, False), (0.051, True)])
def test_voxels_of_micrometres_and_decimetres_are_slips(spacing_m: float, refused: bool) -> None:
    grid = Grid((3, 3, 3), spacing_m)
    if refused:
        with pytest.raises(InputError, match="voxel size cannot be in metres"):
            B1Map(grid, FREQUENCY, np.ones((3, 3, 3)), None)
    else:
        B1Map(grid, FREQUENCY, np.ones((3, 3, 3)), None)
