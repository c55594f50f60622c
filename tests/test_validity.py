"""The table of thresholds and the judgement by it. Oracle: the rule itself, from both sides of every threshold."""

from __future__ import annotations

import json
import math
import pickle
import re
from pathlib import Path

import pytest

import emdose as em
from emdose import validity
from emdose.errors import InputError, NotValidError
from emdose.io.disk import run_files
from emdose.validity import NOT_VALID, QUESTIONABLE, TABLE, THRESHOLDS, VALID, Measure, Validity, judge

ROOT = Path(__file__).resolve().parents[1]
STEPS = [(row, level) for row in TABLE for level in (QUESTIONABLE, NOT_VALID) if level == NOT_VALID or row.questionable]


def beside(row: validity.Threshold, level: str, sign: int) -> float:
    """A value just beyond (1), at (0) or before (-1) a threshold."""
    threshold = row.not_valid if level == NOT_VALID else row.questionable
    assert threshold is not None
    return threshold * (1 + 1e-6 * sign * (1 if row.rises else -1))


@pytest.mark.parametrize(("row", "level"), STEPS, ids=lambda v: getattr(v, "name", v))
def test_every_threshold_from_both_sides(row: validity.Threshold, level: str) -> None:
    milder = VALID if level == QUESTIONABLE or row.questionable is None else QUESTIONABLE
    assert judge([Measure(row.name, beside(row, level, 1))]).state == level
    assert judge([Measure(row.name, beside(row, level, 0))]).state == milder
    assert judge([Measure(row.name, beside(row, level, -1))]).state == milder


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_what_is_unknown_or_infinite_is_not_valid(row: validity.Threshold) -> None:
    for value in (math.nan, math.inf, -math.inf):
        found = judge([Measure(row.name, value)])
        assert found.state == NOT_VALID
        assert "unknown" in found.reasons[0]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_accepted_by_name_it_is_shown_but_withholds_nothing(row: validity.Threshold) -> None:
    measures = [Measure(row.name, beside(row, NOT_VALID, 1), "port 3")]
    found = judge(measures, accept=[row.name])
    assert (found.state, found.is_valid, found.accepted) == (QUESTIONABLE, True, (row.name,))
    assert found.reasons[0].endswith("accepted by name.")
    assert "(port 3)" in found.reasons[0]
    found.require()
    others = [name for name in THRESHOLDS if name != row.name]
    assert judge(measures, accept=others).state == NOT_VALID


def test_nothing_measured_is_valid_and_silent() -> None:
    assert judge([]) == Validity()
    assert judge([Measure("closure", 0.0)]).reasons == ()


def test_unknown_names_are_refused_with_the_near_one() -> None:
    with pytest.raises(InputError, match="did you mean 'closure'"):
        judge([], accept=["closur"])
    with pytest.raises(InputError, match="accept: unknown threshold"):
        judge([], accept="everything")


def test_the_worst_reasons_come_first_and_survive_json() -> None:
    found = judge([Measure("closure", 0.05), Measure("E_error", 3.0, "sine"), Measure("residual", math.nan)])
    assert [f.name for f in found.findings] == ["closure", "E_error", "residual"]
    assert "(sine) is 300 %; above 10 % a result is not valid" in found.reasons[0]
    assert "5 %" in found.reasons[-1]
    told = json.loads(run_files.to_json(found.to_dict()))
    again = Validity.of_dict(told)
    assert (again.state, again.reasons) == (found.state, found.reasons)


def test_the_error_names_the_reasons_and_how_to_accept_them() -> None:
    found = judge([Measure("closure", 0.267), Measure("E_error", 0.05)])
    with pytest.raises(
        NotValidError, match=r"^runs/a: not valid: The power .* is 26\.7 %;.*accept = \['closure'\]"
    ) as told:
        found.require("runs/a")
    assert em.NotValidError is NotValidError
    again = pickle.loads(pickle.dumps(told.value))
    assert (str(again), again.names, again.reasons) == (str(told.value), ("closure",), told.value.reasons)


def test_no_other_module_holds_a_threshold_of_trust() -> None:
    """Oracle: the constants that stood elsewhere before; a number in their place would need such a name again."""
    pattern = re.compile(r"\b(CLOSURE_LIMIT|IDENTITY_(?:LIMIT|WARNING)|LEAST_CELLS_PER_WAVELENGTH)\b")
    guilty = [p.name for p in (ROOT / "src").rglob("*.py") if pattern.search(p.read_text(encoding="utf-8"))]
    assert guilty == []


def test_the_guide_shows_the_table_as_it_is() -> None:
    """Oracle: the table in the code, row by row."""
    page = (ROOT / "docs" / "guide" / "validity.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    expected = []
    for row in TABLE:
        side = "above" if row.rises else "below"
        first = "–" if row.questionable is None else f"{side} {row.show(row.questionable)}"
        last = f"{side} {row.show(row.not_valid)}"
        expected.append(f"| `{row.name}` | {row.measured} | {first} | {last} | {row.why} Source: {row.source}. |")
    assert rows == expected
