"""The polynomials of a study beside trials of the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.scenarios.study.findings.budgets import loo_of
from emdose.uncertainty.model_checks import FEWEST, ModelCheck, check_by_trials

__all__ = ["FEWEST", "model_checks"]


def model_checks(result: Any, trials: Any = None) -> dict[str, ModelCheck]:
    """Every output of a study by its polynomials and by trials of the model.

    Parameters
    ----------
    result : StudyResult
        Of polynomial chaos.
    trials : StudyResult, optional
        A Monte Carlo study of the same inputs; by default the trials that the study itself has made.

    Raises
    ------
    InputError
        For a study without polynomials, without trials, or trials of other cases or outputs.
    """
    if result.method != "chaos":
        expected = '"chaos", which is what trials of the model are compared with'
        raise InputError("a study without polynomials", field="method", found=result.method, expected=expected)
    names = [n for n in result.names if trials is None or n in trials.names]
    if trials is not None:
        _require_same(result, trials, names)
    tried = [_tried(case, None if trials is None else trials.cases[n]) for n, case in enumerate(result.cases)]
    if not any(len(X) for X, _, _ in tried):
        expected = "run(..., trials=1000), or a Monte Carlo study to compare with"
        raise InputError("no trials of the model", field="trials", found=0, expected=expected)
    pairs = list(zip(result.cases, tried, strict=True))
    weights = np.concatenate([np.full(len(Y), case.weight / max(len(Y), 1)) for case, (_, Y, _) in pairs])
    loo = _common_loo(result)
    draws, draw_weights = result.draws
    found = {}
    for name in names:
        k = result.names.index(name)
        j = k if trials is None else trials.names.index(name)
        values = np.concatenate([Y[:, j] for _, Y, _ in tried])
        known = [P[:, k] for _, _, P in tried if P is not None]
        predicted = np.concatenate(known) if len(known) == len(tried) else None
        found[name] = check_by_trials(
            name,
            values,
            draws[:, k],
            float(loo[k]),
            trial_weights=weights,
            draw_weights=draw_weights,
            predicted=predicted,
        )
    return found


def _tried(case: Any, other: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Inputs and outputs of the trials of a case, and its polynomials there."""
    if case.inputs is None:  # a case of its own number, known exactly
        Y = np.asarray(case.value, float)[None] if other is None else np.asarray(other.value, float)[None]
        return np.zeros((1, 0)), Y, np.asarray(case.value, float)[None]
    if other is None:
        return np.asarray(case.trials_X), np.asarray(case.trials_Y), np.asarray(case.trials_predicted)
    X, Y = np.asarray(other.X), np.asarray(other.Y)
    # The maps behind a peak are not kept: what its polynomials say of other inputs is not known any more.
    return X, Y, None if case.peaks else np.asarray(case.chaos.predict(np.array(X)), float).reshape(len(X), -1)


def _common_loo(result: Any) -> np.ndarray:
    """Mean squared error of the polynomials over the variance of the mixture of all cases, (m,)."""
    variance = np.maximum(np.array([result.std[n] for n in result.names]) ** 2, 1e-300)
    left = sum(c.weight * loo_of(c) * np.asarray(c.sd, float) ** 2 for c in result.cases if c.inputs is not None)
    return np.asarray(left / variance)


def _require_same(result: Any, trials: Any, names: Sequence[str]) -> None:
    same = [c.name for c in result.cases] == [c.name for c in trials.cases]
    same = same and all(
        (a.inputs is None) == (b.inputs is None) and (a.inputs is None or a.inputs.to_dict() == b.inputs.to_dict())
        for a, b in zip(result.cases, trials.cases, strict=True)
    )
    if trials.method != "monte-carlo" or not same or not names:
        found = f"{trials.method} of {trials.name}"
        expected = "a Monte Carlo study of the same inputs, laws, strata and outputs"
        raise InputError("trials of something else", field="trials", found=found, expected=expected)
