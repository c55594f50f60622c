"""Long parts of an evaluation as plain arrays: courses of heat and maps of properties, and back again bit for bit."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from emdose.ept.judging.monte_carlo import Draws
from emdose.io.disk.run_files import to_json
from emdose.values import owned

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

TOLD, GROUP = "told", "/"
"""Name of the array that holds all that is no array, as JSON, and what parts the name of a mapping from its keys."""


def arrays_of(value: DataclassInstance, without: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The fields of a dataclass that are arrays, mappings of arrays, slices, or plain values.

    Parameters
    ----------
    value : dataclass
        Such as a :class:`~emdose.solvers.heat.rise.HeatSolution`.
    without : sequence of str
        Fields that are left out.
    """
    found: dict[str, np.ndarray] = {}
    told: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        one = getattr(value, field.name)
        if field.name in without:
            continue
        if isinstance(one, np.ndarray):
            found[field.name] = one
        elif isinstance(one, Mapping) and one and all(isinstance(v, np.ndarray) for v in one.values()):
            found |= {f"{field.name}{GROUP}{key}": v for key, v in one.items()}
        elif isinstance(one, tuple) and one and all(isinstance(v, slice) for v in one):
            told[field.name] = {"slices": [[v.start, v.stop] for v in one]}
        else:
            told[field.name] = {"plain": one, "tuple": isinstance(one, tuple)}
    return {**found, TOLD: np.array(to_json(told, exact=True))}


def of_arrays(kind: type[T], arrays: Mapping[str, np.ndarray], **rest: Any) -> T:
    """Inverse of :func:`arrays_of`, with the fields that were left out."""
    values: dict[str, Any] = dict(rest)
    for name, one in json.loads(str(arrays[TOLD])).items():
        if "slices" in one:
            values[name] = tuple(slice(a, b) for a, b in one["slices"])
        else:
            values[name] = tuple(one["plain"]) if one["tuple"] else one["plain"]
    for name, array in arrays.items():
        group, _, key = name.partition(GROUP)
        if key:
            values.setdefault(group, {})[key] = array
        elif name != TOLD:
            values[name] = owned(array)
    return kind(**values)


def draws_arrays(propagation: Any) -> dict[str, np.ndarray] | None:
    """Draws of a Monte Carlo propagation as arrays, nothing where there is no propagation, None for other kinds."""
    if propagation is None:
        return {}
    if not isinstance(propagation, Draws):
        return None
    return {
        f"draws {name}": v for name in ("conductivity", "permittivity") if (v := getattr(propagation, name)) is not None
    }


def draws_of(arrays: Mapping[str, np.ndarray]) -> tuple[Draws | None, dict[str, np.ndarray]]:
    """Inverse of :func:`draws_arrays`, and the arrays that are not of draws."""
    mine = {k.removeprefix("draws "): v for k, v in arrays.items() if k.startswith("draws ")}
    rest = {k: v for k, v in arrays.items() if not k.startswith("draws ")}
    if not mine:
        return None, rest
    return Draws(mine.get("conductivity"), mine.get("permittivity")), rest


def fingerprint(*values: Any) -> str:
    """Hash (hex) of arrays, dataclasses, mappings, sequences and plain values, by content."""
    digest = hashlib.sha256()
    _feed(digest, values)
    return digest.hexdigest()[:24]


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        digest.update(f"array {array.dtype.str} {np.shape(value)} ".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        digest.update(f"{type(value).__name__} ".encode())
        for field in dataclasses.fields(value):
            digest.update(f"{field.name} ".encode())
            _feed(digest, getattr(value, field.name))
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)} ".encode())
        for key, one in sorted(value.items(), key=lambda pair: str(pair[0])):
            digest.update(f"{key!r} ".encode())
            _feed(digest, one)
    elif isinstance(value, list | tuple):
        digest.update(f"sequence {len(value)} ".encode())
        for one in value:
            _feed(digest, one)
    elif value is None or isinstance(value, str | int | float | complex | bool | slice):
        digest.update(f"{type(value).__name__} {value!r} ".encode())
    else:
        raise TypeError(f"no fingerprint of a {type(value).__name__}")
