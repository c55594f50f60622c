"""Checks of what a user gives: numbers, vectors, arrays and names; each raises InputError in one line.

A number is an int or a float, also NumPy's, and finite: True, "1", NaN and infinity are refused everywhere. The
functions return what they checked in the type that the code behind them needs (float, int, array).
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from emdose.errors import InputError

LISTED = 400
"""Up to so many letters an error lists all names that would be accepted."""


def is_number(value: Any) -> bool:
    """Whether a value is one finite real number; True and False are none."""
    if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "iuf":
        value = value[()]
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def number(name: str, value: Any, *, problem: str = "not a number", expected: str = "a finite number") -> float:
    """A finite number as float."""
    if not is_number(value):
        raise InputError(problem, field=name, found=value, expected=expected)
    return float(value)


def positive(
    name: str, value: Any, *, problem: str = "must be positive", expected: str = "a finite number > 0"
) -> float:
    """A finite number above zero as float."""
    if not is_number(value) or not value > 0:
        raise InputError(problem, field=name, found=value, expected=expected)
    return float(value)


def all_positive(**values: Any) -> None:
    """Raise InputError unless every one of the named values is a finite number above zero."""
    for name, value in values.items():
        positive(name, value)


def not_negative(
    name: str, value: Any, *, problem: str = "must not be negative", expected: str = "a finite number >= 0"
) -> float:
    """A finite number that is not below zero as float."""
    if not is_number(value) or value < 0:
        raise InputError(problem, field=name, found=value, expected=expected)
    return float(value)


def within(
    name: str,
    value: Any,
    low: float,
    high: float,
    *,
    ends: str = "[]",
    problem: str = "out of range",
    expected: str | None = None,
) -> float:
    """A finite number between two ends as float.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : float
        What was given.
    low, high : float
        The ends; an infinite one bounds nothing.
    ends : {"[]", "(]", "[)", "()"}
        Which ends belong to the range, as intervals are written.
    problem, expected : str, optional
        Words of the error.
    """
    inside = is_number(value) and (low < value if ends[0] == "(" else low <= value)
    if not inside or not (value < high if ends[1] == ")" else value <= high):
        raise InputError(problem, field=name, found=value, expected=expected or _range(low, high, ends))
    return float(value)


def whole(
    name: str,
    value: Any,
    least: int,
    most: int | None = None,
    *,
    problem: str = "bad count",
    what: str = "a whole number",
) -> int:
    """A whole number as int, at least ``least`` and at most ``most``."""
    good = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not good or value < least or (most is not None and value > most):
        expected = f"{what} >= {least}" if most is None else f"{what} from {least} to {most}"
        raise InputError(problem, field=name, found=value, expected=expected)
    return int(value)


def counts(name: str, value: Any, least: int, *, problem: str = "bad counts") -> tuple[int, int, int]:
    """Three whole numbers, each at least ``least``."""
    expected = f"three counts >= {least}"
    try:
        found = tuple(value)
    except TypeError:
        found = ()
    if len(found) != 3:
        raise InputError(problem, field=name, found=value, expected=expected)
    for n in found:
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < least:
            raise InputError(problem, field=name, found=found, expected=expected)
    return int(found[0]), int(found[1]), int(found[2])


def text(name: str, value: Any, *, problem: str = "without a name", expected: str = "a text") -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(problem, field=name, found=value, expected=expected)
    return value


def flag(name: str, value: Any, *, problem: str = "bad option") -> bool:
    """True or False as bool."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(problem, field=name, found=value, expected="True or False")
    return bool(value)


def metres(name: str, value: Any) -> float:
    """A length above zero [m] as float."""
    return positive(name, value, problem="bad length", expected="metres > 0")


