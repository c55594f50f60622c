"""The tables of limits in the guide against the shipped data."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from emdose.compliance.limits import limits, table

DOCS = Path(__file__).parents[2] / "docs"
IEC = "IEC 60601-2-33"
WINDOWS = {"6 min": 360.0, "any time": None}


def numbers(text):
    return sorted({float(n) for n in re.findall(r"(?<![A-Za-z])\d+(?:\.\d+)?", text)})


def rows_of_the_guide():
    text = (DOCS / "guide" / "compliance.md").read_text(encoding="utf-8")
    part = text[text.index("| quantity | normal |") :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part[2:]]


@pytest.mark.parametrize("cells", rows_of_the_guide(), ids=lambda cells: cells[0])
def test_the_short_table_of_the_guide(cells):
    # Oracle: the shipped rows: the same numbers in the same cells, the same states.
    quantity, _, region = cells[0].partition(", ")
    for edition, state in (("2010+A2:2015", cells[4]), ("2022", cells[5])):
        for mode, value in (("normal", cells[1]), ("first level", cells[2])):
            found = [
                row for row in limits(IEC, edition, quantity, mode, region or None) if row.window_s == WINDOWS[cells[3]]
            ]
            assert len(found) == 1
            assert numbers(value) == numbers(found[0].limit)
            assert found[0].unit.replace("degC", "°C") in value
            assert found[0].state == state


def test_the_short_table_has_every_sar_limit():
    # Oracle: the quantities and regions of IEC 60601-2-33 that emdose checks.
    named = {cells[0] for cells in rows_of_the_guide()}
    for row in limits(IEC, "2022"):
        if row.unit in ("W/kg", "degC"):
            assert row.quantity in named or f"{row.quantity}, {row.region}" in named


def test_the_generated_page_holds_every_row_with_its_source():
    # Oracle: the shipped rows: value, state and source of each in one line of the page.
    spec = importlib.util.spec_from_file_location("limits_reference", DOCS / "limits_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = module.text().replace("\\", "").splitlines()
    shown = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ") and "`" in line]
    assert len(shown) == len(table())
    sources = dict(re.match(r"\* (\[\d+\]) (.*)", line).groups() for line in lines if line.startswith("* ["))
    documents = list(dict.fromkeys((row.standard, row.edition) for row in table()))
    ordered = sorted(table(), key=lambda row: documents.index((row.standard, row.edition)))
    for cells, row in zip(shown, ordered, strict=True):
        assert cells[:3] == [row.quantity, row.mode, row.region]
        assert cells[5:7] == [f"`{row.limit}` {row.unit}", row.state]
        assert sources[cells[-1]] == row.origin
