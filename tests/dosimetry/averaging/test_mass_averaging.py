"""Spatial averaging after IEC/IEEE 62704-1.

Oracles, strongest first: closed forms on uniform bodies; a brute-force implementation below that shares neither tables
nor polynomials with the package (cubes of real side length, overlaps of intervals, a bisection for the side); symmetry;
arrays written by INRIM's code.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage, optimize

from emdose.compute import backend
from emdose.dosimetry.averaging.average import mass_average
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.errors import InputError, ResourceError

DATA = Path(__file__).parents[2] / "data" / "sar_averaging_two_layer.npz"


# ---- brute force ------------------------------------------------------------


VOXELS = np.arange(64.0)


def overlap(n: int, low: float, high: float) -> np.ndarray:
    """Part of each of the voxels [i, i + 1) that lies in [low, high)."""
    return np.maximum(np.minimum(VOXELS[1 : n + 1], high) - np.maximum(VOXELS[:n], low), 0.0)


class BruteForce:
    """Everything in voxel units; mass in density x voxels."""

    def __init__(self, density: np.ndarray, target: float, metal: np.ndarray | None = None) -> None:
        self.density, self.target = np.where(density > 0, density, 0.0), target
        self.tissue = self.density > 0
        self.filled = self.tissue if metal is None else self.tissue | metal

    def weights(self, centre, side, face=None):
        """Overlap of every voxel with a cube; ``face`` (axis, sign) holds the middle of that face, else the centre."""
        parts = []
        for axis, c in enumerate(centre):
            low, high = c + 0.5 - side / 2, c + 0.5 + side / 2
            if face is not None and face[0] == axis:
                low, high = (c, c + side) if face[1] > 0 else (c + 1 - side, c + 1)
            parts.append(overlap(self.density.shape[axis], low, high))
        return parts[0][:, None, None] * parts[1][:, None] * parts[2]

    def side(self, centre, face=None):
        """Side at which a cube holds the mass; None where nothing in that direction does."""
        big = 2.0 * max(self.density.shape) + 2

        def missing(s):
            return (self.weights(centre, s, face) * self.density).sum() - self.target

        if missing(big) < -1e-6 * self.target:
            return None
        return optimize.brentq(missing, 0, big, xtol=1e-13, rtol=1e-15)

    def run(self, sar):
        shape = self.density.shape
        flag, value = np.where(self.tissue, 1, 0), np.zeros(shape)
        inside_of = np.full(shape, -np.inf)
        for centre in np.argwhere(self.tissue):
            side = self.side(centre)
            if side is None:
                continue
            shells = int(np.ceil((side - 1) / 2 - 1e-6))
            if any(c - shells < 0 or c + shells >= n for c, n in zip(centre, shape, strict=True)):
                continue
            if any(self.empty_face(centre, shell) for shell in range(1, shells + 1)):
                continue
            w = self.weights(centre, side)
            if 1 - (w * self.filled).sum() / side**3 > 0.1:
                continue
            mean = (w * self.density * sar).sum() / (w * self.density).sum()
            flag[tuple(centre)], value[tuple(centre)] = 3, mean
            held = w > 0.999
            inside_of[held] = np.maximum(inside_of[held], mean)
        used = (flag == 1) & (inside_of > -np.inf)
        flag[used], value[used] = 2, inside_of[used]
        for centre in np.argwhere(flag == 1):
            sides, means = [], []
            for axis in range(3):
                for sign in (-1, 1):
                    side = self.side(centre, (axis, sign))
                    if side is not None:
                        w = self.weights(centre, side, (axis, sign)) * self.density
                        sides.append(side)
                        means.append((w * sar).sum() / w.sum())
            if not sides:
                raise LookupError("no cube")
            smallest = min(sides)
            value[tuple(centre)] = max(m for s, m in zip(sides, means, strict=True) if s**3 <= 1.05 * smallest**3)
        return value, flag

    def empty_face(self, centre, shell):
        box = [slice(c - shell, c + shell + 1) for c in centre]
        for axis in range(3):
            for at in (centre[axis] - shell, centre[axis] + shell):
                face = list(box)
                face[axis] = at
                if not self.filled[tuple(face)].any():
                    return True
        return False


def random_body(seed: int, holes: float) -> tuple[np.ndarray, np.ndarray]:
    """Blobs of random density in a small grid, with air in and around them."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(4, 9, 3))
    density = rng.uniform(900, 1900, shape)
    density[rng.random(shape) < holes] = np.nan
    density[rng.integers(0, shape[0]), :, :] = rng.choice([0.0, 1050.0])
    if rng.random() < 0.5:
        density[:2] = -1.0
    return density, np.where(np.isnan(density), 0.0, rng.exponential(size=shape))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), holes=st.sampled_from([0.0, 0.03, 0.3]), voxels=st.floats(0.5, 60))
