"""Limits as data and the checks on them; what passes a check is below a limit, no more than that."""

from emdose.compliance.checks import Check, Checks
from emdose.compliance.circumstances import require_circumstances
from emdose.compliance.confirmations import Confirmation
from emdose.compliance.gradients import check_gradients, fastest_slew
from emdose.compliance.iec60601 import check
from emdose.compliance.limits import Limit, limits

__all__ = [
    "Check",
    "Checks",
    "Confirmation",
    "Limit",
    "check",
    "check_gradients",
    "fastest_slew",
    "limits",
    "require_circumstances",
]
