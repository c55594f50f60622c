"""Scenarios of kind ``implant-gradient``: metal in switched gradient fields, and how warm it becomes."""

from emdose.scenarios.kinds.implant_gradient.job import Job
from emdose.scenarios.kinds.implant_gradient.schema import Scenario

NOUN = "eddy-current step"
"""What a checkpoint holds, for the user."""

__all__ = ["Job", "Scenario"]
