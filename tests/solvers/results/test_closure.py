"""From where on a power balance counts as not closed: the same everywhere. Oracle: the rule, from both sides."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from emdose.errors import EmdoseWarning
from emdose.report import terminal
from emdose.report.pages import common_rows
from emdose.solvers.fdtd import fields as fdtd_fields
from emdose.solvers.results.fields import PowerBalance


def balance(closure: float) -> PowerBalance:
    return PowerBalance(*(np.array([[p + 0j]]) for p in (1.0 - closure, 1.0, 0.0)))


def test_the_fdtd_warns_from_there_on() -> None:
    drives = {"one": np.ones(1)}
    with pytest.warns(EmdoseWarning, match=r"2\.1 % of the power is unaccounted for \(expected at most 2 %\)"):
        fdtd_fields._warn_closure(balance(0.021), drives, 0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fdtd_fields._warn_closure(balance(0.019), drives, 0.02)


def test_terminal_and_page_mark_it_from_there_on() -> None:
    for closure, good in ((0.019, True), (0.021, False)):
        assert terminal.closes(closure) is good
        assert common_rows.power({"power_balance": {"closure": closure}})["good"] is good
