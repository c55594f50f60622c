"""What jobs hand on to each other. Oracle: a value is made once, the bound is kept, and a plain dict says the same."""

from __future__ import annotations

import pickle
import threading
import time

import numpy as np
import pytest

from emdose import InputError
from emdose.compute.shared import Shared, from_shared, key_of, size_of


def test_a_value_is_made_once_and_handed_on_as_it_is():
    shared, made = Shared(10**6), []

    def make():
        made.append(1)
        return np.arange(5.0)

    first = shared.get("a", make)
    assert shared.get("a", make) is first
    assert made == [1]
    assert (shared.told.hits, shared.told.made, shared.told.bytes) == (1, 1, 40)


def test_without_a_memo_or_a_key_everything_is_made():
    shared = Shared(10**6)
    assert from_shared(None, lambda: "a", lambda: 1) == 1
    assert from_shared(shared, lambda: None, lambda: 2) == 2
    assert shared.told.made == 0
    assert from_shared(shared, lambda: "a", lambda: 3) == 3
    assert from_shared(shared, lambda: "a", lambda: 4) == 3


def test_the_bound_holds_whatever_comes_and_the_least_used_goes():
    shared, seed = Shared(1000), np.random.default_rng(1)
    for i in range(300):
        size = int(seed.integers(1, 1500))
        shared.get(f"{i}", lambda size=size: np.zeros(size, np.uint8))
        assert shared.told.bytes <= 1000
    shared.clear()
    for name in "abcd":
        shared.get(name, lambda name=name: name, bytes=300)
        shared.get("a", lambda: "again", bytes=300)
    assert shared.get("a", lambda: "again", bytes=300) == "a"
    assert shared.get("b", lambda: "again", bytes=300) == "again"
    assert shared.get("large", lambda: "large", bytes=1001) == "large"
    assert shared.get("large", lambda: "again", bytes=1001) == "again"
    shared.drop("a")
    assert shared.get("a", lambda: "new", bytes=1) == "new"


def test_threads_that_ask_for_one_key_wait_for_one_of_them():
    shared, made, got = Shared(10**6), [], []

    def make():
        made.append(1)
        time.sleep(0.05)
        return object()

    threads = [threading.Thread(target=lambda: got.append(shared.get("a", make))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert made == [1]
    assert len({id(v) for v in got}) == 1
    assert shared.told.hits == 7


def test_what_fails_is_tried_again():
    shared = Shared(10**6)
    with pytest.raises(ZeroDivisionError):
        shared.get("a", lambda: 1 // 0)
    assert shared.get("a", lambda: 5) == 5


def test_a_waiting_thread_tries_what_failed_in_another():
    shared, begun, got = Shared(10**6), threading.Event(), []

    def fail():
        begun.set()
        time.sleep(0.05)
        raise ValueError("no")

    def other():
        with pytest.raises(ValueError, match="no"):
            shared.get("a", fail)

    first = threading.Thread(target=other)
    first.start()
    begun.wait()
    got.append(shared.get("a", lambda: 7))
    first.join()
    assert got == [7]


def test_a_pickled_memo_begins_empty():
    shared = Shared(123)
    shared.get("a", lambda: 1)
    copy = pickle.loads(pickle.dumps(shared))
    assert (copy.limit_bytes, copy.told.entries) == (123, 0)
    assert repr(copy).startswith("Shared(0 values")


def test_keys_differ_where_anything_does():
    a = np.arange(6.0)
    keys = {
        key_of("x", a),
        key_of("y", a),
        key_of("x", a.reshape(2, 3)),
        key_of("x", a.astype("f4")),
        key_of("x", a, 1),
        key_of("x", a, 1.0),
        key_of("x", (a, 1), 1),
        key_of("x", a, True),
        key_of("x", a, None),
        key_of("x", a, "1"),
        key_of("x", {"a": 1}),
        key_of("x", {"a": np.nextafter(1, 2)}),
    }
    assert len(keys) == 12
    assert key_of("x", {"b": 1, "a": 2}) == key_of("x", {"a": 2, "b": 1})
    assert key_of("x", np.float64(0.1)) == key_of("x", 0.1)
    for bad in (object(), np.array([None])):
        with pytest.raises(TypeError, match="no key"):
            key_of("x", bad)


def test_sizes_count_an_array_once():
    class Holder:
        def __init__(self) -> None:
            self.a, self.module = np.zeros(10), np
            self.again = {"a": self.a, "b": [np.zeros(3, np.uint8)]}

    assert size_of(Holder()) == 83


def test_a_bad_limit_is_refused():
    with pytest.raises(InputError, match="limit_bytes"):
        Shared(-1)
    assert Shared().limit_bytes > 0
