"""One cover of several sets bounds every drive and average in each of them, and its certificate runs against each.

Oracle: all matrices of all sets by brute force; the certificate against what each set was made of; limits of parts of
the body by their own matrices.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ring_matrices import CHANNELS, point_and_averaged

import emdose as em
from emdose.dosimetry.transmission.blocks import QMatrixBlocks

RATIOS = {"whole body": 10 / 2, "head": 10 / 3.2}


def some(q: em.QMatrices, step: int, start: int = 0) -> em.QMatrices:
    return replace(q, matrices=np.asarray(q.matrices)[start::step], voxel=np.asarray(q.voxel)[start::step])


def turned(q: em.QMatrices, factor: float = 1.0) -> em.QMatrices:
    """The same array around a body that is turned by two channels: ports change places."""
    order = np.roll(np.arange(CHANNELS), 2)
    return replace(q, matrices=factor * np.asarray(q.matrices)[:, order][:, :, order])


@pytest.fixture(scope="module")
def sets() -> dict[str, em.QMatrices]:
    q = point_and_averaged()[1]
    tilted = np.asarray(q.matrices)[::10] * np.linspace(0.5, 1.3, CHANNELS)[:, None] * np.linspace(0.5, 1.3, CHANNELS)
    return {
        "adult": some(q, 12),
        "child": turned(some(q, 18, 3), 1.2),
        "tilted": replace(q, matrices=tilted, voxel=np.asarray(q.voxel)[::10]),
    }


@pytest.fixture(scope="module")
def merged(sets: dict[str, em.QMatrices]) -> em.VirtualObservationPoints:
    return em.merge_vops(sets, 0.1)


def drives(count: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, CHANNELS)) + 1j * rng.normal(size=(count, CHANNELS))


def all_of(sets: dict[str, em.QMatrices]) -> np.ndarray:
    return np.concatenate([np.asarray(q.matrices) for q in sets.values()])


def least_ratio(vops: em.VirtualObservationPoints, Q: np.ndarray, v: np.ndarray) -> float:
    return float((vops.peak(v) / np.einsum("di,mij,dj->dm", v.conj(), Q, v, optimize=True).real.max(axis=1)).min())


def test_every_drive_and_average_in_any_set_is_bounded(merged: em.VirtualObservationPoints, sets: Any) -> None:
    Q = all_of(sets)
    assert least_ratio(merged, Q, drives(3000)) >= 1 - 1e-9
    v = drives(900, 2).reshape(300, 3, CHANNELS)
    C = np.einsum("tri,trj->tij", v, v.conj()) / 3
    truth = np.einsum("mij,tji->tm", Q, C, optimize=True).real.max(axis=1)
    assert (merged.average(C).max(axis=1) / truth).min() >= 1 - 1e-9
    assert not merged.certify(sets) < 0
    assert merged.sources == tuple(sets)
    assert merged.counts == tuple(len(q) for q in sets.values())


def test_one_cover_is_smaller_than_those_of_the_sets(merged: em.VirtualObservationPoints, sets: Any) -> None:
    apart = [em.compress(q, 0.1) for q in sets.values()]
    assert len(merged) < sum(map(len, apart))
    assert merged.largest == pytest.approx(max(one.largest for one in apart), rel=1e-12)
    assert merged.overestimate == pytest.approx(0.1, rel=1e-12)


def test_the_certificate_knows_its_sets(merged: em.VirtualObservationPoints, sets: Any) -> None:
    for name, q in sets.items():
        assert merged.certify(q, source=name) > 0
    with pytest.raises(em.InputError, match="which of the sets"):
        merged.certify(sets["adult"])
    with pytest.raises(em.InputError, match=r"source.*child"):
        merged.certify(sets["adult"], source="chld")
    with pytest.raises(em.InputError, match="other matrices"):
        merged.certify(sets["adult"], source="child")
    with pytest.raises(em.InputError, match="other sets"):
        merged.certify({"adult": sets["adult"]})
    hot = np.array(sets["child"].matrices)
    hot[4] = 2 * merged.largest * np.eye(CHANNELS)
    with pytest.raises(em.NotValidError, match="do not bound"):
        merged.certify(replace(sets["child"], matrices=hot), source="child")


def test_bounds_of_bounds_are_certified_against_the_matrices(sets: Any) -> None:
    points = {name: em.compress(q, 0.1) for name, q in sets.items()}
    found = em.merge_vops(points, 0.02)
    assert found.certify(sets) > 0
    assert least_ratio(found, all_of(sets), drives(2000)) >= 1 - 1e-9
    wanted = (max(p.overestimate * p.largest for p in points.values()) + 0.02 * 1.1 * found.largest) / found.largest
    assert found.overestimate == pytest.approx(wanted, rel=1e-6)
    # One set more, beside what was merged: names say where a set comes from.
    more = em.merge_vops({"head": found, "again": turned(sets["adult"], 0.5)}, 0.02)
    assert more.sources == ("head: adult", "head: child", "head: tilted", "again")
    assert more.certify(turned(sets["adult"], 0.5), source="again") > 0
    assert more.certify(sets["tilted"], source="head: tilted") > 0


def test_blocks_are_merged_as_what_they_are_blocks_of(sets: Any, merged: em.VirtualObservationPoints) -> None:
    def blocks(q: em.QMatrices) -> QMatrixBlocks:
        def make() -> Any:
            for start in range(0, len(q), 50):
                one = slice(start, start + 50)
                yield replace(q, matrices=np.asarray(q.matrices)[one], voxel=np.asarray(q.voxel)[one])

        return QMatrixBlocks(len(q), q.grid, q.ports, q.drive_unit, q.rule, q.averaging_mass_kg, q.frequency_Hz, make)

    found = em.merge_vops({name: blocks(q) for name, q in sets.items()}, 0.1, memory_bytes=3e5)
    assert len(found) == len(merged)
    assert found.certify({name: blocks(q) for name, q in sets.items()}) > 0


def parts(q: em.QMatrices) -> em.GlobalMatrices:
    """Matrices of a body whose head is a half of it."""
    Q = np.asarray(q.matrices)
    both = np.stack([Q.mean(axis=0), Q[: len(Q) // 2].mean(axis=0)])
    return em.GlobalMatrices(
        ("whole body", "head"), both, np.array([4.0, 2.0]), ("all", "up"), {}, q.ports, q.drive_unit, q.rule
    )


def test_local_bounds_alone_do_not_keep_the_limits_of_parts(sets: Any) -> None:
    q = sets["adult"]
    local, whole = em.compress(q, 0.1), parts(q)
    assert local.requires_global_limit
    v = drives(2000)
    v *= np.sqrt(10 / local.peak(v))[:, None]  # every drive just keeps 10 W/kg of local SAR
    assert max(whole.sar(v)["whole body"]) > 2
    both = em.merge_vops({"adult": q}, 0.1, global_matrices={"adult": whole}, global_ratios=RATIOS)
    assert not both.requires_global_limit
    assert both.global_ratios == RATIOS
    v *= np.sqrt(10 / both.peak(v))[:, None]
    assert max(whole.sar(v)["whole body"]) <= 2 * (1 + 1e-9)
    assert max(whole.sar(v)["head"]) <= 3.2 * (1 + 1e-9)
    assert least_ratio(both, np.asarray(q.matrices), v) >= 1 - 1e-9
    assert both.certify({"adult": q, "adult, parts of the body": whole}) > 0
    with pytest.raises(em.NotValidError):  # twice the matrix of the body is not bounded
        both.certify(replace(whole, matrices=2 * np.asarray(whole.matrices)), source="adult, parts of the body")


def test_a_body_without_its_parts_still_needs_global_limits(sets: Any) -> None:
    two = {name: sets[name] for name in ("adult", "child")}
    found = em.merge_vops(two, 0.1, global_matrices={"adult": parts(two["adult"])}, global_ratios=RATIOS)
    assert found.requires_global_limit
    # Sets that hold their parts in the same ratio are one that does.
    each = {
        name: em.merge_vops({name: q}, 0.1, global_matrices={name: parts(q)}, global_ratios=RATIOS)
        for name, q in two.items()
    }
    both = em.merge_vops(each, 0.01)
    assert not both.requires_global_limit
    assert both.certify(parts(two["child"]), source="child: child, parts of the body") > 0
    held = {"adult": parts(two["adult"])}
    other = em.merge_vops({"adult": two["adult"]}, 0.1, global_matrices=held, global_ratios=dict.fromkeys(RATIOS, 3.0))
    assert em.merge_vops({"a": each["child"], "b": other}, 0.01).requires_global_limit


@pytest.mark.parametrize("ending", [".h5", ".npz", ".mat"])
def test_a_file_keeps_the_sets_and_whether_global_limits_are_needed(tmp_path: Any, ending: str, sets: Any) -> None:
    two = {name: sets[name] for name in ("adult", "child")}
    held = {name: parts(q) for name, q in two.items()}
    found = em.merge_vops(two, 0.2, global_matrices=held, global_ratios=RATIOS)
    back = em.read_vops(em.write_vops(found, tmp_path / f"two{ending}"))
    np.testing.assert_array_equal(back.matrices, found.matrices)
    assert back.certify({**two, **{f"{n}, parts of the body": g for n, g in held.items()}}) > 0
    for name in ("sources", "counts", "requires_global_limit", "global_ratios", "overestimate"):
        assert getattr(back, name) == getattr(found, name)
    alone = em.read_vops(em.write_vops(em.compress(two["adult"], 0.3), tmp_path / f"one{ending}"))
    assert alone.requires_global_limit
    assert not alone.sources


def test_what_is_no_set_of_the_same_array_is_refused(sets: Any) -> None:
    q = sets["adult"]
    for other, match in (
        (replace(q, ports=tuple("abcdefgh")), "ports"),
        (replace(q, drive_unit="A"), "drive_unit"),
        (replace(q, averaging_mass_kg=None), "averaging_mass_kg"),
        (replace(q, frequency_Hz=64e6), "frequency_Hz"),
        (replace(q, rule="linear"), "rule"),
    ):
        with pytest.raises(em.InputError, match=match):
            em.merge_vops({"a": q, "b": other})
    for bad in ({}, [], q, {"a": 3}, {"": q}, {1: q}):
        with pytest.raises(em.InputError):
            em.merge_vops(bad)
    vops = em.compress(q, 0.3)
    bare = replace(vops, coefficients=np.empty((0, len(vops))), combination=np.empty(0, np.int32))
    with pytest.raises(em.InputError, match="without a certificate"):
        em.merge_vops([bare])
    with pytest.raises(em.InputError, match="go together"):
        em.merge_vops([q], global_ratios=RATIOS)
    with pytest.raises(em.InputError, match="without a ratio"):
        em.merge_vops({"a": q}, global_matrices={"a": parts(q)}, global_ratios={"whole body": 5.0})
    with pytest.raises(em.InputError, match="not among the sets"):
        em.merge_vops({"a": q}, global_matrices={"b": parts(q)}, global_ratios=RATIOS)
    with pytest.raises(em.InputError, match=r"a\.drive_unit"):
        em.merge_vops({"a": q}, global_matrices={"a": replace(parts(q), drive_unit="A")}, global_ratios=RATIOS)
    with pytest.raises(em.InputError, match="must be positive"):
        em.merge_vops({"a": q}, global_matrices={"a": parts(q)}, global_ratios={"whole body": -1.0, "head": 3.0})
    with pytest.raises(em.InputError, match="share a name"):
        em.merge_vops({"a: b": q, "a": em.merge_vops({"b": q}, 0.3)}, 0.3)
    with pytest.raises(em.InputError, match="overestimate"):
        em.merge_vops([q], 0.0)
