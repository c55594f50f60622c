"""Pictures and the one-file report: the only part of emdose that draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ept.result import EptResult
    from emdose.scenarios.kinds.implant_gradient.result import ImplantResult
    from emdose.scenarios.kinds.rf.result import RunResult

__all__ = ["write_report"]


def write_report(
    folder_or_result: Path | str | RunResult | EptResult | ImplantResult, path: Path | str | None = None
) -> Path:
    """Write the report of a run as one self-contained HTML file; see :func:`emdose.report.page.write_report`."""
    from emdose.report.page import write_report as write

    return write(folder_or_result, path)