def test_against_brute_force(seed: int, holes: float, voxels: float) -> None:
    density, sar = random_body(seed, holes)
    target, h = 1300.0 * voxels, 2e-3
    try:
        value, flag = BruteForce(density, target).run(sar)
    except LookupError:
        with pytest.raises(InputError, match=r"averaging mass is (larger than|too large for)"):
            AveragingPlan(density, h, target * h**3, device="cpu")
        return
    found = mass_average(sar, density, h, target * h**3, device="cpu")
    np.testing.assert_array_equal(found.flag, flag)
    np.testing.assert_allclose(found.value, value, rtol=1e-9, atol=1e-12)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), holes=st.sampled_from([0.0, 0.03, 0.3]), voxels=st.floats(0.5, 60))
def test_beside_metal_against_brute_force(seed: int, holes: float, voxels: float) -> None:
    density, sar = random_body(seed, holes)
    rng = np.random.default_rng(seed)
    metal = rng.random(density.shape) < 0.1
    metal[:, rng.integers(0, density.shape[1]), 1:3] = True
    density = np.where(metal, rng.choice([0.0, -1.0, np.nan], density.shape), density)
    sar = np.where(metal, 0.0, sar)
    target, h = 1300.0 * voxels, 2e-3
    brute = BruteForce(density, target, metal)
    try:
        value, flag = brute.run(sar)
    except LookupError:
        with pytest.raises(InputError, match=r"averaging mass is (larger than|too large for)"):
            AveragingPlan(density, h, target * h**3, device="cpu", metal=metal)
        return
    plan = AveragingPlan(density, h, target * h**3, device="cpu", metal=metal)
    found = plan.apply(sar)
    np.testing.assert_array_equal(found.flag, flag)
    np.testing.assert_allclose(found.value, value, rtol=1e-9, atol=1e-12)
    cube = plan.peak_cube(sar)
    assert cube.value == pytest.approx(value.max())
    assert "metal" in cube.rule
    faces = [None] if cube.kind == "centred" else [(a, s) for a in range(3) for s in (-1, 1)]
    side = cube.side_m / h
    shares = [(brute.weights(cube.index, side, f) * metal).sum() / side**3 for f in faces]
    assert min(abs(cube.metal_share - s) for s in shares) < 1e-9


@pytest.mark.parametrize(("fraction", "rim"), [(0.9992, 1), (0.9995, 2), (0.99975, 0), (0.9985, 0)])
def test_shells_that_are_almost_whole_against_brute_force(fraction: float, rim: int) -> None:
    """Voxels count as inside by their own weight: faces t, edges t^2, corners t^3, each against 0.999."""
    rng = np.random.default_rng(5)
    density = np.full((8, 8, 7), 1000.0)
    density[rng.random(density.shape) < 0.04] = 0.0
    density[1:7, 1:7, 1:6] = 1000.0
    sar = rng.exponential(size=density.shape)
    target = 1000.0 * (3 + 2 * fraction) ** 3
    plan = AveragingPlan(density, 1e-3, target * 1e-9, device="cpu")
    assert set(np.unique(plan._rim)) >= {rim}
    found = plan.apply(sar)
    value, flag = BruteForce(density, target).run(sar)
    np.testing.assert_array_equal(found.flag, flag)
    np.testing.assert_allclose(found.value, value, rtol=1e-9)


