"""Parts of the summary that kinds with induced fields share: tissues, convergence, measures, what tissues differ by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.scenarios.shared.convergence import summary_measures
from emdose.uncertainty.discretisation import refinement
from emdose.validity import Measure

if TYPE_CHECKING:
    from emdose.dosimetry.induced.tissue_table import InducedRow, InducedTable
    from emdose.solvers.results.induced import InducedField


def tissue(row: InducedRow) -> dict[str, Any]:
    """A row of the table of tissues for summary.json."""
    return {
        "tissue": row.tissue,
        "voxels": row.voxels,
        "max": row.voxel.max,
        "p99.9": row.voxel.p999,
        "p99": row.voxel.p99,
        "cube": row.cube.p99,
        "line": row.line.p99,
        "spread": row.staircase,
        "place_m": row.place_m,
    }


def unconnected(parts: np.ndarray, what: str) -> list[str]:
    """A warning where a body falls into conductors that do not touch, by the part that every voxel belongs to, (m,)."""
    count = int(parts.max()) + 1
    if count == 1:
        return []
    sizes = np.bincount(parts)
    return [
        f"{what} falls into {count} conductors that do not touch; the largest has "
        f"{100 * sizes.max() / sizes.sum():.1f} % of the voxels. Currents do not pass between them."
    ]


def tissue_rows(rows: Sequence[Mapping[str, Any]], factor: float = 1.0) -> list[dict[str, str]]:
    """Entries of :func:`tissue` as rows of a page, in V/m or, times 1000, in mV/m."""
    from emdose.report.wording import number, words

    columns = {"max": "max", "p999": "p99.9", "p99": "p99", "cube": "cube", "line": "line"}
    return [
        {
            "name": words(row["tissue"]),
            "cells": f"{row['voxels']:,}".replace(",", "\u202f"),
            **{key: number(factor * row[name]) for key, name in columns.items()},
            "spread": number(row["spread"]),
        }
        for row in rows
    ]


def at_frequency(stated_Hz: float | None, used_Hz: float) -> list[str]:
    """A warning where the frequency of the tissues' properties was not stated [Hz]."""
    if stated_Hz is not None:
        return []
    return [
        f"Conductivities are those at {used_Hz:g} Hz; below 1 MHz sources differ by factors, that of skin most. Set "
        "phantom.tissues.NAME.conductivity_S_m where better ones are known."
    ]


def over_tissues(table: InducedTable, coarse: InducedTable, number: Callable[[InducedRow], float], least: int) -> float:
    """Root mean square over tissues of the relative uncertainty of a number by voxels, from a table on larger ones.

    Parameters
    ----------
    table, coarse : InducedTable
        The same body on both grids.
    number : callable
        Takes the number from a row.
    least : int
        Fewest voxels of a tissue that counts.
    """
    there = {row.tissue: row for row in coarse.rows[1:]}
    h = [table.spacing_m[0], coarse.spacing_m[0]]
    found = [
        refinement(h, [number(row), number(there[row.tissue])]).relative
        for row in table.rows[1:]
        if row.voxels >= least and row.tissue in there and number(row) > 0
    ]
    return float(np.sqrt(np.mean(np.square(found)))) if found else 0.0


def convergence(
    tolerance: float, solved: Iterable[tuple[str, InducedField | None]], metal: Iterable[Measure] = ()
) -> dict[str, Any]:
    """The entry "convergence" of a summary.

    Parameters
    ----------
    tolerance : float
        Relative residual that was asked for.
    solved : iterable of (str, InducedField or None)
        Fields, and what is written behind the names of their sources; None for what was not solved.
    metal : iterable of Measure
        What the voxels lose or add of metal.
    """
    fields = [(label, one) for label, one in solved if one is not None]
    ports: list[dict[str, Any]] = [
        {"name": s.name + label, "residual": float(r), "iterations": one.iterations}
        for label, one in fields
        for s, r in zip(one.sources, one.residual, strict=True)
    ]
    return {
        "converged": all(p["residual"] <= tolerance for p in ports),
        "tolerance": tolerance,
        "ports": ports,
        "balance": float(max(one.balance.max() for _, one in fields)),
        "metal": [{"name": m.name, "value": m.value, "where": m.where, "hint": m.hint} for m in metal],
    }


def measures(summary: Mapping[str, Any]) -> list[Measure]:
    """Residual over tolerance, the balance of power and work, and what the voxels lose or add of metal."""
    about = summary.get("convergence") or {}
    told = about.get("balance")
    balance = [] if told is None else [Measure("induced_balance", float(told))]
    metal = [Measure(m["name"], float(m["value"]), m["where"], m["hint"]) for m in about.get("metal", ())]
    return [*summary_measures(summary), *balance, *metal]
