"""A call that another process can make: a function by its name, a task as plain data, and what came of it.

Nothing is pickled but plain data on the way there and the outcome on the way back; a function is a line of text.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emdose.errors import InputError

Task = Mapping[str, Any]
"""Plain data, as JSON knows it: what a sample is, and what to compute of it."""
Function = Callable[[dict[str, Any], dict[str, Any]], Any]
"""Called with a task and the memo of its process, a dict that lives as long as the worker does."""


@dataclass(frozen=True)
class Failure:
    """A task that has failed as often as it was tried.

    Parameters
    ----------
    task : mapping
        Its inputs.
    error : str
        Name of the last error's class; "WorkerDied" where the process that computed it has gone.
    message : str
        The error in one line.
    attempts : int
        How often it was tried.
    trace : str
        Where it happened; empty where that is not known.
    """

    task: Task
    error: str
    message: str
    attempts: int = 1
    trace: str = ""

    def __str__(self) -> str:
        return f"{self.error}: {self.message} (tried {self.attempts} times)"


@dataclass(frozen=True)
class Reply:
    """What came of one attempt; ``error`` is empty where it went well."""

    outcome: Any = None
    error: str = ""
    message: str = ""
    trace: str = ""

    def failure(self, task: Task, attempts: int) -> Failure:
        """The failure that this reply ends a task with."""
        return Failure(task, self.error, self.message, attempts, self.trace)


def attempt(function: Function, task: dict[str, Any], memo: dict[str, Any]) -> Reply:
    """Call a function once, and catch what it raises."""
    try:
        return Reply(function(task, memo))
    except Exception as error:
        return failed(error)


def failed(error: BaseException) -> Reply:
    """An error as plain text."""
    text = " ".join(str(error).split()) or "no words"
    return Reply(
        error=type(error).__name__, message=text, trace="".join(traceback.format_exception(error, limit=-12))[-6000:]
    )


def plain(task: Task) -> dict[str, Any]:
    """A task as another process would read it: lists for tuples, texts for keys.

    Raises
    ------
    InputError
        When it holds what JSON does not know.
    """
    try:
        read = json.loads(json.dumps(task))
    except (TypeError, ValueError) as error:
        raise InputError("a task is not plain data", found=str(error), expected="what JSON can hold") from None
    if not isinstance(read, dict):
        raise InputError("a task is not plain data", found=task, expected="a mapping")
    return read


def address_of(function: Callable[..., Any]) -> str:
    """Text by which another process finds a function: ``module:name``, and ``@folder`` where that is not emdose's own.

    Parameters
    ----------
    function : callable
        At the top level of a module, or of the script that runs.

    Raises
    ------
    InputError
        For functions that have no name elsewhere: lambdas, inner functions, those of a notebook.
    """
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__qualname__", "")
    problem = "another process cannot find this function"
    expected = 'one at the top level of a module, or executor = "serial" or "threads"'
    if not name or "<" in name:
        raise InputError(problem, field="function", found=name or repr(function), expected=expected)
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__":
        if file is None or not Path(file).stem.isidentifier():
            raise InputError(problem, field="function", found=f"{name} of a session", expected=expected)
        return f"{Path(file).stem}:{name}@{Path(file).resolve().parent}"
    if module.partition(".")[0] == "emdose" or file is None:
        return f"{module}:{name}"
    levels = module.count(".") + (Path(file).stem == "__init__")
    return f"{module}:{name}@{Path(file).resolve().parents[levels]}"


def resolve(address: str) -> Callable[..., Any]:
    """The function of an address.

    Raises
    ------
    InputError
        When it is not here.
    """
    where, _, folder = address.partition("@")
    module, _, name = where.partition(":")
    if folder and folder not in sys.path:
        sys.path.append(folder)  # last: what lies beside it must not replace what is installed
    try:
        with _importing():
            found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError("no such function here", field="function", found=address, hint=str(error)) from None
    if not callable(found):
        raise InputError("not a function", field="function", found=address)
    return found


_import = threading.local()


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    _import.runs = True
    try:
        yield
    finally:
        _import.runs = False


def refuse_while_importing() -> None:
    """Refuse to start workers from a module that a worker is just importing: each of them would start more."""
    if getattr(_import, "runs", False):
        raise InputError(
            "a study starts while a worker imports the script it is in",
            expected="the call of run() below if __name__ == '__main__':",
        )


@cache
def _resolved(address: str) -> Callable[..., Any]:
    return resolve(address)


_memo: dict[str, dict[str, Any]] = {}


def remote(study: str, code: str, address: str, task: dict[str, Any], fresh: bool) -> Reply:
    """One attempt inside a worker of a cluster, which keeps the memo of one study at a time.

    Parameters
    ----------
    study : str
        Token of the study.
    code : str
        Hash of the code that the study started with.
    address : str
        The function.
    task : dict
        As of :func:`plain`.
    fresh : bool
        With an empty memo.
    """
    if (mine := code_here()) != code:
        return Reply(error=OTHER_CODE, message=f"a worker that joined later has another emdose ({mine[:12]})")
    if not fresh and study not in _memo:
        _memo.clear()
    try:
        function = _resolved(address)
    except Exception as error:
        return failed(error)
    return attempt(function, task, {} if fresh else _memo.setdefault(study, {}))


OTHER_CODE = "OtherCode"


def code_here() -> str:
    """Hash of the code of this process's emdose."""
    from emdose.resources import code_sha256

    return code_sha256()


def found_here(address: str) -> str:
    """Empty, or why a function is not to be had in this process."""
    try:
        _resolved(address)
    except Exception as error:
        return " ".join(str(error).split())
    return ""


def unreadable(sums: Mapping[str, str]) -> str:
    """The first of some files that this process cannot read, or reads otherwise; empty when there is none."""
    from emdose.io.disk import files

    for path, sha256 in sums.items():
        try:
            if files.sha256(path) != sha256:
                return path
        except InputError:
            return path
    return ""
