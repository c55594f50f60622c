"""Limits as data and the checks on them; what passes a check is below a limit, no more than that."""

from emdose.compliance.checks import Check, Checks
from emdose.compliance.circumstances import require_circumstances
from emdose.compliance.exposures import check_exposure
from emdose.compliance.frequency_weights import Weighting, weighting
from emdose.compliance.gradients import check_gradients, fastest_slew
from emdose.compliance.iec60601 import check
from emdose.compliance.limits import Limit, limits
from emdose.compliance.sequences import check_sequence
from emdose.compliance.terms.confirmations import Confirmation
from emdose.compliance.workers import check_motion, largest_change

__all__ = [
    "Check",
    "Checks",
    "Confirmation",
    "Limit",
    "Weighting",
    "check",
    "check_exposure",
    "check_gradients",
    "check_motion",
    "check_sequence",
    "fastest_slew",
    "largest_change",
    "limits",
    "require_circumstances",
    "weighting",
]
