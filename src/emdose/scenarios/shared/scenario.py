"""A scenario that has been read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
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
    """

    file: Path
    kind: str
    tables: Any
    sha256: str

    @property
    def name(self) -> str:
        """Short name."""
        return str(self.tables.scenario.name)

    def values(self) -> dict[str, Any]:
        """All tables as plain values, the hash included."""
        plain: dict[str, Any] = self.tables.model_dump()
        plain["scenario"]["sha256"] = self.sha256
        return plain

    def lock(self) -> str:
        """Text of scenario.lock.toml."""
        return f"{LOCK_HEADER}# emdose {__version__}\n\n{toml.dump(self.values())}"
