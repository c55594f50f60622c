"""The page of a study and the budgets on that of a run, from made-up numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_result import made_up_result
from made_up_study import INPUTS, SHARES, budget, inputs, made_up_study

from emdose.report.charts import distributions
from emdose.report.charts.whiskers import difference_chart
from emdose.report.maps import scene
from emdose.report.maps.volumes import Layer
from emdose.report.pages import budgets, study_page
from emdose.scenarios.kinds.rf.page import content
from emdose.scenarios.kinds.rf.page.page import render


def visible(page: str) -> str:
    text = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_page_says_what_the_study_found() -> None:
    """Oracle: the made-up study by hand; the limit of 2.0 lies in 1.73 +- 1.96 x 0.17 / sqrt 0.75."""
    page = study_page.render(made_up_study())
    text = visible(page)
    for words in (
        "Polynomial chaos: 4 inputs, 62 samples, 12 of them kept from before; 2 failed",
        "reaches the limit within U",
        "unverified",
        "P(exceeds) 5.6 %",
        "skin: conductivity with 41 %",
        "not valid: 1",
        "Leave-one-out error",
        "0.03 %",
        "2.063",
    ):
        assert words in text, words
    assert page.count('class="curve"') >= 2
    assert not re.search(r"complian|conforms|\bnan\b|\bNone\b", text, re.I)
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_a_map_goes_through_the_viewer() -> None:
    """Oracle: the largest relative standard deviation, in per cent, in the data of the page."""
    maps = content.maps(made_up_result())
    relative = np.where(maps.labels != 0, 0.1 + 0.2 * (maps.labels == 3), np.nan)
    layer = Layer("sd", "Relative standard deviation", "%", relative, 100.0)
    page = study_page.render(made_up_study(), maps=replace(maps, layers=[layer], first="sd"))
    volume = json.loads(re.search(r'id="volume-data">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert volume["maps"][0]["peak"]["value"] == pytest.approx(30.0)
    assert 'id="slider-axial"' in page


def test_a_study_without_much() -> None:
    """Oracle: a first-order budget without limits, distributions or failures; strata are listed where there are two."""
    outputs = {"x": {"unit": "W", "value": 1.0, "mean": 1.0, "sd": 0.1, "budget": budget("x", 1.0, "W", 0.1)}}
    stratum = {"weight": 0.5, "outputs": {"x": {"mean": 1.25, "sd": 0.1}}}
    strata = [{**stratum, "name": "head first"}, {**stratum, "name": "feet first"}]
    bare = made_up_study(method="budget", failed=[], outputs=outputs, notes=[], strata=strata)
    text = visible(study_page.render(bare))
    assert "First-order budget" in text
    assert "feet first 0.500 1.250 ± 0.10 W" in text
    assert "Failed samples" not in text


def test_rows_of_a_budget() -> None:
    """Oracle: its dictionary: physical rows by their share, the grid apart and last; k, U and shares as given."""
    shown = budgets.shown(budget())
    assert [g["name"] for g in shown["groups"]] == ["Inputs", "Discretisation"]
    assert [r["share"] for r in shown["groups"][0]["rows"]] == [f"{75 * s:.1f} %" for s in SHARES]
    assert (shown["k"], shown["expanded"], shown["dof"]) == ("1.96", "0.39", "∞")
    assert dict(shown["kinds"])["discretisation"] == "0.10"


def test_which_input_dominates_in_words() -> None:
    """Oracle: shares by hand."""
    rows = [{"source": s, "share_percent": p} for s, p in (("a", 70.0), ("b", 25.0), ("c", 3.0))]
    assert budgets.dominating({"rows": rows}) == "Most comes from a (70 % of the variance), then b 25 %."
    rows[0]["share_percent"] = 40.0
    assert budgets.dominating({"rows": rows}).startswith("No source has half of the variance; the largest is a with 40")
    assert budgets.dominating({"rows": []}) == "Nothing that was varied changes it."
    assert budgets.source_name(INPUTS[1]) == "all tissues: relative permittivity"


def test_the_page_of_a_run_shows_its_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the entry "uncertainty" of its summary; a run without one has no such section."""
    monkeypatch.setattr(scene.Renderer, "png", lambda self: (scene.PNG_MAGIC, ""))
    monkeypatch.setattr(scene.Renderer, "_run", lambda self, command: None)
    result = made_up_result()
    assert 'id="uncertainty"' not in render(result)
    told = {"method": "chaos", "inputs": inputs(), "budgets": {"psSAR10g": budget()}, "study": {"samples": 62}}
    text = visible(render(replace(result, summary={**result.summary, "uncertainty": told})))
    assert "Polynomial chaos, 62 samples" in text
    assert "The laws of 4 inputs were propagated by a polynomial chaos expansion" in text
    assert text.count("Expanded uncertainty U, k = 1.96") == 1


def numbers(svg: Any, pattern: str) -> list[float]:
    return [float(v) for v in re.findall(pattern, str(svg))]


def test_charts_draw_what_they_are_given() -> None:
    """Oracle: places by hand: bars keep the ratio of densities; names of close lines do not lie on each other."""
    chart = distributions.distribution_chart(
        {"edges": [0, 1, 2], "density": [0.25, 0.75]}, None, [(1.0, "one", "value"), (1.01, "other", "limit")], "x"
    )
    low, high = numbers(chart, r'class="bar"[^>]*height="([\d.]+)"')
    assert high / low == pytest.approx(3, rel=0.01)
    assert len(set(numbers(chart, r'y="([\d.]+)" text-anchor="start">o'))) == 2
    shares = distributions.shares_chart([{"name": "<a>", "first": 0.8, "total": None}, {"name": "b", "first": 0.2}])
    wide, narrow = numbers(shares, r'<rect [^>]*width="([\d.]+)"')
    assert wide / narrow == pytest.approx(4, rel=0.01)
    assert "&lt;a&gt;" in shares
    group = {"name": "g", "values": [1.0, 2.0, 9.0], "outliers": [False, False, True], "quartiles": [1, 2, 9]}
    strip = distributions.strip_chart([group], "x", [(5.0, "limit", "limit")])
    at = numbers(strip, r'cx="([\d.]+)"')
    assert (at[2] - at[0]) / (at[1] - at[0]) == pytest.approx(8, rel=0.01)
    assert str(strip).count("stroke-width:2") == 1
    rows = [{"name": "a", "value": 1.0, "u": 0.5, "apart": True}, {"name": "b", "value": -1.0, "u": None}]
    left, right = sorted(numbers(difference_chart(rows, "x"), r'cx="([\d.]+)"'))
    zero = numbers(difference_chart(rows, "x"), r'class="truth" x1="([\d.]+)"')[0]
    assert zero - left == pytest.approx(right - zero, abs=0.2)
    assert not distributions.distribution_chart(None, None, [], "x")
    assert not difference_chart([], "x")
    assert not distributions.strip_chart([], "x")
