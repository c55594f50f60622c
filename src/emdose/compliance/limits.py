"""Limits as rows of data: standard, edition, mode, region, averaging, value, and where the value was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from emdose import resources
from emdose.checks import not_negative, one_of, unknown
from emdose.compliance.terms import formulas
from emdose.compliance.terms.confirmations import Confirmation
from emdose.errors import InputError
from emdose.values import read_only

TABLE = "exposure_limits.csv"
KEYS = ("standard", "edition", "quantity", "mode", "region", "coil_type")

STATES = {
    "verified": "read in the public source named",
    "inherited": "verified in another edition; the public list of changes names no change of it",
    "unverified": "neither read in a public source nor verified in another edition",
}
"""What is known about the number of a row; none was checked with a bought copy of its standard."""

NOTES = {
    "IEC 60601-2-33": (
        "The standard is not public: its clauses are shown where a user has confirmed a value.",
        "Rows of dB/dt and of E are alternatives, for whole-body gradient coils; other gradient coils have their own.",
        "The factor 2 over 10 s holds for SAR, not for temperatures.",
    ),
    "FDA significant risk": (
        "Above these values a study is of significant risk; for dB/dt the criterion is severe discomfort or pain.",
    ),
    "Directive 2013/35/EU": (
        "Exposure limit values of E are peak values, action levels are rms.",
        "Article 10 lets exposure of staff from MRI for patients (installing, testing, use, development, maintenance, "
        "research) exceed the exposure limit values under conditions that it lists.",
    ),
}
"""What holds for all rows of a document."""


@read_only
@dataclass(frozen=True)
class Limit:
    """One row of the table of limits.

    Parameters
    ----------
    standard, edition : str
        Document and edition.
    quantity, mode, region, coil_type : str
        What is limited, in which operating mode or for which group, where in the body, for "volume" or "local"
        transmit coils; empty when it does not matter.
    window_s : float or None
        Averaging time [s].
    mass_g : float or None
        Averaging mass [g].
    f_min_Hz, f_max_Hz : float or None
        Frequency range, ends included [Hz].
    limit : str
        A number or a formula of f, r, T and ts, see :mod:`emdose.compliance.terms.formulas`.
    unit : str
        Unit of the value.
    statistic : str
        What of the quantity is compared: average, peak, rms, percentile.
    state : str
        "verified", "inherited" or "unverified", see :data:`STATES`.
    reason : str
        Why it is not verified, or what of a verified row was not read.
    source : str
        Where the number was read.
    confirmation : Confirmation or None
        What a user read in a copy of the standard.
    own : str
        The number or formula of emdose, where the user's is used in its place.
    clause : str
        Where the number stands in a public document; for others, where the user found it.
    """

    standard: str
    edition: str
    quantity: str
    mode: str
    region: str
    coil_type: str
    window_s: float | None
    mass_g: float | None
    f_min_Hz: float | None
    f_max_Hz: float | None
    limit: str
    unit: str
    statistic: str
    state: str
    reason: str
    source: str
    confirmation: Confirmation | None = None
    own: str = ""
    clause: str = ""

    @property
    def name(self) -> str:
        """Quantity, mode, region, window and frequencies: what tells a row from the others of its edition."""
        return ", ".join(filter(None, (self.quantity, self.mode, self.region, duration(self.window_s), self.band)))

    @property
    def band(self) -> str:
        """Frequency range in words."""
        low, high = self.f_min_Hz, self.f_max_Hz
        return "" if low is None or high is None else f"{low:g} Hz" if low == high else f"{low:g} to {high:g} Hz"

    @property
    def verified(self) -> bool:
        """Whether the number was read, in the public source named or by a user in a copy of the standard."""
        return self.state == "verified"

    @property
    def disputed(self) -> bool:
        """Whether a user read another number than that of this row."""
        return self.confirmation is not None and not self.own and not self.confirmation.agrees_with(self.limit)

    @property
    def standing(self) -> str:
        """The state in words, with the initials of a user who has read the number."""
        if self.confirmation is None or self.disputed:
            return self.state
        return f"verified by {self.confirmation.initials}"

    @property
    def origin(self) -> str:
        """Where the number comes from: the source, what holds about it, and what a user read."""
        parts = [self.source, self.reason]
        if self.confirmation is not None:
            c = self.confirmation
            read = f"{c.initials} read {c.value} in clause {c.clause} of edition {c.edition}"
            if self.own:
                parts.insert(0, f"{read}; emdose holds {self.own}")
            else:
                parts.append(f"{read}, which is not used" if self.disputed else read)
        return "; ".join(filter(None, parts))

    def value(self, **variables: float) -> float:
        """The limit [``unit``] for given f [Hz], r, T [degC] or ts [ms]; only those the formula uses are needed.

        Raises
        ------
        InputError
            When a variable of the formula is not given, or the frequency is outside the row's range.
        """
        f = variables.get("f")
        low, high = self.f_min_Hz, self.f_max_Hz
        if f is not None and ((low is not None and f < low) or (high is not None and f > high)):
            raise InputError("frequency outside the limit's range", field="f", found=f, expected=f"{low} to {high} Hz")
        return formulas.evaluate(self.limit, variables)

    @property
    def variables(self) -> frozenset[str]:
        """Names that the limit depends on."""
        return formulas.names(self.limit)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self) | {"name": self.name, "standing": self.standing}


def duration(seconds: float | None) -> str:
    """A window in minutes from one on, else in seconds; nothing for None."""
    if seconds is None:
        return ""
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


@lru_cache(maxsize=1)
def table() -> tuple[Limit, ...]:
    """Every row that emdose carries."""
    return tuple(_limit(row) for row in resources.csv_rows(TABLE))


def limits(
    standard: str | None = None,
    edition: str | None = None,
    quantity: str | None = None,
    mode: str | None = None,
    region: str | None = None,
    coil_type: str | None = None,
    frequency_Hz: float | None = None,
) -> tuple[Limit, ...]:
    """Rows that match every argument given.

    Parameters
    ----------
    standard, edition, quantity, mode, region, coil_type : str, optional
        Exact values of the columns.
    frequency_Hz : float, optional
        Only rows whose range holds this frequency; at a corner of a piecewise limit both pieces.

    Raises
    ------
    InputError
        When a value does not occur among the rows left by the arguments before it; the text lists those that do.
    """
    rows = table()
    wanted = (standard, edition, quantity, mode, region, coil_type)
    for key, value in zip(KEYS, wanted, strict=True):
        if value is None:
            continue
        choices = sorted({getattr(row, key) for row in rows})
        if value not in choices:
            raise unknown(f"no limit with this {key}", value, choices, field=key)
        rows = tuple(row for row in rows if getattr(row, key) == value)
    if frequency_Hz is not None:
        not_negative("frequency_Hz", frequency_Hz)
        rows = tuple(
            row
            for row in rows
            if (row.f_min_Hz is None or row.f_min_Hz <= frequency_Hz)
            and (row.f_max_Hz is None or frequency_Hz <= row.f_max_Hz)
        )
    return rows


def confirmed(
    rows: Sequence[Limit], confirmations: Iterable[Confirmation], use_values: Iterable[str] = ()
) -> tuple[Limit, ...]:
    """The same rows with what users read in their copies of the standards.

    A value equal to that of the row makes it verified. Another value is kept beside it, and takes its place only in
    rows that are named in ``use_values``.

    Parameters
    ----------
    rows : sequence of Limit
        Rows of one or more documents.
    confirmations : iterable of Confirmation
        They may be of other documents as well.
    use_values : iterable of str
        Names of rows whose confirmed value is used, also when it differs.

    Raises
    ------
    InputError
        For a confirmation of a row that is not there, two of one row, and a name in ``use_values`` without one.
    """
    found: dict[tuple[str, str, str], Confirmation] = {}
    for c in confirmations:
        names = [row.name for row in limits(c.standard, c.edition)]
        if c.limit not in names:
            raise unknown("no limit of this name to confirm", c.limit, names, field="verified_by")
        if (c.standard, c.edition, c.limit) in found:
            raise InputError("limit confirmed twice", field="verified_by", found=c.limit)
        found[c.standard, c.edition, c.limit] = c
    mine = {row.name for row in rows if (row.standard, row.edition, row.name) in found}
    for name in use_values:
        if name not in mine:
            raise unknown("no confirmed value of this name", name, sorted(mine), field="use_values")
    use = set(use_values)
    return tuple(_confirmed(row, found.get((row.standard, row.edition, row.name)), row.name in use) for row in rows)


def _confirmed(row: Limit, c: Confirmation | None, use: bool) -> Limit:
    if c is None:
        return row
    if c.agrees_with(row.limit):
        return replace(row, state="verified", reason="", confirmation=c, clause=c.clause)
    if not use:
        return replace(row, confirmation=c)
    own = f"{row.limit} ({row.state})"
    return replace(row, limit=c.value, state="verified", reason="", confirmation=c, own=own, clause=c.clause)


def _limit(row: dict[str, str]) -> Limit:
    numbers = {k: float(row[k]) if row[k] else None for k in ("window_s", "mass_g", "f_min_Hz", "f_max_Hz")}
    text = {k: row[k] for k in (*KEYS, "clause", "limit", "unit", "statistic", "state", "reason", "source")}
    one_of("state", row["state"], STATES, problem="unknown state of a limit")
    return Limit(**text, **numbers)  # type: ignore[arg-type]
