"""Values that stay what they are: read-only arrays and mappings, a short text and a table for every dataclass.

The rule of sharing, kept by :func:`read_only` for all fields of a dataclass, nested mappings and tuples included:

* An array that can still be written to, by itself or through the array that it is a view of, is copied. The value
  keeps the copy, so that nothing its maker does later changes it.
* An array that cannot (read-only, and so is what it is a view of) is shared, not copied: a value that is derived from
  another one costs no memory for what both have in common.
* Whoever has just made an array and holds no other view of it hands it over with :func:`owned`, which locks it where
  it lies. That is how fields of hundreds of megabytes enter a value without a copy.
* Arrays of other libraries that cannot be locked (``setflags`` is NumPy's) are copied with their own ``copy``: nothing
  is shared with them, but they cannot refuse writes.

NumPy lets the owner of memory lift a lock again, and a view taken before the lock stays writable; the lock keeps from
accidents, not from intent.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, overload

import numpy as np

T = TypeVar("T")
LINES, WIDTH = 10, 110
"""Most lines and characters per line of a value's text."""

_SIMPLE = (str, bytes, bool, int, float, complex, np.generic, type(None))
_UNITS = {"Hz", "m", "s", "kg", "W", "K", "T", "A", "V", "F", "H", "J", "N", "ohm", "degC", "min", "dB"}


def _refuse(self: Any, *_args: Any, **_kwargs: Any) -> Any:
    """Refused: it is read-only."""
    kind, plain = ("mapping", "dict") if isinstance(self, dict) else ("list", "list")
    raise TypeError(f"this {kind} is read-only; {plain}(...) makes a copy that can be changed")


class FrozenDict(dict[Any, Any]):
    """A mapping that refuses writes, all the way down; it equals the plain dict of its items and writes itself to JSON.

    Parameters
    ----------
    items : mapping or pairs
        What it holds; see :func:`frozen`.

    Notes
    -----
    ``dict(mapping)`` and ``mapping | other`` are plain dicts that can be written to.
    """

    def __init__(self, items: Any = (), /, **more: Any) -> None:
        super().__init__({k: frozen(v) for k, v in dict(items, **more).items()})

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        return self | other  # as for a tuple's +=: the name gets a new object

    def copy(self) -> dict[Any, Any]:
        """A plain dict with the same items."""
        return dict(self)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (FrozenDict, dict(self))


class FrozenList(list[Any]):
    """A list that refuses writes, all the way down; it equals the plain list of its items and writes itself to JSON.

    Parameters
    ----------
    items : iterable
        What it holds; see :func:`frozen`.
    """

    def __init__(self, items: Any = ()) -> None:
        super().__init__(frozen(v) for v in items)

    __setitem__ = __delitem__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]
        return self + other

    def copy(self) -> list[Any]:
        """A plain list with the same items."""
        return list(self)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (FrozenList, list(self))


def frozen(item: Any) -> Any:
    """The item in a form that cannot be written to, by the rule of sharing of this module.

    Parameters
    ----------
    item : object
        Arrays become read-only, mappings :class:`FrozenDict`, lists :class:`FrozenList` and sets frozensets, with all
        that they hold. Anything else is returned as it is.
    """
    if isinstance(item, np.ndarray):
        return _frozen_array(item)
    if isinstance(item, (FrozenDict, FrozenList, *_SIMPLE)):
        return item
    if isinstance(item, Mapping):
        return FrozenDict(item)
    if isinstance(item, list):
        return FrozenList(item)
    if isinstance(item, tuple):
        inside = [frozen(x) for x in item]
        if all(a is b for a, b in zip(item, inside, strict=True)):
            return item
        return type(item)._make(inside) if hasattr(item, "_make") else tuple(inside)  # a named tuple keeps its names
    if isinstance(item, set):
        return frozenset(item)
    if hasattr(item, "__dlpack__") and hasattr(item, "copy"):
        return item.copy()
    return item


def owned(item: T) -> T:
    """Lock fresh arrays where they lie, so that a value takes them over without a copy.

    Parameters
    ----------
    item : array, mapping, tuple or list
        Arrays that the caller has just made, or a container of such; nobody else may hold them or a view of them.

    Returns
    -------
    The same item.
    """
    if isinstance(item, np.ndarray):
        part: Any = item
        while isinstance(part, np.ndarray):
            part.setflags(write=False)
            part = part.base
    elif isinstance(item, Mapping):
        for x in item.values():
            owned(x)
    elif isinstance(item, (tuple, list)):
        for x in item:
            owned(x)
    return item


