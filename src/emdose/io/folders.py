"""Result folders of any kind of scenario."""

from __future__ import annotations

from pathlib import Path

from emdose.io.ept_results import EptResult, read_ept_result
from emdose.io.implant_results import ImplantResult, read_implant_result
from emdose.io.results import RunResult, read_summary
from emdose.io.results import read_result as read_rf_result


def read_result(folder: Path | str) -> RunResult | EptResult | ImplantResult:
    """Read what a run left in its folder: a RunResult of kind rf, an EptResult of kind ept, an ImplantResult.

    Raises
    ------
    InputError
        When the folder holds no finished result, or its files are damaged; nothing of them is used then.
    """
    summary = read_summary(folder)
    if "implant" in summary:
        return read_implant_result(folder)
    return read_ept_result(folder) if "ept" in summary else read_rf_result(folder)
