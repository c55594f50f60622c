"""Virtual observation points bound the SAR of every drive and of every average, and prove it.

Oracle: numbers of matrices and ratios of a public-domain prototype on the same closed-form set (48 +- 10 % by convex
cover, 252 +- 3 % by clusters, ratios 1.061 to 1.528), all matrices by brute force, and the certificate.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_matrices import point_and_averaged

import emdose as em
from emdose.dosimetry.transmission.combinations import bounding
from emdose.dosimetry.transmission.compression import relative_overestimate


@pytest.fixture(scope="module")
def averaged() -> em.QMatrices:
    return point_and_averaged()[1]


@pytest.fixture(scope="module")
def cover(averaged: em.QMatrices) -> em.VirtualObservationPoints:
    return em.compress(averaged, 0.1)


def drives(count: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 8)) + 1j * rng.normal(size=(count, 8))


def truth(q: em.QMatrices, v: np.ndarray) -> np.ndarray:
    found = np.empty(len(v))
    flat = np.asarray(q.matrices).reshape(len(q.matrices), -1)
    for start in range(0, len(v), 500):
        block = v[start : start + 500]
        outer = np.einsum("di,dj->ijd", block.conj(), block).reshape(64, -1)
        found[start : start + 500] = (flat @ outer).real.max(axis=0)
    return found


def test_a_convex_cover_needs_as_few_matrices_as_known(cover: em.VirtualObservationPoints) -> None:
    assert len(cover) == pytest.approx(48, rel=0.1)


def test_no_drive_has_more_than_its_bound(cover: em.VirtualObservationPoints, averaged: em.QMatrices) -> None:
    v = drives(20_000)
    ratio = cover.peak(v) / truth(averaged, v)
    assert ratio.min() >= 1 - 1e-9
    assert ratio.min() == pytest.approx(1.061, abs=0.01)
    assert np.median(ratio) == pytest.approx(1.260, abs=0.01)
    assert ratio.max() == pytest.approx(1.528, abs=0.02)


def test_no_average_over_drives_has_more_than_its_bound(
    cover: em.VirtualObservationPoints, averaged: em.QMatrices
) -> None:
    v = drives(6000, 2).reshape(2000, 3, 8)
    mean = np.einsum("tri,trj->tij", v, v.conj()) / 3
    all_of_them = np.asarray(averaged.matrices).reshape(-1, 64) @ mean.transpose(0, 2, 1).reshape(-1, 64).T
    assert (cover.average(mean).max(axis=1) / all_of_them.real.max(axis=0)).min() >= 1 - 1e-9


def test_the_certificate_can_be_checked_again(cover: em.VirtualObservationPoints, averaged: em.QMatrices) -> None:
    assert cover.certify(averaged) >= 0
    hot = np.array(averaged.matrices)
    hot[7] = 2 * cover.largest * np.eye(8)
    with pytest.raises(em.NotValidError, match="matrix 7"):
        cover.certify(replace(averaged, matrices=hot))


def test_clusters_are_as_many_as_known_and_bound_as_well(averaged: em.QMatrices) -> None:
    found = em.compress(averaged, 0.1, method="clusters")
    assert len(found) == pytest.approx(252, rel=0.03)
    found.certify(averaged)
    v = drives(2000)
    assert (found.peak(v) / truth(averaged, v)).min() >= 1 - 1e-9


def test_adding_the_global_matrix_is_tighter_and_takes_more(averaged: em.QMatrices) -> None:
    found = em.compress(averaged, 0.1, added="global")
    assert len(found) == pytest.approx(100, rel=0.1)
    found.certify(averaged)
    assert relative_overestimate(found, averaged, 500) < 0.5


def test_a_relative_overestimate_is_kept(averaged: em.QMatrices) -> None:
    some = replace(averaged, matrices=np.asarray(averaged.matrices)[::48], voxel=np.asarray(averaged.voxel)[::48])
    found = em.compress(some, 0.3, relative=True)
    found.certify(some)
    assert relative_overestimate(found, some) <= 0.3


def test_single_precision_is_enough(averaged: em.QMatrices) -> None:
    some = replace(
        averaged,
        matrices=np.asarray(averaged.matrices)[::8].astype(np.complex64),
        voxel=np.asarray(averaged.voxel)[::8],
    )
    em.compress(some, 0.1).certify(some)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_mixture_is_bounded_by_what_it_is_made_of(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(count, 5, 5)) + 1j * rng.normal(size=(count, 5, 5))
    V = A @ A.conj().swapaxes(1, 2)
    c = rng.dirichlet(np.ones(count))
    scale = np.linalg.eigvalsh(V).max()
    found = bounding(np.tensordot(c, V, 1) * (1 - 1e-6), V, 1e-8 * scale)
    assert found is not None
    rest = found.of(V) - np.tensordot(c, V, 1) * (1 - 1e-6)
    assert np.linalg.eigvalsh(rest)[0] > -1e-7 * scale
    assert bounding(2 * V.sum(axis=0), V, 1e-9 * scale) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m + 1j * np.eye(8), "not Hermitian"),
        (lambda m: -m, "not positive"),
        (lambda m: m * np.nan, "not finite"),
    ],
)
def test_matrices_that_are_none_are_refused(averaged: em.QMatrices, change: object, words: str) -> None:
    bad = change(np.array(averaged.matrices[:20]))  # type: ignore[operator]
    with pytest.raises(em.InputError, match=words):
        em.compress(replace(averaged, matrices=bad, voxel=averaged.voxel[:20]))


def test_other_words_are_refused(averaged: em.QMatrices, cover: em.VirtualObservationPoints) -> None:
    for options, field in (
        ({"added": "local"}, "added"),
        ({"method": "fast"}, "method"),
        ({"overestimate": 0}, "over"),
    ):
        with pytest.raises(em.InputError, match=field):
            em.compress(averaged, **options)  # type: ignore[arg-type]
    with pytest.raises(em.InputError, match="does not fit the ports"):
        cover.peak(np.ones(7))
