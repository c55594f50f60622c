"""Two runs side by side: numbers, keys, page, refusals."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from made_up_implant import made_up_implant
from made_up_result import made_up_result, made_up_summary

import emdose as em
from emdose.report.maps import map_set
from emdose.report.pages import comparison_page
from emdose.scenarios import Difference
from emdose.scenarios import kind as kind_of


def run(folder: str, value: float = 1.0, u: float | None = 0.3, **keys: Any) -> Any:
    """An rf result with one SAR, and keys of its scenario."""
    summary = made_up_summary()
    stated = None if u is None else {"expanded": u, "k": 2, "kind": "discretisation"}
    summary["quantities"] = {
        "head_sar": {"value": value, "unit": "W/kg", "uncertainty": stated},
        "alike": {"value": 2.0, "unit": "T", "uncertainty": None},
    }
    summary["scenario"]["scenario"] |= {"name": folder}
    summary["scenario"]["coil"] = {"radius_m": 0.15} | keys
    return replace(made_up_result(10e-3), folder=Path(folder), summary=summary)


@pytest.mark.parametrize(
    ("a", "b", "u_a", "u_b", "judged"),
    [
        (1.0, 1.4, 0.3, 0.4, "within U"),  # 0.4 <= 0.5
        (1.0, 1.6, 0.3, 0.4, "beyond U"),
        (1.0, 1.6, None, 0.4, "U not known"),
        (1.0, 1.0 + 1e-8, 0.0, 0.0, "none"),
        (1.0, None, 0.3, None, "only in A"),
        (None, 1.0, None, 0.3, "only in B"),
    ],
)
def test_a_difference_beside_its_uncertainty(a: Any, b: Any, u_a: Any, u_b: Any, judged: str) -> None:
    """Oracle: root of the sum of squares by hand, 0.3 and 0.4 make 0.5."""
    one = Difference("x", "W", a, b, u_a, u_b)
    assert one.judged == judged
    if None not in (a, b, u_a, u_b):
        assert one.u == pytest.approx(math.hypot(u_a, u_b))
        assert one.relative == pytest.approx((b - a) / a)


def test_what_differs_and_what_does_not() -> None:
    """Oracle: the two made-up runs: one number, one key; names of scenarios do not count."""
    found = em.compare(run("a"), run("b", 1.9, radius_m=0.14, shield=True))
    assert found.kind == "rf"
    assert found["head_sar"].judged == "beyond U"
    assert found["alike"].judged == "none"
    assert dict(found.keys) == {"coil.radius_m": (0.15, 0.14), "coil.shield": (None, True)}
    json.dumps(found.to_dict())
    rows = comparison_page.terminal_rows(found.to_dict())
    assert rows[0] == ("head_sar", "1", "1.9", "W/kg", "+0.9", "+90 %", "+- 0.42", "beyond U")


def test_the_page_has_all_of_it_and_loads_nothing(tmp_path: Path) -> None:
    """Oracle: what the comparison holds; both volumes with one scale, the larger of both peaks."""
    a, b = run("a"), run("<b>", 1.9, radius_m=0.14)
    b = replace(b, b1plus=2 * b.b1plus)
    page = em.compare(a, b).write(tmp_path / "x.html").read_text(encoding="utf-8")
    volume = json.loads(re.search(r'id="volume-data">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert volume["same"]
    peak = 1e6 * np.abs(b.b1plus)[b.phantom.body].max()
    assert volume["tops"][0] == pytest.approx(peak, rel=1e-6)
    assert [m["key"] for m in volume["sides"][0]["maps"]] == ["b1plus", "sar", "sar1g", "sar10g"]
    assert "&lt;b&gt;" in page
    assert "<b>" not in page.replace("<b ", "")
    assert "beyond U" in page
    assert "coil.radius_m" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert not re.search(r"complian|conforms", page, re.I)


def test_several_runs_beside_the_first(tmp_path: Path) -> None:
    """Oracle: differences of 0.9 and -0.2 to the first by hand; one scale for all maps, the largest peak of all."""
    a, b, c = run("a"), run("b", 1.9, radius_m=0.14), run("c", 0.8)
    c = replace(c, b1plus=3 * c.b1plus)
    found = em.compare(a, b, c)
    assert [d.difference for d in found.beside("head_sar") if d] == pytest.approx([0.9, -0.2])
    assert [d.judged for d in found.beside("head_sar") if d] == ["beyond U", "within U"]
    assert [pair.names for pair in found.pairs] == [("a", "b"), ("a", "c")]
    json.dumps(found.to_dict())
    page = found.write(tmp_path / "x.html").read_text(encoding="utf-8")
    volume = json.loads(re.search(r'id="volume-data">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert len(volume["sides"]) == 3
    assert volume["same"] is False
    assert volume["tops"][0] == pytest.approx(1e6 * np.abs(c.b1plus)[c.phantom.body].max(), rel=1e-6)
    text = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main>") : page.index("</main>")]).split())
    assert "1.000 ± 0.30 1.900 ± 0.30 +90 % beyond U 0.8000 ± 0.30 −20 % within U" in text
    assert "coil.radius_m 0.15 0.14 0.15" in text
    with pytest.raises(em.InputError, match="too many"):
        em.compare(*[a] * 7)


def test_maps_of_other_grids_have_no_difference() -> None:
    """Oracle: another spacing; and nothing to set side by side where no map has the same name."""
    a, b = (kind_of("rf").maps(made_up_result(h)) for h in (10e-3, 8e-3))
    assert not map_set.beside([a, b])["same"]
    assert map_set.beside([a, replace(b, layers=[])]) is None
    implant = kind_of("implant-gradient").maps(made_up_implant(spacing_m=5e-3))
    assert [layer.unit for layer in implant.layers] == ["K", "K"]
    assert set(np.unique(implant.labels)) == {1, 2}


def test_refusals_are_one_line(tmp_path: Path) -> None:
    """Oracle: the kinds by name; the gate's reason; what is no result."""
    with pytest.raises(em.InputError, match=r"different kinds.*kind implant-gradient.*kind rf") as told:
        em.compare(run("a"), made_up_implant(spacing_m=5e-3))
    assert "\n" not in str(told.value)
    bad = run("bad")
    ports = [{"name": "sine", "residual": 3e-3, "history": []}]
    bad = replace(bad, summary={**bad.summary, "convergence": {"tolerance": 1e-4, "ports": ports}})
    with pytest.raises(em.NotValidError, match="sine"):
        em.compare(run("a"), bad)
    with pytest.raises(em.InputError):
        em.compare(tmp_path, run("a"))


def test_the_command_takes_several_folders(finished: Path, tmp_path: Path, capsys: Any) -> None:
    """Oracle: a run beside itself twice: three columns on the page, two comparisons, no difference anywhere."""
    page, told = tmp_path / "three.html", tmp_path / "three.json"
    code, shown, _ = call(capsys, "compare", finished, finished, finished, "--out", page, "--json", told)
    assert code == 0
    assert shown.count("quantity") == 2
    assert "C - A" in shown
    text = page.read_text(encoding="utf-8")
    assert text.count("<h2>C: ") == 1
    assert 'id="c-axial"' in text
    numbers = json.loads(told.read_text(encoding="utf-8"))
    assert len(numbers["more"]) == 1
    assert {q["judged"] for q in [*numbers["quantities"], *numbers["more"][0]["quantities"]]} == {"none"}
