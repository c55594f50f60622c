"""A process that reads damaged files one after another, without the process that each would get in use.

Run as ``fuzz_worker.py READER FOLDER FIRST COUNT``; it prints a line before and after each case. Readers in C++ may
kill it: whoever started it goes on behind the case that did, and looks whether the real door holds.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
import warnings
from pathlib import Path

import fuzzing
from fuzz_readers import READERS

from emdose.errors import EmdoseError, EmdoseWarning
from emdose.io import mesh_process

MEMORY_BYTES, SECONDS = 3 << 30, 10


def main() -> None:
    """Read every case and say how it ended."""
    name, folder, first, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    reader = READERS[name]
    sound = (folder / f"{reader.file}.sound").read_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    mesh_process.read = lambda task, path, _expected: mesh_process._answer(task, Path(path))
    for n in range(first, count):
        print("start", n, flush=True)
        (folder / reader.file).write_bytes(fuzzing.damaged(fuzzing.generator(name, n), sound))
        signal.alarm(SECONDS)
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore", EmdoseWarning)
            try:
                reader.read(folder)
                told = "taken"
            except EmdoseError as error:
                told = str(error)
            except MemoryError:
                told = "memory"
        signal.alarm(0)
        print("end", n, json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
