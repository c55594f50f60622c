"""Validation of a lead's transfer function: what it predicts in several exposures beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from emdose.checks import not_negative, positives
from emdose.dosimetry.leads.tangential import TangentialE
from emdose.errors import InputError
from emdose.models.leads import TransferFunction
from emdose.values import owned, read_only

ALIKE = 0.98
"""Two exposures whose phases along the lead correlate by more count as one."""


@read_only
@dataclass(frozen=True, eq=False)
class LeadValidation:
    """Prediction beside measurement, condition by condition.

    Parameters
    ----------
    predicted : (condition,) ndarray
        scale abs(int S E_tan dl)^2 [unit of what was measured].
    measured : (condition,) ndarray
        What was measured.
    scale : float
        A, found from all conditions [unit of what was measured over V^2].
    r_squared : float
        Share of the variance of the measurements that the prediction explains; 1 is all of it.
    deviation : (condition,) ndarray
        measured / predicted - 1.
    standard_uncertainty : float
        Combined, relative, of the difference of a measured and a predicted value.
    coverage_factor : float
        k with which a difference counts as within uncertainty.
    phase_correlation : (condition, condition) ndarray
        How alike the phases along the lead are; below 1 where the exposures tell them apart.
    """

    predicted: np.ndarray
    measured: np.ndarray
    scale: float
    r_squared: float
    deviation: np.ndarray
    standard_uncertainty: float
    coverage_factor: float
    phase_correlation: np.ndarray

    @property
    def largest_deviation(self) -> float:
        """Largest magnitude of a relative deviation."""
        return float(np.abs(self.deviation).max())

    @property
    def within(self) -> np.ndarray:
        """Whether each condition agrees within the expanded uncertainty of the difference (condition,)."""
        return np.asarray(np.abs(self.deviation) <= self.coverage_factor * self.standard_uncertainty)


def validate_model(
    transfer_function: TransferFunction,
    exposures: Sequence[TangentialE],
    measured: np.ndarray,
    *,
    measured_uncertainty: float,
    predicted_uncertainty: float,
    coverage_factor: float = 2.0,
) -> LeadValidation:
    r"""A transfer function judged by measurements in several incident fields.

    One scale A serves all conditions, the mean over them of ln(measured) - ln(abs(int S E_tan dl)^2), so that no
    condition is singled out and the relative deviations are centred.

    Parameters
    ----------
    transfer_function : TransferFunction
        Of the lead; its own scale does not enter.
    exposures : sequence of TangentialE
        Incident tangential field along the lead in every condition, one drive each.
    measured : (condition,) array_like
        Power, temperature rise or squared voltage at the tip, > 0.
    measured_uncertainty, predicted_uncertainty : float
        Relative standard uncertainties of a measured value, and of a predicted one (field, path, transfer function),
        combined as the root of the sum of squares.
    coverage_factor : float
        k of the expanded uncertainty.

    Raises
    ------
    InputError
        With fewer than three exposures, or when their phases along the lead do not differ: a wrong transfer function
        would pass then.

    Source: ISO/TS 10974:2018 clause 8 and ISO/TR 21900:2018 as described in public summaries; JCGM 100:2008 (GUM).
    """
    known = positives("measured", measured, problem="bad measurements")
    if len(exposures) != len(known) or len(known) < 3:
        raise InputError(
            "too few conditions",
            field="exposures",
            found=f"{len(exposures)} exposures, {len(known)} values",
            expected="three or more of each, as many of both",
        )
    given = {"measured_uncertainty": measured_uncertainty, "predicted_uncertainty": predicted_uncertainty}
    u = math.hypot(*(not_negative(name, value) for name, value in given.items()))
    for n, one in enumerate(exposures):
        if len(one.ports) != 1:
            where = f"exposures[{n}]"
            raise InputError("exposure of several ports", field=where, found=len(one.ports), expected="one drive")
    alike = _phase_correlation(exposures)
    if min(alike[i, j] for i, j in combinations(range(len(known)), 2)) > ALIKE:
        raise InputError(
            "exposures that do not differ in phase along the lead",
            field="exposures",
            found=f"correlation of phases above {ALIKE:g} in every pair",
            expected="incident fields whose phases along the lead differ",
        )
    power = np.array([abs(one.induced(transfer_function)[0]) ** 2 for one in exposures])
    if not np.all(power > 0):
        raise InputError("exposure that induces nothing", field="exposures", found=int(np.argmin(power)))
    scale = float(np.exp(np.mean(np.log(known) - np.log(power))))
    predicted = scale * power
    spread = float(np.sum((known - known.mean()) ** 2))
    r2 = 1 - float(np.sum((known - predicted) ** 2)) / spread if spread > 0 else float("nan")
    return LeadValidation(
        owned(predicted), owned(known), scale, r2, owned(known / predicted - 1), u, float(coverage_factor), owned(alike)
    )


def _phase_correlation(exposures: Sequence[TangentialE]) -> np.ndarray:
    """abs(sum of a* b) over unit-magnitude fields a, b at shares of the length, where both have field."""
    x = np.linspace(0, 1, 101)
    rows = []
    for one in exposures:
        E = one.E[0] if one.time_convention == "exp(+jwt)" else one.E[0].conj()
        at = one.distance_m / one.length_m
        E = np.interp(x, at, E.real) + 1j * np.interp(x, at, E.imag)
        size = np.abs(E)
        rows.append(np.where(size > 0.05 * size.max(), E / np.where(size > 0, size, 1), 0))
    a = np.array(rows)
    both = (np.abs(a) @ np.abs(a).T).clip(1)
    return np.asarray(np.abs(a.conj() @ a.T) / both)
