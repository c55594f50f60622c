"""Finished runs of one kind side by side: numbers with their uncertainty, scenarios, and a page with their maps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.report.pages import comparison_page, decisive
from emdose.report.wording import is_finite
from emdose.scenarios.gate import kind_of, validity
from emdose.scenarios.results import read_result
from emdose.scenarios.shared.kind import Result
from emdose.values import read_only

WITHIN, BEYOND, NONE, UNKNOWN = "within U", "beyond U", "none", "U not known"
SAME = 1e-6
"""Relative difference up to which numbers are the same: rounding of single precision."""
LETTERS = "ABCDEF"
"""What runs are called."""
NAMES = ("scenario.sha256", "scenario.name", "scenario.description")
"""Keys that differ between any two scenarios."""
ORIGINS = ("emdose", "code_sha256", "date", "engine", "scenario_sha256", "phantom_sha256", "device.name", "platform")
NOT_SAVED = "(not saved)"
"""Stands for the folder of a run that has none."""


@read_only
@dataclass(frozen=True)
class Difference:
    """One number of both runs.

    Parameters
    ----------
    name, unit : str
        As in both summaries.
    a, b : float or None
        The values; None in a run that does not have it.
    u_a, u_b : float or None
        Their expanded uncertainties, where they are known.
    """

    name: str
    unit: str
    a: float | None
    b: float | None
    u_a: float | None = None
    u_b: float | None = None

    @property
    def difference(self) -> float | None:
        """b - a."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def relative(self) -> float | None:
        """(b - a) / |a|; None where a is 0."""
        return None if self.difference is None or not self.a else self.difference / abs(self.a)

    @property
    def u(self) -> float | None:
        """Expanded uncertainty of the difference of independent numbers: the root of the sum of squares."""
        return None if self.u_a is None or self.u_b is None else math.hypot(self.u_a, self.u_b)

    @property
    def judged(self) -> str:
        """ "within U", "beyond U", "none" for numbers equal in single precision, "U not known", or who alone has it."""
        if self.difference is None:
            return "only in A" if self.b is None else "only in B"
        if abs(self.difference) <= SAME * max(abs(self.a or 0.0), abs(self.b or 0.0)):
            return NONE
        if self.u is None:
            return UNKNOWN
        return WITHIN if abs(self.difference) <= self.u else BEYOND

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        keys = ("name", "unit", "a", "b", "u_a", "u_b", "difference", "relative", "u", "judged")
        return {key: getattr(self, key) for key in keys}


@read_only
@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs side by side, and further ones beside the first of them.

    Parameters
    ----------
    kind : str
        Of all.
    names : two of str
        Of their scenarios.
    folders : two of Path
        Of their results.
    quantities : mapping of str to Difference
        Every number that is in one of them.
    keys : mapping of str to (value, value)
        Keys of the scenarios that differ, defaults spelled out.
    provenance : mapping of str to (value, value)
        Versions, hashes, devices.
    results : two of Result
        What was compared.
    notes : tuple of str
        What the reader has to know.
    more : tuple of Comparison
        The first run beside each further one.
    """

    kind: str
    names: tuple[str, str]
    folders: tuple[Path, Path]
    quantities: Mapping[str, Difference]
    keys: Mapping[str, tuple[Any, Any]]
    provenance: Mapping[str, tuple[Any, Any]]
    results: tuple[Any, Any]
    notes: tuple[str, ...] = ()
    more: tuple[Comparison, ...] = ()

    @property
    def pairs(self) -> tuple[Comparison, ...]:
        """The first run beside each of the others, in their order."""
        return (self, *self.more)

    def beside(self, name: str) -> tuple[Difference | None, ...]:
        """One number of the first run beside that of each other; None where neither of the two has it."""
        return tuple(pair.quantities.get(name) for pair in self.pairs)

    def __getitem__(self, name: str) -> Difference:
        return self.quantities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    def __len__(self) -> int:
        return len(self.quantities)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        headers = [r.summary["scenario"]["scenario"] for r in self.results]
        return {
            "kind": self.kind,
            "runs": [
                {"name": name, "folder": str(folder), "description": str(header.get("description") or "")}
                for name, folder, header in zip(self.names, self.folders, headers, strict=True)
            ],
            "quantities": [d.to_dict() for d in self.quantities.values()],
            "keys": [{"key": k, "a": a, "b": b} for k, (a, b) in self.keys.items()],
            "provenance": [{"key": k, "a": a, "b": b} for k, (a, b) in self.provenance.items()],
            "notes": list(self.notes),
            **({"more": [one.to_dict() for one in self.more]} if self.more else {}),
        }

    def write(self, path: Path | str) -> Path:
        """Write the page, one self-contained HTML file with the maps of all runs.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        results = [self.results[0], *(pair.results[1] for pair in self.pairs)]
        maps = [kind_of(r.summary, r.folder).maps(r) for r in results]
        atomic.write_text(path, comparison_page.render(self.to_dict(), maps))
        return Path(path)


