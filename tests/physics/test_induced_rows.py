"""Rows of ``emdose validate`` for fields induced in bodies: the quick cases by default, all of them when asked."""

from __future__ import annotations

import pytest

from emdose.validation.cases import induced

QUICK = ("induced motions", "quasistatic order", "quasistatic motions", "motion identities", "weighted peaks")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in induced.CASES])
def test_every_row_is_within_its_tolerance(name: str) -> None:
    rows = induced.CASES[name]("cpu")
    assert rows
    assert [r for r in rows if not r.passed] == []
