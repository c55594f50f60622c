"""The lattice Green's function and its convolutions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import C_0
from emdose.solvers.yee_grid.green_convolution import Convolution, green_function, padded_shape, static_table
from emdose.validation import cases

BE = backend.get("cpu")


def test_lattice_identity():
    # Oracle: the definition (Laplacian_h + k^2) S = -delta.
    for row in cases.run(["lattice"], device="cpu"):
        assert row.passed
        assert row.tolerance == 1e-4


def test_static_green_function_at_the_origin():
    # Oracle: Watson's integral for the simple cubic lattice, 0.2527310098586...
    assert static_table()[0, 0, 0] == pytest.approx(0.252731009858663, abs=1e-7)


def direct(J, target, offset, h, k):
    """(k^2 + G D) S J by sums over all pairs."""
    source = J.shape[1:]
    reach = [t + s + o + 3 for t, s, o in zip(target, source, offset, strict=True)]
    S = green_function(tuple(np.arange(r) for r in reach), h, k, BE)

    def potential(c, i, j, m):
        d = np.abs(np.array([i, j, m])[:, None, None, None] - np.indices(source) - np.reshape(offset, (3, 1, 1, 1)))
        return np.sum(S[tuple(d)] * J[c])

    A = np.zeros((3, *(t + 2 for t in target)), complex)  # from index -1 on
    for c in range(3):
        for i, j, m in np.ndindex(*A.shape[1:]):
            A[c, i, j, m] = potential(c, i - 1, j - 1, m - 1)
    div = (
        sum(
            np.diff(A[c], axis=c)[tuple(slice(0, None) if a == c else slice(1, None) for a in range(3))]
            for c in range(3)
        )
        / h
    )
    out = np.zeros((3, *target), complex)
    for c in range(3):
        grad = np.diff(div, axis=c)[tuple(slice(0, t) for t in target)] / h
        out[c] = k * k * A[c][tuple(slice(1, t + 1) for t in target)] + grad
    return out, A[:, 1:-1, 1:-1, 1:-1]


def valid(shape):
    """Entries that are edges: not past the last one along the component."""
    mask = np.ones((3, *shape), bool)
    mask[0, -1], mask[1, :, -1], mask[2, :, :, -1] = False, False, False
    return mask


@pytest.mark.parametrize(("target", "offset"), [((4, 3, 5), (0, 0, 0)), ((6, 5, 5), (1, 2, 0))])
def test_convolution_is_the_sum_over_pairs(target, offset):
    # Oracle: direct summation; wrap-around would show.
    source, h, k = (4, 3, 5), 5e-3, 2 * math.pi * 298e6 / C_0
    rng = np.random.default_rng(0)
    J = np.where(valid(source), rng.normal(size=(3, *source)) + 1j * rng.normal(size=(3, *source)), 0)
    scattered, potential = direct(J, target, offset, h, k)
    conv = Convolution(source, target, offset, h, k, BE, np.complex128)
    got = conv.scattered(J[None])[0]
    mask = valid(target)
    assert np.abs(got - scattered)[mask].max() < 1e-10 * np.abs(scattered).max()
    assert np.abs(conv.potential(J[None])[0] - potential)[mask].max() < 1e-10 * np.abs(potential).max()
    single = Convolution(source, target, offset, h, k, BE, np.complex64)
    assert (
        np.abs(single.scattered(J[None].astype(np.complex64))[0] - scattered)[mask].max()
        < 1e-5 * np.abs(scattered).max()
    )


def test_several_ports_at_once():
    # Oracle: one after the other.
    conv = Convolution((6, 5, 7), (6, 5, 7), (0, 0, 0), 1e-2, 6.0, BE, np.complex128)
    J = np.random.default_rng(1).normal(size=(3, 3, 6, 5, 7)) + 0j
    together = conv.scattered(J)
    for p in range(3):
        assert np.allclose(together[p], conv.scattered(J[p : p + 1])[0])


def test_slabs_do_not_matter(monkeypatch):
    # Oracle: the whole grid at once.
    conv = Convolution((12, 13, 9), (12, 13, 9), (0, 0, 0), 1e-2, 6.0, BE, np.complex128)
    J = np.random.default_rng(1).normal(size=(1, 3, 12, 13, 9)) + 0j
    whole = conv.scattered(J)
    monkeypatch.setattr(Convolution, "_slab", lambda self, ports: 5)
    assert np.allclose(conv.scattered(J), whole, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_kernel_equals_reference(dtype, reference_backend):
    # Oracle: the NumPy reference.
    rng = np.random.default_rng(2)
    J = (rng.normal(size=(2, 3, 7, 6, 9)) + 1j * rng.normal(size=(2, 3, 7, 6, 9))).astype(dtype)
    results = []
    for be in (BE, reference_backend):
        conv = Convolution((7, 6, 9), (9, 8, 9), (1, 1, 0), 5e-3, 6.0, be, dtype)
        results.append((conv.scattered(J), conv.potential(J)))
    for a, b in zip(*results, strict=True):
        assert np.abs(a - b).max() < (3e-6 if dtype == np.complex64 else 1e-12) * np.abs(b).max()


def test_padded_lengths_are_even_and_long_enough():
    for s, t, o in (
        ((31, 42, 59), (31, 42, 59), (0, 0, 0)),
        ((20, 20, 20), (30, 28, 50), (3, 8, 2)),
        ((1, 2, 1), (3, 2, 1), (2, 0, 0)),
    ):
        for n, a, b, c in zip(padded_shape(s, t, o, BE), s, t, o, strict=True):
            assert n % 2 == 0
            assert n >= max(2 * (b - 1 - c), 2 * (c + a - 1), a + b - 2)
