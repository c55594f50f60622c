"""What a solved scenario tells of its transmit coil, so that whole sequences can be played on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.dosimetry.sar import Rule
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields


@dataclass(frozen=True, eq=False)
class Transmit:
    """Fields of the coil of a solved scenario, how it is driven, and under which circumstances limits hold.

    Parameters
    ----------
    fields : Fields
        Of all ports, or of one drive.
    body, coil : Phantom, Coil
        What was solved.
    mode : str or (port,) complex ndarray
        The drive of the scenario: a name that the fields know, or relative amplitudes.
    place : str, point or mask
        Where the nominal B1+ of a pulse holds.
    place_name : str or point
        What it is called.
    rule : str
        SAR rule.
    checks : mapping
        Arguments of :func:`emdose.check`, without those of duty cycles.
    accept : tuple of str
        Thresholds of validity that may be passed.
    """

    fields: Fields
    body: Phantom
    coil: Any
    mode: str | np.ndarray
    place: Any
    place_name: Any
    rule: Rule
    checks: Mapping[str, Any]
    accept: tuple[str, ...] = ()
