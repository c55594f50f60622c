"""Induced fields as arrays and back: what a run keeps of its solution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emdose.io.disk.run_files import to_json
from emdose.models.bodies.phantom import Phantom
from emdose.models.induction.sources import InductionSource
from emdose.solvers.results.induced import InducedField

ARRAYS = ("cells", "E", "conductivity", "parts", "residual", "balance")


def induced_arrays(induced: InducedField, prefix: str = "") -> dict[str, np.ndarray]:
    """An induced field as arrays, without body and sources, which a scenario makes anew."""
    found = {f"{prefix}{name}": np.asarray(getattr(induced, name)) for name in ARRAYS}
    told = {"frequency_Hz": induced.frequency_Hz, "iterations": induced.iterations, "about": dict(induced.about)}
    return {**found, f"{prefix}told": np.array(to_json(told, exact=True))}


def induced_of_arrays(
    arrays: Mapping[str, Any], phantom: Phantom, sources: Sequence[InductionSource], prefix: str = ""
) -> InducedField:
    """Inverse of :func:`induced_arrays`."""
    told = json.loads(str(np.asarray(arrays[f"{prefix}told"])))
    found: dict[str, Any] = {name: np.asarray(arrays[f"{prefix}{name}"]) for name in ARRAYS}
    return InducedField(phantom=phantom, sources=tuple(sources), **found, **told)
