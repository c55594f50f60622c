"""Executors within this process, and what all executors share: tasks go in, outcomes come out as they are ready."""

from __future__ import annotations

import contextlib
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self

from emdose.compute import machine
from emdose.scenarios.study.executors import calls
from emdose.scenarios.study.executors.calls import Failure, Function, Task

ATTEMPTS = 2
"""How often a task is tried: a failed one once more."""


class Executor(ABC):
    """Who computes tasks; a context manager, whose workers end with it.

    A function is called with a task (plain data) and the memo of its process: a dict that lives from task to task, for
    what they share. A second attempt gets an empty memo, so that what spoilt the first does not spoil it.
    """

    name: str
    """As it was asked for."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Tasks that are computed at once."""

    @abstractmethod
    def map(self, function: Function, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any | Failure]]:
        """Compute tasks; they are drawn from their iterable as they are needed.

        Parameters
        ----------
        function : callable
            ``function(task, memo)``; at the top level of a module where it runs in other processes.
        tasks : iterable of mapping
            Plain data each.

        Yields
        ------
        tuple
            A task and what the function gave, or a :class:`Failure`, in the order in which they end.

        Raises
        ------
        InputError
            For a function that the workers cannot find, or a task that is no plain data.
        """

    def require_files(self, sums: Mapping[str, str]) -> None:  # noqa: B027 - what is here is here
        """Make sure that the workers read the same files.

        Parameters
        ----------
        sums : mapping of str to str
            SHA-256 (hex) by absolute path.

        Raises
        ------
        InputError
            When one does not.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - nothing to end where nothing was started
        """End the workers, whatever they are doing."""


def in_this_process(function: Function, task: Task, memo: dict[str, Any]) -> Any | Failure:
    """All attempts at a task; only the first has the memo."""
    for tried in range(1, ATTEMPTS + 1):
        reply = calls.attempt(function, calls.plain(task), memo if tried == 1 else {})
        if not reply.error:
            return reply.outcome
    return reply.failure(task, ATTEMPTS)


class Serial(Executor):
    """One task after the other in this process."""

    name = "serial"

    def __init__(self) -> None:
        self._memo: dict[str, Any] = {}

    @property
    def count(self) -> int:
        """One."""
        return 1

    def map(self, function: Function, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any | Failure]]:
        """As of :meth:`Executor.map`."""
        for task in tasks:
            yield task, in_this_process(function, task, self._memo)

    def close(self) -> None:
        """Forget what tasks share."""
        self._memo = {}


class Crew(Executor):
    """Threads of this process that each see one task at a time through to its end.

    Parameters
    ----------
    count : int
        How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.threads_each = max(1, machine.thread_count() // count)
        """Threads that each of them computes with, so that all together do not ask for more than there are."""

    @property
    def count(self) -> int:
        """Tasks that are computed at once."""
        return self._count

    def _stop(self) -> None:
        """Called when outcomes are no longer wanted while tasks are being computed."""

    def _shared_out(
        self, see_through: Callable[[int, Task], Any], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Any | Failure]]:
        """Outcomes of tasks as they come; ``see_through(place, task)`` makes one, on one of the places."""
        todo: queue.SimpleQueue[tuple[Task] | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[Task, Any, BaseException | None]] = queue.SimpleQueue()

        def work(place: int) -> None:
            while (entry := todo.get()) is not None:
                task = entry[0]
                try:
                    done.put((task, see_through(place, task), None))
                except BaseException as error:
                    done.put((task, None, error))

        crew = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(self._count)]
        for thread in crew:
            thread.start()
        waiting = iter(tasks)
        running = 0
        try:
            for task in islice(waiting, self._count + 1):  # one more lies ready while an outcome is looked at
                todo.put((task,))
                running += 1
            while running:
                task, outcome, error = done.get()
                running -= 1
                if error is not None:
                    raise error
                for following in islice(waiting, 1):
                    todo.put((following,))
                    running += 1
                yield task, outcome
        finally:
            with contextlib.suppress(queue.Empty):
                while True:
                    todo.get_nowait()
                    running -= 1
            for _ in crew:
                todo.put(None)
            if running:
                self._stop()


class Threads(Crew):
    """Tasks in threads of this process, each with a share of its cores.

    NumPy, FFTs and kernels work side by side; Python code takes turns. They have one memo. A running task cannot be
    stopped: what it gives is thrown away.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.name = f"threads:{count}"
        self._memo: dict[str, Any] = {}

    def map(self, function: Function, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any | Failure]]:
        """As of :meth:`Executor.map`."""
        memo = self._memo

        def see_through(_: int, task: Task) -> Any | Failure:
            with machine.at_most(self.threads_each):
                return in_this_process(function, task, memo)

        return self._shared_out(see_through, tasks)

    def _stop(self) -> None:
        self.close()

    def close(self) -> None:
        """Forget what tasks share."""
        self._memo = {}
