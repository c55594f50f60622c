"""Exposures in the orientations that a run has found: their powers, and the power densities that heat.

An extreme over orientations changes with an input as it does in the orientation of the extreme itself, to first order:
the orientation need not be searched again.

Source: P. Milgrom, I. Segal, Econometrica 70 (2002) 583 (envelope theorem).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import EmdoseWarning

if TYPE_CHECKING:
    from emdose.models.gradients.spectrum import Spectrum
    from emdose.scenarios.kinds.implant_gradient.worst.power import AppliedExposure
    from emdose.solvers.results.power_tensor import PowerTensor

OWN, HOTTEST, COOLEST, WORST, BEST = "own", "hottest", "coolest", "worst", "best"
HEATED = (OWN, HOTTEST, COOLEST)
"""Orientations whose heat is found: the given one, and those of the largest and smallest peak of temperature."""
POWERED = (WORST, OWN, BEST)
"""Orientations whose power is found: that of the largest power, the given one, that of the smallest."""


@dataclass(frozen=True, eq=False)
class Oriented:
    """One exposure in the orientations that count.

    Parameters
    ----------
    powers : mapping of str to float
        Power of the orientations of ``POWERED`` [W].
    densities : mapping of str to (m,) ndarray
        Power density of the metal in those of ``HEATED`` [W/m^3].
    """

    powers: Mapping[str, float]
    densities: Mapping[str, np.ndarray]


def oriented(fields: Mapping[str, Spectrum], tensor: PowerTensor) -> Oriented:
    """Powers and power densities of the fields of an exposure."""
    with quiet():
        powers = {role: tensor.average_power(fields[role]) for role in POWERED}
        return Oriented(powers, {role: np.asarray(tensor.loss_density(fields[role])) for role in HEATED})


def fields_of(
    one: AppliedExposure, about: Mapping[str, Any], tensor: PowerTensor, top_Hz: float, turn: np.ndarray
) -> dict[str, Spectrum]:
    """Harmonics of dB/dt in the axes of the implant, by orientation.

    Parameters
    ----------
    one : AppliedExposure
        The exposure.
    about : mapping
        What a run has found of it, as in ``summary["implant"]["exposures"]``.
    tensor : PowerTensor
        Power of the metal.
    top_Hz : float
        Highest harmonic [Hz].
    turn : (3, 3) ndarray
        Turn of the implant out of the pose of that run.
    """
    drive = one.harmonics(top_Hz)
    if one.matrix is None:
        strength = np.asarray(np.abs(drive.amplitudes[:, 0]) / np.sqrt(2))
        with quiet():
            ends = {w: getattr(tensor, w)(drive.frequencies_Hz, strength)[1] for w in (WORST, BEST)}
        given = ends[WORST] if isinstance(one.direction, str) else turn.T @ np.asarray(one.direction, float)[:3]
        along = {**ends, OWN: given, HOTTEST: about["worst_rise_direction"], COOLEST: about["best_rise_direction"]}
        pad = np.zeros(len(tensor.sources) - 3)
        return {r: drive.through(np.concatenate([np.asarray(u, float)[:3], pad])[:, None]) for r, u in along.items()}
    keys = {HOTTEST: "worst_rise_pose", COOLEST: "best_rise_pose", WORST: "worst_pose", BEST: "best_pose"}
    turns = {OWN: turn, **{role: np.asarray(about[key]["rotation"], float) for role, key in keys.items()}}
    matrices = one.turned(np.stack(list(turns.values())))
    return {role: drive.through(matrix) for role, matrix in zip(turns, matrices, strict=True)}


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of frequencies a little beyond those solved, lower ones for a metal that conducts better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)
        yield
