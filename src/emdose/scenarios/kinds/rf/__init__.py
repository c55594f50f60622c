"""Scenarios of kind ``rf``: a body in the RF field of a coil."""

from emdose.scenarios.kinds.rf.job import Job
from emdose.scenarios.kinds.rf.schema import Scenario

__all__ = ["Job", "Scenario"]
