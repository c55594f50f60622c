from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from emdose.report.charts.charts import power_chart
from emdose.report.charts.line_chart import residual_chart
from emdose.report.wording import duration, flat, heading, number, quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1.23456, "1.23"),
        (-0.5, "−0.500"),
        (999.6, "1000"),
        (12345.0, "12345"),
        (9.999e-4, "0.00100"),
        (1.5e-7, "1.50\u202f×\u202f10⁻⁷"),
        (2e8, "2.00\u202f×\u202f10⁸"),
        (math.nan, "–"),
        (math.inf, "–"),
        (None, "–"),
        (True, "–"),
        ("x", "–"),
    ],
)
def test_numbers(value: object, text: str):
    """Oracle: three significant digits written by hand."""
    assert number(value) == text


def test_units():
    """Oracle: SI prefixes."""
    assert quantity(2e-6, "T") == ("2.00", "µT")
    assert quantity(127.74e6, "Hz", 5) == ("127.74", "MHz")
    assert quantity(None, "T") == ("–", "T")
    assert heading("radius_m") == "radius [m]"
    assert heading("whole_body_sar_W_kg") == "whole body sar [W/kg]"
    assert heading("m") == "m"
    assert (duration(360), duration(10), duration(None)) == ("6 min", "10 s", "–")


def test_flat_tables():
    """Oracle: the nested table written out by hand."""
    rows = flat({"a": {"b": 1, "c": {}}, "d": [1.5, math.nan], "e": [{"f": None}]})
    assert rows == [("a.b", "1"), ("a.c", "–"), ("d", "1.5, –"), ("e[0].f", "–")]


def test_residual_chart_is_monotone_and_well_formed():
    """Oracle: an XML parser; a falling residual goes down the page (growing y), port names are escaped."""
    svg = residual_chart(["<a>", "b"], [[1.0, 0.1, 1e-3, math.nan], [1.0, 0.5]], 1e-4)
    root = ElementTree.fromstring(str(svg))
    curves = [e.attrib["points"] for e in root.iter("polyline")]
    assert len(curves) == 2
    y = [float(p.split(",")[1]) for p in curves[0].split()]
    assert len(y) == 3
    assert y == sorted(y)
    assert any(e.text == "<a>" for e in root.iter("text"))
    assert residual_chart([], [], None) == ""
    assert residual_chart(["a"], [[0.0, math.nan]], 1e-4) == ""


def test_power_bars_have_the_lengths_of_the_powers():
    """Oracle: proportion."""
    root = ElementTree.fromstring(str(power_chart(2.0, 1.5, 0.5)))
    widths = [float(e.attrib["width"]) for e in root.iter("rect")]
    assert widths[1] / widths[0] == pytest.approx(0.75, rel=1e-2)
    assert widths[1] + widths[2] == pytest.approx(widths[0], rel=1e-2)
    assert power_chart(0.0, 0.0, 0.0) == ""
    assert power_chart(math.nan, 1.0, 1.0) == ""
