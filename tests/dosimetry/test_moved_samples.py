"""Samples of the model whose coil, body and drive are others. Oracle: a full solution of each on its own."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em

F, SPACING_M = 128e6, 0.015
COIL = em.Birdcage(4, radius_m=0.165, length_m=0.2)
COUNT = 4
RNG = np.random.default_rng(2)
SIGMA = 0.6 * (1 + 0.2 * RNG.uniform(-1, 1, COUNT))
COIL_M, BODY_M = RNG.uniform(-0.02, 0.02, (2, COUNT, 3))
DRIVE = np.array([1, -1j]) * (1 + 0.1 * RNG.normal(size=(COUNT, 2))) * np.exp(0.2j * RNG.normal(size=(COUNT, 2)))


@pytest.fixture(scope="module")
def head():
    return em.phantoms.layered_head(0.01).resample(SPACING_M)


def full(head, over, i, *, sigma=None, coil_m=None, body_m=None, drive=(1, -1j)):
    """SAR of one sample as the ordinary way finds it."""
    body = head if sigma is None else head.with_tissue("grey_matter", conductivity_S_m=sigma[i])
    body = body if body_m is None else body.translate(body_m[i])
    coil = COIL if coil_m is None else COIL.translate(coil_m[i])
    fields = em.Vie(tolerance=1e-5).solve(em.Exposure(body, coil, F), "cpu")
    weights = np.asarray(drive if np.ndim(drive) == 1 else drive[i])
    driven = fields.drive(weights).scale(b1plus_rms_T=2e-6, over=over, accept=["b1plus_air"])
    sar = em.point_sar(driven, body)
    average = em.mass_average(sar, body.density, SPACING_M, 1e-2).value.max()
    return {
        "whole_body_sar_W_kg": em.whole_body_sar(sar),
        "peak_sar_W_kg": sar.value.max(),
        "peak_10g_sar_W_kg": average,
        "drive_A": driven.provenance["scale"]["factor"],
    }


@pytest.mark.parametrize(
    ("over", "varied"),
    [
        ("body", {"sigma": SIGMA, "coil_m": COIL_M, "drive": DRIVE}),
        ("isocentre", {"sigma": SIGMA, "body_m": BODY_M}),
        ("slice", {"coil_m": COIL_M, "body_m": BODY_M}),
    ],
    ids=["tissue, coil and drive", "tissue and body", "coil and body"],
)
def test_every_sample_is_that_of_a_solution_of_its_own(head, over, varied):
    basis = em.ReducedBasis(10**8, check_every=2)
    sampler = em.ModelSampler(em.Exposure(head, COIL, F), b1plus_rms_T=2e-6, over=over, device="cpu", basis=basis)
    given = {"coil_shift_m": varied.get("coil_m"), "body_shift_m": varied.get("body_m"), "drive": varied.get("drive")}
    sigma = {"grey_matter": varied["sigma"]} if "sigma" in varied else None
    found = sampler.run(conductivity_S_m=sigma, **given)
    assert found.residual.max() <= 1e-4
    for name, value in full(head, over, COUNT - 1, **varied).items():
        # E is good to E_error_estimate, SAR to twice as much and more at single voxels.
        assert found[name][-1] == pytest.approx(value, rel=3e-3), name
    again = sampler.run(conductivity_S_m=sigma, **given)
    assert again.products.sum() == 0
    np.testing.assert_allclose(again.checked[:, 0], again.checked[:, 1], atol=3e-6)
    np.testing.assert_allclose(again["peak_10g_sar_W_kg"], found["peak_10g_sar_W_kg"], rtol=2e-3)


def test_drives_of_one_place_take_as_many_iterated_samples_as_there_are_ports(head):
    """Oracle: the solutions of two ports span those of all their drives."""
    sampler = em.ModelSampler(em.Exposure(head, COIL, F), device="cpu", basis=em.ReducedBasis(10**8))
    found = sampler.run(drive=np.concatenate([np.eye(2), DRIVE, 2 * DRIVE]))
    assert (found.products > 0).sum() == 2
    np.testing.assert_allclose(found["peak_sar_W_kg"][-COUNT:], 4 * found["peak_sar_W_kg"][2:-COUNT], rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"coil_shift_m": [0.0, 0.0, 0.1]}, "coil_shift_m.*finite metres"),
        ({"drive": [[1.0, np.nan]]}, "drive.*finite weights"),
        ({"coil_shift_m": [[0.1, 0, 0]]}, "runs through the body"),
        ({"body_shift_m": [[0.0, 0, 0.5]]}, "outside the grid"),
        ({"coil_shift_m": np.zeros((2, 3)), "drive": np.ones((3, 2))}, "different lengths"),
    ],
)
def test_bad_places_and_drives_are_refused(head, arguments, told):
    sampler = em.ModelSampler(em.Exposure(head, COIL, F), device="cpu")
    with pytest.raises(em.InputError, match=told):
        sampler.run(**arguments)
