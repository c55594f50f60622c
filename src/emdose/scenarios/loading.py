"""From a file to a scenario that has been checked, with its hash."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.io.disk import files
from emdose.io.maps import maps3d
from emdose.scenarios.shared import tables, toml
from emdose.version import __version__

KINDS = {
    "rf": "emdose.scenarios.kinds.rf",
    "ept": "emdose.scenarios.kinds.ept",
    "implant-gradient": "emdose.scenarios.kinds.implant_gradient",
}
"""Kinds of scenario and the module of each: it has the schema ``Scenario`` and the class ``Job`` that runs it."""

LOCK_HEADER = "# Scenario of an emdose run with every default spelled out; it can be run again as it is.\n"


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario that has passed its schema.

    Parameters
    ----------
    file : Path
        Where it was read.
    kind : str
        Such as "rf".
    tables : Table
        The validated tables, with file names made absolute.
    sha256 : str
        Hash of all values (not of comments, order or number formats) and of the content of the files they name.
    """

    file: Path
    kind: str
    tables: Any
    sha256: str

    @property
    def name(self) -> str:
        """Short name."""
        return str(self.tables.scenario.name)

    @property
    def module(self) -> ModuleType:
        """The module of its kind."""
        return importlib.import_module(KINDS[self.kind])

    def values(self) -> dict[str, Any]:
        """All tables as plain values, the hash included."""
        plain: dict[str, Any] = self.tables.model_dump()
        plain["scenario"]["sha256"] = self.sha256
        return plain

    def lock(self) -> str:
        """Text of scenario.lock.toml."""
        return f"{LOCK_HEADER}# emdose {__version__}\n\n{toml.dump(self.values())}"


def load(path: Path | str) -> LoadedScenario:
    """Read and check a scenario.

    Parameters
    ----------
    path : Path or str
        A TOML file; file names in it are relative to its folder.

    Raises
    ------
    InputError
        In one line: the file, the key, what stands there and what was expected.
    """
    path = Path(path)
    return from_tables(toml.read(path), path)


def from_tables(raw: Mapping[str, Any], file: Path | str) -> LoadedScenario:
    """Check the parsed tables of a scenario; see :func:`load`."""
    file = Path(file)
    header = raw.get("scenario")
    if not isinstance(header, Mapping):
        problem = "missing table" if header is None else "not a table"
        raise InputError(
            problem,
            file=file,
            field="scenario",
            found=header,
            expected='[scenario] with kind = "rf", "ept" or "implant-gradient"',
        )
    kind = header.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        problem = "missing key" if kind is None else "unknown kind of scenario"
        raise unknown(problem, kind, KINDS, file=file, field="scenario.kind")
    schema = importlib.import_module(KINDS[kind]).Scenario
    raw = schema.completed(raw) if hasattr(schema, "completed") else raw
    try:
        checked = schema.model_validate(raw)
    except ValidationError as error:
        raise tables.explain(error, raw, file) from None
    except RecursionError:
        raise InputError("nested too deeply", file=file) from None
    checked = tables.with_files_at(checked, file.parent)
    sha256 = _hash(checked, file)
    if checked.scenario.sha256 is not None and checked.scenario.sha256 != sha256:
        raise InputError(
            "the scenario, or a file it names, is not the one that was locked",
            file=file,
            field="scenario.sha256",
            found=checked.scenario.sha256[:12],
            expected=f"{sha256[:12]}...; remove this key to run it as it is now",
        )
    return LoadedScenario(file, kind, checked, sha256)


def bundled_names() -> list[str]:
    """Names of the scenarios that come with emdose."""
    folder = resources.files("emdose.scenarios") / "bundled"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def bundled(name: str) -> Path:
    """File of a scenario that comes with emdose.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    names = bundled_names()
    if name not in names:
        raise unknown("no such demo", name, names)
    return Path(str(resources.files("emdose.scenarios") / "bundled" / f"{name}.toml"))


def _hash(checked: Any, file: Path) -> str:
    contents = {}
    for field, address in tables.files_of(checked).items():
        name = maps3d.file_of(address)
        try:
            contents[field] = files.sha256(name)
            contents |= {f"{field} {path.suffix}": files.sha256(path) for path in _companions(Path(name))}
        except InputError as error:
            raise InputError(
                error.problem, file=file, field=field, found=name, expected="a file, named relative to the scenario"
            ) from None
    plain: dict[str, Any] = checked.model_dump()
    plain["scenario"].pop("sha256")
    for field, address in tables.files_of(checked).items():
        table = plain
        *above, last = field.split(".")
        for key in above:
            table = table[key]
        table[last] = address.removeprefix(maps3d.file_of(address)) or None  # the dataset inside the file counts
    return toml.digest({"tables": plain, "files": contents})


def _companions(path: Path) -> list[Path]:
    """Files beside a body that readers look at on their own: header and data of a raw body, label table."""
    stem = path.name.removesuffix(".gz").removesuffix(path.with_name(path.name.removesuffix(".gz")).suffix)
    beside = [path.with_name(stem + suffix) for suffix in (".txt", ".raw", ".csv")]
    return [p for p in beside if p != path and p.is_file()]
