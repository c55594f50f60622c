from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from browser import CATCH, CHROMIUM, FLAGS
from made_up_result import made_up_result

from emdose.scenarios.results import write_report

PROBE = """<script>(async () => {
  const $ = (id) => document.getElementById(id), names = ["sagittal", "coronal", "axial"], out = {};
  const settle = () => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
  const image = (name) => $("plane-" + name).toDataURL();
  const all = () => names.map(image);
  const fire = (e, type, more) => e.dispatchEvent(new (more ? PointerEvent : Event)(type, { bubbles: true, ...more }));
  const differ = (a, b) => a.map((x, i) => x !== b[i]);
  try {
    out.hidden = $("viewer").hidden;
    out.painted = names.map((n) => {
      const c = $("plane-" + n), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, seen = new Set();
      for (let i = 0; i < d.length; i += 4) if (d[i + 3]) seen.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]);
      return seen.size;
    });
    out.first = $("read-cross").textContent;
    out.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    let before = all();
    for (const n of names) {
      const s = $("slider-" + n);
      s.value = Number(s.value) > s.max / 2 ? Number(s.value) - 3 : Number(s.value) + 3;
      fire(s, "input"); await settle();
      const after = all();
      out["slider-" + n] = differ(before, after);
      before = after;
    }
    $("go-peak").click(); await settle();
    out.peak = $("read-cross").textContent;
    const peak = all();
    out.maps = [];
    for (const b of [...document.querySelectorAll("#map-tabs button")]) {
      b.click(); await settle();
      out.maps.push([b.textContent, image("axial"), $("scale-text").textContent, b.getAttribute("aria-pressed")]);
    }
    out.legend = [$("legend").hidden, $("legend").children.length];
    out.images = new Set(out.maps.map((m) => m[1])).size;
    out.maps = out.maps.map((m) => [m[0], m[2], m[3]]);
    document.querySelectorAll("#map-tabs button")[3].click(); await settle();
    out.back = differ(peak, all());
    for (const id of ["db", "outlines", "neuro"]) {
      $(id).click(); await settle();
      out[id] = differ(peak, all());
      if (id === "db") out.dbText = $("scale-text").textContent;
      $(id).click(); await settle();
      out[id + "-undone"] = differ(peak, all());
    }
    $("go-iso").click(); await settle();
    const box = $("plane-axial").getBoundingClientRect();
    const place = (x, y, buttons) =>
      ({ clientX: box.left + x * box.width, clientY: box.top + y * box.height, buttons });
    fire($("plane-axial"), "pointerdown", place(0.35, 0.3, 1));
    await settle();
    out.picked = $("read-cross").textContent;
    fire($("plane-axial"), "pointermove", place(0.65, 0.7, 0));
    out.pointer = $("read-pointer").textContent;
  } catch (e) { troubles.push(String(e.stack)); }
  out.troubles = troubles;
  const pre = document.createElement("pre");
  pre.id = "probe"; pre.textContent = JSON.stringify(out);
  document.body.append(pre);
})();</script>"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    folder: Path = tmp_path_factory.mktemp("browser")
    page = write_report(made_up_result(), folder / "report.html")
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("<head>", "<head>" + CATCH, 1).replace("</body>", PROBE + "</body>"), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1300,1000", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1]))


pytestmark = pytest.mark.chromium


def test_no_script_errors(seen: dict[str, Any]):
    """Oracle: the browser's own error and policy events."""
    assert seen["troubles"] == []
    assert seen["hidden"] is False
    assert seen["overflow"] <= 0


def test_canvases_are_painted(seen: dict[str, Any]):
    """Oracle: a slice of a map has many colours, an empty canvas none."""
    assert min(seen["painted"]) > 30


def test_sliders_move_their_planes(seen: dict[str, Any]):
    """Oracle: another slice is another picture; the other planes follow with their cross-hairs."""
    for name in ("sagittal", "coronal", "axial"):
        assert seen[f"slider-{name}"] == [True] * 3


def test_go_to_peak(seen: dict[str, Any]):
    """Oracle: at the peak the value is 100 % of the peak, at the start as well."""
    assert "(100 % of peak)" in seen["peak"]
    assert seen["first"] == seen["peak"]


def test_every_map_has_its_picture(seen: dict[str, Any]):
    """Oracle: five tabs, five pictures, units in the scale, a legend for the tissues, and back to the first picture."""
    assert [m[0] for m in seen["maps"]] == ["B1+ magnitude", "Point SAR", "SAR 1 g", "SAR 10 g", "Tissues"]
    assert all(m[2] == "true" for m in seen["maps"])
    assert seen["images"] == 5
    assert "[µT]" in seen["maps"][0][1]
    assert "[W/kg]" in seen["maps"][3][1]
    assert seen["legend"][0] is False
    assert seen["legend"][1] > 5
    assert seen["back"] == [False] * 3


def test_switches(seen: dict[str, Any]):
    """Oracle: every switch changes the picture and undoes it; the neurological view leaves the sagittal plane alone."""
    assert seen["db"] == seen["outlines"] == [True] * 3
    assert seen["neuro"] == [False, True, True]
    assert "dB" in seen["dbText"]
    for name in ("db", "outlines", "neuro"):
        assert seen[f"{name}-undone"] == [False] * 3


def test_a_click_lands_where_it_points(seen: dict[str, Any]):
    """Oracle: radiological axial view: upper left is right and anterior, lower right is left and posterior."""
    right, anterior, _ = seen["picked"].split(" mm")[0].split(", ")
    left, posterior, _ = seen["pointer"].split(" mm")[0].split(", ")
    assert (right[0], anterior[0], left[0], posterior[0]) == ("R", "A", "L", "P")
