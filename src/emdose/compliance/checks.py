"""Rows that compare a value with a limit, and the table they make."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emdose.checks import one_of
from emdose.compliance.limits import Limit, duration
from emdose.conformity import VERDICTS, Conformity, of_row, row_words
from emdose.validity import Validity
from emdose.values import read_only

OPEN = "not evaluated"
GIVEN = "given in the scenario"
"""What an uncertainty that a user states is called."""


@read_only
@dataclass(frozen=True)
class Check:
    """One value beside one limit.

    Parameters
    ----------
    limit : Limit
        The row of the table of limits; for a quantity reported without a limit, a row whose ``limit`` is empty.
    region : str
        Definition of the region that the value belongs to.
    value : float or None
        The value [``limit.unit``], None when it was not evaluated.
    limit_value : float or None
        The limit [``limit.unit``] for the inputs of this check.
    expanded_uncertainty : float or None
        Expanded uncertainty (k = 2) of the value [``limit.unit``], None when it is not known.
    counted : bool
        Whether the row takes part in what binds first; False for alternatives to a definition the user chose.
    note : str
        What the reader must know about this row.
    """

    limit: Limit
    region: str
    value: float | None
    limit_value: float | None
    expanded_uncertainty: float | None = None
    counted: bool = True
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Value over limit, None when one of them is missing."""
        return None if self.value is None or self.limit_value is None else self.value / self.limit_value

    @property
    def margin_percent(self) -> float | None:
        """100 (limit - value) / limit [%]."""
        return None if self.ratio is None else 100 * (1 - self.ratio)

    @property
    def margin_dB(self) -> float | None:
        """10 log10(limit / value) [dB]; None for a value of 0, whose margin is infinite."""
        return None if not self.ratio else -10 * math.log10(self.ratio)

    @property
    def comparison(self) -> Conformity | None:
        """Value and uncertainty beside the limit: probability to exceed it, guard band, state; None when it is open."""
        told = None if self.expanded_uncertainty is None else {"expanded": self.expanded_uncertainty, "k": 2}
        return of_row(self.value, self.limit_value, told)

    @property
    def verdict(self) -> str:
        """ "below limit", "above limit" (equality is below), "reaches the limit within U" or "not evaluated"."""
        return OPEN if self.comparison is None else VERDICTS[self.comparison.state]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        row, known = self.limit, self.expanded_uncertainty
        return {
            "standard": row.standard,
            "edition": row.edition,
            "mode": row.mode,
            "quantity": row.quantity,
            "region": self.region,
            "coil_type": row.coil_type,
            "window_s": row.window_s,
            "averaging_mass_g": row.mass_g,
            "statistic": row.statistic,
            "value": self.value,
            "uncertainty": known,
            "limit": self.limit_value,
            "limit_formula": row.limit,
            "unit": row.unit,
            "ratio": self.ratio,
            "margin_percent": self.margin_percent,
            "margin_dB": self.margin_dB,
            "verdict": self.verdict,
            "verified": row.verified,
            "state": row.state,
            "standing": row.standing,
            "verified_by": _reading(row),
            "source": row.origin if row.limit else "",
            "counted": self.counted,
            "note": self.note,
            **({} if known is None else {"uncertainty_k": 2, "uncertainty_kind": GIVEN}),
            **row_words(self.comparison),
        }


