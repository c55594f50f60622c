"""Mass averages on voxels of different edges.

Oracles, strongest first: a brute-force implementation below that shares neither tables nor searches with the package
(overlaps of intervals, a bisection for the side); the plan for equal cubes, itself tested against brute force; closed
forms on uniform bodies.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import optimize

from emdose.dosimetry.averaging.average import averaging_plan, mass_average
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.dosimetry.averaging.graded import GradedAveragingPlan
from emdose.errors import InputError


class BruteForce:
    """Cubes in metres on node planes, one at a time."""

    def __init__(self, density: np.ndarray, edges: list[np.ndarray], target: float, metal: np.ndarray) -> None:
        self.density, self.target = np.where(density > 0, density, 0.0), target
        self.filled = (density > 0) | metal
        self.nodes = [np.concatenate([[0.0], np.cumsum(e)]) for e in edges]
        self.volume = edges[0][:, None, None] * edges[1][:, None] * edges[2]

    def part(self, bounds):
        """Fraction of every voxel inside a box."""
        parts = []
        for n, (low, high) in zip(self.nodes, bounds, strict=True):
            parts.append(np.maximum(np.minimum(n[1:], high) - np.maximum(n[:-1], low), 0) / np.diff(n))
        return parts[0][:, None, None] * parts[1][:, None] * parts[2]

    def bounds(self, at, side, face=None):
        box = []
        for axis, (n, i) in enumerate(zip(self.nodes, at, strict=True)):
            c = 0.5 * (n[i] + n[i + 1])
            box.append((c - side / 2, c + side / 2))
            if face is not None and face[0] == axis:
                box[-1] = (n[i], n[i] + side) if face[1] > 0 else (n[i + 1] - side, n[i + 1])
        return box

    def side(self, at, face=None):
        def missing(s):
            return (self.part(self.bounds(at, s, face)) * self.volume * self.density).sum() - self.target

        big = 3 * max(n[-1] for n in self.nodes)
        return None if missing(big) < 0 else optimize.brentq(missing, 0, big, xtol=1e-16, rtol=1e-14)

    def empty_face(self, at, side):
        """Grow the cube just past every node plane it crosses and look at the layer that the face has entered."""
        for axis, n in enumerate(self.nodes):
            c = 0.5 * (n[at[axis]] + n[at[axis] + 1])
            for sign in (-1, 1):
                for layer in range(len(n) - 1):
                    plane = n[layer] if sign > 0 else n[layer + 1]
                    entered = 2 * sign * (plane - c)
                    if (layer - at[axis]) * sign <= 0 or entered * (1 + 1e-6) >= side:
                        continue
                    touched = self.part(self.bounds(at, entered * (1 + 1e-6))) > 0
                    index = [slice(None)] * 3
                    index[axis] = layer
                    if not self.filled[tuple(index)][touched[tuple(index)]].any():
                        return True
        return False

    def run(self, sar):
        tissue = self.density > 0
        flag, value = np.where(tissue, 1, 0), np.zeros(sar.shape)
        inside_of = np.full(sar.shape, -np.inf)
        for at in np.argwhere(tissue):
            side = self.side(at)
            if side is None:
                continue
            box = self.bounds(at, side)
            if any(low < n[0] - 1e-9 or high > n[-1] + 1e-9 for n, (low, high) in zip(self.nodes, box, strict=True)):
                continue
            part = self.part(box)
            weight = part * self.volume
            if 1 - (weight * self.filled).sum() / side**3 > 0.1 or self.empty_face(at, side):
                continue
            mean = (weight * self.density * sar).sum() / (weight * self.density).sum()
            flag[tuple(at)], value[tuple(at)] = 3, mean
            held = part > 0.999
            inside_of[held] = np.maximum(inside_of[held], mean)
        used = (flag == 1) & (inside_of > -np.inf)
        flag[used], value[used] = 2, inside_of[used]
        for at in np.argwhere(flag == 1):
            sides, means = [], []
            for face in ((axis, sign) for axis in range(3) for sign in (-1, 1)):
                side = self.side(at, face)
                if side is not None:
                    w = self.part(self.bounds(at, side, face)) * self.volume * self.density
                    sides.append(side)
                    means.append((w * sar).sum() / w.sum())
            if not sides:
                raise LookupError("no cube")
            value[tuple(at)] = max(m for s, m in zip(sides, means, strict=True) if s**3 <= 1.05 * min(sides) ** 3)
        return value, flag


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    holes=st.sampled_from([0.0, 0.03, 0.3]),
    voxels=st.floats(0.3, 40),
    metal_share=st.sampled_from([0.0, 0.15]),
)
def test_graded_voxels_against_brute_force(seed: int, holes: float, voxels: float, metal_share: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(3, 8, 3))
    edges = [rng.uniform(1e-3, 3e-3, n) for n in shape]
    density = rng.uniform(900, 1900, shape)
    density[rng.random(shape) < holes] = np.nan
    density[rng.integers(0, shape[0])] = rng.choice([0.0, 1050.0])
    metal = rng.random(shape) < metal_share
    density[metal] = 0.0
    sar, target = np.where(np.isnan(density), 0.0, rng.exponential(size=shape)), voxels * 1300 * 8e-9
    try:
        value, flag = BruteForce(density, edges, target, metal).run(sar)
    except LookupError:
        with pytest.raises(InputError, match=r"averaging mass is (larger than|too large for)"):
            averaging_plan(density, edges, target, device="cpu", metal=metal)
        return
    found = mass_average(sar, density, edges, target, device="cpu", metal=metal)
    np.testing.assert_array_equal(found.flag, flag)
    np.testing.assert_allclose(found.value, value, rtol=1e-7, atol=1e-12)
    cube = averaging_plan(density, edges, target, device="cpu", metal=metal).peak_cube(np.where(metal, 0.0, sar))
    assert cube.value == pytest.approx(value.max())
    assert (cube.metal_share > 0) <= metal.any()


@pytest.mark.parametrize("mass_kg", [1e-4, 1e-3, 50e-6])
def test_equal_cubes_give_what_their_own_plan_gives(mass_kg: float) -> None:
    """Oracle: AveragingPlan on a lumpy ball with a cavity: equal flags, sides and values."""
    rng = np.random.default_rng(3)
    x = np.arange(22) - 10.5
    r2 = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2
    density = np.where((r2 < 100) & (r2 > 6), rng.uniform(950, 1100, r2.shape), 0.0)
    sar, h = rng.exponential(size=r2.shape), 2.5e-3
    expected = AveragingPlan(density, h, mass_kg, device="cpu")
    found = GradedAveragingPlan(density, [np.full(22, h)] * 3, mass_kg, device="cpu")
    np.testing.assert_array_equal(found.flag, expected.flag)
    for weights in ("mass", "volume"):
        one, two = found.apply(sar, weights), expected.apply(sar, weights)
        np.testing.assert_allclose(one.value, two.value, rtol=1e-7)
        np.testing.assert_allclose(one.side_m, two.side_m, rtol=1e-7)


def test_uniform_body_on_flat_voxels() -> None:
    """Closed form: in a uniform body the average is the point value and the side (m / rho)^(1/3)."""
    density = np.full((30, 24, 10), 1040.0)
    found = mass_average(np.full(density.shape, 1.7), density, (1e-3, 1.25e-3, 3e-3), 1e-3, device="cpu")
    np.testing.assert_allclose(found.value, 1.7, rtol=1e-9)
    np.testing.assert_allclose(found.side_m[found.flag == 3], (1e-3 / 1040) ** (1 / 3), rtol=1e-8)
    assert set(np.unique(found.flag)) == {1, 2, 3}


@pytest.mark.parametrize(
    ("spacing", "message"),
    [
        (([1e-3] * 3, [1e-3] * 4, [1e-3] * 6), r"spacing_m\[2\].*bad voxel size.*5 lengths"),
        (([1e-3] * 3, [1e-3, -1e-3, 1e-3, 1e-3], [1e-3] * 5), r"spacing_m\[1\].*bad voxel size"),
    ],
)
def test_bad_edges_are_refused(spacing: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mass_average(np.ones((3, 4, 5)), np.full((3, 4, 5), 1000.0), spacing, 1e-6, device="cpu")
