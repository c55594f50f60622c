"""The kinds of scenario, a folder each, and those that other packages bring by the entry point ``emdose.kinds``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.scenarios.shared.kind import Kind

GROUP = "emdose.kinds"
"""Entry point group: name of the kind = "module:object", the object a :class:`~emdose.scenarios.Kind`."""

OWN = (
    EntryPoint("rf", "emdose.scenarios.kinds.rf:KIND", GROUP),
    EntryPoint("ept", "emdose.scenarios.kinds.ept:KIND", GROUP),
    EntryPoint("lead", "emdose.scenarios.kinds.lead:KIND", GROUP),
    EntryPoint("implant-gradient", "emdose.scenarios.kinds.implant_gradient:KIND", GROUP),
    EntryPoint("implant-rf", "emdose.scenarios.kinds.implant_rf:KIND", GROUP),
    EntryPoint("body-gradient", "emdose.scenarios.kinds.body_gradient:KIND", GROUP),
    EntryPoint("force", "emdose.scenarios.kinds.force:KIND", GROUP),
    EntryPoint("ptx", "emdose.scenarios.kinds.ptx:KIND", GROUP),
    EntryPoint("motion", "emdose.scenarios.kinds.motion:KIND", GROUP),
    EntryPoint("label", "emdose.scenarios.kinds.label:KIND", GROUP),
)
"""The kinds that come with emdose, imported when they are asked for. No plug-in can take their names."""


def names() -> list[str]:
    """Names of all kinds, emdose's own first."""
    return list(dict.fromkeys(row.name for row in (*OWN, *entry_points(group=GROUP))))


def listed() -> str:
    """All names as a choice in words: '"rf", "ept" or "implant-gradient"'."""
    *most, last = (f'"{name}"' for name in names())
    return f"{', '.join(most)} or {last}"


def get(name: object, file: object = None, field: str | None = None) -> Kind[Any]:
    """A kind of scenario by its name.

    Parameters
    ----------
    name : str
        What a scenario or a summary states.
    file : Path or str, optional
        Where it is stated, for errors.
    field : str, optional
        Key that states it, for errors.

    Raises
    ------
    InputError
        When there is no such kind, or the plug-in that brings it cannot be loaded.
    """
    row = _row(name, file, field)
    if row is None:
        raise unknown(
            "missing key" if name is None else "unknown kind of scenario", name, names(), file=file, field=field
        )
    if row in OWN:
        own: Kind[Any] = row.load()
        return own
    where = f"the plug-in {_plug_in(row)} for scenarios of kind '{row.name}'"
    try:
        kind = row.load()
    except Exception as error:  # whatever someone else's module does when it is imported
        raise InputError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}", file=file, field=field
        ) from error
    if not isinstance(kind, Kind):
        raise InputError(
            f"{where} is not a kind of scenario",
            file=file,
            field=field,
            found=f"{row.value}, of type {type(kind).__name__}",
            expected="an object of a class that derives from emdose.scenarios.Kind",
        )
    if kind.name != row.name:
        raise InputError(f"{where} has another name itself", file=file, field=field, found=kind.name, expected=row.name)
    return kind


def brought_by(name: str) -> tuple[str, str] | None:
    """Name and version of the package that brings a kind; None for emdose's own."""
    row = _row(name)
    return None if row is None or row.dist is None else (row.dist.name, row.dist.version)


def _row(name: object, file: object = None, field: str | None = None) -> EntryPoint | None:
    for row in OWN:
        if row.name == name:
            return row
    rows = [row for row in entry_points(group=GROUP) if row.name == name]
    # The same package may lie on the path twice, as an installed and as a source tree.
    different = {(row.value, None if row.dist is None else row.dist.name) for row in rows}
    if len(different) > 1:
        raise InputError(
            f"several plug-ins bring scenarios of kind '{name}'",
            file=file,
            field=field,
            found=" and ".join(_plug_in(row) for row in rows),
            expected="one of them, the other not installed",
        )
    return rows[0] if rows else None


def _plug_in(row: EntryPoint) -> str:
    return f"'{row.value}'" if row.dist is None else f"'{row.dist.name} {row.dist.version}'"
