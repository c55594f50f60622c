"""From where on a power balance counts as not closed: the same everywhere. Oracle: the rule, from both sides."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from emdose.errors import EmdoseWarning
from emdose.report import terminal
from emdose.report.pages import common_rows
from emdose.scenarios.kinds.ept import job as ept_job
from emdose.scenarios.kinds.rf import job as rf_job
from emdose.scenarios.kinds.rf.page import content as page_content
from emdose.solvers.fdtd import fields as fdtd_fields
from emdose.solvers.results.fields import CLOSURE_LIMIT, PowerBalance


def balance(closure: float) -> PowerBalance:
    return PowerBalance(*(np.array([[p + 0j]]) for p in (1.0 - closure, 1.0, 0.0)))


def test_the_limit_stands_once() -> None:
    assert CLOSURE_LIMIT == 0.02
    for module in (common_rows, terminal, page_content, ept_job, rf_job, fdtd_fields):
        assert module.CLOSURE_LIMIT is CLOSURE_LIMIT


def test_the_fdtd_warns_from_there_on() -> None:
    drives = {"one": np.ones(1)}
    with pytest.warns(EmdoseWarning, match=r"2\.1 % of the power is unaccounted for \(expected at most 2 %\)"):
        fdtd_fields._warn_closure(balance(0.021), drives, CLOSURE_LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fdtd_fields._warn_closure(balance(0.019), drives, CLOSURE_LIMIT)


def test_summaries_doubt_from_there_on() -> None:
    class Power:
        closure = 0.021

    assert "2.1 % of the power" in rf_job.RfJob._doubts(None, Power)[0]  # type: ignore[arg-type]
    Power.closure = 0.019
    assert rf_job.RfJob._doubts(None, Power) == []  # type: ignore[arg-type]
