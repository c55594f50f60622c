"""Writes the tables of keys of the scenario guide from the schema itself, so that they cannot disagree with it.

What a key is for stands in `scenario_meanings.toml`, by the class of its table or for all of them.
"""

from __future__ import annotations

import functools
import tomllib
import typing
from pathlib import Path
from typing import Any

from emdose.scenarios import kinds
from emdose.scenarios.shared.tables import Table
from emdose.scenarios.uncertainty_table import UncertaintyTable

MEANINGS = Path(__file__).with_name("scenario_meanings.toml")
EVERYWHERE = "any"
UNITS = {
    "W_m_K": "W/m/K", "J_kg_K": "J/kg/K", "mL_min_kg": "mL/min/kg", "T_m_s": "T/m/s", "W_m2_K": "W/m²/K",
    "kg_m3": "kg/m³", "W_kg": "W/kg", "S_m": "S/m", "V_m": "V/m", "T_m": "T/m", "T_s": "T/s", "1_K": "1/K",
    "degC": "°C", "deg": "°", "ohm": "Ω", "Hz": "Hz", "kg": "kg", "10s": "",
    "m": "m", "s": "s", "T": "T", "W": "W", "K": "K", "F": "F",
}  # fmt: skip
"""Units by the end of a key, the longest first."""


def write(path: Path) -> None:
    """Write one table of keys per table of every kind of scenario."""
    lines: list[str] = []
    for row in kinds.OWN:
        lines += [f'## Keys of `kind = "{row.name}"`', "", *_kind(kinds.get(row.name).schema())]
    lines += _uncertainty()
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _kind(scenario: type[Table]) -> list[str]:
    lines: list[str] = []
    for key, field in scenario.model_fields.items():
        tables = [t for t in _leaves(field.annotation) if _is_table(t)]
        need = "required" if field.is_required() else "optional"
        if len(tables) == 1:
            title = f"{key}.NAME" if typing.get_origin(field.annotation) is dict else key
            lines += [f"### `[{title}]`", "", f"{_sentence(tables[0])} ({need})", "", *_rows(tables[0])]
            for sub, inside in tables[0].model_fields.items():
                for part in filter(_is_table, _leaves(inside.annotation)):
                    of = f"{key}.{sub}.NAME" if typing.get_origin(inside.annotation) is dict else f"{key}.{sub}"
                    lines += [f"#### `[{of}]`", "", _sentence(part), "", *_rows(part)]
            continue
        common = [
            n for n in tables[0].model_fields if n != "type" and all(n in t.__mro__[1].model_fields for t in tables)
        ]
        title = f"{key}.NAME" if typing.get_origin(field.annotation) is dict else key
        lines += [f"### `[{title}]`", "", f"The key `type` says which; it is {need}.", ""]
        if common:
            lines += ["Keys that every type has:", "", *_rows(tables[0], only=common)]
        for sub, inner in ((n, _leaves(tables[0].model_fields[n].annotation)) for n in common):
            for table in filter(_is_table, inner):
                lines += [f"#### `[{key}.{sub}.NAME]`", "", _sentence(table), "", *_rows(table)]
        for table in tables:
            tag = _leaves(table.model_fields["type"].annotation)[0]
            lines += [f'#### `type = "{tag}"`', "", _sentence(table), ""]
            own = [n for n in table.model_fields if n not in (*common, "type")]
            lines += _rows(table, only=own)
            for sub, inner in ((n, _leaves(table.model_fields[n].annotation)) for n in own):
                for part in filter(_is_table, inner):
                    lines += [f"##### `[{key}.{sub}.NAME]`", "", _sentence(part), "", *_rows(part)]
    return lines


def _sentence(table: type[Table]) -> str:
    return (table.__doc__ or "").strip().splitlines()[0]


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)


def _uncertainty() -> list[str]:
    """The table that a scenario of any kind can have."""
    lines = ["## Keys of `[uncertainty]`, in every kind", "", f"{_sentence(UncertaintyTable)} (optional)", ""]
    lines += _rows(UncertaintyTable)
    for key, field in UncertaintyTable.model_fields.items():
        for table in filter(_is_table, _leaves(field.annotation)):
            lines += [f"### `[[uncertainty.{key}]]`", "", _sentence(table), "", *_rows(table)]
    return lines


def _rows(table: type[Table], only: list[str] | None = None) -> list[str]:
    rows = ["| key | unit | accepts | default | what for |", "| --- | --- | --- | --- | --- |"]
    for name, field in table.model_fields.items():
        if (only is not None and name not in only) or (name == "type" and len(_leaves(field.annotation)) == 1):
            continue
        default = "*required*" if field.is_required() else _default(field.get_default(call_default_factory=True))
        rows.append(f"| `{name}` | {unit(name)} | {_accepts(field)} | {default} | {meaning(table, name)} |")
    return [*rows, ""] if len(rows) > 2 else ["No keys of its own.", ""]


@functools.cache
def meanings() -> dict[str, dict[str, str]]:
    """What keys are for, by the name of the class of their table."""
    return tomllib.loads(MEANINGS.read_text(encoding="utf-8"))


def meaning(table: type[Table], key: str) -> str:
    """What a key is for; a SystemExit that says where to write it when nothing does."""
    for name in (*(c.__name__ for c in table.__mro__), EVERYWHERE):
        if key in meanings().get(name, {}):
            return meanings()[name][key]
    raise SystemExit(
        f"what is {key!r} of {table.__name__} for? Write it into {MEANINGS.name}, under [{table.__name__}]"
    )


def unit(key: str) -> str:
    """The unit that a key ends with."""
    return next((text for end, text in UNITS.items() if key.endswith(f"_{end}")), "")


def tables() -> list[type[Table]]:
    """Every table of every kind, and of what all kinds have."""
    found: list[type[Table]] = []

    def walk(table: type[Table]) -> None:
        if table not in found:
            found.append(table)
            for field in table.model_fields.values():
                for inner in filter(_is_table, _leaves(field.annotation)):
                    walk(inner)

    for row in kinds.OWN:
        walk(kinds.get(row.name).schema())
    walk(UncertaintyTable)
    return found


def _default(value: Any) -> str:
    return "its own" if isinstance(value, Table) else _toml(value)


def _accepts(field: Any) -> str:
    leaves = [leaf for leaf in _leaves(field.annotation) if leaf is not type(None)]
    if any(_is_table(leaf) for leaf in leaves):
        return "tables with a name each, see below"
    expected = [m.expected for m in [*field.metadata, *_metadata(field.annotation)] if hasattr(m, "expected")]
    words = [f"`{_toml_plain(leaf)}`" for leaf in leaves if isinstance(leaf, str)]
    return " or ".join([*words, *expected[:1]]) or ", ".join(getattr(leaf, "__name__", str(leaf)) for leaf in leaves)


def _metadata(annotation: Any) -> list[Any]:
    found = list(getattr(annotation, "__metadata__", ()))
    for inner in typing.get_args(annotation):
        found += _metadata(inner)
    return found


def _leaves(annotation: Any) -> list[Any]:
    """Types and literals inside an annotation."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _leaves(typing.get_args(annotation)[0])
    inner = typing.get_args(annotation)
    return [annotation] if not inner else [leaf for a in inner for leaf in _leaves(a)]


def _toml(value: Any) -> str:
    return "" if value is None or value == {} else f"`{_toml_plain(value)}`"


def _toml_plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_plain(v) for v in value)}]"
    return str(value)