def compare(a: Path | str | Result, b: Path | str | Result, *more: Path | str | Result) -> Comparison:
    """Set finished runs of one kind side by side: the first beside each of the others.

    Parameters
    ----------
    a, b : Path, str or Result
        Result folders, or what :func:`emdose.read_result` made of them. The scenarios may differ, the kind may not.
    *more : Path, str or Result
        Further runs, such as the same body at other field strengths.

    Raises
    ------
    InputError
        When a folder holds no readable result, the kinds differ, or there are more runs than a page can show.
    NotValidError
        When one of the results is not valid.
    """
    if len(more) + 2 > len(LETTERS):
        most = f"{len(LETTERS)} at the most; emdose.scenarios.write_group takes any number"
        raise InputError("too many runs side by side", found=len(more) + 2, expected=most)
    first, second, *others = (read_result(r) if isinstance(r, Path | str) else r for r in (a, b, *more))
    pairs = [_pair(first, one, letter) for letter, one in zip(LETTERS[1:], (second, *others), strict=False)]
    return replace(pairs[0], more=tuple(pairs[1:]))


def _pair(first: Any, second: Any, letter: str) -> Comparison:
    results = (first, second)
    kinds = [kind_of(r.summary, r.folder).name for r in results]
    if kinds[0] != kinds[1]:
        raise InputError(
            "results of different kinds cannot be compared",
            file=second.folder,
            found=f"kind {kinds[1]}",
            expected=f"kind {kinds[0]}, as {first.folder}",
        )
    for result in results:
        validity(result.summary, result.folder).require(result.folder)
    summaries = [r.summary for r in results]
    values = [flat(s["scenario"]) for s in summaries]
    keys = {k: (values[0].get(k), values[1].get(k)) for k in dict.fromkeys([*values[0], *values[1]])}
    origins = [flat(s.get("provenance") or {}) for s in summaries]
    names = [str(s["scenario"]["scenario"].get("name") or "unnamed") for s in summaries]
    return Comparison(
        kinds[0],
        (names[0], names[1]),
        (Path(first.folder or NOT_SAVED), Path(second.folder or NOT_SAVED)),
        _differences(summaries[0]["quantities"], summaries[1]["quantities"]),
        {k: pair for k, pair in keys.items() if pair[0] != pair[1] and k not in NAMES},
        {k: (origins[0].get(k), origins[1].get(k)) for k in ORIGINS if k in origins[0] or k in origins[1]},
        (first, second),
        tuple(_notes(first, second, letter)),
    )


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Difference]:
    found = {}
    for name in dict.fromkeys([*a, *b]):
        mine, other = a.get(name) or {}, b.get(name) or {}
        values = [e.get("value") if is_finite(e.get("value")) else None for e in (mine, other)]
        if values == [None, None]:
            continue
        units = {e["unit"] for e in (mine, other) if e.get("unit")}
        if len(units) > 1:  # another quantity by the same name
            continue
        spreads = decisive.expanded(mine), decisive.expanded(other)
        found[name] = Difference(name, next(iter(units), "1"), values[0], values[1], *spreads)
    return found


def _notes(a: Result, b: Result, letter: str) -> Iterator[str]:
    for name, result in (("A", a), (letter, b)):
        reasons = validity(result.summary, result.folder).reasons
        for reason in reasons:
            yield f"{name} is questionable: {reason}"
    versions = [(r.summary.get("provenance") or {}).get("code_sha256") for r in (a, b)]
    if versions[0] != versions[1]:
        yield f"A and {letter} were made by different code: part of their differences may come from that."


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of a nested mapping by their dotted paths; lists of tables by their number."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{path}.") if value else {path: None}
        elif isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
            for n, item in enumerate(value):
                found |= flat(item, f"{path}[{n}].")
        else:
            found[path] = list(value) if isinstance(value, tuple) else value
    return found
