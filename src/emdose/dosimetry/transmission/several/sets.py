"""Sets of matrices of the same ports, one after the other, and the certificates of bounds that bound bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from emdose.dosimetry.transmission.blocks import QMatrixBlocks
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError
from emdose.values import owned

ALIKE = ("ports", "drive_unit", "unit", "rule", "averaging_mass_kg", "frequency_Hz", "time_s")
SETS = (QMatrices, QMatrixBlocks, TemperatureMatrices, VirtualObservationPoints)


def named(sets: Any, word: str) -> dict[str, Any]:
    """Sets by name; a sequence of them is numbered.

    Parameters
    ----------
    sets : mapping of str to set, or sequence of sets
        Q-matrices, blocks of them, temperature matrices, or virtual observation points with a certificate.
    word : str
        What one without a name is called, with its number.

    Raises
    ------
    InputError
        For none, for what is no set, virtual observation points without a certificate or with a margin, and sets that
        are not of the same ports, drives, quantity, averaging and frequency.
    """
    if isinstance(sets, SETS) or not isinstance(sets, Mapping | Sequence):
        raise InputError("no sets of matrices", field="sets", found=type(sets).__name__, expected="several, by name")
    found = dict(sets) if isinstance(sets, Mapping) else {f"{word} {n}": one for n, one in enumerate(sets, 1)}
    if not found:
        raise InputError("no sets of matrices", field="sets", found="none", expected="one or more")
    for name, one in found.items():
        if not isinstance(name, str) or not name:
            raise InputError("bad name of a set", field="sets", found=name, expected="a text")
        if not isinstance(one, SETS):
            expected = "Q-matrices, temperature matrices or virtual observation points"
            raise InputError("no set of matrices", field=name, found=type(one).__name__, expected=expected)
        if isinstance(one, VirtualObservationPoints) and not len(one.coefficients):
            raise InputError("points without a certificate", field=name, expected="those of em.compress, or Q-matrices")
        if isinstance(one, VirtualObservationPoints) and one.margin is not None:
            raise InputError("points with a margin", field=name, expected="those without, and a margin of the result")
    require_alike(found)
    return found


def require_alike(sets: Mapping[str, Any]) -> None:
    """Raise InputError unless all sets are of the same ports, drives, quantity, averaging and frequency."""
    first, one = next(iter(sets.items()))
    for name, other in sets.items():
        for key in ALIKE:
            wanted, found = (getattr(each, key, None) for each in (one, other))
            if wanted != found:
                raise InputError(f"{name} is not like {first}", field=key, found=str(found), expected=str(wanted))


class JoinedSets(QMatrixBlocks):
    """Several sets as blocks, one after the other: what :func:`emdose.compress` covers.

    Parameters
    ----------
    sets : mapping of str to set
        From :func:`named`.
    """

    def __init__(self, sets: Mapping[str, Any]) -> None:
        one = next(iter(sets.values()))
        self.sets, self._unit = dict(sets), one.unit
        self.starts = np.cumsum([0, *(len_of(each) for each in sets.values())])
        grid = getattr(one, "grid", None)  # the parts have grids of their own
        self.time_s = getattr(one, "time_s", None)
        self.assumptions = tuple(dict.fromkeys(a for each in sets.values() for a in getattr(each, "assumptions", ())))
        about = (one.ports, one.drive_unit, one.rule, one.averaging_mass_kg, one.frequency_Hz)
        super().__init__(int(self.starts[-1]), grid, *about, lambda: self._parts())  # type: ignore[arg-type]

    @property
    def unit(self) -> str:
        """Unit of the quadratic form."""
        return str(self._unit)

    def _parts(self) -> Iterator[Any]:
        for one in self.sets.values():
            yield from parts_of(one)


def parts_of(one: Any) -> Iterator[Any]:
    """Blocks of a set, or the set itself."""
    yield from one if isinstance(one, QMatrixBlocks) else (one,)


def len_of(one: Any) -> int:
    """Number of matrices of a set."""
    return len(one) if isinstance(one, QMatrixBlocks) else len(one.matrices)


class Certificate:
    """The certificate of bounds of several sets: grows set by set.

    Parameters
    ----------
    points : int
        Number of the bounds V.
    """

    def __init__(self, points: int) -> None:
        self.tables: list[np.ndarray] = [np.empty((0, points))]
        self.combinations: list[np.ndarray] = []
        self.sources: list[str] = []
        self.counts: list[int] = []

    def add(self, name: str, one: Any, table: np.ndarray, bound: np.ndarray) -> None:
        r"""Enter the certificate of a set.

        Where the set is one of virtual observation points, it is that of the matrices which these bound: with
        :math:`Q_i \preceq \sum_k c_{ik} V_k` and :math:`V_k \preceq \sum_m d_{km} W_m` the coefficients of W are
        :math:`\sum_k c_{ik} d_{km}`, not negative and in sum 1.

        Parameters
        ----------
        name : str
            Of the set.
        one : set
            What was covered.
        table : (c, v) ndarray
            Combinations.
        bound : (m,) int ndarray
            Which of them bounds each matrix of the set.
        """
        start = sum(len(t) for t in self.tables)
        if not isinstance(one, VirtualObservationPoints):
            used, place = np.unique(bound, return_inverse=True)
            self._enter(table[used], start + place.reshape(-1), [name], [len(bound)])
            return
        mixed = np.asarray(one.coefficients) @ table[bound]
        mixed /= mixed.sum(axis=1, keepdims=True)
        inner = [f"{name}: {part}" for part in one.sources] or [name]
        self._enter(mixed, start + np.asarray(one.combination), inner, list(one.counts) or [len(one.combination)])

    def _enter(self, table: np.ndarray, combination: np.ndarray, names: list[str], counts: list[int]) -> None:
        self.tables.append(table)
        self.combinations.append(combination.astype(np.int32))
        self.sources += names
        self.counts += counts

    def arrays(self) -> dict[str, Any]:
        """What virtual observation points hold of it."""
        if len(set(self.sources)) < len(self.sources):
            raise InputError("two sets share a name", field="sets", found=self.sources, expected="names that differ")
        return {
            "combination": owned(np.concatenate(self.combinations)),
            "coefficients": owned(np.concatenate(self.tables)),
            "sources": tuple(self.sources),
            "counts": tuple(self.counts),
        }
