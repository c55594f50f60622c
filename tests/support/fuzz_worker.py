"""A process that reads damaged files one after another, without the process that each would get in use.

Run as ``fuzz_worker.py FOLDER``; it takes lines of JSON, a reader with its first case and the end of its cases, from
standard input, and prints a line before and after each case. It reads in a copy of itself (a fork: nothing is imported
again), which readers in C++ may kill: whoever started it goes on behind the case that did, and looks whether the real
door holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

import fuzzing
from fuzz_readers import READERS, Reader

from emdose.errors import EmdoseError, EmdoseWarning
from emdose.io import mesh_process

MEMORY_BYTES, SECONDS = 3 << 30, 10


def main() -> None:
    """Read what is asked for in a copy of this process and say how the copy ended."""
    folder = Path(sys.argv[1])
    mesh_process.read = lambda task, path, _expected: mesh_process._answer(task, Path(path))
    known = set()
    for line in sys.stdin:
        name, first, count = json.loads(line)
        reader = READERS[name]
        if name not in known:  # the sound file: the libraries that read it are there once for all copies
            known.add(name)
            with contextlib.redirect_stdout(sys.stderr):
                reader.read(folder)
        sys.stdout.flush()
        sys.stderr.flush()
        copy = os.fork()
        if copy == 0:
            failed = 1
            try:
                _read_cases(name, reader, folder, range(first, count))
                failed = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(failed)
        _, status = os.waitpid(copy, 0)
        print("\nended", os.waitstatus_to_exitcode(status), flush=True)


def _read_cases(name: str, reader: Reader, folder: Path, cases: range) -> None:
    """Read every case and say how it ended."""
    sound = (folder / f"{reader.file}.sound").read_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for n in cases:
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
