"""Tier 3: rank-one matrices, percentiles, families of paths, and the bounds of the lower tiers."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from lead_fields import fields_of, wave

import emdose as em
from emdose.dosimetry.leads.tiers import TIERS
from emdose.models.bodies import gel_box

S_AT = np.linspace(0, 0.16, 33)
TF = em.TransferFunction(
    S_AT, (1 - 2 * S_AT) * np.exp(-(1 + 12j) * S_AT), 64e6, 80.0, 0.47, "exp(+jwt)", scale=2.5, scale_unit="K/V^2"
)
NOMINAL = np.array([[-0.08, 0.01, 0.0], [0.08, 0.01, 0.0]])
PORTS = [wave(4.0 * n - 8, direction=n % 3, along=n % 2, size=1 + 0.2j * n) for n in range(8)]


def test_matrices_are_the_direct_sum() -> None:
    """v^H (A s* s^T) v against A abs(sum v s)^2 and against the fields of the drive."""
    fields = fields_of(*PORTS)
    paths = em.paths_around(NOMINAL, 5, 4e-3, seed=2)
    v = np.random.default_rng(3).normal(size=(8, 2)) @ [1, 1j]
    found = em.tier3(TF, fields, paths, {"mine": v})
    quadratic = np.einsum("i,pij,j->p", v.conj(), found.matrices(), v)
    np.testing.assert_allclose(quadratic.real, found.quantity[:, 0], rtol=1e-12)
    assert np.abs(quadratic.imag).max() < 1e-12 * np.abs(quadratic).max()
    driven = em.tier3(TF, fields.drive(v), paths)
    np.testing.assert_allclose(driven.quantity, found.quantity, rtol=1e-10)
    one = em.tangential_E(fields.drive(v), paths[3])
    assert 2.5 * abs(one.induced(TF)[0]) ** 2 == pytest.approx(found.quantity[3, 0], rel=1e-10)
    top, worst = found.worst_drive(3)
    assert np.real(worst.conj() @ found.matrices()[3] @ worst) == pytest.approx(top, rel=1e-12)
    assert np.linalg.eigvalsh(found.matrices()[3])[-1] == pytest.approx(top, rel=1e-10)
    assert found.unit == "K"


def test_percentiles_and_cases() -> None:
    fields = {"head": fields_of(*PORTS[:2]), "chest": fields_of(*PORTS[2:4])}
    paths = em.paths_around(NOMINAL, 40, 4e-3)
    found = em.tier3(TF, fields, paths, {"first": [1, 0], "both": [1, 1j]})
    assert found.cases == ("head / first", "head / both", "chest / first", "chest / both")
    assert found.quantity.shape == (40, 4)
    assert found.percentile(95) == pytest.approx(np.percentile(found.quantity, 95))
    assert found.percentile(95, "chest / both") == pytest.approx(np.percentile(found.quantity[:, 3], 95))
    value, path, case = found.worst
    assert found.quantity[path, found.cases.index(case)] == value == found.percentile(100)
    rms = em.tier3(replace(TF, field_amplitude="rms"), fields, paths, {"first": [1, 0], "both": [1, 1j]})
    np.testing.assert_allclose(rms.quantity, 0.5 * found.quantity, rtol=1e-12)


def test_conjugated_transfer_function_counts_the_same() -> None:
    fields, paths = fields_of(*PORTS[:2]), em.paths_around(NOMINAL, 3, 3e-3)
    one, other = (em.tier3(t, fields, paths).quantity for t in (TF, TF.in_convention("exp(-jwt)")))
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_paths_are_smooth_of_one_length_and_as_wide_as_asked() -> None:
    paths = em.paths_around(NOMINAL, 300, 4e-3, bends=3, seed=5)
    for path in paths:
        assert np.linalg.norm(np.diff(path, axis=0), axis=1).sum() == pytest.approx(0.16, rel=1e-9)
    off = np.concatenate([p[:, 1:] - NOMINAL[0, 1:] for p in paths])
    assert np.sqrt(np.mean(np.sum(off**2, axis=1))) == pytest.approx(4e-3, rel=0.1)
    again = em.paths_around(NOMINAL, 300, 4e-3, bends=3, seed=5)
    np.testing.assert_array_equal(paths[17], again[17])
    assert all(np.allclose(p[0], NOMINAL[0]) for p in paths)
    moved = em.paths_around(NOMINAL, 200, 1e-3, tip_spread_m=5e-3)
    assert np.std([p[0, 2] for p in moved]) == pytest.approx(5e-3, rel=0.2)
    box = gel_box(4e-3, (0.2, 0.06, 0.06))
    for path in em.paths_around(NOMINAL, 20, 8e-3, phantom=box):
        assert np.abs(path[:, 1:]).max() < 0.03
    with pytest.raises(em.InputError, match="hardly any path stays"):
        em.paths_around(NOMINAL + np.array([0.05, 0, 0]), 2, 8e-3, phantom=box)


def test_bounds_of_lower_tiers_are_above() -> None:
    """Tier 1 >= tier 2 >= every path of tier 3, in the field of a wave in gel."""
    box = gel_box(10e-3, (0.24, 0.12, 0.12))
    fields = em.Vie().solve(em.Exposure(box, em.PlaneWave((0, 0, 1), (1, 0, 0)), 64e6))
    paths = em.paths_around(np.array([[-0.08, 0.01, 0.0], [0.08, 0.01, 0.0]]), 10, 5e-3, phantom=box)
    region = np.zeros(box.grid.shape, bool)
    region[:, :, 3:9] = True
    first, second = em.tier1(TF, fields, box), em.tier2(TF, fields, box, region)
    third = em.tier3(TF, fields, paths)
    assert first.value >= second.value >= third.worst[0]
    assert first.tier == 1
    assert first.unit == "K"
    assert sorted(TIERS) == [1, 2, 3, 4]
    E = em.averaged_E(fields, box)
    assert E.max() == pytest.approx(first.E_rms_V_m)


def test_a_thousand_paths_and_eight_ports() -> None:
    """The benchmark states the time; a busy machine may take longer than the 2 s of a quiet one."""
    fields = fields_of(*PORTS)
    paths = em.paths_around(NOMINAL, 1000, 4e-3)
    begun = time.perf_counter()
    assert em.tier3(TF, fields, paths, ["all"]).quantity.shape == (1000, 1)
    assert time.perf_counter() - begun < 8


def test_bad_input() -> None:
    fields = fields_of(*PORTS[:2])
    with pytest.raises(em.InputError, match="another length"):
        em.tier3(TF, fields, [NOMINAL * 0.8])
    with pytest.raises(em.InputError, match="another frequency"):
        em.tier3(TF, fields_of(PORTS[0], frequency_Hz=128e6), [NOMINAL])
    with pytest.raises(em.InputError, match="no paths"):
        em.tier3(TF, fields, [])
    with pytest.raises(em.InputError, match="unknown drive"):
        em.tier3(TF, fields, [NOMINAL], ["quadrature"])
    with pytest.raises(em.InputError, match=r"path 1.*leaves the tissue"):
        em.tier3(TF, fields, [NOMINAL, NOMINAL + np.array([0.03, 0, 0])])
    with pytest.raises(em.InputError, match="no tissue in this region"):
        em.tier2(TF, fields.drive("all"), gel_box(5e-3, (0.2, 0.12, 0.12)), np.zeros((42, 26, 26), bool))
