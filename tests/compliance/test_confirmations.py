"""Limits that users read in their own copies of a standard: beside ours, in place of ours when asked for by name."""

from __future__ import annotations

import pytest

import emdose as em
from emdose.compliance import Confirmation
from emdose.compliance.limits import confirmed, limits
from emdose.compliance.terms.confirmations import as_confirmations
from emdose.errors import InputError

IEC = "IEC 60601-2-33"
NAME = "local SAR, first level, extremities, 6 min"
ROW = {"limit": NAME, "edition": "2022", "clause": "a table of it", "value": 40, "initials": "AB"}


def row_of(confirmations, use_values=(), name=NAME, edition="2022"):
    rows = confirmed(limits(IEC, edition), as_confirmations(confirmations), use_values)
    (row,) = (r for r in rows if r.name == name)
    return row


def test_an_equal_value_verifies_the_row_and_its_source_stays():
    # Oracle: 40 W/kg is what the table has; other rows and other editions do not move.
    row = row_of([ROW])
    assert (row.state, row.standing, row.value(), row.disputed) == ("verified", "verified by AB", 40.0, False)
    assert row.clause == "a table of it"
    assert "from memory" in row.origin
    assert "AB read 40 in clause a table of it of edition 2022" in row.origin
    assert row_of([ROW], name=NAME.replace("6 min", "10 s")).state == "unverified"
    assert row_of([ROW], edition="2010+A2:2015").state == "unverified"


def test_another_value_is_shown_and_not_used():
    # Oracle: the number of the table stays, with what was read beside it.
    row = row_of([ROW | {"value": 35.0}])
    assert (row.state, row.standing, row.value(), row.disputed) == ("unverified", "unverified", 40.0, True)
    assert "AB read 35 in clause a table of it of edition 2022, which is not used" in row.origin


def test_another_value_is_used_when_its_row_is_named():
    # Oracle: the user's number, verified by the user, and the number of emdose beside it with its state.
    row = row_of([ROW | {"value": 35.0}], [NAME])
    assert (row.state, row.standing, row.value(), row.disputed) == ("verified", "verified by AB", 35.0, False)
    assert row.origin.startswith("AB read 35 in clause a table of it of edition 2022; emdose holds 40 (unverified)")
    assert "from memory" in row.origin


def test_formulas_are_compared_by_their_values():
    # Oracle: the same function in other words agrees, another slope does not.
    name = "partial-body SAR, normal, exposed part, 6 min"
    same = ROW | {"limit": name, "value": "2 + 8*(1 - r)"}
    assert row_of([same], name=name).standing == "verified by AB"
    assert row_of([same | {"value": "10 - 7.9*r"}], name=name).disputed
    fall = "whole-body SAR, first level, whole body, 6 min"
    # Without the fall above 25 degC the numbers agree in a cool room only: not the same limit.
    assert row_of([ROW | {"limit": fall, "value": 4}], name=fall).disputed


@pytest.mark.parametrize(
    ("confirmations", "use", "message"),
    [
        ([ROW | {"limit": "local SAR, first level, extremity, 6 min"}], (), "did you mean 'local SAR, first level"),
        ([ROW | {"edition": "2021"}], (), "2022"),
        ([ROW | {"standard": "IEC"}], (), "IEC 60601-2-33"),
        ([ROW, ROW], (), "confirmed twice"),
        ([ROW | {"value": "forty"}], (), "not a formula"),
        ([ROW | {"value": -40}], (), "larger than 0"),
        ([ROW | {"value": float("nan")}], (), "value"),
        ([ROW | {"value": None}], (), "value"),
        ([ROW | {"initials": " "}], (), "initials"),
        ([ROW | {"who": "AB"}], (), "unknown key"),
        ([{k: v for k, v in ROW.items() if k != "clause"}], (), "clause"),
        ([ROW], ["local SAR"], "no confirmed value of this name"),
        ([], [NAME], "no confirmed value of this name"),
    ],
)
def test_bad_confirmations_are_one_line(confirmations, use, message):
    # Oracle: InputError that names the key or lists the choices.
    with pytest.raises(InputError, match=message) as error:
        row_of(confirmations, use)
    assert "\n" not in str(error.value)


CSV = f"""# what we read
edition, limit, clause, value, initials
2022, "{NAME}", a table of it, 40, AB
2022, "partial-body SAR, normal, exposed part, 6 min", another, 10 - 8*r, CD
"""
TOML = f"""
[[verified_by]]
edition = "2022"
limit = "{NAME}"
clause = "a table of it"
value = 40
initials = "AB"
"""


def test_files_say_the_same_as_python(tmp_path):
    # Oracle: the rows written by hand.
    (tmp_path / "mine.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(TOML, encoding="utf-8")
    one, two = as_confirmations(em.read_confirmations(tmp_path / "mine.csv"))
    assert one == Confirmation(**ROW)
    assert (two.value, two.initials) == ("10 - 8*r", "CD")
    assert as_confirmations(em.read_confirmations(tmp_path / "mine.toml")) == (one,)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "edition,limit,clause,value\n2022,x,y,1\n", "initials"),
        ("a.csv", "edition,limit,clause,value,initial\n2022,x,y,1,AB\n", "did you mean 'initials'"),
        ("a.csv", "edition,limit,clause,value,initials\n2022,x,y\n", "another length"),
        ("a.csv", "edition,limit,clause,value,initials\n2022,x,y,1,AB,extra\n", "another length"),
        ("a.csv", "edition,limit,clause,value,initials\n", "no confirmed limit"),
        ("a.csv", "", "no confirmed limit"),
        ("a.toml", "verified_by = 3\n", "verified_by"),
        ("a.toml", "[[verified_by]\n", "cannot be read"),
        ("a.toml", "[[verified_by]]\nedition = ''\n", "missing value"),
        ("a.csv", b"\xff\xfe", "UTF-8"),
    ],
)
def test_bad_files_are_one_line(tmp_path, name, text, message):
    # Oracle: InputError that names the file.
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as error:
        em.read_confirmations(file)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