@read_only
@dataclass(frozen=True)
class Checks:
    """The checks of one exposure against one edition of a standard.

    Parameters
    ----------
    standard, edition : str
        Document and edition.
    rows : tuple of Check
        All rows.
    b1plus_rms_T : float or None
        B1+rms over 6 min that belongs to the values [T]; None when it is not known.
    b1plus_region : str
        Where this B1+rms was taken.
    inputs : mapping
        Masses, definitions, duty cycles, ambient temperature: what the values and limits depend on.
    notes : tuple of str
        What applies to the table as a whole.
    validity : Validity
        What is to be thought of the fields: without reasons, or with those that make them questionable.
    """

    standard: str
    edition: str
    rows: tuple[Check, ...]
    b1plus_rms_T: float | None
    b1plus_region: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    validity: Validity = field(default_factory=Validity)

    @property
    def modes(self) -> tuple[str, ...]:
        """Operating modes in the order of the rows."""
        return tuple(dict.fromkeys(c.limit.mode for c in self.rows if c.limit.mode))

    def binding(self, mode: str) -> Check | None:
        """The counted row of a mode with the largest value over limit: the limit that is reached first.

        None when no row of the mode was evaluated.

        Raises
        ------
        InputError
            For an unknown mode.
        """
        one_of("mode", mode, self.modes, problem="unknown operating mode")
        rows = [c for c in self.rows if c.limit.mode == mode and c.counted and c.ratio is not None]
        return max(rows, key=lambda c: c.ratio or 0.0, default=None)

    def b1plus_rms_limit_T(self, mode: str) -> float | None:
        """B1+rms over 6 min at which the first limit of a mode is reached, the duty cycles kept [T].

        SAR grows with the square of B1+, so this is B1+rms / sqrt(value / limit) of the binding row. None when B1+rms
        is not known, no row was evaluated, or nothing is absorbed.

        Raises
        ------
        InputError
            For an unknown mode.
        """
        row = self.binding(mode)
        if row is None or not row.ratio or self.b1plus_rms_T is None:
            return None
        return self.b1plus_rms_T / math.sqrt(row.ratio)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        index = {id(row): i for i, row in enumerate(self.rows)}
        binding = {mode: self.binding(mode) for mode in self.modes}
        return {
            "standard": self.standard,
            "edition": self.edition,
            "rows": [row.to_dict() for row in self.rows],
            "binding_row": {mode: None if row is None else index[id(row)] for mode, row in binding.items()},
            "b1plus_rms_T": self.b1plus_rms_T,
            "b1plus_region": self.b1plus_region,
            "b1plus_rms_limit_T": {mode: self.b1plus_rms_limit_T(mode) for mode in self.modes},
            "inputs": dict(self.inputs),
            "notes": list(self.notes),
            "validity": self.validity.to_dict(),
        }

    def table(self) -> str:
        """The rows as plain text, with what binds first, the largest B1+rms, notes and sources."""
        sources: dict[str, int] = {}
        remarks: dict[str, int] = {}
        head = (
            "mode",
            "quantity",
            "region",
            "window",
            "value",
            "U (k=2)",
            "limit",
            "unit",
            "margin",
            "dB",
            "P(exceeds)",
            "verdict",
            "limit is",
            "source",
            "note",
        )
        body: list[tuple[str, ...]] = []
        for c in self.rows:
            row = c.limit
            source = f"[{sources.setdefault(row.origin, len(sources) + 1)}]" if row.limit else "-"
            note = f"({remarks.setdefault(c.note, len(remarks) + 1)})" if c.note else ""
            body.append(
                (
                    row.mode or "-",
                    row.quantity + (f", {row.mass_g:g} g" if row.mass_g else ""),
                    c.region + ("" if c.counted else " (alternative)" if row.limit else " (for information)"),
                    _duration(row.window_s),
                    _number(c.value),
                    _number(c.expanded_uncertainty, "unknown"),
                    _number(c.limit_value),
                    row.unit,
                    "-" if c.margin_percent is None else f"{c.margin_percent:+.1f} %",
                    "-" if c.margin_dB is None else f"{c.margin_dB:+.2f}",
                    _share(c),
                    c.verdict,
                    row.standing if row.limit else "-",
                    source,
                    note,
                )
            )
        lines = [f"{self.standard}, edition {self.edition}", ""]
        if self.validity.reasons:
            lines += [line for r in self.validity.reasons for line in _wrapped(f"{self.validity.state}: {r}")] + [""]
        if self.validity.idle:
            lines += [f"accepted by name, though nothing was beyond: {', '.join(self.validity.idle)}", ""]
        lines += _columns(head, body)
        lines.append("")
        for mode in self.modes:
            first, b1 = self.binding(mode), self.b1plus_rms_limit_T(mode)
            if first is None:
                lines.append(f"{mode}: no limit was evaluated")
                continue
            text = f"{mode}: first to bind is {first.limit.quantity}, {first.region}, {_duration(first.limit.window_s)}"
            text += f" at {100 * (first.ratio or 0.0):.1f} % of its limit"
            if b1 is not None:
                text += f"; it is reached at B1+rms = {_rounded_down(1e6 * b1)} uT ({self.b1plus_region})"
            missing = sum(c.counted and c.ratio is None for c in self.rows if c.limit.mode == mode)
            if missing:
                text += f"; {missing} rows of this mode were not evaluated and could bind before"
            lines.append(text)
        if self.b1plus_rms_T is not None:
            lines.append(f"B1+rms of these values: {1e6 * self.b1plus_rms_T:.3f} uT ({self.b1plus_region})")
        lines.append("")
        for text, n in remarks.items():
            lines += _wrapped(f"({n}) {text}")
        for text in self.notes:
            lines += _wrapped(f"* {text}")
        for text, n in sources.items():
            lines += _wrapped(f"[{n}] {text}")
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def print(self) -> None:
        """Print :meth:`table`."""
        print(self.table())

    def __str__(self) -> str:
        return self.table()


def _number(value: float | None, missing: str = "-") -> str:
    return missing if value is None else f"{value:.4g}"


def _share(row: Check) -> str:
    p = None if row.comparison is None else row.comparison.p_exceed
    return "-" if p is None else f"{100 * p:.2g} %"


def _rounded_down(value: float) -> str:
    """Three decimals that never promise more than there is."""
    return f"{math.floor(1e3 * value) / 1e3:.3f}"


def _duration(seconds: float | None) -> str:
    return duration(seconds) or "-"


def _reading(row: Limit) -> dict[str, Any] | None:
    """What a user read in a copy of the standard, whether emdose agrees, and whether the row uses it."""
    c = row.confirmation
    if c is None:
        return None
    about = {"initials": c.initials, "edition": c.edition, "clause": c.clause, "value": c.value, "limit": c.limit}
    return about | {"agrees": not (row.own or row.disputed), "used": not row.disputed}


def _columns(head: tuple[str, ...], body: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    rule = tuple("-" * w for w in widths)
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in (head, rule, *body)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 118, subsequent_indent="    ")
