"""The tables of an ``induction`` scenario."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emdose.scenarios import Header, Table, tables


class BallTable(Table):
    """The ball, centred at the isocentre."""

    radius_m: Annotated[float, tables.number("a radius in metres", 0, 1, above=True)]
    spacing_m: Annotated[float, tables.number("a voxel size in metres", 1e-4, 0.1)] = 5e-3
    tissue: Annotated[str, tables.text("the name of a tissue")] = "gel"


class FieldTable(Table):
    """The field."""

    frequency_Hz: Annotated[float, tables.number("a frequency in Hz", 1, 1e5)]
    dbdt_rms_T_s: Annotated[float, tables.number("an rms dB/dt in T/s", 0, 1e6, above=True)]


class LimitTable(Table):
    """What the field in the ball is set beside."""

    E_rms_V_m: Annotated[float, tables.number("an rms field in V/m", 0, 1e6, above=True)] = 1.0


class InductionScenario(Table):
    """A scenario of kind ``induction``."""

    scenario: Header
    ball: BallTable
    field: FieldTable
    limit: LimitTable = Field(default_factory=LimitTable)
