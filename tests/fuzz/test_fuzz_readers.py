"""Thousands of damaged files for every reader: it takes them or refuses them in one line; nothing else may happen."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import fuzz_readers
import fuzz_worker
import fuzzing
import pytest
from fuzz_readers import READERS

from emdose.errors import EmdoseError, EmdoseWarning


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    fuzz_readers.make(folder)
    return folder


class Worker:
    """The process that reads for the readers in C++, whose copies they may kill."""

    def __init__(self, folder: Path) -> None:
        self.errors = folder / "errors of the worker"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, fuzz_worker.__file__, str(folder)],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                    "EMDOSE_FUZZ_SEED": fuzzing.seed_of_the_day(),
                    "OMP_NUM_THREADS": "1",
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
            )

    def read(self, name: str, first: int, count: int) -> tuple[int, int, dict[int, str]]:
        """Exit code, the last case it began, and how every case ended."""
        self.process.stdin.write(json.dumps([name, first, count]) + "\n")
        self.process.stdin.flush()
        begun, told = first, {}
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "start":
                begun = int(rest)
            elif word == "end":
                number, _, text = rest.partition(" ")
                told[int(number)] = json.loads(text)
            elif word == "ended" and int(rest) <= 0:
                return int(rest), begun, told
            elif word == "ended":
                break
        raise AssertionError(f"{name}, case {begun}: {self.errors.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def worker(sound):
    made = Worker(sound)
    yield made
    made.process.stdin.close()
    made.process.stdout.close()
    made.process.wait()


@pytest.mark.parametrize("name", [n for n, r in READERS.items() if not r.apart])
def test_damaged_files(sound, name):
    # Oracle: the sound file is taken; of the others each is taken or refused with an EmdoseError of one line.
    reader = READERS[name]
    path = sound / reader.file
    data = path.read_bytes()
    packed = path.name.endswith(".gz")
    plain = gzip.decompress(data) if packed else data
    taken, unclear, count = 0, [], fuzzing.cases()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)
        warnings.simplefilter("ignore", UserWarning)  # of NumPy, about headers that Python 2 wrote
        assert reader.read(sound) is not None
        for n, rng in fuzzing.generators(name):
            if packed and n % 4 < 2:  # damage inside a sound container, so that the header itself is reached
                path.write_bytes(gzip.compress(fuzzing.damaged(rng, plain), 1))
            else:
                path.write_bytes(fuzzing.damaged(rng, data))
            try:
                taken += reader.read(sound) is not None
            except EmdoseError as error:
                unclear += [] if fuzzing.is_clear(str(error)) else [str(error)]
            except Exception as error:
                raise AssertionError(f"case {n} of '{name}', seed {fuzzing.seed_of_the_day()}") from error
        path.write_bytes(data)
        assert reader.read(sound) is not None
    assert not unclear
    assert taken < count


PARTS = 4 if fuzzing.cases() >= 1000 else 1
"""Of a reader that dies so often that its cases are shared among the processes of a run."""
APART = [(n, k, PARTS if n == "vtk" else 1) for n, r in READERS.items() if r.apart for k in range(PARTS)]


@pytest.mark.parametrize(("name", "part", "parts"), [case for case in APART if case[1] < case[2]])
def test_damaged_files_for_readers_in_a_process_of_their_own(sound, worker, name, part, parts, monkeypatch):
    # Oracle: as above. The readers run in one process for many files; where one dies, the door itself is tried.
    reader = READERS[name]
    path = sound / reader.file
    data = path.read_bytes()
    (sound / f"{reader.file}.sound").write_bytes(data)
    first, count = (fuzzing.cases() * k // parts for k in (part, part + 1))
    n, told, faults = first, {}, 0
    while n < count:
        ended, n, lines = worker.read(name, n, count)
        told |= lines
        if ended == 0:
            break
        assert ended < 0, (name, n, fuzzing.seed_of_the_day())  # by a signal, such as SIGSEGV
        if reader.is_hdf5:  # a fault of the library, which docs/security.md names
            told[n], n, faults = "the library of HDF5 has failed", n + 1, faults + 1
            continue
        path.write_bytes(fuzzing.damaged(fuzzing.generator(name, n), data))
        monkeypatch.setattr("emdose.io.mesh_process.SECONDS", fuzz_worker.SECONDS)
        try:
            told[n] = "taken" if reader.read(sound) is not None else ""
        except EmdoseError as error:
            told[n] = str(error)
        n += 1
    path.write_bytes(data)
    assert reader.read(sound) is not None
    assert sorted(told) == list(range(first, count))
    assert all(fuzzing.is_clear(line) for line in told.values())
    assert sum(line != "taken" for line in told.values()) > 0
    assert faults <= max(1, 0.005 * (count - first)), (name, fuzzing.seed_of_the_day())
