"""The scripts of comparisons, groups and methods, in a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from browser import CHROMIUM, probed
from made_up_result import made_up_result

import emdose as em
from emdose.report.pages import group_page

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]

COMPARE = """
  const image = (id) => $(id).toDataURL(), shown = () => ["a-axial", "b-axial", "difference-axial"].map(image);
  out.hidden = $("viewer").hidden;
  out.first = $("read-cross").textContent;
  out.tabs = [...document.querySelectorAll("#map-tabs button")].map((b) => b.textContent);
  document.querySelectorAll("#map-tabs button")[0].click(); await settle();
  $("peak-a").click(); await settle();
  out.read = $("read-cross").textContent;
  const before = shown();
  out.same = before[0] === before[1];
  const slider = $("slider-axial");
  slider.value = Number(slider.value) + 40; fire(slider, "input"); await settle();
  const after = shown();
  out.moved = before.map((x, n) => x !== after[n]);
  $("gain").value = 10; fire($("gain"), "input"); await settle();
  out.gain = shown().map((x, n) => x !== after[n]);
  out.scale = $("bar-text").textContent;
"""


def test_two_runs_share_one_scale_and_one_cross_hair(tmp_path: Path) -> None:
    """Oracle: B1+ of B is 3/4 of that of A: so say the numbers, and the pictures on one scale are not alike."""
    a = made_up_result()
    b = replace(a, b1plus=0.75 * a.b1plus)
    page = em.compare(a, b).write(tmp_path / "c.html").read_text(encoding="utf-8")
    seen = probed(page, COMPARE, tmp_path)
    assert seen["troubles"] == []
    assert seen["hidden"] is False
    assert seen["tabs"] == ["B1+ magnitude", "Point SAR", "SAR 1 g", "SAR 10 g"]
    assert "B less A 0 " in seen["first"]  # SAR 10 g, which is the same
    assert "(−25.0 %)" in seen["read"]
    assert seen["same"] is False
    assert seen["moved"] == [True] * 3
    assert seen["gain"] == [False, False, True]
    assert "A and B alike" in seen["scale"]


GROUP = """
  const column = (n) => [...document.querySelectorAll("#table tbody tr")].map((r) => r.cells[n].textContent.trim());
  const heads = [...document.querySelectorAll("#table th button")];
  out.heads = heads.map((b) => b.textContent);
  out.before = column(0);
  heads[2].click(); out.up = column(0);
  heads[2].click(); out.down = column(0);
  heads[0].click(); out.names = column(0);
  out.sorted = heads[0].parentElement.getAttribute("aria-sort");
"""


def test_a_click_sorts_the_runs(tmp_path: Path) -> None:
    """Oracle: numbers by their size and not as text, runs without one last, names in their natural order."""
    values = {"r1": 10.0, "r2": 9.0, "r10": None, "r3": 1e-3}
    runs = [{"name": n, "values": {"x": v}, "inputs": {"k": 1}, "stratum": ""} for n, v in values.items()]
    page = group_page.render({"name": "g", "units": {"x": "W"}, "runs": runs, "failed": []})
    seen = probed(page, GROUP, tmp_path)
    assert seen["troubles"] == []
    assert seen["heads"] == ["Run", "k", "X [W]"]
    assert seen["up"] == ["r3", "r2", "r1", "r10"]
    assert seen["down"] == ["r1", "r2", "r3", "r10"]
    assert seen["names"] == ["r1", "r2", "r3", "r10"]
    assert seen["sorted"] == "ascending"
