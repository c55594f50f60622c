"""Matrices that are made block by block are those made at once, and so are their bounds.

Oracle: the whole set, by the other code path; the certificate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from ring_matrices import point_and_averaged

import emdose as em
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.dosimetry.sar import RULES
from emdose.dosimetry.transmission.qmatrix import averaged, q_matrices


def blocks_of(q: em.QMatrices, block: int) -> em.QMatrixBlocks:
    def parts() -> Iterator[em.QMatrices]:
        for start in range(0, len(q), block):
            some = slice(start, start + block)
            yield replace(q, matrices=q.matrices[some], voxel=q.voxel[some])

    return em.QMatrixBlocks(len(q), q.grid, q.ports, q.drive_unit, q.rule, q.averaging_mass_kg, q.frequency_Hz, parts)


@pytest.mark.parametrize("rule", RULES)
def test_blocks_of_points_are_the_matrices(made_up, mixed, rule) -> None:
    fields = made_up.fields(mixed, made_up.E(mixed, ports=3, seed=5))
    q = q_matrices(fields, mixed, rule)
    blocks = em.q_matrix_blocks(fields, mixed, rule=rule, block=7)
    assert len(blocks) == len(q)
    for _ in range(2):
        found = blocks.whole()
        np.testing.assert_array_equal(found.matrices, q.matrices)
        np.testing.assert_array_equal(found.voxel, q.voxel)
        assert (found.grid, found.ports, found.rule, found.frequency_Hz) == (q.grid, q.ports, q.rule, q.frequency_Hz)
    assert max(len(part) for part in blocks) == 7


@pytest.mark.parametrize("kind", [np.complex64, np.complex128])
def test_averaging_commutes_with_the_drive(made_up, tmp_path, kind) -> None:
    labels = np.random.default_rng(3).integers(1, 4, (9, 9, 9))
    labels[0], labels[4, 4, 4] = 0, 0
    phantom = made_up.phantom(labels, spacing_m=5e-3)
    fields = made_up.fields(phantom, made_up.E(phantom, ports=3, seed=4).astype(kind))
    plan = AveragingPlan(phantom.density, phantom.spacing_m, 2e-3, device="cpu")
    blocks = em.q_matrix_blocks(fields, phantom, plan, block=100, folder=tmp_path)
    found = blocks.whole()
    expected = averaged(q_matrices(fields, phantom), plan)
    single = kind == np.complex64
    np.testing.assert_allclose(
        found.matrices, expected.matrices, rtol=0, atol=(1e-6 if single else 1e-12) * np.abs(expected.matrices).max()
    )
    np.testing.assert_array_equal(found.voxel, expected.voxel)
    assert found.averaging_mass_kg == 2e-3
    assert list(tmp_path.iterdir()) == []
    rng = np.random.default_rng(1)
    for _ in range(3):
        v = rng.normal(size=3) + 1j * rng.normal(size=3)
        peak = plan.apply(em.point_sar(fields.drive(v), phantom).value).peak
        assert found.sar(v).max() == pytest.approx(peak, rel=1e-6 if single else 1e-12)
    lost = em.q_matrix_blocks(fields, phantom, plan, folder=tmp_path / "gone")
    with pytest.raises(em.OutputError, match=r"no room for averaged matrices .*gone.*another folder"):
        lost.whole()
    with pytest.raises(em.InputError, match="does not fit"):
        em.q_matrix_blocks(fields, phantom, AveragingPlan(np.ones((4, 4, 4)) * 1e3, 5e-3, 2e-3, device="cpu"))


def test_bounds_of_blocks_are_those_of_the_whole() -> None:
    q = point_and_averaged()[1]
    q = replace(q, matrices=q.matrices[::4], voxel=q.voxel[::4])
    blocks = blocks_of(q, 150)
    at_once = em.compress(q, 0.2)
    of_blocks = em.compress(blocks, 0.2)
    np.testing.assert_array_equal(of_blocks.chosen, at_once.chosen)
    np.testing.assert_allclose(of_blocks.matrices, at_once.matrices, rtol=1e-12)
    assert of_blocks.certify(q) == of_blocks.certify(blocks) == at_once.certify(blocks) > 0
    few = em.compress(blocks, 0.2, memory_bytes=16 * 100 * 30)
    np.testing.assert_array_equal(few.chosen, at_once.chosen)
    assert few.certify(blocks) > 0
    wide = em.compress(blocks, 0.2, added="global")
    np.testing.assert_array_equal(wide.chosen, em.compress(q, 0.2, added="global").chosen)
    assert wide.certify(q) > 0


def test_what_blocks_cannot_is_refused() -> None:
    q = replace(point_and_averaged()[1], voxel=np.arange(20), matrices=point_and_averaged()[1].matrices[:20])
    blocks = blocks_of(q, 8)
    for options in ({"method": "clusters"}, {"relative": True}):
        with pytest.raises(em.InputError, match="not of blocks"):
            em.compress(blocks, 0.2, **options)
    with pytest.raises(em.InputError, match="other matrices than were compressed"):
        em.compress(q, 0.2).certify(blocks_of(replace(q, matrices=q.matrices[:8], voxel=q.voxel[:8]), 4))
    bad = np.array(q.matrices)
    bad[13] = -bad[13]
    with pytest.raises(em.InputError, match=r"not positive.*matrix 13"):
        em.compress(blocks_of(replace(q, matrices=bad), 8), 0.2)
