"""A reduced basis on disk. Oracle: what was written comes back; what was damaged does not."""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest

from emdose.compute import backend
from emdose.compute.reduced.basis import ReducedBasis
from emdose.compute.reduced.vectors import Pair, VectorFolder
from emdose.errors import EmdoseWarning

N_UNKNOWNS = 40


def operator():
    rng = np.random.default_rng(7)
    return (rng.normal(size=(N_UNKNOWNS, N_UNKNOWNS)) / 10).astype(complex)


def vector(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=N_UNKNOWNS) + 1j * rng.normal(size=N_UNKNOWNS)


def folder(path, key="key", limit=10**6):
    return VectorFolder(path, key, N_UNKNOWNS, complex, limit)


def family(path):
    groups = np.arange(N_UNKNOWNS) % 3
    return ReducedBasis(10**7, path).family("N abc", lambda: groups, backend.get("cpu"), complex)


def write(path, seeds):
    """What a process does: learn some solutions."""
    mine = family(path)
    for seed in seeds:
        mine.learn(vector(seed), lambda v: operator() @ v, float(seed))


def test_what_was_written_comes_back_to_the_last_bit(tmp_path):
    pair = Pair(vector(1), vector(2), 3.5)
    assert folder(tmp_path).save(pair) == folder(tmp_path).save(pair)
    (back,) = folder(tmp_path).new()
    np.testing.assert_array_equal(back.v, pair.v)
    np.testing.assert_array_equal(back.w, pair.w)
    assert back.inverse_norm == 3.5
    reader = folder(tmp_path)
    assert len(list(reader.new())) == 1
    assert list(reader.new()) == []
    assert list(folder(tmp_path, "other").new()) == []


def test_a_basis_goes_on_where_another_process_left_it(tmp_path):
    write(tmp_path, [1, 2, 3])
    mine = family(tmp_path)
    assert len(mine.span) == 3
    assert mine.span.inverse_norm == 3.0
    M = np.full(N_UNKNOWNS, 0.3 + 0j)
    b = vector(1) - M * (operator() @ vector(1))
    assert mine.best(M, b).share < 1e-12
    copy = pickle.loads(pickle.dumps(ReducedBasis(10**7, tmp_path, check_every=5)))
    assert (copy.limit_bytes, copy.folder, copy.check_every) == (10**7, tmp_path, 5)


def test_two_writers_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    seeds = [list(range(12)), list(range(6, 18))]
    writers = [context.Process(target=write, args=(tmp_path, s)) for s in seeds]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
        assert w.exitcode == 0
    mine = family(tmp_path)
    assert len(mine.span) == 18
    M = np.full(N_UNKNOWNS, 0.3 + 0j)
    for seed in range(18):
        b = vector(seed) - M * (operator() @ vector(seed))
        assert mine.best(M, b).share < 1e-10
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "grown", "header"])
def test_a_damaged_file_is_told_and_removed(tmp_path, damage):
    good, bad = (folder(tmp_path).save(Pair(vector(s), vector(s + 1), 1.0)) for s in (1, 5))
    data = bytearray(bad.read_bytes())
    data[-9] ^= 1
    bad.write_bytes(
        {
            "cut": bytes(data[:-40]),
            "flipped": bytes(data),
            "empty": b"",
            "text": b"hello\n" * 100,
            "grown": bytes(data) + b"0",
            "header": data.split(b"\n")[0] + b"\n{}\n",
        }[damage]
    )
    with pytest.warns(EmdoseWarning, match="damaged vector"):
        pairs = list(folder(tmp_path).new())
    assert len(pairs) == 1
    assert good.exists()
    assert not bad.exists()


def test_a_full_folder_takes_no_more(tmp_path):
    size = 2 * N_UNKNOWNS * 16
    store = folder(tmp_path, limit=2 * size + 1000)
    kept = [store.save(Pair(vector(s), vector(s + 100), 1.0)) for s in range(4)]
    assert [k is not None for k in kept] == [True, True, False, False]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(EmdoseWarning, match="stays in memory"):
        assert folder(tmp_path / "file" / "inside").save(Pair(vector(1), vector(2), 1.0)) is None
