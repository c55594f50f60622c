"""Matrices of the whole body, of parts of it and of powers, and what they say about Q and its transpose.

Oracle: region SAR of the driven fields by the other code path, the power matrix from loops over the edges, waves of a
network.
"""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.circuits.network import Network
from emdose.dosimetry.regions import region
from emdose.dosimetry.sar import point_sar, region_sar, whole_body_sar


def drive(seed: int, ports: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=ports) + 1j * rng.normal(size=ports)


@pytest.mark.parametrize("rule", ["trapezium", "linear", "mid-ordinate"])
def test_parts_have_the_sar_of_the_driven_fields(made_up, mixed, rule) -> None:
    fields = made_up.fields(mixed, made_up.E(mixed, ports=3, seed=7))
    half = np.zeros(mixed.grid.shape, bool)
    half[: mixed.grid.shape[0] // 2] = True
    part = region(mixed, "half", half)
    g = em.global_matrices(fields, mixed, [part], exposed=part, rule=rule)
    assert g.names == ("whole body", "half", "exposed")
    assert g.mass_ratio("exposed") == pytest.approx(part.mass_kg / mixed.mass_kg, rel=1e-6)
    for seed in range(3):
        v = drive(seed)
        sar = point_sar(fields.drive(v), mixed, rule)
        got = g.sar(v)
        assert got["whole body"] == pytest.approx(whole_body_sar(sar), rel=1e-9)
        assert got["half"] == got["exposed"] == pytest.approx(region_sar(sar, half), rel=1e-9)
    many = np.stack([drive(s) for s in range(4)])
    mean = np.einsum("di,dj->ij", many, many.conj()) / 4
    assert g.sar(mean)["half"] == pytest.approx(g.sar(many)["half"].mean(), rel=1e-12)


def test_the_sum_of_mass_times_q_is_the_power_matrix_and_its_transpose_is_not(made_up, mixed) -> None:
    fields = made_up.fields(mixed, made_up.E(mixed, ports=3, seed=2))
    told = em.power_consistency(em.global_matrices(fields, mixed, []))
    assert told.difference < 1e-6
    assert told.convention == "vHQv"
    q = em.q_matrices(fields, mixed)
    mass = mixed.density.ravel()[q.voxel].astype(float) * mixed.grid.voxel_volume_m3
    summed = np.einsum("v,vkl->kl", mass, q.matrices)
    again = em.power_consistency(summed.T, fields.power.absorbed_W)
    assert again.convention == "vTQv*"
    assert again.transposed < 1e-6
    scaled = em.power_consistency(7.5 * summed, fields.power.absorbed_W, fit=True)
    assert scaled.difference < 1e-6
    assert scaled.factor == pytest.approx(1 / 7.5)
    assert em.power_consistency(np.eye(3), np.eye(3)).convention == "unknown"


def test_forward_power_is_that_of_the_waves(made_up, mixed) -> None:
    # Oracle: a = (V + R I) / (2 sqrt R) with V = Z I, |a|^2 / 2 at every port.
    fields = made_up.fields(mixed, made_up.E(mixed, ports=3))
    rng = np.random.default_rng(1)
    z = rng.normal(size=(1, 3, 3)) + 1j * rng.normal(size=(1, 3, 3)) + 60 * np.eye(3)
    r = np.array([50.0, 50.0, 75.0])
    names = fields.ports[::-1]
    network = Network.from_z([128e6], z[:, ::-1, ::-1], names, r[::-1])
    g = em.global_matrices(fields, mixed, [], network=network)
    current = drive(5)
    a = (z[0] @ current + r * current) / (2 * np.sqrt(r))
    assert g.power(current)["forward"] == pytest.approx(0.5 * (np.abs(a) ** 2).sum(), rel=1e-9)
    assert g.power(current)["delivered"] == pytest.approx(g.power(current)["absorbed"], rel=1e-9)
    with pytest.raises(em.InputError, match="other ports"):
        em.global_matrices(fields, mixed, [], network=Network.from_z([128e6], z, ("a", "b", "c")))


def test_what_does_not_fit_is_refused(made_up, mixed) -> None:
    fields = made_up.fields(mixed, made_up.E(mixed, ports=2))
    g = em.global_matrices(fields, mixed, [])
    with pytest.raises(em.InputError, match="does not fit the ports"):
        g.sar([1, 2, 3])
    with pytest.raises(em.InputError, match="unknown part"):
        g.matrix("hand")
    with pytest.raises(em.InputError, match="share a name"):
        em.global_matrices(fields, mixed, [region(mixed, "whole body", mixed.body)])
    with pytest.raises(em.InputError, match="power matrix does not fit"):
        em.power_consistency(g, np.eye(3))
    with pytest.raises(em.InputError, match="bad power matrix"):
        em.power_consistency(g, np.zeros((2, 2)))
