"""Many runs on one page: from result folders, and from the samples of a study."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_up_result import made_up_summary

import emdose as em
from emdose.report.pages import group_page
from emdose.scenarios.group import group_of_runs, write_group


def folder(root: Path, name: str, value: float, landmark: str, **changes: Any) -> None:
    """A result folder without its arrays: all that a group looks at."""
    summary = made_up_summary() | {"quantities": {"head_sar": {"value": value, "unit": "W/kg", "uncertainty": None}}}
    summary["scenario"] = {"scenario": {"kind": "rf", "name": name}, "phantom": {"landmark": landmark, "fat_m": value}}
    (root / name).mkdir()
    (root / name / "summary.json").write_text(json.dumps(summary | changes), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    values = [1.0, 1.1, 0.9, 1.05, 0.95, 3.0]
    for n, value in enumerate(values):
        folder(tmp_path, f"r{n}", value, "head" if n % 2 else "heart")
    ports = [{"name": "sine", "residual": 3e-3, "history": []}]
    folder(tmp_path, "r9", 9.0, "head", convergence={"tolerance": 1e-4, "ports": ports})
    (tmp_path / "r1" / "report.html").write_text("a page", encoding="utf-8")
    return tmp_path


def test_runs_become_rows(root: Path) -> None:
    """Oracle: the folders by hand: values, strata, varied keys, a link where there is a page, one apart."""
    told = group_of_runs(root, stratum="phantom.landmark", beside=root)
    assert [r["values"]["head_sar"] for r in told["runs"]] == [1.0, 1.1, 0.9, 1.05, 0.95, 3.0]
    assert [r["stratum"] for r in told["runs"]] == ["heart", "head"] * 3
    assert [r["link"] for r in told["runs"]] == ["", "r1/report.html", "", "", "", ""]
    assert list(told["runs"][0]["inputs"]) == ["phantom.fat_m"]
    assert [f["name"] for f in told["failed"]] == ["r9"]
    assert "sine" in told["failed"][0]["reason"]


def test_the_page_marks_what_is_far_from_the_rest(root: Path) -> None:
    """Oracle: Tukey's fences by hand: of 0.9 to 1.1 and 3.0 the last alone; with too few runs in a stratum none is."""
    page = write_group(root).read_text(encoding="utf-8")
    assert page.count(">outlier<") == 1
    assert re.search(r'data-key="3\.0">3\.00 <span class="tag warn">outlier', page)
    assert '<a href="r1/report.html">r1</a>' in page
    assert "1.02" in page  # median of six: (1.0 + 1.05) / 2
    assert not re.search(r'src="(?!data:)', page)
    few = write_group(root, root / "x.html", stratum="phantom.landmark").read_text(encoding="utf-8")
    assert ">outlier<" not in few
    assert few.count("heart (3)") == 1


def test_percentiles_of_a_known_law() -> None:
    """Oracle: the numbers 0 to 100: their 5, 25, 50, 75 and 95 % are themselves."""
    runs = [{"name": str(n), "values": {"x": float(n)}, "inputs": {}, "stratum": ""} for n in range(101)]
    page = group_page.render({"name": "g", "units": {"x": "W"}, "runs": runs, "failed": []})
    (row,) = re.findall(r'<tr><th scope="row">X \[W\]</th>(.*?)</tr>', page)
    cells = re.findall(r'<td class="n">([^<]*)</td>', row)
    assert cells[3:8] == ["5.00", "25.0", "50.0", "75.0", "95.0"]


def test_refusals(root: Path, tmp_path: Path) -> None:
    """Oracle: one line each: nothing there, another kind, an unknown quantity, an unknown key."""
    with pytest.raises(em.InputError, match="no finished results"):
        group_of_runs(tmp_path / "r0")
    with pytest.raises(em.InputError, match="head_sar"):
        group_of_runs(root, quantities=["head_sr"])
    with pytest.raises(em.InputError, match=r"phantom\.landmark"):
        group_of_runs(root, stratum="phantom.landmarks")
    folder(tmp_path, "e", 1.0, "head", scenario={"scenario": {"kind": "ept"}})
    with pytest.raises(em.InputError, match="different kinds"):
        group_of_runs([root / "r0", tmp_path / "e"])


def model(a: float, b: float, way: str = "up") -> dict[str, float]:
    return {"power": 2 * a + b + (1.0 if way == "up" else 0.0), "alone": a}


def test_samples_of_a_study_become_a_group(tmp_path: Path) -> None:
    """Oracle: the samples of both strata, the nominal values not among them; what they are by the model itself."""
    from emdose.scenarios.study_pages import group_table, write_group_page, write_study_page

    study = em.Study(model).vary("a", em.Normal(mean=1, sd=0.1)).vary("b", em.Normal(mean=0, sd=0.1))
    strata = study.strata("way", ["up", "down"]).run(runs=20, out=tmp_path / "t")
    group = group_table(strata, ["power"])
    assert {r["stratum"] for r in group["runs"]} == {"way up", "way down"}
    assert len(group["runs"]) == sum(len(case.X) for case in strata.cases)
    for r in group["runs"]:
        assert r["values"]["power"] == pytest.approx(model(**r["inputs"], way=r["stratum"].split()[1])["power"])
    assert write_group_page(strata).name == "runs.html"
    page = write_study_page(strata).read_text(encoding="utf-8")
    assert 'class="curve"' in page
    budget = study.run(method="budget", out=tmp_path / "b")
    assert "The normal law of the budget" in write_study_page(budget).read_text(encoding="utf-8")


def test_what_a_stratum_has_next_to_nothing_of_is_not_stated() -> None:
    """Oracle: a hundredth of the other stratum's median becomes a dash; strata lead, and have no common row."""
    runs = [
        {"name": f"{s} {n}", "values": {"x": f * (1 + 0.01 * n), "y": 1.0}, "inputs": {}, "stratum": s}
        for s, f in (("a", 1.0), ("b", 0.01))
        for n in range(5)
    ]
    page = group_page.render({"name": "g", "units": {"x": "W", "y": ""}, "runs": runs, "failed": [], "sampled": 0.95})
    rows = re.findall(r'<th scope="row">([ab]?)</th><td>([^<]*)</td>(.*?)</tr>', page)
    assert [(s, name) for s, name, _ in rows] == [("a", "X [W]"), ("", "Y"), ("b", "X [W]"), ("", "Y")]
    assert rows[2][2].count("–") == 7
    assert "1.02" in rows[0][2]
    assert "&lt; 1.0" in rows[0][2]
