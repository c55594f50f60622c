"""Files of matrices that say or hold other things than they should: taken or refused in one line, nothing else.

Bytes are damaged by the fuzzer of all readers; here files are whole and what is in them is wrong: words of any kind,
arrays of any shape and type, what is missing, what stands under another's name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fuzz_readers
import fuzzing
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

import emdose as em
from emdose.errors import EmdoseError
from emdose.io import mesh_process
from emdose.io.transmission.formats import load

READ = {
    "bounds.npz": (em.read_vops, em.io.read_global_matrices),
    "q.npz": (em.read_q_matrices, em.read_vops),
    "heat.npz": (em.read_temperature_matrices, em.read_q_matrices),
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**70),
    st.floats(),
    st.sampled_from(["", "rms", "vTQv*", "exp(-jwt)", "K", "W/kg", "10 g", "0 kg", "A", "µ\n", "7", "unknown"]),
)
WORDS = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(["head", "shape"]), SCALARS))
KINDS = [np.complex64, np.complex128, np.float64, np.float32, np.int64, np.uint8, np.bool_, np.int8]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    fill = draw(st.sampled_from([0, 1, -1, 1e30, math.nan, math.inf, 7]))
    with np.errstate(all="ignore"):
        return np.full(shape, fill).astype(draw(st.sampled_from(KINDS)))


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    """What is done to a file: to which of its entries, by place, and what takes its place."""
    one = st.one_of(
        st.tuples(st.just("word"), st.integers(0, 99), WORDS),
        st.tuples(st.just("no word"), st.integers(0, 99), st.none()),
        st.tuples(st.just("array"), st.integers(0, 99), arrays()),
        st.tuples(st.just("no array"), st.integers(0, 99), st.none()),
        st.tuples(st.just("swap"), st.integers(0, 99), st.integers(0, 99)),
        st.tuples(st.just("part"), st.integers(0, 99), st.integers(0, 3)),
        st.tuples(st.just("new"), st.sampled_from(["ZZ", "ZZtype", "margin_factors", "Sglobal", "VOPtype"]), arrays()),
    )
    return draw(st.lists(one, min_size=1, max_size=3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("matrices")
    fuzz_readers._matrices(made)
    # MATLAB files are read here and not in a process each: they are whole.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mesh_process, "read", lambda task, path, _expected: mesh_process._answer(task, Path(path)))
        yield made


def put(path: Path, held: dict[str, np.ndarray], told: dict[str, Any]) -> None:
    if path.suffix == ".npz":
        np.savez(path, **{**held, "metadata": np.array(json.dumps(told))})
    elif path.suffix == ".mat":
        savemat(path, {**held, "metadata": json.dumps(told)})
    else:
        with h5py.File(path, "w") as file:
            for name, array in held.items():
                file[name] = array
            for name, word in told.items():
                file.attrs[name] = json.dumps(word) if isinstance(word, list | dict | None | int) else word


def attempt(read: Any, path: Path, **more: Any) -> tuple[Any, str]:
    """What was read, or why it was not."""
    try:
        return read(path, **more), ""
    except EmdoseError as error:
        return None, str(error)


@settings(
    max_examples=max(60, fuzzing.cases() // 2),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=st.sampled_from(list(READ)), ending=st.sampled_from([".npz", ".mat", ".h5"]), how=changes())
def test_wrong_contents_are_taken_or_refused_in_one_line(folder: Path, name: str, ending: str, how: Any) -> None:
    record = load(folder / name)
    held, told = dict(record.arrays), dict(record.told)
    for kind, at, new in how:
        words, names = list(told), list(held)
        if kind == "word":
            told[words[at % len(words)]] = new
        elif kind == "no word" and words:
            del told[words[at % len(words)]]
        elif kind == "array" and names:
            held[names[at % len(names)]] = new
        elif kind == "no array" and names:
            del held[names[at % len(names)]]
        elif kind == "swap" and names:
            a, b = names[at % len(names)], names[new % len(names)]
            held[a], held[b] = held[b], held[a]
        elif kind == "part" and names:
            held[names[at % len(names)]] = np.atleast_1d(held[names[at % len(names)]])[..., :new]
        elif kind == "new":
            held[at] = new
    path = folder / f"changed{ending}"
    try:
        put(path, held, told)
    except Exception:  # what the format itself cannot hold
        return
    for read in READ[name]:
        for more in ({}, {"convention": "vHQv", "phasor": "peak"} if read is em.read_vops else {}):
            found, text = attempt(read, path, **more)
            assert found is not None or fuzzing.is_clear(text), text
            if found is not None:
                matrices = np.asarray(found.matrices)
                assert np.isfinite(matrices).all()
                assert matrices.shape[1:] == (len(found.ports),) * 2
                np.testing.assert_allclose(matrices, matrices.conj().swapaxes(1, 2), atol=2e-5 * np.abs(matrices).max())


@pytest.mark.parametrize("ending", [".npz", ".mat", ".h5"])
def test_a_file_that_ends_early_is_refused(folder: Path, ending: str) -> None:
    data = (folder / f"bounds{ending}").read_bytes()
    for length in np.linspace(0, len(data) - 1, 40).astype(int):
        path = folder / f"short{ending}"
        path.write_bytes(data[:length])
        with pytest.raises(EmdoseError) as error:
            em.read_vops(path)
        assert fuzzing.is_clear(str(error.value))
