"""Tissue tables and label tables that users write: CSV and TOML."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.io.disk.files import read_bytes
from emdose.models.bodies.tissues import PROPERTIES, Constant, Tissue, TissueTable, check_property

LARGEST_TABLE = 16 * 2**20
TISSUE_COLUMNS = ("tissue", "like", *PROPERTIES, "source", "note")
LABEL_COLUMNS = ("label", "tissue", "name", *PROPERTIES, "source", "note")


def read_tissues(path: Path | str, base: TissueTable | None = None) -> TissueTable:
    """A tissue table in which a user's file overrides and extends another table.

    CSV has one row per tissue, TOML one table per tissue (``[my_gel]`` or ``[tissues.my_gel]``). Columns or keys:
    ``tissue`` (CSV only), ``like`` (a tissue to start from), ``relative_permittivity``, ``conductivity_S_m``,
    ``density_kg_m3``, ``heat_capacity_J_kg_K``, ``thermal_conductivity_W_m_K``, ``perfusion_mL_min_kg``,
    ``metabolic_heat_W_kg``, ``source``, ``note``. What is left empty comes from ``like``, or from the tissue of
    the same name in ``base``.

    Parameters
    ----------
    path : Path or str
        A .csv or .toml file.
    base : TissueTable, optional
        The table to extend; the built-in one by default.

    Raises
    ------
    InputError
        For an unknown column, a bad number, a tissue without density or without dielectric properties.
    """
    path, base = Path(path), TissueTable.default() if base is None else base
    rows = _toml_rows(path) if path.suffix.lower() == ".toml" else _csv_rows(path, TISSUE_COLUMNS, "tissue")
    made: dict[str, Tissue] = {}
    for where, row in rows:
        name = row.get("tissue", "")
        if not name:
            raise InputError("tissue without a name", file=path, field=where)
        name = base.resolve(name) or name
        if name in made:
            raise InputError("tissue given twice", file=path, field=where, found=name)
        made[name] = _tissue(name, row, base.extend(made.values()), path, where)
    if not made:
        raise InputError("no tissues in this table", file=path)
    return base.extend(made.values())


def read_labels(path: Path | str, table: TissueTable | None = None) -> dict[int, Tissue]:
    """Tissue of every label of a voxel body, from a CSV with columns ``label,tissue``.

    Further columns may override properties for one label (the names of :func:`read_tissues`) and give it another
    ``name``; a tissue that the table does not know needs density, permittivity and conductivity there. Lines that
    begin with # are comments; the separator may be a comma, a semicolon or a tab.

    Parameters
    ----------
    path : Path or str
        The CSV file.
    table : TissueTable, optional
        Where tissue names are looked up; the built-in one by default.

    Raises
    ------
    InputError
        For an unknown column or tissue, a label that is no whole number >= 0 or occurs twice, a bad property.
    """
    path, table = Path(path), TissueTable.default() if table is None else table
    labels: dict[int, Tissue] = {}
    for where, row in _csv_rows(path, LABEL_COLUMNS, "label", "tissue"):
        try:
            label = int(row.get("label", ""))
        except ValueError:
            label = -1
        if label < 0:
            raise InputError(
                "bad label", file=path, field=where, found=row.get("label", ""), expected="a whole number >= 0"
            )
        if label in labels:
            raise InputError("label given twice", file=path, field=where, found=label)
        name = row.get("tissue", "")
        if name in table:
            labels[label] = _changed(table[name], row, path, where, row.get("name") or None)
        elif name and all(row.get(k) for k in ("density_kg_m3", "relative_permittivity", "conductivity_S_m")):
            labels[label] = _tissue(row.get("name") or name, row, table, path, where)
        else:
            raise unknown("unknown tissue", name, table, file=path, field=f"{where}.tissue")
    if not labels:
        raise InputError("no labels in this table", file=path, expected="rows of label,tissue")
    return labels


def _tissue(name: str, row: Mapping[str, str], table: TissueTable, path: Path, where: str) -> Tissue:
    like = row.get("like") or (name if name in table else "")
    if like:
        if like not in table:
            raise unknown("unknown tissue", like, table, file=path, field=f"{where}.like")
        return _changed(table[like], row, path, where, name)
    values = _numbers(row, path, where)
    for key in ("density_kg_m3", "relative_permittivity", "conductivity_S_m"):
        if key not in values:
            what = "tissue without density" if key == "density_kg_m3" else "tissue without dielectric properties"
            raise InputError(
                what,
                file=path,
                field=f"{where}.{key}",
                found="nothing",
                expected="a number, or a tissue to start from in 'like'",
            )
    dielectric = Constant(values.pop("relative_permittivity"), values.pop("conductivity_S_m"))
    return Tissue(name, dielectric=dielectric, sources=_sources(row, path, {}), **values)


def _changed(tissue: Tissue, row: Mapping[str, str], path: Path, where: str, name: str | None) -> Tissue:
    values: dict[str, Any] = dict(_numbers(row, path, where))
    if values or row.get("source") or row.get("note"):
        changed = {"dielectric"} if values.keys() & {"relative_permittivity", "conductivity_S_m"} else set()
        changed |= {"density"} if "density_kg_m3" in values else set()
        changed |= {"thermal"} if any(k.endswith(("_K", "_kg")) for k in values) else set()
        values["sources"] = _sources(row, path, tissue.sources, changed)
    if name:
        values["name"] = name
    return tissue.replace(**values) if values else tissue


def _numbers(row: Mapping[str, str], path: Path, where: str) -> dict[str, float]:
    return {k: check_property(k, row[k], where=where, file=path) for k in PROPERTIES if row.get(k, "") != ""}


def _sources(
    row: Mapping[str, str], path: Path, before: Mapping[str, str], changed: set[str] | None = None
) -> dict[str, str]:
    text = row.get("source") or f"user table {path.name}"
    keys = {"dielectric", "density", "thermal"} if changed is None else changed
    note = {"note": row["note"]} if row.get("note") else {}
    return {**before, **dict.fromkeys(keys, text), **note}


def _csv_rows(path: Path, columns: tuple[str, ...], *needed: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a table with its place in the file ("row 3"); every cell stripped."""
    text = _text(path, "a CSV table")
    lines = [(n, s) for n, s in enumerate(text.splitlines(), 1) if s.strip() and not s.lstrip().startswith(("#", '"#'))]
    if not lines:
        raise InputError("empty table", file=path, expected=f"a header with {', '.join(needed)}")
    separator = max(",;\t", key=lines[0][1].count)
    try:
        cells = [next(csv.reader(io.StringIO(line), delimiter=separator, strict=True)) for _, line in lines]
    except (csv.Error, StopIteration) as error:
        raise InputError(f"not a CSV table: {error}", file=path) from None
    header = [c.strip() for c in cells[0]]
    for column in header:
        if column not in columns:
            raise unknown("unknown column", column, columns, file=path, field=_shown(column), shown=False)
        if header.count(column) > 1:
            raise InputError("column given twice", file=path, field=_shown(column))
    for column in needed:
        if column not in header:
            raise InputError("missing column", file=path, field=column, found=", ".join(header))
    for (number, _), row in zip(lines[1:], cells[1:], strict=True):
        if len(row) != len(header):
            raise InputError(
                "row does not fit the header",
                file=path,
                field=f"line {number}",
                found=f"{len(row)} cells",
                expected=f"{len(header)}",
            )
        yield f"line {number}", dict(zip(header, (c.strip() for c in row), strict=True))


