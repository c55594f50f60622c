"""Tables of induced fields per tissue: largest value, percentiles, averages over cubes and lines, always together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from emdose.checks import unknown
from emdose.dosimetry.induced.local import LocalMeans, as_planes, directions, magnitude
from emdose.errors import InputError
from emdose.solvers.results.induced import InducedField
from emdose.values import read_only

PERCENTILES = (99.0, 99.9)
ALL = "all tissues"
CUBE_NOTES = (
    "Cube: vector average over 2 x 2 x 2 mm3 of the voxel's own tissue around every voxel.",
    "Cube: voxels are not smaller than 2 mm, so that the value of the voxel is the average.",
)
LINE_NOTE = (
    "Line: average along 5 mm of the voxel's own tissue, the largest of the three axes of the grid and the field's own "
    "direction."
)
TIME_NOTE = "Values are peaks in time for the drives given; p99 and p99.9 are percentiles over the voxels of the row."


class Spread(NamedTuple):
    """Largest value and percentiles over the voxels of a row."""

    max: float
    p99: float
    p999: float


class Which(NamedTuple):
    """Numbers of the drives under which the values of a :class:`Spread` are largest."""

    max: int
    p99: int
    p999: int


KINDS = ("voxel", "cube", "line")


@read_only
@dataclass(frozen=True)
class InducedRow:
    """Induced field in one tissue or region, in the unit of its table.

    Parameters
    ----------
    tissue : str
        Name.
    voxels : int
        How many voxels count.
    volume_m3 : float
        Their volume [m^3].
    voxel, cube, line : Spread
        Of the field in the voxels, of its average over cubes of 2 mm, of its average along lines of 5 mm.
    inside_max : float
        Largest value in voxels all of whose neighbours conduct: without those that staircase at air distorts most.
    place_m : (float, float, float)
        Where the field in the voxels is largest [m].
    drives : (Which, Which, Which)
        Under which of the drives each of voxel, cube and line is what it is.
    """

    tissue: str
    voxels: int
    volume_m3: float
    voxel: Spread
    cube: Spread
    line: Spread
    inside_max: float
    place_m: tuple[float, float, float]
    drives: tuple[Which, Which, Which]

    @property
    def staircase(self) -> float:
        """Largest value over the 99.9th percentile: what single voxels, and with them staircase, may add."""
        return self.voxel.max / self.voxel.p999 if self.voxel.p999 > 0 else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        plain = dict(self.__dict__) | {k: getattr(self, k)._asdict() for k in KINDS}
        plain["drives"] = {k: which._asdict() for k, which in zip(KINDS, self.drives, strict=True)}
        return plain | {"staircase": self.staircase}


@read_only
@dataclass(frozen=True)
class InducedTable:
    """Induced fields per tissue.

    Parameters
    ----------
    rows : tuple of InducedRow
        The largest first; the row of all tissues and those of regions stand in front.
    unit : str
        Of the values, "V/m" or "1" for weighted ones.
    spacing_m : (float, float, float)
        Voxels that they were computed with [m].
    drives : int
        How many drives there were; every value is the largest of them.
    notes : tuple of str
        The rules.
    """

    rows: tuple[InducedRow, ...]
    unit: str
    spacing_m: tuple[float, float, float]
    drives: int
    notes: tuple[str, ...] = field(default=())

    def row(self, tissue: str) -> InducedRow:
        """The row of a tissue or region; raises InputError when there is none."""
        for row in self.rows:
            if row.tissue == tissue:
                return row
        raise unknown("no row of this tissue", tissue, [row.tissue for row in self.rows], field="tissue")

    def beside(self, other: InducedTable) -> dict[str, dict[str, float]]:
        """Relative differences to a table of the same body on another grid, per tissue that both have.

        The difference of two grids is what staircase does to every number: the largest value does not settle with
        smaller voxels, percentiles and averages do.
        """
        out = {}
        names = {row.tissue for row in other.rows}
        for row in self.rows:
            if row.tissue in names:
                told = other.row(row.tissue)
                out[row.tissue] = {
                    f"{kind}.{key}": _relative(getattr(getattr(row, kind), key), getattr(getattr(told, kind), key))
                    for kind in KINDS
                    for key in Spread._fields
                }
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        rows = [row.to_dict() for row in self.rows]
        about = {"unit": self.unit, "spacing_m": list(self.spacing_m), "drives": self.drives}
        return {**about, "rows": rows, "notes": list(self.notes)}

    def table(self) -> str:
        """The rows as plain text."""
        head = (
            *("tissue", "voxels", "max", "p99", "p99.9", "max/p99.9", "inside max"),
            *("cube max", "cube p99", "line max", "line p99"),
        )
        body = [
            (
                row.tissue,
                str(row.voxels),
                *(f"{v:.4g}" for v in (*row.voxel, row.staircase, row.inside_max, *row.cube[:2], *row.line[:2])),
            )
            for row in self.rows
        ]
        widths = [max(len(r[i]) for r in (head, *body)) for i in range(len(head))]
        h = " x ".join(f"{1e3 * s:g}" for s in self.spacing_m)
        lines = [f"Induced field [{self.unit}], voxels of {h} mm, largest of {self.drives} drives", ""]
        for r in (head, tuple("-" * w for w in widths), *body):
            lines.append(
                "  ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:], strict=True))])
            )
        return "\n".join([*lines, "", *self.notes]) + "\n"

    def __str__(self) -> str:
        return self.table()


def induced_table(
    induced: InducedField,
    drive: Sequence[float] | Sequence[Sequence[float]] | np.ndarray,
    *,
    regions: Mapping[str, np.ndarray] | Sequence[str] = (),
    unit: str = "V/m",
    device: str = "auto",
) -> InducedTable:
    """Induced field per tissue: largest value, percentiles, averages over 2 mm cubes and along 5 mm lines.

    Parameters
    ----------
    induced : InducedField
        Fields per unit of every source.
    drive : (sources,) or (n, sources) array
        Drive of every source in its unit, such as the slew rate of every axis; of several drives, such as the moments
        of a waveform, every value is the largest. Complex drives are phasors, and values then peaks over a period.
    regions : mapping of str to (nx, ny, nz) bool ndarray, or sequence of str
        More rows: masks, or names of regions of the phantom.
    unit : str
        Shown in the table: what a drive of the units of the sources makes of it.
    device : str
        Where the averages are computed.

    Returns
    -------
    InducedTable
        All tissues, the regions, then every tissue.

    Raises
    ------
    InputError
        For drives that do not fit the sources, unknown regions, and masks that do not fit.

    Source: see :mod:`emdose.dosimetry.induced.local`.
    """
    drives = np.atleast_2d(np.asarray(drive))
    if drives.ndim != 2 or not len(drives) or not np.all(np.isfinite(drives)):
        raise InputError(
            "bad drive", field="drive", found=np.shape(drive), expected="(sources,) or (n, sources) finite"
        )
    means = LocalMeans(induced, device)
    groups = list(_groups(induced, regions))
    inside = means.inside(induced)
    found: list[list[tuple[Spread, Spread, Spread, float, int]]] = []
    for one in drives:
        planes = as_planes(induced.combined(one))
        size = magnitude(planes)
        cube = size if means.voxel_is_cube else magnitude(means.cube(planes))
        line = means.lines(planes, directions(planes))
        found.append([_values(size, cube, line, inside, members) for _, members in groups])
    rows, grid = [], induced.phantom.grid
    volume = float(np.prod(grid.spacing_m))
    for k, (name, members) in enumerate(groups):
        told = [per_drive[k] for per_drive in found]
        # Every statistic is that of the drive under which it is largest.
        values = np.array([t[:3] for t in told])
        largest = values.argmax(0)
        spreads = [Spread(*map(float, v)) for v in values.max(0)]
        which = tuple(Which(*map(int, v)) for v in largest)
        best = which[0].max
        index = np.array(np.unravel_index(induced.cells[told[best][4]], grid.shape))
        at = tuple(map(float, np.asarray(grid.origin_m) + (index + 0.5) * np.asarray(grid.spacing_m)))
        deep = max(t[3] for t in told)
        of_voxel, of_cube, of_line = spreads
        size_m3 = len(members) * volume
        rows.append(InducedRow(name, len(members), size_m3, of_voxel, of_cube, of_line, deep, at, which))  # type: ignore[arg-type]
    front = 1 + len(regions)
    rows[front:] = sorted(rows[front:], key=lambda r: -r.voxel.max)
    notes = (CUBE_NOTES[int(means.voxel_is_cube)], LINE_NOTE, TIME_NOTE)
    return InducedTable(tuple(rows), unit, means.spacing, len(drives), notes)  # type: ignore[arg-type]


def _groups(
    induced: InducedField, regions: Mapping[str, np.ndarray] | Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and members of the rows: all, regions, tissues."""
    phantom = induced.phantom
    yield ALL, np.arange(induced.cells.size)
    for name in regions:
        if isinstance(regions, Mapping):
            mask = np.asarray(regions[name])
            if mask.shape != phantom.grid.shape or mask.dtype != bool:
                expected = f"bool, {phantom.grid.shape}"
                raise InputError("mask does not fit the phantom", field=name, found=mask.shape, expected=expected)
        elif name in phantom.regions:
            mask = phantom.regions[name]
        else:
            raise unknown("no such region of the phantom", name, list(phantom.regions), field="regions")
        members = np.flatnonzero(mask.reshape(-1)[induced.cells])
        if not members.size:
            raise InputError("region without a voxel that conducts", field="regions", found=name)
        yield name, members
    labels = induced.labels.astype(np.int16)
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    for label, members in zip(present, np.split(order, starts[1:]), strict=True):
        yield phantom.tissues[int(label)].name, members


def _values(
    size: np.ndarray, cube: np.ndarray, line: np.ndarray, inside: np.ndarray, members: np.ndarray
) -> tuple[Spread, Spread, Spread, float, int]:
    whole = members.size == size.size
    parts = [v if whole else v[members] for v in (size, cube, line)]
    deep = parts[0][inside if whole else inside[members]]
    at = int(parts[0].argmax())
    spread = [_spread(v) for v in parts]
    return spread[0], spread[1], spread[2], float(deep.max(initial=0.0)), int(at if whole else members[at])


def _spread(values: np.ndarray) -> Spread:
    """Largest value and percentiles, straight between the two nearest ranks."""
    n = values.size
    ranks = [(n - 1) * p / 100 for p in PERCENTILES]
    low = [int(r) for r in ranks]
    kth = sorted({*low, *(min(k + 1, n - 1) for k in low)})
    part = np.partition(values, kth)
    between = [
        float(part[k] + (r - k) * (float(part[min(k + 1, n - 1)]) - float(part[k])))
        for k, r in zip(low, ranks, strict=True)
    ]
    return Spread(float(values.max()), *between)


def _relative(value: float, reference: float) -> float:
    return value / reference - 1 if reference > 0 else 0.0
