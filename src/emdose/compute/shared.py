"""What the jobs of one process hand on to each other, so that none computes again what another one has."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from emdose.checks import whole
from emdose.compute import machine
from emdose.compute.array_files import ArrayFolder
from emdose.values import read_only

T = TypeVar("T")
SHARE, MOST_BYTES = 0.25, 4 * 2**30
"""What a memo takes by default: this share of the free memory, and never more."""
WORTH_S = 0.2
"""Time of one core beyond which an array is worth a file for other processes [s]."""


@read_only
@dataclass(frozen=True)
class Sharing:
    """What a memo has done so far.

    Parameters
    ----------
    hits, made, dropped : int
        Values handed on, made, and dropped for want of room.
    entries, bytes : int
        What it holds now.
    """

    hits: int
    made: int
    dropped: int
    entries: int
    bytes: int


class Shared:
    """A bounded memo of values by key: the least recently used go first. Threads may share one.

    A copy that is pickled, for another process, begins empty.

    Parameters
    ----------
    limit_bytes : int, optional
        What it may hold at most [bytes]; by default a quarter of the free memory, and at most 4 GiB.
    folder : Path or str, optional
        Where processes leave for each other what is worth it: arrays that took long to make, and the vectors of a
        reduced basis.
    reduced : bool
        Whether jobs may begin with a combination of earlier solutions, and end with it where it meets the tolerance.
        Everything else that is handed on is the same to the last bit.

    Raises
    ------
    InputError
        For a limit that is not a number of bytes.
    """

    def __init__(
        self, limit_bytes: int | None = None, folder: Path | str | None = None, *, reduced: bool = True
    ) -> None:
        if limit_bytes is None:
            limit_bytes = min(int(SHARE * machine.free_memory_bytes()), MOST_BYTES)
        whole("limit_bytes", limit_bytes, 0)
        self.limit_bytes, self.reduced = int(limit_bytes), reduced
        self.folder = None if folder is None else Path(folder)
        self._files = None if self.folder is None else ArrayFolder(self.folder / "arrays")
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._making: dict[str, Future[Any]] = {}
        self._bytes = self._hits = self._made = self._dropped = 0

    def __repr__(self) -> str:
        told = self.told
        return f"Shared({told.entries} values, {told.bytes / 2**20:.1f} of {self.limit_bytes / 2**20:.0f} MiB)"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Shared, reduced=self.reduced), (self.limit_bytes, self.folder)

    def get(self, key: str, make: Callable[[], T], bytes: int | None = None) -> T:
        """The value of a key, made when it is not there; threads that ask for one key wait for one of them to make it.

        Parameters
        ----------
        key : str
            Hash of all that the value depends on, see :func:`key_of`.
        make : callable
            Makes it. It must not ask for the same key.
        bytes : int, optional
            What it takes; by default what its arrays take [bytes]. What is larger than the limit is not kept.

        Returns
        -------
        object
            The value itself, not a copy: nobody may change it, save what locks itself.
        """
        while True:
            with self._lock:
                if key in self._held:
                    self._held.move_to_end(key)
                    self._hits += 1
                    value: T = self._held[key][0]
                    return value
                future = self._making.get(key)
                if future is None:
                    ours: Future[Any] = Future()
                    self._making[key] = ours
                    break
            if future.exception() is None:  # waits; what failed elsewhere is tried again here
                with self._lock:
                    self._hits += 1
                return future.result()
        try:
            value = self._from_files(key, make)
        except BaseException as error:
            with self._lock:
                del self._making[key]
            ours.set_exception(error)
            raise
        size = size_of(value) if bytes is None else int(bytes)
        with self._lock:
            del self._making[key]
            self._made += 1
            self._keep(key, value, size)
        ours.set_result(value)
        return value

    def drop(self, key: str) -> None:
        """Forget the value of a key, if it is there."""
        with self._lock:
            _, size = self._held.pop(key, (None, 0))
            self._bytes -= size

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._bytes = 0

    @property
    def told(self) -> Sharing:
        """How often it served, and what it holds."""
        with self._lock:
            return Sharing(self._hits, self._made, self._dropped, len(self._held), self._bytes)

    def _from_files(self, key: str, make: Callable[[], T]) -> T:
        """A value from the folder of all processes, or made; arrays that took long are left there."""
        if self._files is None:
            return make()
        found: Any = self._files.load(key)
        if found is None:
            start = time.process_time()
            found = make()
            took = time.process_time() - start
            if took > WORTH_S and isinstance(found, np.ndarray) and not found.dtype.hasobject:
                self._files.save(key, found)
        value: T = found
        return value

    def _keep(self, key: str, value: Any, size: int) -> None:
        if size > self.limit_bytes:
            self._dropped += 1
            return
        while self._bytes + size > self.limit_bytes:
            _, (_, freed) = self._held.popitem(last=False)
            self._bytes -= freed
            self._dropped += 1
        self._held[key] = value, size
        self._bytes += size


def from_shared(shared: Shared | None, key: Callable[[], str | None], make: Callable[[], T]) -> T:
    """A value from a memo, where there is one and the value has a key; else made."""
    name = None if shared is None else key()
    return make() if shared is None or name is None else shared.get(name, make)


def key_of(name: str, *parts: Any) -> str:
    """A key: a name, and the SHA-256 of everything that the value depends on.

    Parameters
    ----------
    name : str
        What the value is, in words.
    parts : array, number, str, None, sequence or mapping of such
        What it depends on. Numbers enter with all their digits, arrays with type, shape and values.

    Raises
    ------
    TypeError
        For parts that have no bytes of their own.
    """
    digest = hashlib.sha256()
    _enter(digest, parts)
    return f"{name} {digest.hexdigest()}"


def size_of(value: Any) -> int:
    """Bytes of the arrays that a value holds, one array counted once."""
    return sum(_arrays(value, {}, 0).values())


def _enter(digest: Any, part: Any) -> None:
    if isinstance(part, np.ndarray):
        if part.dtype.hasobject:
            raise TypeError("an array of objects has no key")
        array = np.ascontiguousarray(part)
        digest.update(f"array {array.dtype.str} {part.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    elif isinstance(part, Mapping):
        _enter(digest, ("mapping", *((str(k), part[k]) for k in sorted(part, key=str))))
    elif isinstance(part, (tuple, list)):
        digest.update(f"{len(part)} of\0".encode())
        for one in part:
            _enter(digest, one)
    elif isinstance(part, np.generic):
        _enter(digest, part.item())
    elif part is None or isinstance(part, (str, bytes, bool, int, float, complex)):
        digest.update(f"{type(part).__name__} {part!r}\0".encode())
    else:
        raise TypeError(f"{type(part).__name__} has no key")


def _arrays(value: Any, found: dict[int, int], depth: int) -> dict[int, int]:
    size = getattr(value, "nbytes", None)
    if size is not None:
        found[id(value)] = int(size)
    elif depth < 4:
        if isinstance(value, Mapping):
            inside: Any = value.values()
        elif isinstance(value, (tuple, list, set, frozenset)):
            inside = value
        else:
            inside = getattr(value, "__dict__", {}).values()
        for one in inside:
            if not isinstance(one, (str, bytes, type, ModuleType)) and not callable(one):
                _arrays(one, found, depth + 1)
    return found
