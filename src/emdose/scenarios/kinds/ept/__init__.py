"""Scenarios of kind ``ept``: conductivity and permittivity from B1+ maps, measured or of a digital reference object."""

from emdose.scenarios.kinds.ept.job import Job
from emdose.scenarios.kinds.ept.schema import Scenario

__all__ = ["Job", "Scenario"]
