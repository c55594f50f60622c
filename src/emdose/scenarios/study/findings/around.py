"""Samples around the nominal values for a first-order budget: told by a finished run, or run on the grid chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.scenarios import kinds
from emdose.scenarios.study.findings.finished_run import FinishedRun


@dataclass(frozen=True, eq=False)
class Around:
    """What came of the samples of a first-order budget.

    Parameters
    ----------
    names : tuple of str
        Outputs, m of them.
    value : (m,) ndarray
        At the nominal values.
    Y : (n, m) ndarray
        Of every sample; the nominal values where there is none.
    known : frozenset of int
        Places of the samples that have numbers.
    notes : tuple of str
        Where they come from.
    """

    names: tuple[str, ...]
    value: np.ndarray
    Y: np.ndarray
    known: frozenset[int]
    notes: tuple[str, ...]


def around(
    case: Any,
    runner: Any,
    nominal: Any,
    names: Sequence[str],
    X: np.ndarray,
    coarse: Any,
    finished: FinishedRun | None,
    *,
    all_names: bool,
) -> Around:
    """Outputs of samples, as relative changes where they are not of the scenario's own run and grid.

    Parameters
    ----------
    case : StudyArm
        The case.
    runner : Runner
        Computes.
    nominal : SampleOutcome
        At the nominal values, on the grid of the scenario.
    names : sequence of str
        Outputs.
    X : (n, d) ndarray
        Samples, the nominal one first.
    coarse : StudyArm or None
        The same case on a coarser grid; where that is too coarse for a valid result, the case itself counts.
    finished : FinishedRun or None
        Tells samples without a run, where it can.
    all_names : bool
        Whether all outputs were asked for, so that those of which a finished run tells nothing are left out.
    """
    near = {} if finished is None else finished.rows(case, X)
    if near and all_names:
        names = [n for n in names if n in near[0]]
    elif any(n not in near.get(0, {}) for n in names):
        near = {}
    value = np.array([nominal.outputs[n] for n in names])
    far = [i for i in range(1, len(X)) if i not in near]
    notes = [finished.nearby.words] if near and finished is not None and finished.nearby is not None else []
    base = nominal
    if coarse is not None and far:
        varied = case.inputs.names if case.inputs is not None else ()
        few = dict.fromkeys(varied[j] for i in far for j in np.flatnonzero(X[i] != X[0]))
        said = coarse_note(coarse, ", ".join(few) if near else "")
        base = runner.outcome(coarse.sample())
        if base.failed:
            said = f"{said[:-1]}, which gave none: the samples are on the grid of the scenario. {base.error}"
            base, coarse = nominal, None
        notes.append(said)
    place = coarse or case
    outcomes = runner.map([place.sample(X[i], i - 1) for i in far])
    run: dict[int, Mapping[str, float]] = {o.index + 1: o.outputs for o in outcomes if not o.failed}
    Y = np.array([value for _ in X])
    for numbers, start in ((run, base.outputs), (near, near.get(0, {}))):
        before = row(start, names)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where((before != 0) & (value / before > 0), value / before, 1.0)
        for i in numbers.keys() - {0}:
            Y[i] = value + scale * (row(numbers[i], names) - before)
    Y = np.where(np.isnan(Y), value, Y)
    return Around(tuple(names), value, Y, frozenset(run.keys() | near.keys()), tuple(notes))


def coarse_note(coarse: Any, inputs: str = "") -> str:
    """Where sensitivities, or those of some inputs, come from that are not those of the scenario's own grid."""
    spacing = kinds.get(coarse.paths.scenario.kind).spacing_m(coarse.paths.scenario)
    of = f"Those to {inputs}" if inputs else "Sensitivities"
    return f"{of} are relative ones from a grid of {1e3 * spacing:.3g} mm."


def row(outputs: Mapping[str, float], names: Sequence[str]) -> np.ndarray:
    """Outputs in the order of their names, NaN for those that there are not."""
    return np.array([outputs.get(n, math.nan) for n in names])
