"""Solutions that are kept for the next ones: a span for every family of systems, in memory and on disk."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import whole
from emdose.compute import machine
from emdose.compute.reduced.span import Answer, SolutionSpan
from emdose.compute.reduced.vectors import Pair, VectorFolder

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

SHARE, MOST_BYTES = 0.25, 4 * 2**30
"""What it takes by default: this share of the free memory, and never more."""
DISK_BYTES = 20 * 2**30
"""What the folder of one family holds at most."""


class ReducedBasis:
    r"""Solutions of (I - M N) x = b that start, or are, the solutions for other M and b.

    A body, a grid and a frequency have one N; tissue properties change the diagonal M, coil and drive change b. The
    best combination of what was solved before starts the iteration; where its residual meets the tolerance, it is the
    answer, and took no product. One object may serve any number of bodies, grids and frequencies, and any number of
    threads; processes share what they find in a folder. A copy that is pickled begins with what the folder holds.

    Parameters
    ----------
    limit_bytes : int, optional
        What it may take in memory; by default a quarter of the free memory and at most 4 GiB [bytes]. A span that is
        full keeps the half of its directions that mattered most so far; what was not asked for longest is dropped.
    folder : Path or str, optional
        Where processes leave their vectors for each other, and for later.
    check_every : int
        One answer in so many is checked by a product, whatever its residual.

    Raises
    ------
    InputError
        For a limit or a count that is none.
    """

    def __init__(
        self, limit_bytes: int | None = None, folder: Path | str | None = None, *, check_every: int = 16
    ) -> None:
        if limit_bytes is None:
            limit_bytes = min(int(SHARE * machine.free_memory_bytes()), MOST_BYTES)
        self.limit_bytes = whole("limit_bytes", limit_bytes, 1)
        self.check_every = whole("check_every", check_every, 1)
        self.folder = None if folder is None else Path(folder)
        self._families: OrderedDict[str, Family] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        spans = "; ".join(repr(f.span) for f in self._families.values()) or "empty"
        return f"ReducedBasis({self.bytes / 2**20:.1f} of {self.limit_bytes / 2**20:.0f} MiB: {spans})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.limit_bytes, self.folder, self.check_every)

    @property
    def bytes(self) -> int:
        """What it takes in memory now [bytes]."""
        return sum(f.span.bytes for f in self._families.values())

    def family(self, key: str, groups: Callable[[], np.ndarray], be: Backend, dtype: Any) -> Family:
        """What is known of a family of systems, with what other processes have found since.

        Parameters
        ----------
        key : str
            Hash of all that N and the groups depend on.
        groups : callable
            Group of every unknown, (n,) integers: M is the same within a group.
        be : Backend
            Where the vectors live.
        dtype : complex dtype
            Of the vectors.
        """
        name = f"{key} {np.dtype(dtype).name} {be.name}"
        with self._lock:
            family = self._families.get(name)
            if family is None:
                of = groups()
                span = SolutionSpan(of, be, dtype, self.limit_bytes)
                store = None
                if self.folder is not None:
                    place = self.folder / key.rpartition(" ")[2][:32]
                    store = VectorFolder(place, f"{key} {np.dtype(dtype).name}", len(of), dtype, DISK_BYTES)
                family = self._families[name] = Family(span, store, self.check_every)
            self._families.move_to_end(name)
            while len(self._families) > 1 and self.bytes > self.limit_bytes:
                self._families.popitem(last=False)
        family.refresh()
        return family


class Family:
    """The span of one family of systems, and the folder it shares with other processes.

    Parameters
    ----------
    span : SolutionSpan
        Vectors in memory.
    store : VectorFolder or None
        Vectors on disk.
    check_every : int
        See :class:`ReducedBasis`.
    """

    def __init__(self, span: SolutionSpan, store: VectorFolder | None, check_every: int) -> None:
        self.span, self.store, self.check_every = span, store, check_every
        self._lock = threading.Lock()
        self._served = 0

    def refresh(self) -> None:
        """Take in what other processes have left on disk."""
        if self.store is None:
            return
        with self._lock:
            for pair in self.store.new():
                if self.span.size >= self.span.capacity:
                    break  # what is here already has been seen to matter
                be = self.span.be
                self.span.append(be.asarray(pair.v), None, be.asarray(pair.w))
                self.note(pair.inverse_norm)

    def best(self, M: Any, b: Any) -> Answer:
        """See :meth:`SolutionSpan.best`."""
        return self.span.best(M, b)

    def due(self) -> bool:
        """Whether the answer that is about to be given is one that a product checks."""
        with self._lock:
            self._served += 1
            return self._served % self.check_every == 0

    def clear(self) -> None:
        """Forget all vectors of this process."""
        self.span.clear()

    def note(self, inverse_norm: float) -> None:
        """Remember an estimate of norm(A^-1)."""
        self.span.inverse_norm = float(np.fmax(self.span.inverse_norm, inverse_norm))

    def learn(self, x: Any, apply: Callable[[Any], Any], inverse_norm: float) -> bool:
        """Take in a solution (n,), for this process and the others; False when it lies in the span already.

        Parameters
        ----------
        x : (n,) array
            The solution.
        apply : callable
            N times a vector (n,).
        inverse_norm : float
            Estimate of norm(A^-1) of its matrix; NaN where there is none.
        """
        self.note(inverse_norm)
        found = self.span.append(x, apply)
        if found is None:
            return False
        if self.store is not None:
            to_numpy = self.span.be.to_numpy
            self.store.save(Pair(to_numpy(found[0]), to_numpy(found[1]), inverse_norm))
        return True


def _again(limit_bytes: int, folder: Path | None, check_every: int) -> ReducedBasis:
    return ReducedBasis(limit_bytes, folder, check_every=check_every)