@overload
def read_only(cls: type[T], /) -> type[T]: ...
@overload
def read_only(*, units: Mapping[str, str] = ..., short: bool = ...) -> Callable[[type[T]], type[T]]: ...
def read_only(cls: type[T] | None = None, /, *, units: Mapping[str, str] | None = None, short: bool = True) -> Any:
    """Make a frozen dataclass a value: contents read-only, a short ``repr``, a table for notebooks; written above it.

    Parameters
    ----------
    cls : type
        A dataclass with ``frozen=True``. One that holds arrays should also have ``eq=False``.
    units : mapping of str to str, optional
        Units of fields whose names do not end in one, such as ``{"value": "W/kg"}``. ``{drive_unit}`` in a unit stands
        for the field of that name.
    short : bool
        Whether to replace the ``repr``; not where the dataclass's own, which gives every digit, enters a hash.

    Raises
    ------
    TypeError
        When the class is not a frozen dataclass.
    """

    def decorate(cls: type[T]) -> type[T]:
        if not is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise TypeError(f"{cls.__name__} is not a frozen dataclass")
        made: Any = cls
        init = made.__init__

        @wraps(init)
        def make(self: Any, *args: Any, **kwargs: Any) -> None:
            init(self, *args, **kwargs)
            _freeze_fields(self)

        made.__init__ = make
        made.__setstate__ = _set_state
        if short:
            made.__repr__ = _text
        made._repr_html_ = _table
        made._units = {**getattr(cls, "_units", {}), **(units or {})}
        return cls

    return decorate if cls is None else decorate(cls)


def unit_of(value: Any, name: str) -> str:
    """Unit of a field of a value: stated where the class is written, or the end of the field's name; "" if none."""
    stated = getattr(type(value), "_units", {}).get(name)
    if stated is not None:
        about = {f.name: getattr(value, f.name) for f in fields(value)}
        return str(stated).format_map(about)
    end = name.rpartition("_")[2]
    return end if end in _UNITS and end != name else ""


def _frozen_array(a: np.ndarray) -> np.ndarray:
    if not _writable(a):
        return a
    # A broadcast axis has stride 0; its one entry is copied, not its length.
    once = tuple(slice(0, 1) if s == 0 and n > 1 else slice(None) for s, n in zip(a.strides, a.shape, strict=True))
    copy = np.array(a[once], order="K", copy=True)
    copy.setflags(write=False)
    return copy if copy.shape == a.shape else np.broadcast_to(copy, a.shape)


def _writable(a: Any) -> bool:
    """Whether the memory of an array can be written to through it or through what it is a view of."""
    while isinstance(a, np.ndarray):
        if a.flags.writeable:
            return True
        if a.base is None:
            return False
        a = a.base
    try:
        return not memoryview(a).readonly
    except TypeError:
        return True


def _freeze_fields(value: Any) -> None:
    for f in fields(value):
        before = getattr(value, f.name)
        after = frozen(before)
        if after is not before:
            object.__setattr__(value, f.name, after)


def _set_state(self: Any, state: Mapping[str, Any]) -> None:
    # Unpickled and deep-copied arrays are fresh, and NumPy gives them back writable; shared ones are locked already.
    self.__dict__.update({k: frozen(owned(v)) for k, v in state.items()})


def _again(kind: Any, items: Any) -> Any:
    return kind(owned(items))


# Text and table ------------------------------------------------------------------------------------------------------


def _text(self: Any) -> str:
    if hasattr(self, "_html"):  # a class that has a text and a table of its own
        return str(self)
    line = _line(self)
    if line is not None:
        return line
    rows = list(_rows(self))
    lines = [type(self).__name__]
    short: list[str] = []
    for name, kind, unit, about in rows:
        if kind:
            lines.append(_cut(f"  {name}: {', '.join(x for x in (kind, f'{about} {unit}'.strip()) if x)}"))
        else:
            short.append(f"{name}={about}")
    packed = _packed(short)
    if len(lines) + len(packed) > LINES:  # at most three lines of plain items, then arrays and the like, in their order
        packed = packed[: max(3, LINES - 1 - len(lines))]
        lines, packed = lines[: LINES - 1 - len(packed)], [*packed, "  ..."]
    return "\n".join([*lines, *packed])


