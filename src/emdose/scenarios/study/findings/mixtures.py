"""Values with weights, and inputs from plain tables: small parts of what a study has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.uncertainty.inputs import Inputs


def inputs_of_dict(table: Mapping[str, Any]) -> Inputs:
    """Inverse of ``Inputs.to_dict``."""
    from emdose.uncertainty.inputs import Input, Inputs
    from emdose.uncertainty.laws import law_of_dict

    given = tuple(Input(**{**row, "law": law_of_dict(row["law"])}) for row in table["inputs"])
    if table["independent"]:
        return Inputs(given)
    correlation = None if table["correlation"] is None else np.array(table["correlation"])
    return Inputs(given, correlation, table["kind"], table["copula"], table["theta"])


def weighted_quantile(values: np.ndarray, weights: np.ndarray, q: float) -> float:
    """The value below which a share of the weights lies."""
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    return float(np.interp(q * upto[-1], upto - 0.5 * weights[order], values[order]))
