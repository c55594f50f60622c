"""A study's margin on bounds: the smallest factor by closed forms and brute force, its coverage by a population.

Oracle: multiples of the bounds themselves; two channels by a scan of all convex combinations; samples drawn anew from a
population whose quantiles are known; Wilks' numbers of samples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_matrices import CHANNELS, point_and_averaged

import emdose as em
from emdose.dosimetry.transmission.blocks import QMatrixBlocks
from emdose.dosimetry.transmission.combinations import smallest_multiple


@pytest.fixture(scope="module")
def q() -> em.QMatrices:
    full = point_and_averaged()[1]
    return replace(full, matrices=np.asarray(full.matrices)[::16], voxel=np.asarray(full.voxel)[::16])


@pytest.fixture(scope="module")
def vops(q: em.QMatrices) -> em.VirtualObservationPoints:
    return em.compress(q, 0.2)


def sample(q: em.QMatrices, rng: np.random.Generator) -> em.QMatrices:
    """Amplitudes and phases of the channels off by some parts, and tissue that is more or less lossy."""
    off = np.exp(0.05 * rng.normal(size=CHANNELS) + 0.1j * rng.normal(size=CHANNELS))
    return replace(q, matrices=np.exp(0.1 * rng.normal()) * np.asarray(q.matrices) * off.conj()[:, None] * off)


@pytest.fixture(scope="module")
def samples(q: em.QMatrices) -> list[em.QMatrices]:
    rng = np.random.default_rng(4)
    return [sample(q, rng) for _ in range(4)]


@pytest.fixture(scope="module")
def widened(vops: em.VirtualObservationPoints, samples: Any) -> em.VirtualObservationPoints:
    return em.with_sample_margin(vops, samples, 0.8)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.1, 30))
def test_a_multiple_of_a_mixture_needs_that_factor(seed: int, count: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(count, 4, 4)) + 1j * rng.normal(size=(count, 4, 4))
    V = A @ A.conj().swapaxes(1, 2)
    Q = factor * np.tensordot(rng.dirichlet(np.ones(count)), V, 1)
    found, mixture = smallest_multiple(Q, V, tolerance=1e-5)
    assert found <= factor * (1 + 1e-4)  # the mixture itself is possible; another may be better
    assert np.linalg.eigvalsh((1 + 1e-9) * found * mixture.of(V) - Q)[0] > -1e-9 * np.trace(Q).real
    v = rng.normal(size=(300, 4)) + 1j * rng.normal(size=(300, 4))
    each = np.einsum("di,kij,dj->dk", v.conj(), V, v).real.max(axis=1)
    assert (np.einsum("di,ij,dj->d", v.conj(), Q, v).real / each).max() <= found * (1 + 1e-9)


def test_the_factor_is_the_smallest_by_a_scan() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        A = rng.normal(size=(3, 2, 2)) + 1j * rng.normal(size=(3, 2, 2))
        V, Q = A[:2] @ A[:2].conj().swapaxes(1, 2), A[2] @ A[2].conj().T
        c = np.linspace(0, 1, 4001)[:, None, None]
        P = c * V[0] + (1 - c) * V[1]
        truth = np.linalg.eigvals(np.linalg.solve(P, np.broadcast_to(Q, P.shape))).real.max(axis=1).min()
        assert smallest_multiple(Q, V, tolerance=1e-6)[0] == pytest.approx(truth, rel=1e-4)


def test_a_sample_that_is_the_bounds_times_a_number_has_that_factor(vops: em.VirtualObservationPoints, q: Any) -> None:
    as_matrices = {
        f"times {f}": replace(q, matrices=f * np.asarray(vops.matrices), voxel=np.arange(len(vops))) for f in (0.5, 1.7)
    }
    found = em.with_sample_margin(vops, as_matrices)
    assert found.margin.factors == pytest.approx([0.5, 1.7], rel=2e-4)
    np.testing.assert_allclose(found.matrices, found.margin.factor * np.asarray(vops.matrices), rtol=1e-12)
    assert found.certify({"nominal": q, **as_matrices}) > 0


def test_all_samples_are_bounded_for_every_drive_and_average(widened: Any, samples: Any, vops: Any, q: Any) -> None:
    v = np.random.default_rng(1).normal(size=(600, 3, CHANNELS, 2)) @ [1, 1j]
    C = np.einsum("tri,trj->tij", v, v.conj()) / 3
    least = []
    for one in samples:
        for bound, forms in ((widened.peak(v[:, 0]), v[:, 0, :, None].conj() * v[:, 0, None, :]), (None, C.conj())):
            bound = widened.average(C).max(axis=1) if bound is None else bound
            truth = np.einsum("mij,tij->tm", np.asarray(one.matrices), forms, optimize=True).real.max(axis=1)
            least.append((bound / truth).min())
    assert min(least) >= 1 - 1e-9
    assert widened.certify(q, source="nominal") > 0
    assert em.bound_factor(vops, samples[0]) == pytest.approx(widened.margin.factors[0], rel=2e-4)
    assert em.bound_factor(vops, q) <= 1
    with pytest.raises(em.InputError, match="drive_unit"):
        em.bound_factor(vops, replace(q, drive_unit="A"))
    assert all(widened.certify(one, source=f"sample {n}") > 0 for n, one in enumerate(samples, 1))
    # The nominal bounds are not enough: that is what the margin is for.
    assert widened.margin.factor > 1.02
    with pytest.raises(em.NotValidError):
        replace(widened, matrices=vops.matrices).certify(
            samples[int(np.argmax(widened.margin.factors))],
            source=(f"sample {1 + int(np.argmax(widened.margin.factors))}"),
        )


def test_the_coverage_is_what_a_population_shows(vops: Any, q: Any) -> None:
    """Of many margins by 6 samples each, the part that covers 80 % of the population is the confidence."""
    # Populations that scale the bounds have factors that are known: quantiles of the scale itself.
    scales = np.random.default_rng(8).lognormal(0.0, 0.2, size=(4000, 6))
    quantile = np.exp(0.2 * 0.8416212335729143)
    margins = [em.SampleMargin.of(row, 0.8) for row in scales]
    assert margins[0].confidence == pytest.approx(1 - 0.8**6, rel=1e-12)
    covered = np.mean([m.factors.max() >= quantile for m in margins])
    assert covered == pytest.approx(1 - 0.8**6, abs=3 * np.sqrt(0.8**6 * (1 - 0.8**6) / 4000))


def test_the_number_of_samples_is_that_of_wilks() -> None:
    known = {(0.95, 0.95): 59, (0.9, 0.9): 22, (0.99, 0.99): 459, (0.5, 0.5): 1}
    for (coverage, confidence), count in known.items():
        assert em.samples_needed(coverage, confidence) == count
        assert em.SampleMargin.of(np.ones(count), coverage).confidence >= confidence - 1e-12
    assert "59 samples" in em.SampleMargin.of(np.full(59, 1.2), 0.95).statement


def test_bounds_of_samples_and_blocks_of_them_will_do(vops: Any, samples: Any, widened: Any, q: Any) -> None:
    points = em.with_sample_margin(vops, [em.compress(s, 0.2) for s in samples[:2]], 0.8)
    assert (points.margin.factors >= widened.margin.factors[:2] * (1 - 1e-3)).all()
    assert points.certify(samples[1], source="sample 2") > 0

    def make() -> Any:
        for start in range(0, len(q), 100):
            some = slice(start, start + 100)
            yield replace(q, matrices=np.asarray(samples[0].matrices)[some], voxel=np.asarray(q.voxel)[some])

    about = (q.grid, q.ports, q.drive_unit, q.rule, q.averaging_mass_kg, q.frequency_Hz)
    blocks = QMatrixBlocks(len(q), *about, make)
    found = em.with_sample_margin(vops, {"a": blocks}, 0.8)
    assert found.margin.factors[0] == pytest.approx(widened.margin.factors[0], rel=1e-3)
    assert found.certify({"nominal": q, "a": samples[0]}) > 0


@pytest.mark.parametrize("ending", [".h5", ".npz", ".mat"])
def test_a_file_keeps_the_margin(tmp_path: Any, ending: str, widened: Any, samples: Any) -> None:
    back = em.read_vops(em.write_vops(widened, tmp_path / f"w{ending}"))
    np.testing.assert_array_equal(back.margin.factors, widened.margin.factors)
    assert (back.margin.coverage, back.margin.confidence) == (0.8, widened.margin.confidence)
    assert back.certify(samples[2], source="sample 3") > 0


def test_a_margin_of_what_does_not_fit_is_refused(vops: Any, q: Any, samples: Any, widened: Any) -> None:
    for bad in (0.0, 1.0, -1.0, "a", float("nan")):
        with pytest.raises(em.InputError):
            em.with_sample_margin(vops, samples, bad)
        with pytest.raises(em.InputError):
            em.samples_needed(0.9, bad)
    with pytest.raises(em.InputError, match="with a margin"):
        em.with_sample_margin(widened, samples)
    with pytest.raises(em.InputError, match="ports"):
        em.with_sample_margin(vops, [replace(q, ports=tuple("abcdefgh"))])
    with pytest.raises(em.InputError, match="bad samples"):
        em.with_sample_margin(vops, {"nominal": q})
    with pytest.raises(em.InputError, match="no virtual observation points"):
        em.with_sample_margin(q, samples)
    with pytest.raises(em.InputError, match="bad factors"):
        em.SampleMargin.of(np.array([]), 0.9)
