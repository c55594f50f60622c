"""Rows of the electric field that gradients induce, beside the limits for nerves and heart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import one_of
from emdose.compliance.instants import Instants, extreme, limits_of
from emdose.compliance.limits import Limit
from emdose.dosimetry.induced.tissue_table import ALL, KINDS, InducedRow, InducedTable, induced_table
from emdose.errors import InputError
from emdose.solvers.results.induced import InducedField

STATISTICS = {
    "cube p99.9": ("cube", "p999"),
    "cube p99": ("cube", "p99"),
    "cube max": ("cube", "max"),
    "line p99.9": ("line", "p999"),
    "line p99": ("line", "p99"),
    "line max": ("line", "max"),
    "voxel p99.9": ("voxel", "p999"),
    "voxel p99": ("voxel", "p99"),
    "voxel max": ("voxel", "max"),
}
"""Of which number of a tissue a row may be; all are listed, one counts."""
SHOWN = ("cube p99.9", "cube p99", "line max", "voxel p99.9", "voxel max")
"""Those that are listed beside the one that counts."""
HEART = "heart"


@dataclass(frozen=True)
class FieldRow:
    """A value of the field beside the limit of its pulses."""

    region: str
    value: float
    limit: float
    what: str
    note: str
    counted: bool


class FieldRows:
    """Fields of one waveform in one body.

    Parameters
    ----------
    induced : InducedField
        One source per axis of the waveform, in its order, driven in T/m/s.
    instants : Instants
        Of the waveform.
    names : tuple of str
        Of its axes.
    statistic : str
        One of :data:`STATISTICS`, the one that counts.
    heart : ndarray or None
        Mask of the heart; by default tissues whose names begin with "heart".
    device : str
        Where averages are computed.
    """

    def __init__(
        self,
        induced: InducedField,
        instants: Instants,
        names: tuple[str, ...],
        statistic: str,
        heart: np.ndarray | None,
        device: str,
    ) -> None:
        one_of("statistic", statistic, STATISTICS, problem="unknown statistic of the field")
        units = {s.drive_unit for s in induced.sources}
        if len(induced.sources) != len(names) or units != {"T/m/s"}:
            raise InputError(
                "induced fields do not fit the waveform",
                field="induced",
                found=f"{len(induced.sources)} sources in {', '.join(sorted(units))}",
                expected=f"one source in T/m/s per axis {', '.join(names)}",
            )
        self.induced, self.instants, self.names, self.device = induced, instants, names, device
        self.shown = tuple(dict.fromkeys((statistic, *SHOWN)))
        self.regions: dict[str, np.ndarray] = {}
        phantom = induced.phantom
        if heart is None:
            labels = [k for k, t in enumerate(phantom.tissues) if t.name.startswith(HEART)]
            heart = np.isin(phantom.labels, labels) if labels else None
            heart = heart if heart is not None and heart.any() else None
        if heart is not None:
            self.regions[HEART] = heart
        self._tables: dict[bytes, InducedTable] = {}

    def __call__(self, limit: Limit) -> list[FieldRow]:
        """Rows of one limit: every axis alone, and the waveform as it is played."""
        of_heart = limit.region == HEART
        if of_heart and HEART not in self.regions:
            return []
        out = []
        for k, (name, pulse) in enumerate(zip(self.names, self.instants.pulses, strict=True)):
            if not len(pulse):
                continue
            limits = limits_of(limit, pulse.durations_s)
            n = int((pulse.peaks / limits).argmax())
            alone = np.zeros((1, len(self.names)))
            alone[0, k] = 1.0
            share = float(pulse.peaks[n] / limits[n])
            out += self._rows(
                self._table(alone), of_heart, name, share, limits[n : n + 1], pulse.durations_s[n : n + 1]
            )
        if sum(len(p) > 0 for p in self.instants.pulses) > 1:
            shares = self.instants.over(limit)
            kept = extreme(shares)
            size = float(np.abs(shares[kept]).max())
            limits = limits_of(limit, self.instants.durations_s[kept])
            table = self._table(shares[kept] / size)
            out += self._rows(table, of_heart, "as played", size, limits, self.instants.durations_s[kept])
        return out

    def _rows(
        self,
        table: InducedTable,
        of_heart: bool,
        what: str,
        scale: float,
        limits: np.ndarray,
        durations_s: np.ndarray,
    ) -> list[FieldRow]:
        """Rows of a table of shares of the limits, one drive per moment."""
        out = []
        for n, statistic in enumerate(self.shown):
            kind, key = STATISTICS[statistic]
            row = table.row(HEART) if of_heart else _worst(table.rows[1 + len(self.regions) :], kind, key)
            moment = getattr(row.drives[KINDS.index(kind)], key)
            limit = float(limits[moment])
            value = scale * limit * float(getattr(getattr(row, kind), key))
            where = what if what == "as played" else f"{what} alone"
            note = f"ts = {1e3 * durations_s[moment]:.4g} ms."
            more = f" Largest over its 99.9th percentile: {row.staircase:.2f}." if n == 0 else ""
            out.append(FieldRow(f"{where}, {row.tissue}, {statistic}", value, limit, what, note + more, n == 0))
        return out

    def _table(self, drives: np.ndarray) -> InducedTable:
        # Moments in the same proportions have the same table: both modes share one.
        key = np.round(drives, 9).tobytes()
        if key not in self._tables:
            self._tables[key] = induced_table(self.induced, drives, regions=self.regions, device=self.device)
        return self._tables[key]


def _worst(rows: Sequence[InducedRow], kind: str, key: str) -> InducedRow:
    assert all(row.tissue != ALL for row in rows)
    return max(rows, key=lambda row: getattr(getattr(row, kind), key))
