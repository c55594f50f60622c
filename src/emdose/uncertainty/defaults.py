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


def default_entries(
    nominal: Mapping[str, float], together: bool = True, without: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Entries of the table ``uncertainty.inputs`` for all inputs that have a default law.

    Parameters
    ----------
    nominal : mapping of str to float
        Inputs by their path, with their nominal values.
    together : bool
        One entry with a common factor for all tissues (metals, exposures) of one row, as an error of the whole table of
        their values is; otherwise one entry for each path.
    without : iterable of str
        Groups that are left out, such as "perfusion" where nothing is heated.
    """
    left, found = set(without), {}
    rows = {path: default_law(path, value) for path, value in nominal.items()}
    for path, row in rows.items():
        if row is None or row.group in left:
            continue
        place, more = path, {}
        if together and "|" not in row.pattern and ".*." in row.pattern:
            fitting = [p for p in nominal if row.fits(p)]
            if len(fitting) > 1 and all(rows[p] in (row, None) and default_law(p) is row for p in fitting):
                kind = row.pattern.partition(".*.")[0].rpartition(".")[2]
                key = re.sub(r"_(S_m|kg_m3|J_kg_K|W_m_K|mL_min_kg|T_m|T_m_s|T_s)$", "", row.pattern.rpartition(".")[2])
                place, more = row.pattern, {"together": True, "name": f"{key.replace('_', ' ')} of all {kind}"}
        found[place] = {"path": place, **row.law.to_dict(), **more, "source": row.words}
    return list(found.values())


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
