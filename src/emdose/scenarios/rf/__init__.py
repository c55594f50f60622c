"""Scenarios of kind ``rf``: a body in the RF field of a coil."""

from emdose.scenarios.rf.job import Job
from emdose.scenarios.rf.schema import Scenario

__all__ = ["Job", "Scenario"]