# ---- closed forms ------------------------------------------------------------


def test_uniform_cube_gives_the_point_value() -> None:
    """sigma E^2 / (2 rho) everywhere, whatever the cubes are."""
    sigma, E, rho = 0.6, 31.0, 1040.0
    point = sigma * E**2 / (2 * rho)
    density = np.full((24, 24, 24), rho)
    found = mass_average(np.full(density.shape, point), density, 2e-3, 1e-3, device="cpu")
    np.testing.assert_allclose(found.value, point, rtol=1e-13)
    assert set(np.unique(found.flag)) == {1, 2, 3}  # the outermost layer is cut by every centred cube
    assert found.peak == pytest.approx(point, rel=1e-13)
    np.testing.assert_allclose(found.side_m[found.flag == 3], (1e-3 / rho) ** (1 / 3), rtol=1e-12)


def test_mass_met_exactly_by_whole_voxels() -> None:
    """125 voxels of 8 mg: t = 1 within rounding, the mean of 5^3 voxels, and the next shell must not be looked at."""
    density = np.zeros((13, 13, 13))
    density[4:9, 4:9, 4:9] = 1000.0  # exactly one such cube; a sixth shell would have its faces in the air
    sar = np.random.default_rng(0).exponential(size=density.shape)
    found = mass_average(sar, density, 2e-3, 1e-3, device="cpu")
    assert found.flag[6, 6, 6] == 3
    assert (found.flag == 3).sum() == 1
    assert (found.flag == 2).sum() == 124
    np.testing.assert_allclose(found.value[density > 0], sar[4:9, 4:9, 4:9].mean(), rtol=1e-14)
    assert found.side_m[6, 6, 6] == pytest.approx(10e-3, rel=1e-12)
    everywhere = mass_average(sar, np.full(density.shape, 1000.0), 2e-3, 1e-3, device="cpu")
    np.testing.assert_allclose(
        everywhere.value[2:-2, 2:-2, 2:-2], ndimage.uniform_filter(sar, 5)[2:-2, 2:-2, 2:-2], rtol=1e-12
    )


def test_voxels_heavier_than_the_mass_keep_their_value() -> None:
    """The cube lies inside one voxel: its side is (m / rho)^(1/3)."""
    density = np.random.default_rng(1).uniform(900, 1900, (4, 5, 6))
    sar = np.random.default_rng(2).exponential(size=density.shape)
    found = mass_average(sar, density, 5e-3, 50e-6, device="cpu")
    assert (found.flag == 3).all()
    np.testing.assert_allclose(found.value, sar, rtol=1e-12)
    np.testing.assert_allclose(found.side_m, np.cbrt(50e-6 / density), rtol=1e-12)


