"""A lead as one more limit of the drives of an array: tip current, tip power and rise at the tip.

Oracle: the current at the tip by the moment method itself, with the field of the drive along the lead, in which the
transfer function takes no part; tier 3, which sums along the path by itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lead_fields import F, fields_of, wave

import emdose as em

LEAD = em.Lead(
    np.array([[-0.06, 0.004, 0.002], [0.0, 0.01, 0.006], [0.06, 0.004, -0.01]]), 0.5e-3, 0.75e-3, 3.0, bare_tip_m=10e-3
)
LOSS = 12.0 - 4.0j  # waves in gel fall off
N = 8


@pytest.fixture(scope="module")
def fields() -> em.Fields:
    return fields_of(*(wave(LOSS + 3 * n, direction=n % 3, along=(n + 1) % 2, size=1 + 0.1j * n) for n in range(N)))


@pytest.fixture(scope="module")
def tip() -> em.TransferFunction:
    return em.transfer_function(LEAD, F, 80.0, 0.47)


def tip_current(fields: em.Fields, drive: np.ndarray) -> float:
    """By the moment method in the field of the drive."""
    along = em.tangential_E(fields.drive(drive), LEAD)
    solved = em.lead_in_medium(LEAD, F, 80.0, 0.47, loads_ohm={LEAD.bare_tip_m: 0})
    return float(abs(solved.along(along.distance_m, along.E).at(LEAD.bare_tip_m)[0]))


def drive(seed: int = 1) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).normal(size=(N, 2)) @ [1, 1j])


def test_the_matrix_of_a_lead_is_that_of_tier_3(fields: em.Fields, tip: em.TransferFunction) -> None:
    along = em.tangential_E(fields, LEAD)
    rated = replace(tip, scale=2.5, scale_unit="K/V^2", field_amplitude="rms")
    found = em.tier3(rated, fields, [LEAD])
    by_sensor = 0.5 * 2.5 * em.sensor_matrix(along.induced(rated))
    assert np.allclose(found.matrices()[0], by_sensor, rtol=1e-12)


def test_its_current_is_that_of_the_moment_method(fields: em.Fields, tip: em.TransferFunction) -> None:
    s = em.tangential_E(fields, LEAD).induced(tip)
    for seed in range(4):
        v = drive(seed)
        assert abs(s @ v) == pytest.approx(tip_current(fields, v), rel=5e-3)


def test_a_drive_projected_off_the_lead_leaves_no_current_at_its_tip(
    fields: em.Fields, tip: em.TransferFunction
) -> None:
    s = em.tangential_E(fields, LEAD).induced(tip)
    for seed in range(8):
        v = drive(seed)
        spared = em.orthogonal_projection(em.sensor_matrix(s), v)
        assert np.linalg.norm(spared) > 0.5 * np.linalg.norm(v)
        assert abs(s @ spared) < 1e-9 * abs(s @ v)
        # as the lead itself has it: more than 99.99 % of the power at the tip is gone
        assert tip_current(fields, spared) ** 2 < 1e-4 * tip_current(fields, v) ** 2


def test_rise_at_the_tip_is_one_more_limit_of_a_shim(fields: em.Fields, tip: em.TransferFunction) -> None:
    """T = K abs(s^T v)^2 beside local SAR: both limits are kept, each binds where it is the narrower one."""
    rise = em.tier3(replace(tip, scale=2.5e4, scale_unit="K/V^2"), fields, [LEAD])
    M = rise.matrices()
    body = np.random.default_rng(5).normal(size=(20, 3, N)) @ np.eye(N) + 0j
    local = np.einsum("mak,mal->mkl", body.conj(), body)
    A = np.random.default_rng(6).normal(size=(60, N, 2)) @ [1, 1j]
    free = em.shim(A, 1.0).drive[0]
    tip_K, sar = float(np.real(free.conj() @ M[0] @ free)), float(np.einsum("i,mij,j->m", free, local, free).real.max())
    limits = em.DriveConstraints.of(local, 1.5 * sar) + em.DriveConstraints.of(M, 0.2 * tip_K, "temperature at the tip")
    found = em.shim(A, 1.0, limits)
    warm = float(
        em.tier3(replace(tip, scale=2.5e4, scale_unit="K/V^2"), fields, [LEAD], {"v": found.drive[0]}).worst[0]
    )
    assert warm == pytest.approx(0.2 * tip_K, rel=1e-6)
    assert limits.labels[-1] == "temperature at the tip"
    assert found.use.max() <= 1
    assert found.cost >= em.shim(A, 1.0).cost


@pytest.mark.slow
def test_a_lead_in_a_body_is_spared_by_the_matrix_of_its_transfer_function() -> None:
    """Four loops around a box of gel, the lead in it by `Fdtd`; its matrix from fields without it and endless gel."""
    f, body = 127.74e6, em.phantoms.gel_box(10e-3, (0.2, 0.2, 0.28))
    path = np.array([[0.002, 0.003, -0.08], [0.01, 0.003, 0.08]])
    lead = em.Lead(path, 0.5e-3, 0.75e-3, 3.0, bare_tip_m=20e-3)
    coil, solver = em.LoopArray(4, radius_m=0.16, length_m=0.12), em.Fdtd(margin_m=0.04, cpml_cells=8)
    without, within = (solver.solve(em.Exposure(body, coil, f, leads=some), device="cpu") for some in ((), (lead,)))
    by_function = em.tangential_E(without, lead).induced(em.transfer_function(lead, f, 80.0, 0.47))
    by_itself = within.lead_currents["lead"].at(lead.bare_tip_m)
    assert np.allclose(by_function, by_itself, rtol=0.1)
    for seed, (readings, left) in enumerate([(by_function, 1e-5), (by_itself, 1e-25)] * 2):
        v = np.random.default_rng(seed // 2).normal(size=(4, 2)) @ [1, 1j]
        spared = em.orthogonal_projection(em.sensor_matrix(readings), v)
        before, after = (
            abs(within.drive(one).lead_currents["lead"].at(lead.bare_tip_m)[0]) ** 2 for one in (v, spared)
        )
        assert np.linalg.norm(spared) > 0.3 * np.linalg.norm(v)  # there is a drive left
        assert after < left * before
