"""One slice, or a window of radius 0 along an axis. Oracle: the closed form of a cylinder, which has no third axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.ept import B1Map, ConvectionReaction, Gradient, Helmholtz, relative_noise
from emdose.ept.judging.monte_carlo import noisy
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.channels import array_fields
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

HOMOGENEOUS = LayeredCylinder([0.05], [60.0], [0.6], 128e6)
LAYERED = LayeredCylinder([0.028, 0.05], [52.0, 70.0], [0.35, 0.9], 128e6)


def slab(cylinder: LayeredCylinder, slices: int, axis: int = 2, channels: int = 0) -> tuple[B1Map, np.ndarray]:
    """The map, and the conductivity; ``axis`` is the one that nothing varies along."""
    n, spacing = 40, 2.5e-3
    x = (np.arange(n) + 0.5 - n / 2) * spacing
    x, y = np.meshgrid(x, x, indexing="ij")
    mask = np.hypot(x, y) < 0.048

    def deep(a: np.ndarray) -> np.ndarray:
        return np.repeat(np.expand_dims(np.where(mask, a, 0), a.ndim - 2 + axis), slices, axis=a.ndim - 2 + axis)

    if channels:
        plus, minus = array_fields(cylinder, x, y, channels)
        minus = minus[2]
    else:
        plus, minus = cylinder.transmit_and_receive(x, y)
    shape = [n, n]
    shape.insert(axis, slices)
    grid = Grid(tuple(shape), spacing)
    b1 = B1Map(grid, 128e6, deep(np.abs(plus)), deep(np.angle(plus * minus)), mask=deep(np.ones_like(x)) > 0)
    return b1, deep(cylinder.properties(x, y)[0])


def error(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.median(np.abs(found - truth)[where] / truth[where]))


@pytest.mark.parametrize("support", ["tissue", "window"])
@pytest.mark.parametrize("kernel", ["cuboid", "ellipsoid", "cross"])
def test_helmholtz_of_one_slice(support: str, kernel: str) -> None:
    """Closed form; a single slice narrows the window by itself."""
    if (support, kernel) == ("tissue", "cross"):
        pytest.skip("a cross determines no full polynomial, in a plane as in space")
    b1, sigma = slab(HOMOGENEOUS, 1)
    found = Helmholtz(kernel, 2, support=support).reconstruct(b1, "cpu")
    assert found.settings["radius"] == (2, 2, 0)
    assert found.valid.sum() > 0.7 * b1.mask.sum()
    assert error(found.conductivity, sigma, found.valid) < 0.01


def test_helmholtz_in_the_plane_equals_the_slices_of_a_volume() -> None:
    """Radius 0 takes every slice by itself, and a window in space over equal slices fits the same polynomial."""
    b1, sigma = slab(HOMOGENEOUS, 7)
    flat, deep = (Helmholtz("cuboid", r).reconstruct(b1, "cpu") for r in ((2, 2, 0), (2, 2, 2)))
    assert np.allclose(flat.conductivity[b1.mask], deep.conductivity[b1.mask], rtol=1e-6)
    assert error(flat.conductivity, sigma, b1.mask) < 0.01
    labels = np.where(b1.mask, 1 + (np.arange(40) > 20)[:, None, None], 0)
    halves = Helmholtz("cuboid", (2, 2, 0)).reconstruct(replace(b1, labels=labels), "cpu")
    assert error(halves.conductivity, sigma, halves.valid) < 0.01


@pytest.mark.parametrize("axis", [0, 1])
def test_other_axes_are_flat_too(axis: int) -> None:
    """The window does not care which axis has no length: the slice of a volume with the same window."""
    b1, _ = slab(HOMOGENEOUS, 1, axis)
    thick, _ = slab(HOMOGENEOUS, 5, axis)
    one = Helmholtz("cuboid", 2).reconstruct(b1, "cpu")
    other = Helmholtz("cuboid", 2).reconstruct(thick, "cpu")
    middle = other.conductivity.take([2], axis=axis)
    assert np.allclose(one.conductivity[b1.mask], middle[b1.mask], rtol=1e-6)


def test_uncertainty_in_the_plane() -> None:
    """Scatter of 60 noisy reconstructions against the stated u, voxel by voxel and of the mean of a region."""
    b1, _ = slab(HOMOGENEOUS, 1)
    known = relative_noise(b1, 0.003)
    method = Helmholtz("cuboid", 3)
    stated = method.reconstruct(known, "cpu")
    region = np.zeros(b1.mask.shape, bool)
    region[14:22, 16:24] = True
    rng = np.random.default_rng(2)
    draws = [method.reconstruct(noisy(known, rng), "cpu") for _ in range(60)]
    spread = np.std([d.conductivity[region] for d in draws], axis=0, ddof=1)
    assert np.median(spread / stated.u_conductivity[region]) == pytest.approx(1, abs=0.08)
    means = np.std([d.region_mean(region, bias=False).conductivity for d in draws], ddof=1)
    assert means / stated.region_mean(region).u_conductivity == pytest.approx(1, abs=0.3)
    unknown = method.reconstruct(replace(noisy(known, rng), u_magnitude=None, u_phase=None), "cpu")
    assert np.median(unknown.u_conductivity[region] / stated.u_conductivity[region]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("volume", [False, True])
def test_convection_reaction_of_one_slice(volume: bool) -> None:
    """Closed form of two layers, interface and rim included."""
    b1, sigma = slab(LAYERED, 1)
    found = ConvectionReaction(volume=volume).reconstruct(b1)
    assert found.valid.sum() > 0.95 * b1.mask.sum()
    assert error(found.conductivity, sigma, found.valid) < 0.03
    thick, _ = slab(LAYERED, 3)
    method = ConvectionReaction(kernel="cross", radius=1, diffusion=1e-2, boundary=(0.9, 70.0))
    one, middle = method.reconstruct(b1).conductivity, method.reconstruct(thick).conductivity[:, :, 1:2]
    assert np.allclose(one, middle, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("volume", [False, True])
def test_gradient_of_one_slice(volume: bool) -> None:
    """Closed form of two layers from eight channels."""
    b1, sigma = slab(LAYERED, 1, channels=8)
    found = Gradient(volume=volume, radius=1).reconstruct(b1)
    assert found.valid.sum() > 0.85 * b1.mask.sum()
    assert error(found.conductivity, sigma, found.valid) < 0.05


def test_bad_input() -> None:
    """One clear line each: a line is no plane, and gradient EPT needs the plane across the static field."""
    b1, _ = slab(LAYERED, 1, 0, channels=8)
    with pytest.raises(InputError, match="plane across"):
        Gradient(radius=1).reconstruct(b1)
    with pytest.raises(InputError, match="0 along one axis"):
        Helmholtz(radius=(0, 0, 3))
