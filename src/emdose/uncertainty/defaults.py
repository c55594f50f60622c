"""Laws of inputs that a scenario does not state: tissue properties, position, drive, metal; each with its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from emdose import resources
from emdose.uncertainty.laws import Law, law_of_dict
from emdose.values import read_only

TABLE = "default_laws.csv"
STATES = {
    "read": "in the public source named",
    "recalled": "written down from the named source without reading it again",
    "assumed": "a choice of this project in the light of the source named",
}
"""What is known about the numbers of a law."""


@read_only
@dataclass(frozen=True)
class DefaultLaw:
    """The law of the inputs whose path fits a pattern.

    Parameters
    ----------
    pattern : str
        Patterns of paths, separated by "|"; "*" stands for any letters but a dot.
    law : Law
        Relative to the nominal value, or shifted to it.
    group : str
        What such inputs are called together.
    correlated_with : str
        Last key of the input of the same table that moves together with this one; empty for none.
    correlation : float
        Correlation of both.
    state : str
        "read", "recalled" or "assumed".
    source : str
        Where the numbers come from.
    """

    pattern: str
    law: Law
    group: str
    correlated_with: str
    correlation: float
    state: str
    source: str

    def fits(self, path: str) -> bool:
        """Whether a path fits one of the patterns."""
        return any(_expression(p).fullmatch(path) for p in self.pattern.split("|"))

    @property
    def words(self) -> str:
        """Source and state in one text."""
        return f"{self.source} ({self.state})"


@lru_cache(maxsize=1)
def default_laws() -> tuple[DefaultLaw, ...]:
    """All rows of the table of default laws, in its order."""
    found = []
    for row in resources.csv_rows(TABLE):
        widths = {k: float(row[k]) for k in ("relative", "sd", "half_width") if row[k]}
        law = law_of_dict({"law": row["law"], **widths}, f"{TABLE}: {row['pattern']}")
        r = float(row["correlation"] or 0.0)
        found.append(
            DefaultLaw(row["pattern"], law, row["group"], row["correlated_with"], r, row["state"], row["source"])
        )
    return tuple(found)


def default_law(path: str, nominal: float | None = None) -> DefaultLaw | None:
    """The default law of an input; None where there is none.

    Parameters
    ----------
    path : str
        Path in full, such as "phantom.tissues.fat.conductivity_S_m".
    nominal : float, optional
        Nominal value: at 0 (the perfusion of a fluid) a relative law is none.
    """
    row = next((row for row in default_laws() if row.fits(path)), None)
    if row is None or (nominal == 0 and getattr(row.law, "relative", None) is not None):
        return None
    return row


def default_entries(nominal: Mapping[str, float], groups: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Entries of the table ``uncertainty.inputs`` for all inputs that have a default law.

    Parameters
    ----------
    nominal : mapping of str to float
        Inputs by their path, with their nominal values.
    groups : iterable of str, optional
        Only these groups, such as "dielectric" and "position".
    """
    wanted, found = None if groups is None else set(groups), []
    for path, value in nominal.items():
        row = default_law(path, value)
        if row is not None and (wanted is None or row.group in wanted):
            found.append({"path": path, **row.law.to_dict(), "source": row.words})
    return found


def default_correlations(paths: Iterable[str]) -> dict[tuple[str, str], float]:
    """Correlations between those of some inputs that move together by default.

    Parameters
    ----------
    paths : iterable of str
        Paths in full.
    """
    known = list(paths)
    there, found = set(known), {}
    for path in known:
        row = default_law(path)
        if row is not None and row.correlated_with:
            other = f"{path.rpartition('.')[0]}.{row.correlated_with}"
            if other in there:
                found[path, other] = row.correlation
    return found


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("[^.]*".join(map(re.escape, pattern.split("*"))))
