"""Averages and SAR of arrays on the device. Oracle: the same on the CPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.compute import backend
from emdose.dosimetry.averaging.average import mass_average
from emdose.dosimetry.averaging.cubes import MassAverage
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.dosimetry.power import absorbed_power
from emdose.dosimetry.sar import mean_square, point_sar
from emdose.dosimetry.transmission.qmatrix import averaged, q_matrices
from emdose.errors import InputError, ResourceError
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.solvers.results.fields import Fields, PowerBalance

H = 2e-3
MASS = 2.4e-4


@pytest.fixture(scope="module")
def body() -> tuple[np.ndarray, np.ndarray]:
    """Density and SAR of a lump with a hole and a horn: voxels of all flags, cubes of both steps."""
    rng = np.random.default_rng(8)
    i, j, k = np.indices((14, 13, 16))
    inside = ((i - 6) ** 2 + (j - 6) ** 2 + (k - 6) ** 2 < 34) | ((abs(i - 6) < 2) & (abs(j - 6) < 2) & (k > 5))
    inside &= (i - 5) ** 2 + (j - 7) ** 2 + (k - 6) ** 2 > 2
    return np.where(inside, 1000.0 + 100 * (i > 6), np.nan), np.where(inside, rng.random(inside.shape), 0.0)


def _same(found: MassAverage, expected: MassAverage, be: backend.Backend) -> None:
    for name in ("value", "flag", "side_m"):
        on_device = getattr(found, name)
        assert backend.of(on_device).name == "cuda"
        np.testing.assert_allclose(be.to_numpy(on_device), getattr(expected, name), rtol=1e-12, atol=1e-12)
    assert found.peak == pytest.approx(expected.peak, rel=1e-12)
    assert found.peak_index == expected.peak_index


@pytest.mark.parametrize("weights", ["mass", "volume"])
def test_mass_average(body: tuple, cuda: backend.Backend, weights: str) -> None:
    density, sar = body
    cpu, gpu = (AveragingPlan(d, H, MASS, b) for d, b in ((density, "cpu"), (cuda.asarray(density), cuda)))
    expected = cpu.apply(sar, weights)
    assert set(np.unique(expected.flag)) == {0, 1, 2, 3}
    _same(gpu.apply(cuda.asarray(sar), weights), expected, cuda)
    for found in (gpu.apply(sar, weights), gpu.apply_many([sar], weights)[0]):
        assert type(found.value) is np.ndarray  # lives where the map lives
        np.testing.assert_allclose(found.value, expected.value, rtol=1e-12, atol=1e-12)
    many = np.stack([sar, sar**2]) + 1j * sar
    np.testing.assert_allclose(cuda.to_numpy(gpu.cube_means(many, weights)), cpu.cube_means(many, weights), rtol=1e-11)
    for name in ("cube_voxel", "cube_side_m", "cube_mass_kg", "flag"):
        np.testing.assert_allclose(cuda.to_numpy(getattr(gpu, name)), getattr(cpu, name), rtol=1e-12)


def test_average_on_graded_voxels(body: tuple, cuda: backend.Backend) -> None:
    density, sar = body
    edges = [H * (1 + 0.3 * np.random.default_rng(a).random(n)) for a, n in enumerate(density.shape)]
    expected = mass_average(sar, density, edges, MASS, "cpu")
    assert set(np.unique(expected.flag)) == {0, 1, 2, 3}
    _same(mass_average(cuda.asarray(sar), cuda.asarray(density), edges, MASS, cuda), expected, cuda)


def test_shell_cut_at_a_rim(cuda: backend.Backend) -> None:
    """A fraction of 0.9995: the faces of the next shell lie inside, its corners do not (kernel enter_rims)."""
    density = np.full((9, 9, 9), 1000.0)
    sar = np.random.default_rng(9).random(density.shape)
    mass = 1000.0 * ((1 + 2 * 0.9995) * H) ** 3
    cpu, gpu = (AveragingPlan(density, H, mass, b) for b in ("cpu", cuda))
    assert gpu._rim_voxels.keys() == cpu._rim_voxels.keys() != set()
    _same(gpu.apply(cuda.asarray(sar)), cpu.apply(sar), cuda)


def test_call_checks_its_input(body: tuple, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    density, sar = body
    device = cuda.asarray
    _same(mass_average(device(sar), density, H, MASS, cuda), mass_average(sar, density, H, MASS, "cpu"), cuda)
    for bad, word in (
        (-sar, "negative"),
        (sar[1:], "fit"),
        (sar + 0j, "real"),
        (np.where(density > 0, np.inf, 0), "finite"),
    ):
        with pytest.raises(InputError, match=word):
            mass_average(device(bad), density, H, MASS, cuda)
    for wrong, mass, word in (
        (np.zeros_like(sar), MASS, "no tissue"),
        (density, 1.0, "larger than the body"),
        (np.where(density > 0, np.inf, 0), MASS, "infinite"),
        (density, 0.95 * np.nansum(density) * H**3, "too large"),
    ):
        with pytest.raises(InputError, match=word):
            AveragingPlan(device(wrong), H, mass, cuda)
    monkeypatch.setattr(cuda, "memory_free_bytes", lambda: 1000, raising=False)
    with pytest.raises(ResourceError, match="free on cuda"):
        AveragingPlan(density, H, MASS, cuda)


def test_fields_on_the_device(cuda: backend.Backend) -> None:
    """Fields whose arrays live on the device give NumPy maps."""
    rng = np.random.default_rng(3)
    phantom = bodies.sphere(0.012, 0.004, Tissue("gel", 1000.0, Constant(40.0, 0.6))).pad(1)
    shape = (2, 3, *phantom.grid.node_shape)
    E, B = (rng.normal(size=shape) + 1j * rng.normal(size=shape) for _ in range(2))
    eye = np.eye(2, dtype=complex)
    host = Fields(
        phantom.grid,
        128e6,
        E,
        B,
        phantom.body,
        phantom.mass_kg,
        PowerBalance(eye, eye, eye),
        ("a", "b"),
        {"both": np.array([1, 1j])},
        "A",
        np.zeros(2),
    )
    device = replace(host, E=cuda.asarray(E), B=cuda.asarray(B))
    for rule in ("trapezium", "linear", "mid-ordinate"):
        one, two = (point_sar(f.drive("both"), phantom, rule).value for f in (device, host))
        assert type(one) is np.ndarray
        np.testing.assert_allclose(one, two, rtol=1e-12)
        np.testing.assert_allclose(mean_square(device.E[0], rule), mean_square(E[0], rule), rtol=1e-12)
    assert absorbed_power(device.drive([1, 2j]), phantom) == pytest.approx(absorbed_power(host.drive([1, 2j]), phantom))
    one, two = (q_matrices(f, phantom) for f in (device, host))
    np.testing.assert_allclose(one.matrices, two.matrices, rtol=1e-12)
    one, two = (averaged(two, AveragingPlan(phantom.density, 0.004, 5e-4, b)) for b in (cuda, "cpu"))
    np.testing.assert_allclose(one.matrices, two.matrices, rtol=1e-11)
    np.testing.assert_array_equal(one.voxel, two.voxel)
    for name in ("b1plus", "b1minus", "E_centre", "B_centre"):
        np.testing.assert_allclose(cuda.to_numpy(getattr(device, name)()), getattr(host, name)(), rtol=1e-12)
    for target in ({"absorbed_power_W": 2.0}, {"b1plus_rms_T": 1e-6}, {"b1plus_rms_T": 1e-6, "over": "body"}):
        one, two = (f.drive("both").scale(**target) for f in (device, host))
        np.testing.assert_allclose(cuda.to_numpy(one.E), two.E, rtol=1e-12)