def _table(self: Any) -> str:
    """The value as an HTML table: field, shape and type, unit, peak or value."""
    if hasattr(self, "_html"):
        return str(self._html())
    cells = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{html.escape(x)}</td>" for x in (name, kind, about, unit))
        + "</tr>"
        for name, kind, unit, about in _rows(self)
    )
    return f"<table><caption><b>{html.escape(type(self).__name__)}</b></caption><tbody>{cells}</tbody></table>"


def _rows(value: Any) -> Iterator[tuple[str, str, str, str]]:
    """Name, kind ("" for a plain number or word), unit and text of every field that is not None."""
    for f in fields(value):
        item = getattr(value, f.name)
        if f.repr and item is not None:
            kind, about = _about(item)
            shown = unit_of(value, f.name) if hasattr(item, "shape") and f.name in type(value)._units else ""
            yield f.name, kind, shown, about


def _about(item: Any) -> tuple[str, str]:
    """What an item is and, in a few words, how large or which."""
    if isinstance(item, _SIMPLE):
        return "", _cut(repr(item.item() if isinstance(item, np.generic) else item), 60)
    if hasattr(item, "shape") and hasattr(item, "dtype"):
        return f"{tuple(item.shape)} {item.dtype}", _peak(item)
    if isinstance(item, Mapping):
        return "mapping", _cut(", ".join(map(str, item)) or "empty", 80)
    if isinstance(item, (tuple, list, frozenset)):
        if all(isinstance(x, (*_SIMPLE, tuple)) for x in item) and len(repr(item)) <= 60:
            return "", repr(item)
        kinds = sorted({type(x).__name__ for x in item})
        return f"{len(item)} {' or '.join(kinds)}", ""
    if is_dataclass(item):
        return _cut(_line(item) or _title(item), 90), ""
    return _cut(f"{type(item).__name__}" if callable(item) else str(item).splitlines()[0], 80), ""


def _line(value: Any) -> str | None:
    """The value in one line, as it would be typed in; None when it does not fit or holds more than plain items."""
    parts = []
    for f in fields(value):
        item = getattr(value, f.name)
        simple = isinstance(item, _SIMPLE) or (isinstance(item, tuple) and all(isinstance(x, _SIMPLE) for x in item))
        if f.repr:
            if not simple:
                return None
            parts.append(f"{f.name}={item.item() if isinstance(item, np.generic) else item!r}")
    line = f"{type(value).__name__}({', '.join(parts)})"
    return line if len(line) <= WIDTH and "\n" not in line else None


def _title(value: Any) -> str:
    """Class, name and first shape of a value that another one holds."""
    name = getattr(value, "name", None)
    shape = next((tuple(x.shape) for f in fields(value) if hasattr(x := getattr(value, f.name), "shape")), None)
    parts = [repr(name) if isinstance(name, str) and name else "", str(shape) if shape is not None else ""]
    return f"{type(value).__name__}({', '.join(p for p in parts if p)})"


def _peak(a: Any) -> str:
    """Largest magnitude, number of true ones or range of labels; NaN does not count."""
    if not a.size or a.dtype.kind not in "biufc":
        return ""
    if a.dtype.kind == "b":
        return f"{int(a.sum())} true"
    if a.dtype.kind in "iu":
        return f"{int(a.min())} to {int(a.max())}"
    largest = -1.0
    for part in a if a.ndim > 1 else [a]:  # one slab at a time: no second array of the whole size
        size = abs(part)
        size = size[size == size]
        largest = max(largest, float(size.max())) if size.size else largest
    return f"peak {largest:.4g}" if largest >= 0 else "all NaN"


def _packed(items: list[str]) -> list[str]:
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) + 2 <= WIDTH:
            lines[-1] += f", {item}"
        else:
            lines.append(_cut(f"  {item}"))
    return lines


def _cut(text: str, most: int = WIDTH) -> str:
    text = " ".join(text.split("\n"))
    return text if len(text) <= most else text[: most - 3] + "..."
