"""Samples of the model itself. Oracle: the same body solved and evaluated on its own, and the residual by a product."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em

SPACING_M = 0.01
COIL = em.Birdcage(rungs=4, radius_m=0.1, length_m=0.1)
NAMES = ("muscle", "fat")


@pytest.fixture(scope="module")
def body():
    return em.phantoms.layered_sphere([0.04, 0.055], list(NAMES), SPACING_M)


@pytest.fixture(scope="module")
def properties(body):
    """Twelve samples of both properties of both tissues, sd some 15 %."""
    rng = np.random.default_rng(3)
    at = {t.name: t for t in body.tissues}
    draws = 1 + 0.15 * rng.uniform(-1.7, 1.7, (4, 12))
    sigma = {n: at[n].conductivity(128e6) * draws[i] for i, n in enumerate(NAMES)}
    eps = {n: at[n].permittivity(128e6) * draws[2 + i] for i, n in enumerate(NAMES)}
    return {"conductivity_S_m": sigma, "relative_permittivity": eps}


def one(body, properties, i):
    for name in NAMES:
        body = body.with_tissue(name, **{key: table[name][i] for key, table in properties.items()})
    return body


@pytest.fixture(scope="module")
def sampler(body):
    exposure = em.Exposure(body, COIL, 128e6)
    basis = em.ReducedBasis(10**8, check_every=2)
    return em.ModelSampler(exposure, b1plus_rms_T=2e-6, over="slice", mass_kg=1e-2, device="cpu", basis=basis)


@pytest.fixture(scope="module")
def found(sampler, properties):
    maps = {}
    return sampler.run(**properties, each=maps.__setitem__), maps


def test_every_sample_is_that_of_a_run_of_its_own(body, properties, found):
    samples, maps = found
    for i in (0, 5, 11):
        changed = one(body, properties, i)
        fields = em.Vie(tolerance=1e-6).solve(em.Exposure(changed, COIL, 128e6), "cpu")
        driven = fields.drive("quadrature").scale(b1plus_rms_T=2e-6, over="slice")
        sar = em.point_sar(driven, changed)
        # E is good to E_error_estimate, SAR to twice as much and more at single voxels.
        assert samples.E_error_estimate[i] < 1e-3
        assert samples["whole_body_sar_W_kg"][i] == pytest.approx(em.whole_body_sar(sar), rel=1e-3)
        assert samples["peak_sar_W_kg"][i] == pytest.approx(sar.value.max(), rel=3e-3)
        average = em.mass_average(sar, changed.density, SPACING_M, 1e-2)
        assert samples["peak_10g_sar_W_kg"][i] == pytest.approx(average.value.max(), rel=1e-3)
        np.testing.assert_allclose(maps[i], sar.value, atol=3e-3 * sar.value.max())
        assert samples["drive_A"][i] == pytest.approx(driven.provenance["scale"]["factor"], rel=1e-3)


def test_residuals_are_what_products_measure(found):
    samples, _ = found
    assert samples.residual.max() <= 1e-4
    assert samples.products[0] > samples.products[-4:].mean()
    assert samples.vectors <= 12
    assert len(samples.products) == 12


def test_samples_that_come_again_take_no_product(sampler, properties, found):
    again = sampler.run(**properties)
    assert again.products.sum() == 0
    assert len(again.checked) == 6
    np.testing.assert_allclose(again.checked[:, 0], again.checked[:, 1], atol=3e-6)
    for name, values in found[0].values.items():
        np.testing.assert_allclose(again[name], values, rtol=2e-3)


def test_a_basis_that_is_full_still_answers(body, properties):
    exposure = em.Exposure(body, COIL, 128e6)
    small = em.ReducedBasis(350_000)
    sampler = em.ModelSampler(exposure, b1plus_rms_T=2e-6, device="cpu", basis=small)
    whole = em.ModelSampler(exposure, b1plus_rms_T=2e-6, device="cpu", basis=em.ReducedBasis(10**8))
    a, b = sampler.run(**properties), whole.run(**properties)
    assert a.vectors <= sampler.sampler.span.capacity < 12
    assert small.bytes <= small.limit_bytes
    for name in a.values:
        np.testing.assert_allclose(a[name], b[name], rtol=2e-3)


def test_a_unit_drive_and_one_sample_of_nothing_varied(body):
    sampler = em.ModelSampler(em.Exposure(body, COIL, 128e6), [1.0, 0.0], device="cpu", mass_kg=1e-3)
    samples = sampler.run(1)
    fields = em.Vie().solve(em.Exposure(body, COIL, 128e6), "cpu").drive([1.0, 0.0])
    assert samples["whole_body_sar_W_kg"][0] == pytest.approx(em.whole_body_sar(em.point_sar(fields, body)), rel=1e-3)
    assert samples["drive_A"][0] == 1.0
    assert "peak_1g_sar_W_kg" in samples.values


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"conductivity_S_m": {"bone": [1.0]}}, "tissue not in this phantom"),
        ({"conductivity_S_m": {"fat": [0.1, -0.1]}}, "conductivity_S_m.fat: bad property.*>= 0"),
        ({"relative_permittivity": {"fat": [0.5]}}, "one finite number >= 1"),
        ({"conductivity_S_m": {"fat": [0.1, 0.2], "muscle": [0.5]}}, "different lengths"),
        ({}, "different lengths"),
    ],
)
def test_bad_samples_are_refused(sampler, arguments, told):
    with pytest.raises(em.InputError, match=told):
        sampler.run(**arguments)


def test_bad_drives_are_refused(body):
    exposure = em.Exposure(body, COIL, 128e6)
    with pytest.raises(em.InputError, match="unknown drive"):
        em.ModelSampler(exposure, "sideways", device="cpu")
    with pytest.raises(em.InputError, match="does not fit the ports"):
        em.ModelSampler(exposure, [1.0], device="cpu")
