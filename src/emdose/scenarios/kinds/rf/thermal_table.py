"""The table [thermal] of an ``rf`` scenario: how warm the body gets."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import model_validator

from emdose.scenarios.shared.tables import Table, bad_value, number, numbers

Seconds = Annotated[float, number("a time in seconds (15 min is 900)", 0, 1e6, above=True)]
BodyTemperature = Annotated[float, number("a temperature in degC", 0, 60)]


class RfThermalTable(Table):
    """Heating by the SAR of the run, from the moment the RF is switched on; with this table it is computed."""

    duration_s: Seconds = 900.0
    on_s: Seconds | None = None
    times_s: Annotated[tuple[float, ...], numbers("times in seconds,", None, 0, 1e6, above=True)] | None = None
    duty_cycle: Annotated[float, number("a fraction of the time", 0, 1, above=True)] | None = None
    initial: Literal["uniform", "steady"] = "uniform"
    initial_degC: BodyTemperature = 37.0
    blood_degC: BodyTemperature = 37.0
    ambient_degC: Annotated[float, number("a room temperature in degC", -50, 60)] | None = None
    surface_W_m2_K: Annotated[float, number("heat exchange of the skin in W/m2/K", 0, 1e4)] = 8.0
    edges: Literal["surface", "insulated", "fixed"] = "surface"
    perfusion: Literal["none", "constant", "linear", "exponential"] = "constant"
    perfusion_slope_1_K: Annotated[float, number("growth of perfusion per kelvin", 0, 100)] = 0.5
    perfusion_base: Annotated[float, number("base of the exponential law", 1, 100)] = 2.0
    perfusion_scale_K: Annotated[float, number("kelvin per factor of the base", 0, 100, above=True)] = 1.6
    perfusion_cap: Annotated[float, number("largest factor on the basal perfusion", 1, 1000)] = 15.0
    dose_from_degC: Annotated[float, number("temperature below which CEM43 does not count, in degC", 0, 43)] = 39.0
    tolerance: Annotated[float, number("error of the time steps over the largest rise", 1e-4, 0.1)] = 2e-3

    @model_validator(mode="after")
    def _times_fit(self) -> RfThermalTable:
        if self.times_s is not None and any(b <= a for a, b in pairwise(self.times_s)):
            raise bad_value("times_s that grow")
        for name, last in (("times_s", max(self.times_s or (0.0,))), ("on_s", self.on_s or 0.0)):
            if last > self.duration_s:
                raise bad_value(f"{name} within duration_s = {self.duration_s:g}")
        return self
