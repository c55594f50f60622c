"""Result folders of any kind of scenario."""

from __future__ import annotations

from pathlib import Path

from emdose.io.disk.run_files import read_summary
from emdose.scenarios.kinds.ept.result import EptResult, read_ept_result
from emdose.scenarios.kinds.implant_gradient.result import ImplantResult, read_implant_result
from emdose.scenarios.kinds.rf.result import RunResult
from emdose.scenarios.kinds.rf.result import read_result as read_rf_result


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
