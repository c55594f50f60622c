"""The maps of an RF run by name, for pictures, xarray, ParaView and NIfTI."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import EmdoseWarning
from emdose.io.maps.labelled import AXES, Contents, LabelledArray

if TYPE_CHECKING:
    from emdose.dosimetry.averaging.cubes import MassAverage
    from emdose.dosimetry.sar import SarMap
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.rf.result.thermal_maps import ThermalMaps
    from emdose.solvers.results.fields import Fields

COMPONENTS = ("component", *AXES)


def contents(
    phantom: Phantom,
    frequency_Hz: float,
    b1plus: np.ndarray,
    sar: SarMap,
    averages: Mapping[str, MassAverage],
    fields: Fields | None,
    thermal: ThermalMaps | None,
) -> Contents:
    """SAR and its averages first, then fields, temperatures and tissue; what belongs to tissue has the body as mask."""
    body: dict[str, Any] = {"inside": lambda: phantom.body}
    found = {
        "SAR": LabelledArray(lambda: sar.value, AXES, "W/kg", "point SAR", **body),
        **{
            f"SAR_{name}": LabelledArray(
                partial(getattr, average, "value"), AXES, "W/kg", f"SAR averaged over {name}", **body
            )
            for name, average in averages.items()
        },
        "abs_B1plus": LabelledArray(
            lambda: 1e6 * np.abs(b1plus), AXES, "uT", "magnitude of B1+", inside=None, stored=False
        ),
        "B1plus": LabelledArray(lambda: b1plus, AXES, "T", "B1+"),
    }
    if fields is not None:
        found |= {
            "B1minus": _field(lambda: fields.b1minus()[0], AXES, "T", "B1-"),
            "E": _field(lambda: fields.E_centre()[0], COMPONENTS, "V/m", "electric field, peak phasor"),
            "abs_E_peak": _field(
                lambda: np.sqrt(np.sum(np.abs(fields.E_centre()[0]) ** 2, axis=0)), AXES, "V/m", "length of E, peak"
            ),
            "B": _field(lambda: fields.B_centre()[0], COMPONENTS, "T", "magnetic flux density, peak phasor"),
        }
    if thermal is not None:
        found["temperature_rise"] = LabelledArray(lambda: thermal.rise, AXES, "K", "largest temperature rise", **body)
        found["CEM43"] = LabelledArray(lambda: thermal.dose_min, AXES, "min", "minutes at 43 degC", **body)
    names = tuple(t.name for t in phantom.tissues)
    found |= {
        "conductivity": _field(lambda: _quiet(phantom.conductivity, frequency_Hz), AXES, "S/m", "conductivity", **body),
        "relative_permittivity": _field(
            lambda: _quiet(phantom.permittivity, frequency_Hz), AXES, "1", "relative permittivity", **body
        ),
        "density": _field(lambda: phantom.density, AXES, "kg/m^3", "mass density", **body),
        "label": LabelledArray(lambda: phantom.labels, AXES, "", "tissue", "label", names=names),
    }
    grid = phantom.grid
    points: dict[str, Any] = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
    facts = {"frequency_Hz": frequency_Hz, "phasors": "peak, exp(+j w t)", "rule": sar.rule}
    return Contents(found, points | {"component": list(AXES)}, dict.fromkeys(AXES, "m"), facts, grid)


def _field(
    make: Callable[[], np.ndarray], dims: tuple[str, ...], unit: str, title: str, inside: Any = None
) -> LabelledArray:
    """What follows from what a run holds."""
    return LabelledArray(make, dims, unit, title, inside=inside, stored=False)


def _quiet(make: Callable[[float], np.ndarray], frequency_Hz: float) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)  # the solver has told them
        return make(frequency_Hz)
