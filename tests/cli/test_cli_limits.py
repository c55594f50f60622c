"""``emdose limits``: filters, states, sources, CSV, and what users read."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest

from emdose.cli import main
from emdose.compliance.limits import NOTES, STATES, table

NAME = "local SAR, first level, extremities, 6 min"


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["limits", *map(str, arguments)])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_row_with_its_state_and_source(capsys):
    # Oracle: the table itself: names, values, states counted, every source and note once.
    code, out, err = call(capsys)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len([line for line in lines if line.startswith(tuple({row.standard for row in table()}))]) == len(
        table()
    ) + sum(len(NOTES[s]) for s in NOTES)
    counts = Counter(row.state for row in table())
    for state in STATES:
        assert f"{state} ({counts[state]} of {len(table())}): " in out
    for row in table():
        assert sum(line.endswith(f"] {row.origin}") for line in lines) == 1
    assert "Article 10" in out  # what the Directive says of staff of MRI


def test_csv_holds_the_table(capsys, tmp_path):
    # Oracle: the rows, cell by cell, on the terminal and in a file.
    code, out, _ = call(capsys, "--csv", "-")
    assert code == 0
    for got, row in zip(rows_of(out), table(), strict=True):
        for key in (
            "standard",
            "edition",
            "clause",
            "quantity",
            "mode",
            "region",
            "limit",
            "unit",
            "state",
            "source",
            "name",
        ):
            assert got[key] == getattr(row, key)
        for key in ("window_s", "mass_g", "f_min_Hz", "f_max_Hz"):
            value = getattr(row, key)
            assert got[key] == "" if value is None else float(got[key]) == value
    file = tmp_path / "limits.csv"
    assert call(capsys, "--csv", file)[0] == 0
    assert file.read_text(encoding="utf-8") == out


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--standard", "icnirp 2020"), lambda r: r.standard == "ICNIRP 2020"),
        (("--edition", "2022", "--mode", "NORMAL"), lambda r: r.edition == "2022" and r.mode == "normal"),
        (("--quantity", "sar", "--region", "limbs"), lambda r: "SAR" in r.quantity and "limbs" in r.region),
        (("--state", "inherited"), lambda r: r.state == "inherited"),
        (
            ("--standard", "directive", "--frequency-hz", 50),
            lambda r: r.standard.startswith("Directive") and (r.f_min_Hz or 0) <= 50 <= (r.f_max_Hz or 1e99),
        ),
    ],
)
def test_filters(capsys, options, wanted):
    # Oracle: the same choice made in Python.
    _, out, _ = call(capsys, *options, "--csv", "-")
    assert [r["name"] for r in rows_of(out)] == [r.name for r in table() if wanted(r)] != []


def test_what_a_user_read(capsys, tmp_path):
    # Oracle: 40 W/kg agrees and verifies the row; 35 is shown beside it, and used when its row is named.
    file = tmp_path / "mine.csv"
    head = "edition,limit,clause,value,initials\n"
    found = {}
    for value in (40, 35):
        file.write_text(f'{head}2022,"{NAME}",a table,{value},AB\n', encoding="utf-8")
        for use in ((), ("--use-value", NAME)):
            _, out, _ = call(capsys, "--edition", "2022", "--verified-by", file, *use, "--csv", "-")
            (row,) = (r for r in rows_of(out) if r["name"] == NAME)
            found[value, bool(use)] = (row["limit"], row["state"], row["verified_by"], row["value_read"], row["clause"])
    assert found == {
        (40, False): ("40", "verified", "AB", "40", "a table"),
        (40, True): ("40", "verified", "AB", "40", "a table"),
        (35, False): ("40", "unverified", "AB", "35", ""),
        (35, True): ("35", "verified", "AB", "35", "a table"),
    }
    _, out, _ = call(capsys, "--quantity", "local SAR", "--edition", "2022", "--verified-by", file)
    assert "another value read" in out
    assert "AB read 35 in clause a table of edition 2022, which is not used" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--standard", "IEEE"), "IEC 60601-2-33"),
        (("--state", "verifed"), "did you mean 'verified'"),
        (("--standard", "iec", "--state", "verified", "--edition", "2022"), "no limit matches"),
        (("--frequency-hz", "nan"), "frequency"),
        (("--use-value", NAME), "no confirmed value"),
        (("--verified-by", "/nowhere.csv"), "no such file"),
    ],
)
def test_nothing_found_is_one_line(capsys, options, message):
    # Oracle: exit code 2, one line that lists the choices.
    code, out, err = call(capsys, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