def lengths(name: str, value: Any, *, problem: str = "bad voxel size") -> tuple[float, float, float]:
    """Three lengths above zero [m], from one or three of them."""
    sizes = real_array(value)
    if sizes is None or sizes.shape not in ((), (1,), (3,)) or not np.all(np.isfinite(sizes)) or np.any(sizes <= 0):
        raise InputError(problem, field=name, found=value, expected="one or three lengths > 0 in metres")
    x, y, z = np.broadcast_to(sizes.ravel(), 3).tolist()
    return x, y, z


def vector(name: str, value: Any, *, problem: str = "bad vector", expected: str = "three finite numbers") -> np.ndarray:
    """A vector or point as array (3,) of finite numbers."""
    found = real_array(value)
    if found is None or found.shape != (3,) or not np.all(np.isfinite(found)):
        raise InputError(problem, field=name, found=value, expected=expected)
    return found


def unit_vector(name: str, value: Any, *, problem: str = "bad direction") -> np.ndarray:
    """A vector that is not zero, divided by its length, as array (3,)."""
    expected = "three finite numbers, not all zero"
    found = vector(name, value, problem=problem, expected=expected)
    if not np.any(found):
        raise InputError(problem, field=name, found=value, expected=expected)
    unit: np.ndarray = found / np.linalg.norm(found)
    return unit


def array(
    name: str,
    value: Any,
    shape: Sequence[int | None],
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    single: bool = False,
    problem: str = "bad array",
) -> np.ndarray:
    """An array of finite numbers of a given shape, as float64.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : array_like
        What was given.
    shape : sequence of int or None
        Wanted shape; None stands for any length.
    least, above : float
        No value lies below ``least``, or at or below ``above``.
    single : bool
        Whether one entry may stand for a list of one.
    problem : str
        Words of the error.
    """
    found = real_array(value)
    if single and found is not None and found.ndim == len(shape) - 1:
        found = found[None]
    size = f"({', '.join('n' if n is None else str(n) for n in shape)}{',' if len(shape) == 1 else ''})"
    if found is None:
        raise InputError(problem, field=name, found=value, expected=f"numbers of shape {size}")
    if found.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        raise InputError(problem, field=name, found=f"shape {found.shape}", expected=f"shape {size}")
    bad = ~(np.isfinite(found) & (found >= least) & (found > above))
    if np.any(bad):
        at = tuple(int(i[0]) for i in np.nonzero(bad))
        limit = f" > {above:g}" if above > -math.inf else f" >= {least:g}" if least > -math.inf else ""
        where = f"{name}[{', '.join(map(str, at))}]" if at else name
        raise InputError(problem, field=where, found=float(found[at]), expected=f"finite numbers{limit}")
    return found


def positives(
    name: str, value: Any, *, problem: str = "bad values", expected: str = "one or more finite numbers > 0"
) -> np.ndarray:
    """One or more finite numbers above zero, as array (n,) of float64; a single number is a list of one."""
    found = real_array(value)
    if found is None or found.ndim > 1 or not found.size or not np.all(np.isfinite(found) & (found > 0)):
        raise InputError(problem, field=name, found=value, expected=expected)
    return np.atleast_1d(found)


def fits(name: str, value: Any, shape: tuple[int, ...], *, problem: str = "array does not fit the grid") -> None:
    """Raise InputError unless an array, on whatever device, has a given shape."""
    if np.shape(value) != shape:
        raise InputError(problem, field=name, found=np.shape(value), expected=str(shape))


def growing(name: str, values: np.ndarray, *, problem: str = "values do not grow", unit: str = "") -> np.ndarray:
    """The one-dimensional array given; raises InputError unless each value is larger than the one before."""
    steps = np.diff(values)
    if not np.all(steps > 0):
        at = int(np.argmax(~(steps > 0))) + 1
        found = f"{values[at]:g}{unit} after {values[at - 1]:g}{unit}"
        raise InputError(problem, field=name, found=found, expected="each larger than the one before")
    return values


