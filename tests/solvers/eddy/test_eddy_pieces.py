"""The pieces of the eddy current solver: inductances, cut faces, conduction, fit over frequency."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.multigrid import Conduction
from emdose.errors import ConvergenceError, EmdoseWarning, InputError
from emdose.models.grids.grid import Grid
from emdose.models.implants import shapes
from emdose.models.implants.voxels import voxelise
from emdose.solvers.eddy.voxels.branches import branch_network, open_middle
from emdose.solvers.eddy.voxels.inductance import Inductance, mean_inverse_distance, near_table
from emdose.solvers.eddy.voxels.operator import divergence, rise
from emdose.solvers.eddy.voxels.sources import SLOPES, linear_potential, sources_of, uniform_potential
from emdose.solvers.results.power_tensor import UNIFORM, PowerTensor
from emdose.solvers.results.relaxations import relaxation
from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_limits, sphere_power

CPU = backend.get("cpu")


# ---- inductance ----------------------------------------------------------------------------------------------------
def test_mean_of_inverse_distance_of_a_cube() -> None:
    """Oracle: the published constant of the unit cube, 1.88231264438966..."""
    assert float(near_table((1.0, 1.0, 1.0))[0, 0, 0]) == pytest.approx(1.8823126443896, rel=1e-12)


@pytest.mark.parametrize("offset", [(3, 0, 0), (2, 2, 1), (0, 0, 4), (5, 1, 2)])
def test_mean_of_inverse_distance_of_boxes(offset: tuple[int, int, int]) -> None:
    """Oracle: Gauss quadrature of the threefold integral with triangular weights."""
    h = (1.0, 1.5, 0.5)
    x, w = np.polynomial.legendre.leggauss(12)
    x, w = (x + 1) / 2, w / 2
    u, weight = np.concatenate([-x[::-1], x]), np.concatenate([(w * (1 - x))[::-1], w * (1 - x)])
    d = np.meshgrid(*[(u + m) * s for m, s in zip(offset, h, strict=True)], indexing="ij")
    W = weight[:, None, None] * weight[None, :, None] * weight
    expected = float((W / np.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)).sum())
    assert float(near_table(h)[offset]) == pytest.approx(expected, rel=1e-12)


def test_far_expansion_meets_the_near_table() -> None:
    """Oracle: the closed form at the largest offsets of its table, where the expansion would take over."""
    h = (1.0, 1.5, 0.5)
    exact = near_table(h).astype(float)
    whole = mean_inverse_distance(tuple(np.arange(n + 2) for n in exact.shape), h, CPU)
    assert np.allclose(whole[tuple(slice(0, n) for n in exact.shape)], exact, rtol=1e-12)
    # One step beyond the table, from smooth continuation along every axis.
    for axis, n in enumerate(exact.shape):
        line = [0, 0, 0]
        line[axis] = slice(n - 4, n + 2)
        r = np.arange(n - 4, n + 2) * h[axis]
        scaled = whole[tuple(line)] * r
        assert np.ptp(np.diff(scaled)) < 2e-4


def test_convolution_equals_the_sum() -> None:
    """Oracle: the double sum over all branches, with quadratics at cut faces written out."""
    rng = np.random.default_rng(0)
    shape, h = (5, 4, 6), (1e-3, 1.5e-3, 0.7e-3)
    offset = rng.uniform(-0.4, 0.4, (3, 2, *shape))
    inner = np.zeros(shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    offset *= inner
    L = Inductance(shape, h, offset, CPU, "float64")
    current = rng.normal(size=(3, 3, *shape)) * inner
    found = L(current)
    mean = mean_inverse_distance(tuple(np.arange(n) for n in shape), h, CPU)
    for c in range(3):
        spread = np.zeros((3, *shape))
        for index in np.ndindex(*shape):
            for p, w in _weights(offset[c, :, *index], c):
                at = tuple(i + q for i, q in zip(index, p, strict=True))
                if all(0 <= i < n for i, n in zip(at, shape, strict=True)):
                    spread[(slice(None), *at)] += w * current[(slice(None), c, *index)]
        for index in [(2, 2, 3), (1, 1, 1), (3, 2, 4)]:
            total = np.zeros(3)
            for p, w in _weights(offset[c, :, *index], c):
                at = tuple(i + q for i, q in zip(index, p, strict=True))
                G = mean[
                    tuple(
                        np.abs(np.arange(n) - i)[tuple(slice(None) if a == b else None for b in range(3))]
                        for a, (n, i) in enumerate(zip(shape, at, strict=True))
                    )
                ]
                total += w * np.einsum("pijk,ijk->p", spread, G)
            own = mean[0, 0, 0] - sum(
                w * v * mean[tuple(abs(a - b) for a, b in zip(p, q, strict=True))]
                for p, w in _weights(offset[c, :, *index], c)
                for q, v in _weights(offset[c, :, *index], c)
            )
            total += own * current[(slice(None), c, *index)]
            assert found[(slice(None), c, *index)] == pytest.approx(1e-7 * h[c] ** 2 * total, rel=1e-9)


def _weights(d: np.ndarray, c: int) -> list[tuple[tuple[int, int, int], float]]:
    out = [((0, 0, 0), 1 - d[0] ** 2 - d[1] ** 2)]
    for t in range(2):
        for side in (-1, 1):
            p = [0, 0, 0]
            p[(c + 1 + t) % 3] = side
            out.append((tuple(p), 0.5 * d[t] * (d[t] + side)))
    return out


# ---- cut faces -----------------------------------------------------------------------------------------------------
def test_middle_of_the_open_part() -> None:
    """Oracle: faces of a ball sampled by 64 x 64 points; open fractions alone give the middle to a few hundredths."""
    voxels = voxelise(shapes.sphere(0.01, subdivisions=5), 2e-3)
    net = branch_network(voxels)
    t = (np.arange(64) + 0.5) / 64 - 0.5
    for c in range(3):
        alpha = np.zeros(net.shape)
        part = voxels.face_fraction[c][
            tuple(slice(0, min(n, s - 1)) for n, s in zip(voxels.face_fraction.shape[1:], net.shape, strict=True))
        ]
        alpha[tuple(slice(1, 1 + n) for n in part.shape)] = part
        cut = np.argwhere((alpha > 0.05) & (alpha < 0.999))
        a, b = (c + 1) % 3, (c + 2) % 3
        errors = []
        for i in cut:
            p = [net.grid.nodes(x)[i[x]] if x == c else net.grid.centres(x)[i[x]] for x in range(3)]
            u, v = np.meshgrid(t, t, indexing="ij")
            q = [0.0, 0.0, 0.0]
            q[c], q[a], q[b] = p[c], p[a] + u * 2e-3, p[b] + v * 2e-3
            inside = q[0] ** 2 + q[1] ** 2 + q[2] ** 2 <= 0.01**2
            errors.append(
                [u[inside].mean() - net.offset[c, 0][tuple(i)], v[inside].mean() - net.offset[c, 1][tuple(i)]]
            )
        assert np.abs(errors).mean() < 0.02
        assert np.abs(errors).max() < 0.12


def test_middle_of_straight_cuts_is_exact() -> None:
    """Oracle: areas and middles of a square cut by the line through it, for a flat surface at an angle."""
    slope = 0.5
    n = 12
    alpha, middle = np.zeros((1, n, n)), np.zeros((2, n, n))
    y = (np.arange(2000) + 0.5) / 2000
    for j in range(n):
        for k in range(n):
            height = np.clip(5.3 + slope * (j + y) - k, 0, 1)
            alpha[0, j, k] = height.mean()
            if height.sum():
                middle[:, j, k] = (
                    (y * height).sum() / height.sum() - 0.5,
                    0.5 * (height**2).mean() / height.mean() - 0.5,
                )
    found = open_middle(alpha.astype(np.float32), 1, 2)[:, 0]
    inner = (slice(None), slice(2, -2), slice(2, -2))
    assert np.abs(found[inner] - middle[inner]).max() < 0.06


def test_network_refuses_what_cannot_conduct() -> None:
    """Oracle: the rules; a metal without conductivity cannot be solved for."""
    voxels = voxelise(shapes.sphere(0.01, subdivisions=2), 4e-3)

    class Without:
        grid, fraction, face_fraction = voxels.grid, voxels.fraction, voxels.face_fraction
        conductivity = np.zeros(voxels.grid.shape)

    class Closed(Without):
        conductivity, face_fraction = voxels.conductivity, 0 * voxels.face_fraction

    with pytest.raises(InputError, match="without conductivity"):
        branch_network(Without())
    with pytest.raises(InputError, match="no current"):
        branch_network(Closed())


# ---- conduction ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_conduction_of_a_cut_body(dtype: str) -> None:
    """Oracle: the potential that the currents were made from, up to a constant; few iterations."""
    net = branch_network(voxelise(shapes.sphere(0.015), 1.5e-3))
    problem = Conduction(net.conductance, CPU, dtype)
    x, y, z = net.grid.centre_points()
    phi = np.stack([x + y * z / 0.01 + 0 * z, x * x / 0.01 - z + 0 * y]).astype(dtype)
    b = problem.apply(np.ascontiguousarray(phi))
    found = problem.solve(b, 1e-6)
    assert problem.iterations < 15
    inside = problem.cells
    for one, expected in zip(found, phi, strict=True):
        difference = (one - expected)[inside]
        assert np.ptp(difference) < 1e-4 * np.ptp(expected[inside])


def test_conduction_says_when_it_fails() -> None:
    """Oracle: a current that enters the body and leaves nowhere has no potential."""
    net = branch_network(voxelise(shapes.sphere(0.01, subdivisions=2), 2e-3))
    problem = Conduction(net.conductance, CPU, "float64")
    with pytest.raises(ConvergenceError, match="conduction"):
        problem.solve(problem.cells.astype(float)[None], 1e-6, max_iterations=20)


def test_rise_and_divergence_are_adjoint() -> None:
    """Oracle: sum phi div I = - sum I rise phi."""
    rng = np.random.default_rng(0)
    flow, phi = rng.normal(size=(2, 3, 4, 5, 6)), rng.normal(size=(2, 4, 5, 6))
    for c in range(3):
        flow[:, c][(slice(None), *(0 if a == c else slice(None) for a in range(3)))] = 0
    left = (phi * divergence(flow)).sum()
    assert left == pytest.approx(-(flow * rise(phi, np)).sum(), rel=1e-12)


# ---- sources -------------------------------------------------------------------------------------------------------
def test_potentials_have_the_right_curl() -> None:
    """Oracle: central differences of A against B = e and B = S r."""
    centre, at, h = (0.01, -0.02, 0.03), np.array([[0.04, 0.01, -0.02]]), 1e-5
    for kind in range(8):
        A = uniform_potential(kind, centre) if kind < 3 else linear_potential(kind - 3, centre)
        slope = np.stack([(A(at + h * e) - A(at - h * e))[0] / (2 * h) for e in np.eye(3)])
        B = [slope[1, 2] - slope[2, 1], slope[2, 0] - slope[0, 2], slope[0, 1] - slope[1, 0]]
        expected = np.eye(3)[kind] if kind < 3 else SLOPES[kind - 3] @ (at[0] - centre)
        assert pytest.approx(expected, abs=1e-9) == B


def test_unknown_sources() -> None:
    """Oracle: the rules."""
    for bad in ("gradient", [], [3]):
        with pytest.raises(InputError, match="source"):
            sources_of(bad, (0, 0, 0))


# ---- power tensor --------------------------------------------------------------------------------------------------
def _tensor(frequencies: np.ndarray) -> tuple[PowerTensor, np.ndarray]:
    """Three spheres of different size seen along three skew axes: a tensor whose truth is known everywhere."""
    R = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    M = _truth(R, frequencies)
    cells = np.argwhere(np.ones((2, 2, 2)))
    loss = np.repeat((M / 8e-9)[..., None], 8, axis=-1).astype(np.complex64)
    return PowerTensor(frequencies, UNIFORM, M, Grid((2, 2, 2), 1e-3), cells, loss), R


def _truth(R: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    bodies = ((0.015, 1.16e6, 1.0), (0.01, 0.58e6, 1.5), (0.02, 1e6, 0.4))
    return np.array([R @ np.diag([k * sphere_power(a, s, f) for a, s, k in bodies]) @ R.T for f in frequencies])


@pytest.mark.parametrize("count", [5, 8])
def test_fit_over_frequency(count: int) -> None:
    """Oracle: closed forms between and below the samples; exact at the samples; never negative."""
    f = np.geomspace(100, 1e5, count)
    tensor, R = _tensor(f)
    assert tensor.at(f) == pytest.approx(tensor.matrix, rel=1e-9, abs=1e-12 * np.abs(tensor.matrix).max())
    between = np.geomspace(1, 1e5, 100)
    found, expected = tensor.at(between), _truth(R, between)
    size = np.abs(expected).max(axis=(1, 2))
    assert (np.abs(found - expected).max(axis=(1, 2)) / size).max() < {5: 6e-3, 8: 1e-3}[count]
    assert np.linalg.eigvalsh(found).min() >= 0


def test_orientations_and_powers() -> None:
    """Oracle: eigenvectors of the construction; P = b^H M b; harmonics add; maps sum to the power."""
    f = np.geomspace(100, 1e4, 6)
    tensor, R = _tensor(f)
    worst, u = tensor.worst(270.0)
    assert worst == pytest.approx(0.4 * sphere_power(0.02, 1e6, 270.0), rel=1e-3)
    assert abs(u @ R[:, 2]) == pytest.approx(1, abs=1e-4)
    best, v = tensor.best(270.0)
    assert best == pytest.approx(1.5 * sphere_power(0.01, 0.58e6, 270.0), rel=1e-3)
    assert abs(u @ v) < 1e-6
    assert tensor.power(3 * u, 270.0) == pytest.approx(9 * worst, rel=1e-9)
    circular = tensor.power(np.array([1, 1j, 0]), 270.0)
    assert circular == pytest.approx(tensor.power([1, 0, 0], 270.0) + tensor.power([0, 1, 0], 270.0), rel=1e-6)
    h, b = np.array([270.0, 810.0, 1350.0]), np.array([[1, 0.5j, 0], [0.3, 0, 0.2], [0.1, 0.1, 0.1]])
    total = tensor.average_power(h, b)
    assert total == pytest.approx(sum(tensor.power(x, y) for x, y in zip(b, h, strict=True)), rel=1e-9)
    assert tensor.loss_density(h, b).sum() * 1e-9 == pytest.approx(total, rel=1e-5)
    assert tensor.loss_map(270.0, u).sum() * 1e-9 == pytest.approx(worst, rel=1e-5)

    class Spectrum:
        frequencies_Hz, amplitudes = h, np.sqrt(2) * b

    assert tensor.average_power(Spectrum()) == pytest.approx(total, rel=1e-9)
    rms = np.array([1.0, 0.3, 0.1])
    maps = tensor.basis(h, rms).sum(axis=-1) * 1e-9
    wanted = sum(s**2 * m.real for s, m in zip(rms, tensor.at(h), strict=True))
    assert maps == pytest.approx(wanted, rel=1e-5, abs=1e-9 * wanted.max())
    assert tensor.worst(h, rms)[0] == pytest.approx(np.linalg.eigvalsh(wanted)[-1], rel=1e-9)
    picked = tensor.select(["dBz/dt", "dBx/dt"])
    assert picked.matrix[:, 0, 1] == pytest.approx(tensor.matrix[:, 2, 0])


def test_fit_warns_beyond_its_samples() -> None:
    """Oracle: the rule; extrapolation falls no slower than thin skin and stays positive."""
    tensor, _ = _tensor(np.geomspace(100, 1e4, 6))
    with pytest.warns(EmdoseWarning, match="beyond the highest"):
        far = tensor.at(1e5)
    assert 0 < np.trace(far).real < np.trace(tensor.matrix[-1]).real


def test_bad_tensors_and_vectors() -> None:
    """Oracle: the rules."""
    tensor, _ = _tensor(np.geomspace(100, 1e4, 3))
    for call in (
        lambda: tensor.power([1, 0], 270.0),
        lambda: tensor.at(-1.0),
        lambda: tensor.average_power([1.0]),
        lambda: tensor.select(["dBq/dt"]),
        lambda: tensor.select(["dBx/dt"]).worst(200.0),
        lambda: PowerTensor([2.0, 1.0], UNIFORM, np.zeros((2, 3, 3)), tensor.grid, tensor.cells, tensor.loss[:2]),
    ):
        with pytest.raises(InputError):
            call()


def test_relaxation_of_a_sphere() -> None:
    """Oracle: the closed form of the sphere over its limit of low frequency."""
    a, sigma = 0.015, 1e6
    for f in (1.0, 100.0, 3e3, 1e5, 1e7):
        y = 2 * math.pi * f * 1.25663706212e-6 * sigma * a**2
        expected = sphere_power(a, sigma, f) / sphere_limits(a, sigma, f)[0]
        assert float(relaxation(np.array(y))) == pytest.approx(expected, rel=1e-5)


def test_shares_of_solved_frequencies_make_the_fitted_trace() -> None:
    """Oracle: the fit itself, whatever the unit of the power; log-linear where the trace does not fall; sums of one."""
    f = np.geomspace(100, 1e5, 6)
    ask = np.array([130.0, 900.0, 2.7e4, 9e4])
    for factor in (1.0, 1e6, 1e-6):
        whole, _ = _tensor(f)
        tensor = PowerTensor(f, UNIFORM, factor * whole.matrix, whole.grid, whole.cells, factor * whole.loss)
        shares = tensor._shares(ask)
        trace = np.einsum("fii->f", tensor.matrix).real
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        np.testing.assert_allclose(shares @ trace, np.einsum("fii->f", tensor.fit(ask)).real, rtol=1e-9)
    flat = PowerTensor(f[:2], UNIFORM, np.stack([whole.matrix[0]] * 2), whole.grid, whole.cells, whole.loss[[0, 0]])
    np.testing.assert_allclose(flat._shares(np.sqrt(f[:1] * f[1:2])), [[0.5, 0.5]], atol=1e-6)
