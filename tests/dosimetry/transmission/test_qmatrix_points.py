"""Q-matrices: SAR as a quadratic form of the drive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose.dosimetry.averaging.cubes import UNUSED, VALID
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.dosimetry.sar import RULES, point_sar
from emdose.dosimetry.transmission.qmatrix import averaged, q_matrices
from emdose.errors import InputError


def random_drive(seed, ports=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=ports) + 1j * rng.normal(size=ports)


def test_two_uniform_ports_by_hand(made_up):
    # Oracle: E_1 = (3, 0, 0), E_2 = (4j, 5, 0): Q = sigma/(2 rho) [[9, 12j], [-12j, 41]], peak phasors.
    phantom = made_up.phantom(np.ones((2, 2, 2)))
    E = np.zeros((2, 3, *phantom.grid.node_shape), complex)
    E[0, 0], E[1, 0], E[1, 1] = 3, 4j, 5
    q = q_matrices(made_up.fields(phantom, E), phantom)
    expected = 0.7 / (2 * 1050) * np.array([[9, 12j], [-12j, 41]])
    np.testing.assert_allclose(q.matrices, np.broadcast_to(expected, (8, 2, 2)), rtol=1e-6)
    assert (q.drive_unit, q.averaging_mass_kg, q.ports) == ("A", None, ("port 0", "port 1"))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), rule=st.sampled_from(RULES))
def test_quadratic_form_is_the_sar_of_the_driven_fields(made_up, mixed, seed, rule):
    # Oracle: identity v^H Q v = SAR(sum v_k E_k), by the other code path.
    fields = made_up.fields(mixed, made_up.E(mixed, ports=3, seed=11))
    v = random_drive(seed)
    expected = point_sar(fields.drive(v), mixed, rule).value
    got = q_matrices(fields, mixed, rule).sar_map(v)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * expected.max())


def test_single_precision_agrees_with_double(made_up, mixed):
    # Oracle: the same matrices in double precision.
    E = made_up.E(mixed, ports=3, seed=2)
    double = q_matrices(made_up.fields(mixed, E), mixed).matrices
    single = q_matrices(made_up.fields(mixed, E.astype(np.complex64)), mixed).matrices
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-5 * np.abs(double).max())


@pytest.mark.parametrize("rule", RULES)
def test_matrices_are_hermitian_and_positive(made_up, mixed, rule):
    # Oracle: Q is a sum of conj(E_k) E_l with positive weights, a Gram matrix.
    q = q_matrices(made_up.fields(mixed, made_up.E(mixed, ports=4)), mixed, rule).matrices
    np.testing.assert_array_equal(q, np.conj(np.swapaxes(q, 1, 2)))
    assert np.linalg.eigvalsh(q).min() >= -1e-12 * np.abs(q).max()


def test_no_drive_of_unit_norm_beats_the_worst_case(made_up, mixed):
    # Oracle: the largest eigenvalue over all voxels bounds random drives, and its vector reaches it.
    q = q_matrices(made_up.fields(mixed, made_up.E(mixed, ports=3)), mixed)
    bound, v = q.worst_case()
    assert np.linalg.norm(v) == pytest.approx(1)
    assert q.sar(v).max() == pytest.approx(bound, rel=1e-10)
    for seed in range(50):
        w = random_drive(seed)
        assert q.sar(w / np.linalg.norm(w)).max() <= bound * (1 + 1e-12)


def test_sum_over_the_body_is_the_power_matrix(made_up, mixed):
    # Oracle: conservation: sum of rho dV Q = absorbed power of every pair of ports, from loops over the edges.
    fields = made_up.fields(mixed, made_up.E(mixed, ports=3))
    q = q_matrices(fields, mixed)
    mass = mixed.density.ravel()[q.voxel].astype(float) * mixed.grid.voxel_volume_m3
    np.testing.assert_allclose(np.einsum("v,vkl->kl", mass, q.matrices), fields.power.absorbed_W, rtol=1e-6)


def test_averaged_matrices_hold_the_mass_average_of_every_drive(made_up):
    # Oracle: the mass average of the SAR of the driven fields: equal at the centres of valid cubes and in the voxels
    # of step 2, and the same peak.
    labels = np.random.default_rng(3).integers(1, 4, (9, 9, 9))
    labels[0], labels[4, 4, 4] = 0, 0
    phantom = made_up.phantom(labels, spacing_m=5e-3)
    fields = made_up.fields(phantom, made_up.E(phantom, ports=3, seed=4))
    plan = AveragingPlan(phantom.density, phantom.spacing_m, 2e-3, device="cpu")
    q = averaged(q_matrices(fields, phantom), plan)
    assert q.averaging_mass_kg == 2e-3
    assert np.linalg.eigvalsh(q.matrices).min() >= -1e-12 * np.abs(q.matrices).max()
    for seed in range(3):
        v = random_drive(seed)
        expected = plan.apply(point_sar(fields.drive(v), phantom).value)
        own = (expected.flag == VALID) | (expected.flag == UNUSED)
        assert (expected.flag == VALID).any()
        assert (expected.flag == UNUSED).any()
        got = q.sar_map(v)
        np.testing.assert_allclose(got[own], expected.value[own], rtol=1e-9)
        assert got.max() == pytest.approx(expected.peak, rel=1e-9)
        assert (got[~own] == 0).all()
    with pytest.raises(InputError, match="averaged already"):
        averaged(q, plan)
    other = made_up.phantom(np.ones((4, 4, 4)), spacing_m=5e-3)
    with pytest.raises(InputError, match="does not fit"):
        averaged(q_matrices(made_up.fields(other, made_up.E(other, ports=3)), other), plan)


def test_drive_that_does_not_fit_is_refused(made_up, mixed):
    # Oracle: one-line error.
    q = q_matrices(made_up.fields(mixed, made_up.E(mixed, ports=2)), mixed)
    for bad in ([1, 2, 3], [1, np.nan], 1.0):
        with pytest.raises(InputError, match="2 finite complex amplitudes"):
            q.sar(bad)
