"""Savitzky-Golay kernels. Oracles: exactness on polynomials, SciPy's correlation, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose.compute import backend
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.savitzky_golay import SavitzkyGolay, apply, factor, full_windows, monomials
from emdose.errors import InputError

BE = backend.get("cpu")
SPACING = (1.5e-3, 2e-3, 0.8e-3)


def polynomial(rng: np.random.Generator, degree: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random polynomial at points (n, 3), and (value, dx, dy, dz, Laplacian) at the origin."""
    e = monomials(degree)
    c = rng.normal(size=len(e))
    truth = np.zeros(5)
    for coefficient, (a, b, d) in zip(c, e, strict=True):
        key = (int(a), int(b), int(d))
        truth[0] += coefficient * (key == (0, 0, 0))
        for axis in range(3):
            unit = [0, 0, 0]
            unit[axis] = 1
            truth[1 + axis] += coefficient * (key == tuple(unit))
            unit[axis] = 2
            truth[4] += 2 * coefficient * (key == tuple(unit))
    return np.prod(x[:, None, :] ** e[None], axis=2) @ c, truth


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from(["cuboid", "ellipsoid"]),
    radius=st.tuples(*[st.integers(2, 4)] * 3),
    degree=st.integers(2, 3),
    seed=st.integers(0, 2**31),
)
def test_exact_on_polynomials_of_its_degree(shape: str, radius: tuple[int, int, int], degree: int, seed: int) -> None:
    """Oracle: the derivatives of the polynomial itself."""
    kernel = SavitzkyGolay(shape, radius, degree, (0.7, 1.0, 1.3))
    if not kernel.determined:
        return
    data, truth = polynomial(np.random.default_rng(seed), degree, kernel.offsets * np.array(kernel.spacing_m))
    np.testing.assert_allclose(kernel.weights @ data, truth, rtol=1e-8, atol=1e-8 * np.abs(data).max())


def test_cross_is_exact_on_sums_of_one_dimensional_polynomials() -> None:
    """Oracle: derivatives of x^2 + y + z^2 ...; mixed terms vanish on a cross."""
    kernel = SavitzkyGolay("cross", (1, 2, 3), 2, SPACING)
    x, y, z = (kernel.offsets * np.array(SPACING)).T
    data = 3 + x - 2 * y + 5 * x**2 - y**2 + 4 * z**2
    np.testing.assert_allclose(kernel.weights @ data, [3, 1, -2, 0, 16], atol=1e-9)


@pytest.mark.parametrize("shape", ["cross", "ellipsoid", "cuboid"])
@pytest.mark.parametrize("degree", [2, 4])
def test_factored_passes_equal_direct_correlation(shape: str, degree: int) -> None:
    """Oracle: scipy.ndimage.correlate with the dense kernel."""
    from scipy.ndimage import correlate

    kernel = SavitzkyGolay(shape, (3, 2, 4), degree, SPACING)
    image = np.random.default_rng(3).normal(size=(17, 70, 12))
    rows = [0, 1, 2, 3, 4]
    dense = kernel.dense(kernel.weights[rows])
    done = apply(BE, image, kernel.filters(rows))
    for one, taps in zip(done, dense, strict=True):
        expected = correlate(image, taps, mode="constant")
        np.testing.assert_allclose(one, expected, atol=1e-11 * np.abs(expected).max())


def test_factors_of_a_cuboid_are_two_products() -> None:
    """Oracle: value and Laplacian of a quadratic on a cuboid lie in the span of 1, x^2, y^2, z^2."""
    factors = SavitzkyGolay("cuboid", (3, 3, 3), 2, (2e-3, 2e-3, 2e-3)).filters([0, 4])
    assert (len(factors.z), len(factors.y)) == (2, 2)
    assert len(factor(np.ones((1, 3, 3, 3))).y) == 1


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), degree=st.sampled_from([2, 3]), shape=st.sampled_from(["cuboid", "ellipsoid"]))
def test_masked_fit_is_exact_on_polynomials_inside_any_labels(seed: int, degree: int, shape: str) -> None:
    """Oracle: derivatives of one polynomial per label, with labels of random shape touching each other."""
    rng = np.random.default_rng(seed)
    radius = (3, 2, 3)
    size = (12, 9, 19)
    labels = np.where(np.cumsum(rng.random(size), axis=2) > rng.uniform(2, 7, size=(12, 9, 1)), 2, 1).astype(np.int32)
    labels[rng.random(size) < 0.1] = 0
    kernel = SavitzkyGolay(shape, radius, degree, (1.0, 1.2, 0.9))
    points = np.stack(
        np.meshgrid(*(np.arange(n) * d for n, d in zip(size, kernel.spacing_m, strict=True)), indexing="ij"), axis=-1
    )
    images, laplacian, value = np.zeros((2, *size)), np.zeros((2, *size)), np.zeros((2, *size))
    for label in (1, 2):
        for channel in range(2):
            q, c, off = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal()
            p = points - points.mean(axis=(0, 1, 2))
            one = off + p @ c + np.einsum("...i,ij,...j->...", p, q, p)
            images[channel] = np.where(labels == label, one, images[channel])
            laplacian[channel] = np.where(labels == label, 2 * np.trace(q), laplacian[channel])
    value[:] = images
    fit = masked_fit(BE, kernel, (0, 4), images, labels)
    good = fit.count > 0
    assert good.sum() > 300
    scale = np.abs(images).max()
    np.testing.assert_allclose(fit.value[:, 0][:, good], value[:, good], atol=1e-7 * scale)
    np.testing.assert_allclose(fit.value[:, 1][:, good], laplacian[:, good], atol=1e-6 * scale)
    assert np.abs(fit.residual[:, good]).max() < 1e-8 * scale**2 * len(kernel.offsets)


