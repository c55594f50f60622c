"""Results of an ``rf`` run as text on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report import terminal

if TYPE_CHECKING:
    from rich.console import Console


def summary(console: Console, data: Mapping[str, Any]) -> None:
    """The headline numbers, the limits, and how far they can be trusted."""
    terminal.quantities(console, data["quantities"])
    console.print()
    terminal.checks(console, data["checks"], data.get("check_inputs", {}))
    console.print()
    terminal.trust(console, data)
