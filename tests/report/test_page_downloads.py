"""What a page saves in a browser: tables as CSV, charts as SVG and PNG, maps as PNG, the scenario; without a request.

Oracle: the numbers on the page, an XML parser, the signature and size of PNG files, the text of the scenario.
"""

from __future__ import annotations

import base64
import csv
import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import CHROMIUM, probed
from made_up_result import made_up_result

from emdose.report.maps import scene
from emdose.scenarios.kinds.rf.page import page as rf_page
from emdose.scenarios.results import render

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
LOCK = '[scenario]\nkind = "rf"  # <b>\n'
# What browsers do on threads of their own is done at once here: the clock of this browser does not wait for them.
PROBE = """
  const saved = [], Plain = window.Blob;
  window.Blob = class extends Plain { constructor(parts, options) { super(parts, options); this.parts = parts; } };
  HTMLCanvasElement.prototype.toBlob = function (done, type) {
    done(Object.assign(new Plain([]), { url: this.toDataURL(type) }));
  };
  URL.createObjectURL = (blob) => { saved.push({ blob }); return "#"; };
  HTMLAnchorElement.prototype.click = function () { saved[saved.length - 1].name = this.download; };
  const base64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
  const read = (blob) => blob.url ? blob.url.split(",")[1]
    : base64(typeof blob.parts[0] === "string" ? new TextEncoder().encode(blob.parts.join("")) : blob.parts[0]);
  for (const e of document.querySelectorAll("details")) e.open = true;
  const all = [...document.querySelectorAll(".downloads button")];
  out.labels = all.map((b) => [b.textContent, b.getAttribute("aria-label"), b.tabIndex]);
  for (const b of all) { b.focus(); b.click(); await settle(); }
  await new Promise((r) => setTimeout(r, 2000));
  out.saved = saved.map((one) => [one.name, read(one.blob)]);
  out.requests = performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !/^(data|blob):/.test(n));
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("downloads")
    (folder / "scenario.lock.toml").write_text(LOCK, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rf_page, "Renderer", lambda shown: scene.Renderer(shown, ["false"]))
        result = made_up_result(folder=folder)
        page = render(replace(result, summary={**result.summary, "warnings": []}))
    found = probed(page, PROBE, folder)
    found["page"] = page
    found["files"] = {name: base64.b64decode(data) for name, data in found["saved"]}
    return found


def of(seen: dict[str, Any], ending: str) -> dict[str, bytes]:
    return {name: data for name, data in seen["files"].items() if name.endswith(ending)}


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(scene.PNG_MAGIC)
    return struct.unpack(">II", png[16:24])


def test_every_button_saves_one_file_and_asks_nobody(seen: dict[str, Any]) -> None:
    assert seen["troubles"] == []
    assert seen["requests"] == []
    assert len(seen["labels"]) == len(seen["saved"]) == len(seen["files"])  # names are unique
    assert all(label.startswith("Save the ") and index == 0 for _, label, index in seen["labels"])
    assert {text for text, _, _ in seen["labels"]} == {"PNG", "SVG", "CSV", "TOML"}


def test_tables_are_those_of_the_page(seen: dict[str, Any]) -> None:
    tables = {n: list(csv.reader(io.StringIO(d.decode("utf-8-sig")))) for n, d in of(seen, ".csv").items()}
    assert len(tables) == seen["page"].count("<table") - seen["page"].count('<table class="limits stack">')
    for name, rows in tables.items():
        assert len({len(r) for r in rows}) == 1, name
    limits = next(rows for name, rows in tables.items() if "-limits-" in name)
    assert limits[0][0] == "Quantity, region, averaging"
    assert limits[0][-2:] == ["Normal mode", "First level mode"]
    assert any("59.4 % of 3.20 W/kg" in cell for row in limits for cell in row)  # 1.9 of 3.2
    numbers = next(rows for name, rows in tables.items() if "-numbers-" in name)
    assert ["psSAR10g", "9.100", "W/kg"] in [row[:3] for row in numbers]


def test_charts_stand_alone(seen: dict[str, Any]) -> None:
    drawings, pictures = of(seen, ".svg"), of(seen, ".png")
    assert len(drawings) >= 2
    for name, data in drawings.items():
        root = ElementTree.fromstring(data)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "class" not in {key for e in root.iter() for key in e.attrib}  # its style travels with it
        assert all("fill:" in e.attrib["style"] for e in root.iter("{http://www.w3.org/2000/svg}text"))
        stem = name.removesuffix(".svg")
        width, height = size(next(d for n, d in pictures.items() if n == f"{stem}.png"))
        assert (width, height) == (3 * int(root.attrib["width"]), 3 * int(root.attrib["height"]))


def test_maps_are_one_picture(seen: dict[str, Any], tmp_path: Path) -> None:
    """Oracle: the bright end of the colour map is in it, and white around."""
    from matplotlib.image import imread

    (name,) = [n for n in of(seen, ".png") if n.endswith("-maps.png")]
    image = imread(io.BytesIO(seen["files"][name]))[..., :3]
    assert image.shape[1] > 1000
    assert (abs(image[-1, -1] - 1) < 0.01).all()
    assert (abs(image - [252 / 255, 1.0, 164 / 255]).max(axis=-1) < 0.02).any()


def test_the_scenario_is_the_lock_file(seen: dict[str, Any]) -> None:
    (data,) = of(seen, ".toml").values()
    assert data.decode() == LOCK
