"""What a process of :class:`~emdose.scenarios.study.executors.processes.Processes` runs: tasks in, replies out."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import Any

from emdose.scenarios.study.executors import calls
from emdose.scenarios.study.executors.calls import Reply
from emdose.scenarios.study.executors.wire import receive, send


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that was started by the user decides
    tasks = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a function prints must not get between the replies
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = sys.stderr
    todo: queue.SimpleQueue[tuple[str, dict[str, Any], bool]] = queue.SimpleQueue()

    def read() -> None:
        try:
            while True:
                todo.put(receive(tasks))
        except (EOFError, OSError):
            os._exit(0)  # nobody waits any more, in the middle of a task too

    threading.Thread(target=read, daemon=True).start()
    memo: dict[str, Any] = {}
    while True:
        address, task, fresh = todo.get()
        reply = _reply(address, task, {} if fresh else memo)
        try:
            send(replies, reply)
        except Exception as error:  # of an outcome that cannot be sent: nothing was written yet
            send(replies, calls.failed(error))


def _reply(address: str, task: dict[str, Any], memo: dict[str, Any]) -> Reply:
    try:
        function = calls.resolve(address)
    except Exception as error:
        return calls.failed(error)
    return calls.attempt(function, task, memo)


if __name__ == "__main__":
    main()
