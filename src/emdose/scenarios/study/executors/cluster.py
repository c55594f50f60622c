"""Tasks on a Dask cluster: by its scheduler's address, on workers that have the same emdose."""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Self

from emdose.errors import DeviceError, InputError
from emdose.scenarios.study.executors import calls
from emdose.scenarios.study.executors.calls import Failure, Function, Reply, Task
from emdose.scenarios.study.executors.local import ATTEMPTS, Executor
from emdose.version import __version__

TIMEOUT_S = 5.0
"""How long a scheduler has to answer, and its first worker to be there [s]."""
SHOWN = 2
"""Workers that cannot take part and are named."""
SPARE = 2
"""Tasks that lie ready at the scheduler beyond what its workers compute at once, so that none of them waits."""


class Cluster(Executor):
    """Tasks on the workers of a Dask scheduler, whatever joins or leaves it.

    Workers get the task and read nothing else, but for files that a scenario names: these have to be there under the
    same path (a shared folder), with the same content. A worker that is lost costs the tasks that it was at: the
    scheduler gives them to others, by its own ``allowed-failures`` (3) times each. The cores of a worker are shared out
    by whoever starts it (``dask worker --nworkers 4 --nthreads 1``).

    Parameters
    ----------
    address : str
        "host:port" of the scheduler.
    timeout_s : float
        How long to wait for it, and for its first worker [s].
    """

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S) -> None:
        self.address, self.timeout_s, self.name = address, timeout_s, f"dask://{address}"
        self._client: Any = None
        self._silence = contextlib.ExitStack()
        self._token = uuid.uuid4().hex

    @property
    def count(self) -> int:
        """Tasks that the workers compute at once now."""
        return sum(self._connected().nthreads().values())

    def __enter__(self) -> Self:
        self._connected()
        return self

    def map(self, function: Function, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any | Failure]]:
        """As of :meth:`Executor.map`.

        Raises
        ------
        DeviceError
            When Dask is not installed, or the scheduler goes away.
        InputError
            When there is no scheduler, it has no worker, or one has another emdose or Python.
        """
        client, code, address = self._connected(), calls.code_here(), calls.address_of(function)
        self._refuse(
            _answers(client, calls.found_here, address), "a worker cannot find the function", "function", address
        )
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        running: dict[Any, tuple[Task, Any, int]] = {}
        waiting = iter(tasks)

        def submit(task: Task, attempt: int) -> None:
            told = (self._token, code, address, calls.plain(task), attempt > 1)
            future = client.submit(calls.remote, *told, pure=False)
            running[future.key] = (task, future, attempt)
            future.add_done_callback(done.put)

        try:
            for task in islice(waiting, self.count + SPARE):
                submit(task, 1)
            while running:
                future = done.get()
                reply = self._reply(future)
                if reply is None:
                    future.add_done_callback(done.put)
                    continue
                task, _, tried = running.pop(future.key)
                future.release()
                if reply.error == calls.OTHER_CODE:
                    raise InputError(reply.message, field="executor", found=self.name, expected=_same())
                if reply.error and tried < ATTEMPTS:
                    submit(task, tried + 1)
                    continue
                for following in islice(waiting, max(0, self.count + SPARE - len(running))):
                    submit(following, 1)
                yield task, reply.failure(task, tried) if reply.error else reply.outcome
        finally:
            with contextlib.suppress(Exception):  # the scheduler may have gone
                client.cancel([future for _, future, _ in running.values()], force=True)

    def require_files(self, sums: Mapping[str, str]) -> None:
        """As of :meth:`Executor.require_files`."""
        if sums:
            found = _answers(self._connected(), calls.unreadable, dict(sums))
            self._refuse(found, "a worker cannot read this file, or reads another", "executor", None)

    def close(self) -> None:
        """Leave the cluster as it was, without the tasks of this study."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=2)
        self._silence.close()

    def _reply(self, future: Any) -> Reply | None:
        """What came of a task; what the scheduler says where no worker saw it through.

        None when its worker died with the answer before it was fetched: another one is at it then.
        """
        if future.status in ("lost", "pending"):
            return None
        if future.status not in ("finished", "error"):
            raise self._gone()
        try:
            reply: Reply = future.result(timeout=60 * self.timeout_s)
        except TimeoutError:
            if future.status in ("lost", "pending"):
                return None
            raise self._gone() from None
        except Exception as error:
            if type(error).__name__ in ("CancelledError", "FutureCancelledError", "CommClosedError"):
                raise self._gone() from None
            return calls.failed(error)
        return reply

    def _gone(self) -> DeviceError:
        return DeviceError(f"the Dask scheduler at {self.address} has gone; the samples that were done are kept")

    def _connected(self) -> Any:
        if self._client is None:
            try:
                import distributed
            except ImportError:
                raise DeviceError(
                    f"{self.name} needs Dask, which is not installed: pip install 'emdose[dask]'"
                ) from None
            self._silence.enter_context(_quiet())
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of other versions of packages, which matter less than emdose's
                    self._client = distributed.Client(
                        f"tcp://{self.address}", timeout=self.timeout_s, set_as_default=False
                    )
                self._require_workers(self._client, distributed)
            except BaseException as error:
                self.close()
                if isinstance(error, OSError | ValueError | TimeoutError) and not isinstance(error, InputError):
                    raise InputError(
                        "no Dask scheduler answers there",
                        field="executor",
                        found=self.name,
                        expected="dask://host:port of a scheduler that runs",
                    ) from None
                raise
        return self._client

    def _require_workers(self, client: Any, distributed: Any) -> None:
        try:
            client.wait_for_workers(1, timeout=self.timeout_s)
        except (TimeoutError, distributed.TimeoutError):
            raise InputError(
                "the scheduler has no workers", field="executor", found=self.name, expected="one at least"
            ) from None
        # Asked in words of Python alone: what emdose would say of itself is not to be had where there is none.
        asked = ("__import__('sys').version_info[:2]", "__import__('emdose.version', fromlist=['_']).__version__")
        pythons, versions = (_answers(client, eval, words, strict=False) for words in asked)
        strangers = {}
        for worker in sorted(pythons.keys() & versions.keys()):  # one may have come or gone in between
            python, version = tuple(pythons[worker]), versions[worker]
            if python != sys.version_info[:2]:
                strangers[worker] = f"Python {'.'.join(map(str, python))}"
            elif version != __version__:
                strangers[worker] = f"emdose {version}" if isinstance(version, str) else "no emdose"
        if strangers:
            told = ", ".join(f"{has} on {worker}" for worker, has in list(strangers.items())[:SHOWN])
            problem = f"{len(strangers)} of {len(versions)} workers cannot take part"
            raise InputError(problem, field="executor", found=told, expected=_same())
        code = calls.code_here()
        others = {w: "" if c == code else c[:12] for w, c in _answers(client, calls.code_here).items()}
        self._refuse(others, f"a worker has another emdose {__version__}", "executor", None)

    def _refuse(self, found: Mapping[str, str], problem: str, field: str, what: str | None) -> None:
        for worker, why in sorted(found.items()):
            if why:
                raise InputError(problem, field=field, found=what or why, expected=f"the same on {worker} as here")


def _same() -> str:
    return f"emdose {__version__} and Python {sys.version_info[0]}.{sys.version_info[1]}, as here"


def _answers(client: Any, function: Any, *given: Any, strict: bool = True) -> dict[str, Any]:
    """What every worker answers, without those that have just been lost: they cost the tasks that they are at.

    Errors of the function itself are raised, or stand among the answers where ``strict`` is off.
    """
    found = client.run(function, *given, on_error="return")
    answers = {worker: answer for worker, answer in found.items() if not isinstance(answer, OSError | TimeoutError)}
    for answer in answers.values():
        if strict and isinstance(answer, BaseException):
            raise answer
    return answers


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what distributed logs beside the errors that are told here."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
