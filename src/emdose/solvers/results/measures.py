"""What solvers tell about how well their equations are met, as measures for :func:`emdose.validity.judge`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from emdose.validity import Measure


def worst(name: str, values: Mapping[str, float], many: bool = True) -> list[Measure]:
    """The largest of the values by place as one measure; none where there is no value.

    Parameters
    ----------
    name : str
        Name of the threshold.
    values : mapping of str to float
        Value of every port, frequency or exposure; one that is not finite counts as the largest.
    many : bool
        Whether the measure says which place it is from.
    """
    if not values:
        return []
    place = max(values, key=lambda k: values[k] if math.isfinite(values[k]) else math.inf)
    return [Measure(name, float(values[place]), place if many else "")]


def of_ports(convergence: Mapping[str, Any], ports: Iterable[Mapping[str, Any]]) -> list[Measure]:
    """Residual over tolerance, estimated error of E, cells per wavelength, and how well a given incident field is one.

    Parameters
    ----------
    convergence : mapping
        "tolerance", "cells_per_wavelength" and "incident_field", where they are known.
    ports : iterable of mapping
        "name", "residual" and, where it is known, "E_error_estimate" of every port.
    """
    rows = [dict(p) for p in ports]
    tolerance, cells = convergence.get("tolerance"), convergence.get("cells_per_wavelength")
    found = []
    if tolerance:
        found += worst("residual", {str(p.get("name")): _number(p.get("residual")) / tolerance for p in rows})
    estimates = {str(p.get("name")): _number(p["E_error_estimate"]) for p in rows if "E_error_estimate" in p}
    found += worst("E_error", estimates)
    if "incident_field" in convergence:
        found.append(Measure("incident_field", _number(convergence["incident_field"])))
    return found if cells is None else [*found, Measure("cells_per_wavelength", _number(cells))]


def of_scale(scale: Mapping[str, Any]) -> list[Measure]:
    """How a scale to B1+ was found: its share of the rotating field and the air in the region, where they are told."""
    return [Measure(name, _number(scale[name])) for name in ("b1plus_share", "b1plus_air") if name in scale]


def heat_measures(about: Mapping[str, Any]) -> list[Measure]:
    """What a solution of the bioheat equation states, if it does: errors of balance and steps, cells across metal."""
    names = {"balance_error": "heat_balance", "time_error": "heat_steps", "cells_across": "heat_cells_across"}
    values = {name: about[key] for key, name in names.items() if key in about}
    return [Measure(name, math.nan if v is None else abs(float(v))) for name, v in values.items()]


def _number(value: Any) -> float:
    """A number of a summary, whose null stands for one that is not finite."""
    return math.nan if value is None else float(value)
