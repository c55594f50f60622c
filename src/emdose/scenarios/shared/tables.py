"""The common part of every scenario schema: strict tables, quantities with bounds, and errors in one line."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from emdose.checks import did_you_mean, listed
from emdose.errors import InputError
from emdose.validity import THRESHOLDS

UNITS = {
    "m": {"mm": 1e-3, "cm": 1e-2, "um": 1e-6, "km": 1e3, "in": 0.0254, "m": 1.0},
    "Hz": {"kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "Hz": 1.0, "hz": 1.0, "mhz": 1e6},
    "T": {"uT": 1e-6, "mT": 1e-3, "nT": 1e-9, "G": 1e-4, "T": 1.0},
    "kg": {"g": 1e-3, "mg": 1e-6, "kg": 1.0},
    "S_m": {"mS_m": 1e-3, "mS_cm": 0.1, "S_cm": 100.0, "S_m": 1.0, "S": 1.0},
    "kg_m3": {"g_cm3": 1e3, "g_mL": 1e3, "kg_L": 1e3, "kg_m3": 1.0, "kg": 1.0},
    "W_kg": {"mW_kg": 1e-3, "mW_g": 1.0, "W_kg": 1.0},
    "W": {"mW": 1e-3, "kW": 1e3, "W": 1.0},
    "V_m": {"kV_m": 1e3, "mV_m": 1e-3, "V_cm": 100.0, "V_m": 1.0},
    "degC": {"C": 1.0, "celsius": 1.0, "degC": 1.0},
    "deg": {"rad": 180 / math.pi, "degrees": 1.0, "deg": 1.0},
    "F": {"pF": 1e-12, "nF": 1e-9, "uF": 1e-6, "F": 1.0},
    "ohm": {"kohm": 1e3, "mohm": 1e-3, "ohm": 1.0},
    "s": {"ms": 1e-3, "min": 60.0, "h": 3600.0, "s": 1.0},
}
"""What users may have meant: for every unit of a key the other spellings and the factor to the right one."""


def bad_value(expected: str) -> PydanticCustomError:
    """The error of a value that is not what it should be."""
    return PydanticCustomError("bad_value", "bad value", {"expected": expected})


def bad_key(key: str, expected: str) -> PydanticCustomError:
    """The error of a key (a path with dots) that does not fit another one."""
    return PydanticCustomError("bad_key", "does not fit the rest", {"key": key, "expected": expected})


class Table(BaseModel):
    """A table of a scenario: every key is known, and a key that is not gets an answer that helps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known_and_complete(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise bad_value("a table of keys")
        for key in data:
            if key not in cls.model_fields:
                words = _suggestion(str(key), data[key], cls)
                raise PydanticCustomError("unknown_key", "unknown key", {"key": str(key), **words})
        for key, field in cls.model_fields.items():
            if field.is_required() and key not in data:
                text = field.description or next((m.expected for m in field.metadata if hasattr(m, "expected")), None)
                raise PydanticCustomError("missing_key", "missing key", {"key": key, "expected": text or "a value"})
        return data


class Quantity(BeforeValidator):
    """A validator that knows in words what it accepts: the second half of ``Annotated[float, number(...)]``."""

    def __init__(self, func: Any, expected: str) -> None:
        super().__init__(func)
        object.__setattr__(self, "expected", expected)


def number(
    what: str, low: float = -math.inf, high: float = math.inf, *, above: bool = False, word: str | None = None
) -> Quantity:
    """A finite number within ``low`` to ``high``; ``above`` excludes ``low`` itself, ``word`` may stand instead."""
    expected = what + _range_text(low, high, above) + (f', or "{word}"' if word else "")

    def check(value: Any) -> float | str:
        if word and isinstance(value, str) and value == word:
            return word
        if not _is_number(value) or not low <= value <= high or (above and value == low):
            raise bad_value(expected)
        return float(value)

    return Quantity(check, expected)


def count(what: str, low: int, high: int) -> Quantity:
    """An integer within ``low`` to ``high``, both included."""
    expected = f"{what}, an integer from {low} to {high}"

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise bad_value(expected)
        return value

    return Quantity(check, expected)


def numbers(
    what: str,
    length: int | None,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    one_for_all: bool = False,
) -> Quantity:
    """A list of ``length`` finite numbers (any length of 1 to 256 when None) as a tuple.

    With ``one_for_all`` a single number stands for ``length`` equal ones.
    """
    items = f"{length} numbers" if length else "1 to 256 numbers"
    expected = f"{'one number or ' if one_for_all else ''}a list of {items}: {what}{_range_text(low, high, above)}"

    def check(value: Any) -> tuple[float, ...]:
        if one_for_all and length and _is_number(value):
            value = [value] * length
        good = (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and (len(value) == length if length else 1 <= len(value) <= 256)
            and all(_is_number(v) and low <= v <= high and not (above and v == low) for v in value)
        )
        if not good:
            raise bad_value(expected)
        return tuple(float(v) for v in value)

    return Quantity(check, expected)


def text(what: str, longest: int = 200) -> Quantity:
    """A string that is not empty and has one line."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
            raise bad_value(what)
        return value

    return Quantity(check, what)


def texts(what: str) -> Quantity:
    """A list of 1 to 256 strings, each not empty and of one line."""
    expected = f"a list of texts: {what}"
    one = text(expected).func

    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= 256:
            raise bad_value(expected)
        return tuple(one(v) for v in value)  # type: ignore[call-arg]

    return Quantity(check, expected)


def switch(what: str) -> Quantity:
    """True or false, and nothing that merely looks like it."""

    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise bad_value(f"true or false: {what}")
        return value

    return Quantity(check, f"true or false: {what}")


class FileName(Quantity):
    """The name of a file, relative to the scenario; see :func:`with_files_at`."""


class ScanName(FileName):
    """The name of a file, of a folder of images, or the beginning of the names of several."""


def scan_name(what: str) -> ScanName:
    """A file, a folder or the beginning of names."""
    return ScanName(text(what, longest=4096).func, what)


def file_name(what: str) -> FileName:
    """A file name."""
    return FileName(text(what, longest=4096).func, what)


def one_of(*tables: type[Table]) -> Quantity:
    """A sub-table whose key ``type`` says which of several tables it is."""
    tags = [t.model_fields["type"].annotation.__args__[0] for t in tables]  # type: ignore[union-attr]

    def check(value: Any) -> Any:
        if not isinstance(value, Mapping | Table):
            raise bad_value("a table of keys")
        if isinstance(value, Table):
            return value
        if "type" not in value:
            raise PydanticCustomError("missing_key", "missing key", {"key": "type", "expected": listed(tags)})
        if value["type"] not in tags:
            words = {"expected": listed(tags), "hint": did_you_mean(value["type"], tags)}
            raise PydanticCustomError("unknown_type", "unknown type", words)
        return value

    return Quantity(check, f"a table with type = {listed(tags)}")


def files_of(table: Table, path: tuple[str, ...] = (), kind: type[FileName] = FileName) -> dict[str, str]:
    """File names in a table and its sub-tables, by the path of their key; those of one kind of name alone."""
    found: dict[str, str] = {}
    for key, field in type(table).model_fields.items():
        value = getattr(table, key)
        if isinstance(value, Table):
            found |= files_of(value, (*path, key), kind)
        elif isinstance(value, Mapping):
            for name, part in value.items():
                found |= files_of(part, (*path, key, name), kind) if isinstance(part, Table) else {}
        elif isinstance(value, str) and _is_file(field, kind):
            found[".".join((*path, key))] = value
    return found


def with_files_at(table: Any, folder: Path) -> Any:
    """The same table with relative file names made absolute: they are relative to ``folder``."""
    changes: dict[str, Any] = {}
    for key, field in type(table).model_fields.items():
        value = getattr(table, key)
        if isinstance(value, Table):
            changes[key] = with_files_at(value, folder)
        elif isinstance(value, Mapping):
            changes[key] = {k: with_files_at(v, folder) if isinstance(v, Table) else v for k, v in value.items()}
        elif isinstance(value, str) and _is_file(field):
            changes[key] = str((folder / Path(value).expanduser()).resolve())
    return table.model_copy(update=changes)


def _is_file(field: Any, kind: type[FileName] = FileName) -> bool:
    # Metadata of "FileName | None" sits on the inner type, not on the field.
    inner = [m for a in getattr(field.annotation, "__args__", ()) for m in getattr(a, "__metadata__", ())]
    return any(isinstance(m, kind) for m in [*field.metadata, *inner])


def explain(error: ValidationError, raw: Mapping[str, Any], file: object = None) -> InputError:
    """One InputError for a failed validation: the first cause, the path of its key, and how many more there are."""
    details = error.errors(include_url=False)
    # A mistyped key also leaves its right reference missing: tell the cause first.
    order = {"unknown_key": 0, "unknown_type": 1, "bad_value": 2, "missing_key": 3}
    first = min(details, key=lambda d: order.get(d["type"], 2))
    context = first.get("ctx", {})
    path, found = _follow(raw, first["loc"])
    expected, hint = context.get("expected"), context.get("hint")
    if first["type"] == "bad_key":
        path, found = _follow(raw, (*first["loc"], *context["key"].split(".")))
    names = {
        "bad_key": "does not fit the rest",
        "unknown_key": "unknown key",
        "missing_key": "missing key",
        "bad_value": "bad value",
    }
    problem = names.get(first["type"], "")
    if first["type"] in ("unknown_key", "missing_key"):
        path = [*path, context["key"]]
        found = None
    elif first["type"] == "unknown_type":
        path, found, problem = [*path, "type"], found["type"], "unknown type"
    elif first["type"] == "literal_error":
        problem = "unknown choice"
        choices = [c.strip("' ") for c in str(expected).replace(" or ", ", ").split(", ")]
        expected, hint = listed(choices), did_you_mean(found, choices)
    elif not problem:
        problem = str(context.get("error") or first["msg"]).removeprefix("Value error, ")
    if len(details) > 1:
        problem += f" (and {len(details) - 1} more)"
    return InputError(problem, file=file, field=".".join(path) or None, found=found, expected=expected, hint=hint)


def checked(table: type[Table], values: Mapping[str, Any], name: str) -> Any:
    """A table of a scenario from keywords of Python; raises InputError naming the table and the key."""
    try:
        return table.model_validate(dict(values))
    except ValidationError as error:
        found = explain(error, values)
        raise found.at(field=f"{name}.{found.field}" if found.field else name) from None


@contextlib.contextmanager
def blamed_on(file: object, table: str) -> Iterator[None]:
    """Complete an InputError of a model with the scenario file and the table that it comes from."""
    try:
        yield
    except InputError as error:
        if error.file is not None:
            raise
        field = table if error.field in (None, table) else f"{table}.{error.field}".lstrip(".")
        raise error.at(file=file, field=field) from None


def _suggestion(key: str, value: Any, table: type[BaseModel]) -> dict[str, Any]:
    """What an unknown key should have been, as ``expected`` and ``hint``: units are converted, slips named."""
    known = list(table.model_fields)
    for name in known:
        for unit, others in UNITS.items():
            if not name.endswith(f"_{unit}"):
                continue
            stem = name[: -len(unit) - 1]
            for other, factor in others.items():
                if key.lower() == f"{stem}_{other}".lower():
                    scaled = f", so {name} = {value * factor:.6g}" if _is_number(value) else ""
                    return {"expected": f"'{name}' (in {unit.replace('_', '/')}{scaled})"}
            if key.lower() == stem.lower():
                return {"expected": f"'{name}': the unit belongs into the key"}
    return {"expected": listed(known) or "no keys here", "hint": did_you_mean(key, known)}


def _follow(raw: Any, loc: Sequence[int | str]) -> tuple[list[str], Any]:
    """Path in the user's own words and the value there; pydantic adds the tags of unions to its path."""
    path: list[str] = []
    tag_seen = False
    for step in loc:
        if isinstance(raw, Mapping) and raw.get("type") == step and not tag_seen:
            tag_seen = True
            continue
        known = (isinstance(raw, Mapping) and step in raw) or (
            isinstance(raw, list | tuple) and step in range(len(raw))
        )
        raw = raw[step] if known else None
        path.append(str(step))
        tag_seen = False
    return path, raw


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308 and value == value


def _range_text(low: float, high: float, above: bool) -> str:
    if low == -math.inf and high == math.inf:
        return " (finite)"
    if high == math.inf:
        return f" {'>' if above else '>='} {low:g}"
    if low == -math.inf:
        return f" <= {high:g}"
    return f" {'>' if above else 'from'} {low:g} {'and <=' if above else 'to'} {high:g}"


def _accepted() -> Quantity:
    """Names of thresholds of validity that a run may pass."""
    expected = f"a list of names of thresholds of validity: {listed(list(THRESHOLDS))}"

    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise bad_value(expected)
        for name in value:
            if name not in THRESHOLDS:
                words = {"expected": expected, "hint": did_you_mean(name, list(THRESHOLDS))}
                raise PydanticCustomError("bad_value", "bad value", words)
        return tuple(dict.fromkeys(value))

    return Quantity(check, expected)


class Header(Table):
    """The table [scenario]: what kind of scenario this is and what it is called."""

    kind: Annotated[str, text("a kind of scenario, such as 'rf'")]
    name: Annotated[str, text("a short name")] = "unnamed"
    description: Annotated[str, text("a sentence", longest=2000)] | None = None
    sha256: Annotated[str, text("64 hexadecimal digits, as in scenario.lock.toml")] | None = None
    accept: Annotated[tuple[str, ...], _accepted()] = ()
