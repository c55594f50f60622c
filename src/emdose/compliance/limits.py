"""Limits as rows of data: standard, edition, mode, region, averaging, value, and where the value was read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from emdose import resources
from emdose.checks import unknown
from emdose.compliance import formulas
from emdose.errors import InputError
from emdose.values import read_only

TABLE = "exposure_limits.csv"
KEYS = ("standard", "edition", "quantity", "mode", "region", "coil_type")


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
        A number or a formula of f, r, T and ts, see :mod:`emdose.compliance.formulas`.
    unit : str
        Unit of the value.
    statistic : str
        What of the quantity is compared: average, peak, rms, percentile.
    verified : bool
        Whether the number was read in the public source named; none was checked with a bought copy of the standard.
    source : str
        Where the number was read.
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
    verified: bool
    source: str

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
        return dict(self.__dict__)


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
        rows = tuple(
            row
            for row in rows
            if (row.f_min_Hz is None or row.f_min_Hz <= frequency_Hz)
            and (row.f_max_Hz is None or frequency_Hz <= row.f_max_Hz)
        )
    return rows


def _limit(row: dict[str, str]) -> Limit:
    numbers = {k: float(row[k]) if row[k] else None for k in ("window_s", "mass_g", "f_min_Hz", "f_max_Hz")}
    text = {k: row[k] for k in (*KEYS, "limit", "unit", "statistic", "source")}
    return Limit(**text, **numbers, verified=row["verified"] == "yes")  # type: ignore[arg-type]
