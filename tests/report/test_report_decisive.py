"""The numbers that pages begin with: states, whiskers, which rows, where their uncertainty comes from."""

from __future__ import annotations

import pytest
from made_up_result import check, made_up_summary

from emdose.report.pages import decisive, limit_table
from emdose.scenarios.kinds.rf.page import content


@pytest.mark.parametrize(
    ("value", "u", "state", "level"),
    [
        (1.0, 0.4, "below", "low"),
        (1.0, 1.0, "below", "low"),  # the interval ends at the limit
        (1.0, 1.1, "reaches the limit within U", "near"),
        (2.1, 0.2, "reaches the limit within U", "over"),
        (2.1, 0.05, "above", "over"),
        (1.0, None, "below, U not known", "low"),
        (2.1, None, "above, U not known", "over"),
        (1.0, 0.0, "below", "low"),
    ],
)
def test_states_beside_a_limit_of_two(value: float, u: float | None, state: str, level: str) -> None:
    """Oracle: the interval by hand."""
    ends = None if u is None else (value - u, value + u)
    assert decisive.state(value, 2.0, ends) == state
    assert decisive.level(value, 2.0, ends) == level


def test_where_bar_whisker_and_limit_stand() -> None:
    """Oracle: 1.5 +- 0.5 beside 2 and 4 on a bar that ends at 1.2 x 4 = 4.8; beyond the end the whisker is open."""
    found = decisive.geometry(1.5, (1.0, 2.0), [2.0, 4.0])
    assert found["bar"] == pytest.approx(100 * 1.5 / 4.8, abs=0.01)
    assert found["whisker"]["left"] == pytest.approx(100 / 4.8, abs=0.01)
    assert found["whisker"]["width"] == pytest.approx(100 / 4.8, abs=0.02)
    assert found["ticks"] == pytest.approx([100 * 2 / 4.8, 100 * 4 / 4.8], abs=0.01)
    assert decisive.geometry(5.0, (4.0, 6.0), [2.0], top=2.5)["whisker"]["open"]
    assert decisive.geometry(37.0, None, [40.0], top=45.0, base=35.0)["bar"] == pytest.approx(20.0)


def test_what_a_table_of_limits_decides() -> None:
    """Oracle: largest counted share per quantity and mode by hand; modes of one limit share a mark."""
    rows = content.limit_rows(made_up_summary())
    found = decisive.of_limit_table(limit_table.check_rows({"checks": rows}))
    assert [r["name"] for r in found] == ["Head SAR", "Whole-body SAR", "Whole-body SAR", "Partial-body SAR"]
    head = next(r for r in found if r["name"] == "Head SAR")
    assert head["tag"] == "binds first"  # 1.9 of 3.2 is more than 0.61 of 2
    assert [(m["label"], m["limit"]) for m in head["marks"]] == [("normal, first level", "3.20 W/kg")]
    assert head["marks"][0]["state"] == "below, U not known"
    assert all(m["share"] for r in found for m in r["marks"])
    doubtful = [check("normal", "head SAR", "head", 3.0, 3.2, uncertainty=0.5, verified=False)]
    (row,) = decisive.of_limit_table(limit_table.check_rows({"checks": doubtful}))
    assert (row["marks"][0]["state"], row["marks"][0]["doubtful"]) == ("reaches the limit within U", True)


def test_rows_without_uncertainty_take_that_of_their_quantity() -> None:
    """Oracle: a value of 0.1 from a quantity of 0.4 +- 0.2 has a quarter of its U; what a row states itself stays."""
    stated = {"expanded": 0.2, "k": 2, "basis": "x", "kind": "discretisation"}
    head = "head (crown to chin)"
    quantities = {
        "whole_body_sar": {"value": 0.4, "unit": "W/kg", "uncertainty": stated},
        f"head_sar: {head}": {"value": 1.0, "unit": "W/kg", "uncertainty": stated},
    }
    checks = [
        check("normal", "whole-body SAR", "whole body, 75 kg", 0.1, 2.0),
        check("normal", "whole-body SAR", "whole body, 75 kg", 0.1, 2.0, uncertainty=0.01),
        check("normal", "head SAR", f"{head}, 4.6 kg", 0.5, 3.2),
        check("normal", "partial-body SAR", "slab", 0.5, 3.2),
    ]
    rows = content.limit_rows({"quantities": quantities, "checks": checks})
    assert [decisive.expanded(r) for r in rows] == pytest.approx([0.05, 0.01, 0.1, None])
    shown = limit_table.check_rows({"checks": rows})
    assert shown[0]["kind"] == "discretisation only"
    assert [r["uncertainty"] for r in shown][-1] == "not known"


def test_uncertainty_in_words() -> None:
    """Oracle: the entries by hand; a number that was asked for has none of its own."""
    entry = {"value": 2.0, "unit": "W/kg", "uncertainty": {"expanded": 0.5, "k": 2, "kind": "combined"}}
    assert decisive.spread_text(entry) == "± 0.50 W/kg (25 %), k = 2"
    assert decisive.kind_of_uncertainty(entry) == "combined"
    assert decisive.spread_text(entry | {"uncertainty": {"expanded": 0.0, "k": 2}}) == "as prescribed"
    assert decisive.tile("x", entry | {"uncertainty": None})["spread"] == "U not known"
    (asked,) = decisive.row("x", entry, [{"limit": 1.8, "label": "", "noun": "rise"}])["marks"]
    assert (asked["state"], asked["level"], asked["share"]) == ("reaches the rise within U", "low", "")
    skew = entry | {"uncertainty": {"expanded": 0.5, "k": 2, "interval": [1.9, 2.5]}}
    assert decisive.interval(skew) == (1.9, 2.5)
    assert decisive.interval({"value": 2.0, "uncertainty": 0.5, "guard_band": 0.2}) == (1.5, 2.2)