def test_linear_map_keeps_its_value_at_the_centre_of_a_cube() -> None:
    """In a uniform body the mean of a linear map over a centred cube is its value at the centre."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in (21, 19, 20)), indexing="ij")
    values = 3.0 * x - 2.0 * y + 0.5 * z
    plan = AveragingPlan(np.full(x.shape, 1000.0), 2e-3, 1.7e-3, device="cpu")
    found = plan.apply(values)
    valid = found.flag == 3
    assert valid.sum() > 1000
    np.testing.assert_allclose(found.value[valid], values[valid], atol=1e-10)


# ---- another code ------------------------------------------------------------


@pytest.fixture(scope="module")
def two_layer():
    return dict(np.load(DATA))


def test_ten_grams_against_inrim(two_layer) -> None:
    """Same flags, values to 1e-6 (1e-12 found)."""
    found = mass_average(two_layer["sar_W_kg"], two_layer["density_kg_m3"], two_layer["spacing_m"], 10e-3, device="cpu")
    np.testing.assert_array_equal(found.flag, two_layer["flags_10g"])
    np.testing.assert_allclose(found.value, two_layer["sar_10g_W_kg"], rtol=1e-12)


def test_one_gram_against_inrim_as_far_as_its_arrays_go(two_layer) -> None:
    """The 1 g arrays stop being averages after their first valid voxel (see tests/data/README.md): every later voxel is
    called valid and holds its point SAR. What comes before is compared; the rest of 1 g has the brute force."""
    sar, flag = two_layer["sar_W_kg"], two_layer["flags_1g"]
    first = np.flatnonzero(flag == 3)[0]
    later = np.flatnonzero(flag > 0)[np.flatnonzero(flag.ravel()[flag.ravel() > 0] == 3)[0] + 1 :]
    np.testing.assert_allclose(two_layer["sar_1g_W_kg"].ravel()[later], sar.ravel()[later], rtol=1e-15)  # the defect
    found = mass_average(sar, two_layer["density_kg_m3"], two_layer["spacing_m"], 1e-3, device="cpu")
    same = np.zeros(flag.shape, bool)
    same.reshape(-1)[first] = True
    same |= (flag == 1) & (found.flag == 1)
    assert same.sum() == 45
    np.testing.assert_allclose(found.value[same], two_layer["sar_1g_W_kg"][same], rtol=1e-12)


def test_one_gram_against_brute_force(two_layer) -> None:
    """A corner of the same body, cut out so that plain loops can do it."""
    cut = (slice(6, 16), slice(18, 30), slice(20, 32))
    density, sar = two_layer["density_kg_m3"][cut].astype(float), two_layer["sar_W_kg"][cut]
    h = float(two_layer["spacing_m"])
    found = mass_average(sar, density, h, 1e-3, device="cpu")
    value, flag = BruteForce(density, 1e-3 / h**3).run(sar)
    np.testing.assert_array_equal(found.flag, flag)
    np.testing.assert_allclose(found.value, value, rtol=1e-9)


@pytest.mark.parametrize("mass", [1e-3, 10e-3])
def test_compiled_kernels_and_numpy_agree(two_layer, reference_backend, mass: float) -> None:
    arguments = (two_layer["sar_W_kg"], two_layer["density_kg_m3"], two_layer["spacing_m"], mass)
    compiled, reference = mass_average(*arguments, device="cpu"), mass_average(*arguments, device=reference_backend)
    np.testing.assert_array_equal(compiled.flag, reference.flag)
    np.testing.assert_allclose(compiled.value, reference.value, rtol=1e-13)
    np.testing.assert_allclose(compiled.side_m, reference.side_m, rtol=1e-13)


@pytest.mark.gpu
@pytest.mark.parametrize("mass", [1e-3, 10e-3])
def test_gpu_agrees_and_leaves_arrays_where_they_were(two_layer, mass: float) -> None:
    arguments = (two_layer["density_kg_m3"], two_layer["spacing_m"], mass)
    cpu = mass_average(two_layer["sar_W_kg"], *arguments, device="cpu")
    gpu = mass_average(two_layer["sar_W_kg"], *arguments, device="cuda")
    assert isinstance(gpu.value, np.ndarray)
    np.testing.assert_array_equal(gpu.flag, cpu.flag)
    np.testing.assert_allclose(gpu.value, cpu.value, rtol=1e-11)
    on_device = mass_average(backend.get("cuda").asarray(two_layer["sar_W_kg"]), *arguments, device="cuda")
    assert backend.of(on_device.value).name == "cuda"
    assert on_device.peak == pytest.approx(cpu.peak, rel=1e-11)


# ---- symmetry, linearity, conservation ------------------------------------------------------------


@pytest.fixture(scope="module")
def lumpy():
    rng = np.random.default_rng(11)
    x, y, z = np.meshgrid(*(np.arange(n) - n / 2 + 0.3 for n in (20, 22, 18)), indexing="ij")
    r = np.sqrt(x**2 + y**2 + z**2)
    density = np.where(r < 6, 1045.0, np.where(r < 8.7, 1900.0, np.nan))
    return density, np.where(np.isnan(density), 0.0, rng.exponential(size=density.shape))


def test_turned_and_mirrored_bodies_give_turned_and_mirrored_averages(lumpy) -> None:
    density, sar = lumpy
    there = mass_average(sar, density, 3e-3, 2e-3, device="cpu")
    for turn in (lambda a: a.transpose(2, 0, 1), lambda a: a[::-1], lambda a: a[:, ::-1, ::-1].transpose(1, 0, 2)):
        back = mass_average(turn(sar), turn(density), 3e-3, 2e-3, device="cpu")
        np.testing.assert_array_equal(back.flag, turn(there.flag))
        np.testing.assert_allclose(back.value, turn(there.value), rtol=1e-11)


def test_air_around_the_body_changes_nothing(lumpy) -> None:
    density, sar = lumpy
    there = mass_average(sar, density, 3e-3, 2e-3, device="cpu")
    wide = mass_average(np.pad(sar, 4, constant_values=np.nan), np.pad(density, 4), 3e-3, 2e-3, device="cpu")
    inner = (slice(4, -4),) * 3
    np.testing.assert_array_equal(wide.flag[inner], there.flag)
    np.testing.assert_array_equal(wide.value[inner], there.value)
    assert np.count_nonzero(wide.value) == np.count_nonzero(there.value)


def test_every_cube_holds_the_mass(lumpy) -> None:
    density, _ = lumpy
    for mass in (0.3e-3, 2e-3, 10e-3):
        plan = AveragingPlan(density, 3e-3, mass, device="cpu")
        np.testing.assert_allclose(plan.cube_mass_kg, mass, rtol=1e-6)
        assert plan.cube_mass_kg.shape == plan.cube_side_m.shape == plan.cube_voxel.shape


def test_cube_means_are_linear_and_decide_the_peak(lumpy) -> None:
    """Complex maps by their parts; the largest mean is the largest value; every mean belongs to the voxel it names."""
    density, sar = lumpy
    plan = AveragingPlan(density, 3e-3, 2e-3, device="cpu")
    other = np.random.default_rng(3).normal(size=sar.shape)
    means = plan.cube_means(np.stack([sar, other, sar + 2 * other]))
    np.testing.assert_allclose(means[2], means[0] + 2 * means[1], atol=1e-12)
    np.testing.assert_allclose(plan.cube_means(sar + 1j * other), means[0] + 1j * means[1], rtol=1e-14)
    found = plan.apply(sar)
    assert means[0].max() == found.peak == found.value[found.peak_index]
    flag = found.flag.ravel()[plan.cube_voxel]
    assert set(np.unique(flag)) == {1, 3}
    np.testing.assert_array_equal(means[0][flag == 3], found.value.ravel()[plan.cube_voxel[flag == 3]])
    largest = np.zeros(found.value.size)
    np.maximum.at(largest, plan.cube_voxel, means[0])
    np.testing.assert_array_equal(largest[found.flag.ravel() == 1], found.value[found.flag == 1])


def test_one_plan_serves_many_maps(lumpy) -> None:
    density, sar = lumpy
    plan = AveragingPlan(density, 3e-3, 2e-3, device="cpu")
    several = plan.apply_many([sar, 3 * sar])
    np.testing.assert_array_equal(several[0].value, mass_average(sar, density, 3e-3, 2e-3, device="cpu").value)
    np.testing.assert_allclose(several[1].value, 3 * several[0].value, rtol=1e-12)


def test_volume_weights_against_mass_weights(lumpy) -> None:
    """Oracle: sum(w rho x) / sum(w rho) of x = y / rho, times sum(w rho) / sum(w), is the volume mean of y."""
    density, sar = lumpy
    plan = AveragingPlan(density, 3e-3, 2e-3, device="cpu")
    inverse = np.where(density > 0, 1 / density, 0.0)
    by_volume = plan.cube_means(sar, weights="volume")
    np.testing.assert_allclose(by_volume, plan.cube_means(sar * inverse) / plan.cube_means(inverse), rtol=1e-11)
    np.testing.assert_allclose(plan.apply(np.ones(sar.shape), "volume").value[density > 0], 1, rtol=1e-12)
    uniform = AveragingPlan(np.where(density > 0, 1000.0, 0.0), 3e-3, 2e-3, device="cpu")
    np.testing.assert_allclose(uniform.cube_means(sar, "volume"), uniform.cube_means(sar), rtol=1e-12)


def test_zero_stays_zero_and_nothing_is_negative() -> None:
    """Differences of large sums must not leave a negative average where there is no power."""
    density = np.full((20, 20, 20), 1000.0)
    sar = np.zeros(density.shape)
    sar[:5] = 1e6
    found = mass_average(sar, density, 2e-3, 1e-3, device="cpu")
    assert found.value.min() >= 0
    assert found.value[15:].max() < 1e-6


# ---- input ------------------------------------------------------------

BODY = np.full((8, 8, 8), 1000.0)
SAR = np.ones(BODY.shape)


def _with(a: np.ndarray, value: float) -> np.ndarray:
    out = a.copy()
    out[1, 2, 3] = value
    return out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SAR[:-1], BODY, 2e-3, 1e-3), "does not fit"),
        ((_with(SAR, -1.0), BODY, 2e-3, 1e-3), "negative"),
        ((_with(SAR, np.nan), BODY, 2e-3, 1e-3), "not finite in 1 tissue"),
        ((_with(SAR, np.inf), BODY, 2e-3, 1e-3), "not finite"),
        ((SAR * 1j, BODY, 2e-3, 1e-3), "not real"),
        ((SAR, _with(BODY, np.inf), 2e-3, 1e-3), "density is infinite"),
        ((SAR, BODY * 0, 2e-3, 1e-3), "no tissue"),
        ((SAR, BODY / 1000, 2e-3, 1e-3), r"no density of tissue.*1 kg/m\^3.*1 g/cm\^3 is 1000"),
        ((SAR, _with(BODY, 1.2), 2e-3, 1e-3), "no density of tissue.*air and foam are background"),
        ((SAR, BODY * 1000, 2e-3, 1e-3), "no density of tissue"),
        ((SAR, _with(BODY, np.nan), 2e-3, 1e-3), "SAR without a density in 1 voxels"),
        ((SAR, BODY, 5.0, 1e-3), r"voxels of this size.*5 mm are 5e-3"),
        ((SAR, BODY, (5.0, 5.0, 6.0), 1e-3), r"voxels of this size.*5 mm are 5e-3"),
        ((SAR, BODY[0], 2e-3, 1e-3), "density is no map"),
        ((SAR, BODY.astype(complex), 2e-3, 1e-3), "density is no map"),
        ((SAR, BODY, (2e-3, 2e-3), 1e-3), "bad voxel size"),
        ((SAR, BODY, 0.0, 1e-3), "bad voxel size"),
        ((SAR, BODY, np.nan, 1e-3), "bad voxel size"),
        ((SAR, BODY, 2e-3, 0.0), "bad averaging mass"),
        ((SAR, BODY, 2e-3, -1e-3), "bad averaging mass"),
        ((SAR, BODY, 2e-3, np.inf), "bad averaging mass"),
        ((SAR, BODY, 2e-3, 4.2e-3), r"larger than the body.*at most 0\.004096 kg"),
        ((SAR, BODY, 2e-3, 4.0e-3), "too large for this body"),
    ],
)
def test_bad_input_is_one_line(arguments, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        mass_average(*arguments, device="cpu")
    assert "\n" not in str(caught.value)


def test_unknown_weights() -> None:
    with pytest.raises(InputError, match="weights"):
        AveragingPlan(BODY, 2e-3, 1e-3, device="cpu").apply(SAR, weights="area")


def test_negative_maps_are_for_plans_only() -> None:
    """A plan averages any real map, such as the real part of a Q-matrix entry."""
    found = AveragingPlan(BODY, 2e-3, 0.5e-3, device="cpu").apply(-SAR)
    np.testing.assert_allclose(found.value, -1, rtol=1e-12)
    assert found.peak == pytest.approx(-1)


def test_memory_that_is_not_there(monkeypatch) -> None:
    be = backend.Backend("cpu", np, backend.KernelSet())
    monkeypatch.setattr(be, "memory_free_bytes", lambda: 1000, raising=False)
    with pytest.raises(ResourceError, match=r"GiB.*spacing of .* mm would fit"):
        AveragingPlan(BODY, 2e-3, 1e-3, device=be)