def test_window_and_neighbour_sums_agree() -> None:
    """Oracle: the same cuboid fit by moments and, with a flat reference image, neighbour by neighbour."""
    rng = np.random.default_rng(5)
    labels = (rng.random((11, 10, 21)) < 0.8).astype(np.int32) * rng.integers(1, 3, size=(11, 10, 21)).astype(np.int32)
    images, noise = rng.normal(size=(2, 11, 10, 21)), rng.random((3, 11, 10, 21))
    kernel = SavitzkyGolay("cuboid", (2, 3, 2), 2, SPACING)
    a = masked_fit(BE, kernel, (0, 1, 4), images, labels, noise=noise, keep=True)
    b = masked_fit(
        BE, kernel, (0, 1, 4), images, labels, noise=noise, keep=True, reference=np.ones(labels.shape), contrast=0.5
    )
    for name in ("value", "gain", "residual", "count", "solution"):
        x, y = getattr(a, name), getattr(b, name)
        np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-9 * np.nanmax(np.abs(y)))


def test_a_sheet_of_two_voxels_is_not_fitted() -> None:
    """Oracle: z^2 and z cannot be told apart on two layers, so there is no Laplacian."""
    labels = np.zeros((9, 9, 9), np.int32)
    labels[:, :, 3:5] = 1
    kernel = SavitzkyGolay("cuboid", (3, 3, 3), 2, SPACING)
    fit = masked_fit(BE, kernel, (0, 4), np.ones((1, 9, 9, 9)), labels)
    assert np.all(fit.count[labels > 0] < 0)
    assert np.isnan(fit.value[:, :, labels > 0]).all()
    labels[:, :, 5] = 1
    assert np.all(masked_fit(BE, kernel, (0, 4), np.ones((1, 9, 9, 9)), labels).count[labels > 0] > 0)


@pytest.mark.parametrize(
    ("settings_", "text"),
    [
        (("ball", (1, 1, 1), 2), "unknown kernel shape"),
        (("cuboid", (0, 0, 1), 2), "bad kernel radius"),
        (("cuboid", (-1, 1, 1), 2), "bad kernel radius"),
        (("cuboid", (1.5, 1, 1), 2), "bad kernel radius"),
        (("cuboid", (1, 1, 1), 1), "bad polynomial degree"),
        (("cross", (1, 1, 1), 4), "too small"),
    ],
)
def test_bad_kernels_are_refused(settings_: tuple[object, ...], text: str) -> None:
    with pytest.raises(InputError, match=text):
        SavitzkyGolay(*settings_, (1.0, 1.0, 1.0))  # type: ignore[arg-type]


def test_windows_that_hold_several_labels_are_found() -> None:
    """Oracle: minimum and maximum filters of SciPy."""
    from scipy.ndimage import maximum_filter, minimum_filter

    rng = np.random.default_rng(2)
    labels = np.kron(rng.integers(0, 4, (5, 4, 4)), np.ones((5, 6, 7), int))
    box = np.ones((3, 5, 5), bool)
    full, mixed = full_windows(BE, (labels > 0).astype(np.uint8), box, labels)
    low = minimum_filter(labels, box.shape, mode="constant")
    high = maximum_filter(labels, box.shape, mode="constant")
    assert np.array_equal(full, low > 0)
    assert np.array_equal(mixed[full], (low != high)[full])
    assert mixed[full].any()
    assert not mixed[full].all()
    assert full_windows(BE, (labels > 0).astype(np.uint8), box)[1] is None