def one_of(name: str, value: Any, choices: Iterable[str], *, problem: str = "unknown choice", also: str = "") -> str:
    """A text that is one of some choices; ``also`` names in words what else would do."""
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        raise unknown(problem, value, known, field=name, also=also)
    return value


def unknown(
    problem: str,
    found: Any,
    known: Iterable[str],
    *,
    spellings: Mapping[str, str] | None = None,
    field: str | None = None,
    file: object = None,
    also: str = "",
    shown: bool = True,
) -> InputError:
    """The error of a name that is none of the known ones; it asks whether a near one was meant.

    Parameters
    ----------
    problem : str
        What is wrong, such as "unknown tissue".
    found : str
        The name given.
    known : iterable of str
        What would be accepted.
    spellings : mapping of str to str, optional
        Other spellings of the names that would be accepted too.
    field, file : str, optional
        Where the name stood.
    also : str
        What else would be accepted, in words.
    shown : bool
        Whether the error repeats the name; False where ``field`` holds it already.
    """
    names = list(known)
    asked = did_you_mean(found, names, spellings)
    expected = None if asked and len(", ".join(names)) > LISTED else " or ".join(t for t in (listed(names), also) if t)
    return InputError(
        problem, file=file, field=field, found=found if shown else None, expected=expected or None, hint=asked
    )


def did_you_mean(word: Any, known: Iterable[str], spellings: Mapping[str, str] | None = None) -> str | None:
    """The question that offers the known names nearest to a word, or None when none is near.

    Parameters
    ----------
    word : str
        What was written; anything but a text is near to nothing.
    known : iterable of str
        Names.
    spellings : mapping of str to str, optional
        Other spellings of these names.
    """
    if not isinstance(word, str):
        return None
    folded = {_folded(spelling): name for spelling, name in ({k: k for k in known} | dict(spellings or {})).items()}
    matcher = difflib.SequenceMatcher(b=_folded(word[:80]))
    ratios: dict[str, float] = {}
    for spelling, name in folded.items():
        matcher.set_seq1(spelling)
        if matcher.quick_ratio() >= 0.6:
            ratios[name] = max(ratios.get(name, 0.0), matcher.ratio())
    best = max(ratios.values(), default=0.0)
    near = sorted((n for n, r in ratios.items() if r >= max(0.6, best - 0.1)), key=lambda n: -ratios[n])[:3]
    return f"did you mean {' or '.join(repr(n) for n in near)}?" if near else None


def listed(names: Sequence[str]) -> str:
    """Names in words: "a, b or c", "one of a, b, c, d, ..." or how many there are."""
    if not names:
        return ""
    if len(", ".join(names)) > LISTED:
        return f"one of {len(names)} known names"
    if len(names) > 3:
        return f"one of {', '.join(names)}"
    return " or ".join(t for t in (", ".join(names[:-1]), names[-1]) if t)


def real_array(value: Any) -> np.ndarray | None:
    """An array of float64, or None for what is no array of real numbers (texts, True and False, complex numbers)."""
    if isinstance(value, list | tuple) and any(isinstance(v, bool | np.bool_) for v in value):
        return None  # among numbers NumPy makes them 0 and 1
    try:
        found = np.asarray(value)
        if found.dtype.kind == "O" and not any(isinstance(v, str | bool) for v in found.flat):
            found = found.astype(float)
    except (TypeError, ValueError):
        return None
    if found.dtype.kind not in "iuf" and found.size:
        return None
    return np.array(found, float)


def _folded(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")


def _range(low: float, high: float, ends: str) -> str:
    if high == math.inf:
        return f"a finite number {'>' if ends[0] == '(' else '>='} {low:g}"
    if low == -math.inf:
        return f"a finite number {'<' if ends[1] == ')' else '<='} {high:g}"
    if ends == "[]":
        return f"{low:g} to {high:g}"
    return f"{'>' if ends[0] == '(' else '>='} {low:g} and {'<' if ends[1] == ')' else '<='} {high:g}"
