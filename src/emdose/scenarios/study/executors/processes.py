"""Tasks in processes of this machine: one that dies costs the task that it was at, not the study."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from emdose.compute import child
from emdose.errors import EmdoseError, ResourceError
from emdose.scenarios.study.executors import calls
from emdose.scenarios.study.executors.calls import Failure, Function, Reply, Task
from emdose.scenarios.study.executors.local import ATTEMPTS, Crew
from emdose.scenarios.study.executors.wire import receive, send

WORKER = "emdose.scenarios.study.executors.worker"
DIED = "WorkerDied"
THREADS = ("EMDOSE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that a worker's share of the cores is told by, before it imports anything."""


class Processes(Crew):
    """Tasks in processes that start afresh (not by fork, which leaves the threads of BLAS and OpenMP behind).

    They import what this process imports, in the same folder, and nothing else from it. When this process ends, however
    it ends, so do they.

    Parameters
    ----------
    count : int
        How many; each has a share of the threads.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.name = f"processes:{count}"
        self._workers: dict[int, _Worker] = {}
        self._lock = threading.Lock()
        self._run = 0

    def map(self, function: Function, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any | Failure]]:
        """As of :meth:`Executor.map`."""
        address, run = calls.address_of(function), self._run
        return self._shared_out(lambda place, task: self._see_through(place, run, address, task), tasks)

    def _see_through(self, place: int, run: int, address: str, task: Task) -> Any | Failure:
        plain = calls.plain(task)
        for tried in range(1, ATTEMPTS + 1):
            reply = self._worker(place, run).call(address, plain, fresh=tried > 1)
            if reply.error == DIED:
                self._end(place)
            if not reply.error:
                return reply.outcome
        return reply.failure(task, ATTEMPTS)

    def _worker(self, place: int, run: int) -> _Worker:
        with self._lock:
            if run != self._run:
                raise _NotWantedError("the executor was closed")
            if place not in self._workers:
                self._workers[place] = _Worker(self.threads_each)
            return self._workers[place]

    def _end(self, place: int) -> None:
        with self._lock:
            worker = self._workers.pop(place, None)
        if worker is not None:
            worker.end()

    def _stop(self) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, whatever they are doing; a further map starts new ones."""
        with self._lock:
            self._run += 1  # what still works on an earlier map starts no new process
            workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.kill()
        for worker in workers.values():
            worker.end()


class _NotWantedError(EmdoseError):
    """Nobody waits for this task any more."""


class _Worker:
    """A process, and the one call that it is at."""

    def __init__(self, threads: int) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process lives
        try:
            self._process = subprocess.Popen(
                child.command(WORKER),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**os.environ, **dict.fromkeys(THREADS, str(threads))},
            )
        except OSError as error:
            raise ResourceError(f"no process could be started for a sample: {error}; try fewer") from None
        self._tasks: Any = self._process.stdin
        self._replies: Any = self._process.stdout

    def call(self, address: str, task: dict[str, Any], *, fresh: bool) -> Reply:
        """One attempt at a task; a reply of its own kind where the process dies of it."""
        try:
            send(self._tasks, (address, task, fresh))
            reply: Reply = receive(self._replies)
        except (EOFError, OSError, ValueError):
            return Reply(error=DIED, message=self._last_words())
        return reply

    def kill(self) -> None:
        """Ask no more."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """Kill it, wait for it, and close what led to it."""
        self.kill()
        self._process.wait()
        for stream in (self._tasks, self._replies, self._said):
            with contextlib.suppress(OSError):
                stream.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return "its process was killed; where the memory is used up the system does so, and fewer processes help"
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        with contextlib.suppress(OSError, ValueError):
            self._said.seek(0)
            lines = self._said.read()[-2000:].decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return f"its process ended by {how}" + (f": {last}" if last else "")
        return f"its process ended by {how}"
