"""One case of a study: its samples, moments, and what its inputs contribute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.uncertainty.inputs import Inputs


@read_only
@dataclass(frozen=True, eq=False)
class StudyCase:
    """What one case (stratum) has given; without strata there is one.

    Parameters
    ----------
    name, weight : str, float
        Values of the strata in words, and how often it is met.
    inputs : Inputs or None
        Joint law of its d inputs.
    value, mean, sd : (m,) ndarray
        Outputs at the nominal values; mean and standard deviation by the laws of the inputs alone.
    parts, sensitivities, second : mapping of str to (m,) ndarray
        Standard uncertainty that each input contributes; change of the outputs per unit of it, and contribution of its
        curvature, where these were found.
    X, Y : (n, d), (n, m) ndarray
        Samples of the inputs and their outputs.
    degree : int or None
        Degree of the polynomials; None where it was chosen.
    about : mapping
        What the run of the nominal values says of its own numerical uncertainty.
    maps : mapping of str to ndarray
        "NAME mean", "NAME sd" and "NAME peaks" of every map that was asked for.
    peaks : mapping of str to mapping
        Outputs that are the peak of a map and come from its polynomials: "place" among the outputs, "map",
        leave-one-out error "loo" of the peak, and shares "first" and "total" of the inputs.
    trials_X, trials_Y, trials_predicted : (t, d), (t, m), (t, m) ndarray
        Trials of the model itself: inputs, outputs, and the polynomials there.
    """

    name: str
    weight: float
    inputs: Inputs | None
    value: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    parts: Mapping[str, np.ndarray]
    sensitivities: Mapping[str, np.ndarray]
    second: Mapping[str, np.ndarray]
    X: np.ndarray
    Y: np.ndarray
    degree: int | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    peaks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trials_X: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    trials_Y: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    trials_predicted: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @cached_property
    def chaos(self) -> Any:
        """Polynomial chaos of the outputs, fitted to the samples."""
        from emdose.uncertainty.chaos import polynomial_chaos

        return polynomial_chaos(self.inputs, np.array(self.X), np.array(self.Y), degree=self.degree or "auto")