def _toml_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        data = tomllib.loads(_text(path, "a TOML table"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"not TOML: {error}", file=path) from None
    nested = data.get("tissues")
    tables = nested if isinstance(nested, dict) and len(data) == 1 else data
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(
                "not a tissue",
                file=path,
                field=_shown(name),
                found=table,
                expected=f"a table [{name}] with its properties",
            )
        row = {"tissue": name}
        for key, value in table.items():
            if key not in TISSUE_COLUMNS or key == "tissue":
                field = _shown(f"{name}.{key}")
                raise unknown("unknown key", key, TISSUE_COLUMNS[1:], file=path, field=field, shown=False)
            if key in PROPERTIES and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise InputError("not a number", file=path, field=_shown(f"{name}.{key}"), found=value)
            row[key] = repr(float(value)) if key in PROPERTIES else str(value)
        yield name, row


def _text(path: Path, expected: str) -> str:
    try:
        text = read_bytes(path, expected, LARGEST_TABLE).decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError("not a text file", file=path, expected=f"{expected} in UTF-8")
    return text


def _shown(name: str) -> str:
    """A name for an error text: printable and short."""
    text = "".join(c if c.isprintable() else "?" for c in name) or "(empty)"
    return text if len(text) <= 40 else text[:37] + "..."
