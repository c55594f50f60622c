"""A scenario that has been read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emdose.scenarios.shared import toml
from emdose.version import __version__

LOCK_HEADER = "# Scenario of an emdose run with every default spelled out; it can be run again as it is.\n"


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario that has passed its schema.

    Parameters
    ----------
    file : Path
        Where it was read.
    kind : str
        Name of its kind, such as "rf".
    tables : Table
        The validated tables, with file names made absolute.
    sha256 : str
        Hash of all values (not of comments, order or number formats) and of the content of the files they name.
    identity : mapping
        What that hash is of: "tables" (plain values) and "files" (hash by the key that names the file).
    uncertainty : UncertaintyTable, optional
        What is uncertain, and how it is studied. Neither the hash nor the run depends on it: a study has a hash of its
        own.
    """

    file: Path
    kind: str
    tables: Any
    sha256: str
    identity: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    uncertainty: Any = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Short name."""
        return str(self.tables.scenario.name)

    def values(self) -> dict[str, Any]:
        """All tables as plain values, the hash included."""
        plain: dict[str, Any] = self.tables.model_dump()
        plain["scenario"]["sha256"] = self.sha256
        return plain

    def part_sha256(self, *tables: str, without: Sequence[str] = (), also: Mapping[str, Any] | None = None) -> str:
        """Hash of some tables and of the content of the files they name: what a part of the run depends on.

        Parameters
        ----------
        tables : str
            Their names; one that is not there counts as empty.
        without : sequence of str
            Keys that do not matter, such as "solver.max_iterations".
        also : mapping, optional
            Plain values that matter as well.
        """
        plain = {name: self.identity["tables"].get(name) for name in tables}
        for key in without:
            table, _, last = key.rpartition(".")
            if isinstance(plain.get(table), Mapping):
                plain[table] = {k: v for k, v in plain[table].items() if k != last}
        files = {k: v for k, v in self.identity["files"].items() if k.partition(".")[0] in tables}
        return toml.digest({"tables": plain, "files": files, "also": dict(also or {})})

    def lock(self) -> str:
        """Text of scenario.lock.toml."""
        plain = self.values()
        if self.uncertainty is not None:
            plain["uncertainty"] = self.uncertainty.plain()
        return f"{LOCK_HEADER}# emdose {__version__}\n\n{toml.dump(plain)}"
