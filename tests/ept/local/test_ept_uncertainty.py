"""Uncertainty of linear EPT. Oracles: Monte Carlo on analytic data, closed-form variance, calibration of z scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ept_cases import Case, cylinder

from emdose.constants import MU_0
from emdose.ept import B1Map, Helmholtz, PropertyMap, filters, mean_of_repeats
from emdose.ept.local.savitzky_golay import SavitzkyGolay
from emdose.ept.maps.property_map import Flag
from emdose.models.grids.grid import Grid


def z_scores(found: PropertyMap, case: Case, where: np.ndarray) -> list[float]:
    """Root mean square of (found - truth)/u for conductivity and permittivity."""
    out = []
    for value, u, truth in (
        (found.conductivity, found.u_conductivity, case.conductivity),
        (found.permittivity, found.u_permittivity, case.permittivity),
    ):
        if value is not None and u is not None:
            out.append(float(np.sqrt(np.mean(((value - truth) / u)[where] ** 2))))
    return out


@pytest.fixture(scope="module")
def layered() -> Case:
    return cylinder((64, 60, 12), (2e-3, 2.2e-3, 1.8e-3))


@pytest.mark.parametrize("support", ["tissue", "window"])
@pytest.mark.parametrize("known", [True, False])
def test_calibrated_where_bias_is_negligible(layered: Case, support: str, known: bool) -> None:
    """Oracle: rms z between 0.9 and 1.1 on noisy closed-form data, noise given or from the residuals."""
    found = Helmholtz(radius=2, support=support).reconstruct(layered.noisy(100, 11, known), "cpu")
    where = found.valid & ((found.flags & 16) == 0) if support == "window" else found.valid & (found.flags & 64 == 0)
    assert where.sum() > 5000
    for z in z_scores(found, layered, where):
        assert 0.9 < z < 1.1


@pytest.mark.parametrize("method", ["complex", "split", "phase"])
def test_monte_carlo(method: str) -> None:
    """Oracle: scatter of 60 reconstructions of the same object; per voxel, and for means over regions."""
    small = cylinder(
        (30, 28, 9), (3e-3, 3.3e-3, 2.7e-3), radii_m=(0.02, 0.04), permittivity=(52.0, 73.0), conductivity=(0.34, 0.6)
    )
    settings = Helmholtz(radius=2, method=method)
    quick = replace(settings, uncertainty=False)
    regions = [small.labels == 0, small.labels == 1, small.mask & (np.arange(9) == 4)]
    regions.append(np.zeros_like(regions[0]))
    regions[-1][14, 14, 4] = True
    runs = [quick.reconstruct(small.noisy(200, seed), "cpu") for seed in range(60)]
    # The response is taken at the noiseless point, so that the linear part alone is compared.
    found = settings.reconstruct(replace(small.b1, u_magnitude=1 / 200, u_phase=1 / 200), "cpu")
    for name in ("conductivity", "permittivity"):
        if getattr(found, name) is None:
            continue
        stack = np.stack([getattr(r, name) for r in runs])
        ratio = stack.std(axis=0, ddof=1)[small.mask] / getattr(found, f"u_{name}")[small.mask]
        assert 0.95 < np.sqrt(np.mean(ratio**2)) < 1.05
        for region in regions:
            scatter = np.std(stack[:, region].mean(axis=1), ddof=1)
            u = getattr(found.region_mean(region, bias=False), f"u_{name}")
            assert u is not None
            assert 0.72 < scatter / u < 1.28  # 60 runs: 9 % standard deviation
    if method != "phase":
        cross = np.mean(
            [
                (r.conductivity - found.conductivity) * (r.permittivity - found.permittivity)
                for r in runs  # type: ignore[operator]
            ],
            axis=0,
        )
        scale = found.u_conductivity * found.u_permittivity  # type: ignore[operator]
        assert abs(np.mean((cross / scale)[small.mask] - (found.covariance / scale)[small.mask])) < 0.05  # type: ignore[operator]


@pytest.mark.parametrize(
    "settings",
    [
        Helmholtz(radius=2),
        Helmholtz(radius=2, support="window"),
        Helmholtz("ellipsoid", 3),
        Helmholtz(radius=2, contrast=0.3),
        Helmholtz(radius=3, degree=4),
        Helmholtz(radius=2, method="split"),
        Helmholtz("cross", 2, support="window", centre="voxel"),
    ],
    ids=lambda s: f"{s.kernel}-{s.support}-{s.degree}-{s.method}-{s.contrast}",
)
def test_region_of_one_voxel_is_the_voxel(settings: Helmholtz) -> None:
    """Oracle: the adjoint of the filter and the filtered noise maps are two ways to the same number."""
    case = cylinder((26, 24, 12), radii_m=(0.015, 0.023), permittivity=(52.0, 73.0), conductivity=(0.34, 0.6))
    rng = np.random.default_rng(1)
    b1 = replace(case.b1, u_magnitude=rng.uniform(0.5, 2, case.mask.shape), u_phase=rng.uniform(1, 2, case.mask.shape))
    found = settings.reconstruct(b1, "cpu")
    for point in ((13, 12, 6), (5, 9, 6), (18, 15, 3), (11, 9, 5)):
        if not found.valid[point]:
            continue
        region = np.zeros(case.mask.shape, bool)
        region[point] = True
        mean = found.region_mean(region, bias=False)
        assert mean.u_conductivity == pytest.approx(found.u_conductivity[point], rel=1e-6)  # type: ignore[index]
        assert mean.u_permittivity == pytest.approx(found.u_permittivity[point], rel=1e-6)  # type: ignore[index]
        assert mean.covariance == pytest.approx(
            found.covariance[point],  # type: ignore[index]
            abs=1e-6 * found.u_conductivity[point] * found.u_permittivity[point],  # type: ignore[index]
        )


def test_one_voxel_where_the_degree_falls_back() -> None:
    """Oracle: the same two ways, on three layers of voxels that cannot carry fourth powers of z."""
    case = cylinder((20, 20, 10), radii_m=(0.018,), permittivity=(60.0,), conductivity=(0.6,))
    labels = np.where(np.arange(10) < 3, 1, 2) * np.ones(case.mask.shape, int)
    found = Helmholtz(radius=2, degree=4).reconstruct(replace(case.b1, labels=labels, u_magnitude=0.01, u_phase=0.02))
    point = (10, 9, 1)
    assert found.flags[point] & Flag.FALLBACK
    region = np.zeros(case.mask.shape, bool)
    region[point] = True
    mean = found.region_mean(region, bias=False)
    assert mean.u_conductivity == pytest.approx(found.u_conductivity[point], rel=1e-6)  # type: ignore[index]
    assert mean.u_permittivity == pytest.approx(found.u_permittivity[point], rel=1e-6)  # type: ignore[index]


def test_variance_of_phase_only_in_closed_form() -> None:
    """Oracle: u(sigma) = u(phi) / (2 w mu0 d^2) sqrt(2160 / (n^3 (n^2-1) (n^2-4))) for
    transceive phase, cubes, n = 2r + 1."""
    shape = (15, 15, 15)
    b1 = B1Map(Grid(shape, 2e-3), 128e6, phase=np.zeros(shape), u_phase=0.01)
    found = Helmholtz(radius=3, method="phase").reconstruct(b1, "cpu")
    n, w = 7, 2 * np.pi * 128e6
    expected = 0.01 / (2 * w * MU_0 * 2e-3**2) * np.sqrt(2160 / (n**3 * (n**2 - 1) * (n**2 - 4)))
    assert found.u_conductivity[7, 7, 7] == pytest.approx(expected, rel=1e-9)  # type: ignore[index]
    weights = SavitzkyGolay("cuboid", (3, 3, 3), 2, (2e-3,) * 3).weights[4]
    assert expected == pytest.approx(0.01 / 2 / (w * MU_0) * np.sqrt(weights @ weights), rel=1e-9)


def test_mean_of_many_voxels_is_not_root_n() -> None:
    """Oracle: neighbours share data, so the mean of a cube of voxels inside the window is barely better than one."""
    shape = (25, 25, 25)
    b1 = B1Map(Grid(shape, 2e-3), 128e6, phase=np.zeros(shape), u_phase=0.01)
    found = Helmholtz(radius=4, method="phase").reconstruct(b1, "cpu")
    region = np.zeros(shape, bool)
    region[11:14, 11:14, 11:14] = True
    u = found.region_mean(region).u_conductivity
    single = found.u_conductivity[12, 12, 12]  # type: ignore[index]
    assert u is not None
    assert 0.6 * single < u < single
    assert u > 3 * single / np.sqrt(27)


def test_noise_from_repeated_scans() -> None:
    """Oracle: the noise that was put in; z scores of a reconstruction of the mean are calibrated."""
    case = cylinder((48, 48, 9), radii_m=(0.045,), permittivity=(60.0,), conductivity=(0.6,))
    scans = [case.noisy(60, seed, known=False) for seed in range(12)]
    scans = [replace(s, phase=np.angle(np.exp(1j * (s.phase + 0.3 * n)))) for n, s in enumerate(scans)]  # type: ignore[operator]
    mean = mean_of_repeats(scans)
    u = np.asarray(mean.u_phase)[case.mask]
    assert np.sqrt(np.mean(u**2)) == pytest.approx(1 / 60 / np.sqrt(12), rel=0.02)
    found = Helmholtz(radius=2).reconstruct(mean, "cpu")
    for z in z_scores(found, case, found.valid):
        assert 0.9 < z < 1.1


def test_weighted_mean_propagates_the_noise() -> None:
    """Oracle: scatter of 40 reconstructions filtered with the same weights; single voxels and a region."""
    case = cylinder((26, 26, 9), (3e-3,) * 3, radii_m=(0.036,), permittivity=(60.0,), conductivity=(0.6,))
    settings = Helmholtz(radius=2)
    base = replace(case.b1, u_magnitude=1 / 150, u_phase=1 / 150)
    found = settings.reconstruct(base, "cpu")
    filtered = filters.weighted_mean(found, 1)
    runs = []
    for seed in range(40):
        one = replace(settings, uncertainty=False).reconstruct(case.noisy(150, seed), "cpu")
        same = replace(one, u_conductivity=found.u_conductivity, u_permittivity=found.u_permittivity)
        runs.append(filters.weighted_mean(same, 1).conductivity)
    stack = np.stack(runs)  # type: ignore[arg-type]
    assert filtered.u_conductivity is not None
    core = case.mask & ((found.flags & 16) == 0)
    core[..., :3] = core[..., -3:] = False
    ratio = stack.std(axis=0, ddof=1)[core] / filtered.u_conductivity[core]
    assert 0.9 < np.sqrt(np.mean(ratio**2)) < 1.1
    u = filtered.region_mean(case.mask).u_conductivity
    assert u is not None
    assert 0.68 < np.std(stack[:, case.mask].mean(axis=1), ddof=1) / u < 1.32  # 40 runs: 11 % standard deviation
