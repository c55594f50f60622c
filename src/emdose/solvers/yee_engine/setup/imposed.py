"""Voltages that are imposed: on edges of metal, and around faces that metal cuts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.solvers.yee_engine.setup.signals import SourceSignal


@dataclass(frozen=True, eq=False)
class ImposedVoltage:
    """Voltages that edges of the perfect conductor are given, instead of zero.

    Parameters
    ----------
    name : str
        Name.
    edges : (m, 4) int ndarray
        Edges (c, i, j, k), all of perfect conductor.
    weights_V : (m,) float ndarray
        Voltage along +c of each edge at waveform value 1 [V].
    waveform : SourceSignal
        Sampled at (n + 1/2) dt, for the voltage at (n + 1) dt.
    """

    name: str
    edges: np.ndarray
    weights_V: np.ndarray
    waveform: SourceSignal

    def __post_init__(self) -> None:
        rows, values = _checked(self.name, self.edges, self.weights_V)
        object.__setattr__(self, "edges", rows)
        object.__setattr__(self, "weights_V", values)


@dataclass(frozen=True, eq=False)
class ImposedEmf:
    """Voltages around faces beyond those of their edges, such as along metal that cuts through a face.

    Parameters
    ----------
    name : str
        Name.
    faces : (m, 4) int ndarray
        Faces (c, i, j, k), each once.
    weights_V : (m,) float ndarray
        Voltage around each face, right-handed about +c, at waveform value 1 [V].
    waveform : SourceSignal
        Sampled at (n + 1/2) dt, for the voltage at (n + 1) dt.
    """

    name: str
    faces: np.ndarray
    weights_V: np.ndarray
    waveform: SourceSignal

    def __post_init__(self) -> None:
        rows, values = _checked(self.name, self.faces, self.weights_V)
        object.__setattr__(self, "faces", rows)
        object.__setattr__(self, "weights_V", values)


def _checked(name: str, places: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (m, 4) and numbers (m,) as arrays; raises InputError for those that do not fit or come twice."""
    rows, values = np.array(places, np.int64), np.array(weights, float)
    if rows.ndim != 2 or rows.shape[1] != 4 or not len(rows):
        raise InputError(f"bad places of '{name}'", found=rows.shape, expected="(m, 4)")
    if values.shape != (len(rows),) or not np.all(np.isfinite(values)):
        raise InputError(f"bad weights_V of '{name}'", found=values.shape, expected=f"({len(rows)},)")
    if len(np.unique(rows, axis=0)) != len(rows):
        raise InputError(f"'{name}' names a place twice")
    return rows, values
