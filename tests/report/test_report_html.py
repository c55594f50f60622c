from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_result import check, made_up_result, made_up_summary
from rich.console import Console

from emdose.errors import InputError, OutputError
from emdose.models.bodies import sphere
from emdose.report import terminal
from emdose.report.maps import scene
from emdose.report.pages import common_rows
from emdose.scenarios.kinds.rf.page.page import render
from emdose.scenarios.results import render as render_any
from emdose.scenarios.results import write_report

VOID = {"meta", "col", "img", "input", "br", "link", "hr"}


@pytest.fixture(autouse=True)
def _plain_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 3-D renderer has its own tests; here a stand-in answers at once."""
    monkeypatch.setattr(scene.Renderer, "png", lambda self: (scene.PNG_MAGIC, ""))
    monkeypatch.setattr(scene.Renderer, "_run", lambda self, command: None)


class Page(HTMLParser):
    """Elements with their attributes, texts by element, and every tag that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def visible(self) -> str:
        return " ".join(" ".join(t) for tag, t in self.texts.items() if tag not in ("script", "style"))


@pytest.fixture(scope="module")
def result() -> Any:
    return made_up_result()


def volume_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="volume-data">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} in the data"))


def test_page_is_well_formed_and_accessible(result: Any):
    """Oracle: every element closed in order; unique ids; images with texts; table headers with a scope."""
    page = Page(render(result))
    assert page.wrong == []
    assert page.open == []
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    names = [tag for tag, _ in page.tags]
    assert names.count("h1") == names.count("main") == names.count("noscript") == 1
    assert dict(page.tags)["html"] == {"lang": "en"}
    for tag, attributes in page.tags:
        if tag == "img":
            assert attributes["alt"]
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
        if tag == "canvas" or attributes.get("role") == "img":
            assert attributes["aria-label"]
        if tag == "a":
            assert attributes["href"] in {f"#{i}" for i in ids}


def test_page_loads_nothing(result: Any):
    """Oracle: the ways in which a page can load something: src, href, url(), @import, fetch; and its own policy."""
    text = render(result)
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for key in ("src", "href", "srcset", "action", "poster", "data"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:image/png;base64,", "#"))
    code = " ".join(page.texts["style"] + page.texts["script"])
    assert not re.search(r"url\(|@import|https?:|fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon", code)
    assert any(
        a.get("http-equiv") == "Content-Security-Policy" and "default-src 'none'" in str(a.get("content"))
        for _, a in page.tags
    )


def test_malicious_names_stay_text(result: Any):
    """Oracle: an HTML parser sees no element, and the script data no end tag, that the names tried to inject."""
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&"
    tissues = (result.phantom.tissues[0], replace(result.phantom.tissues[1], name=evil), *result.phantom.tissues[2:])
    phantom = replace(result.phantom, tissues=tissues, name=evil, source=evil)
    summary = made_up_summary()
    summary["checks"].append(check(evil, evil, evil, 1.0, 2.0, note=evil, source=evil))
    summary["warnings"] = [evil]
    summary["provenance"] = {evil: evil}
    summary["quantities"][evil] = {"value": 1.0, "unit": evil, "uncertainty": None, "note": evil}
    summary["convergence"]["ports"][0]["name"] = evil
    coil = replace(result.coil, name=evil, parameters={evil: evil})
    text = render(replace(result, phantom=phantom, summary=summary, coil=coil))
    page, clean = Page(text), Page(render(result))
    assert page.wrong == []
    assert [t for t, _ in page.tags].count("script") == [t for t, _ in clean.tags].count("script")
    assert [t for t, _ in page.tags].count("img") == 1
    assert not any(key.startswith("on") for _, a in page.tags for key in a)
    assert "alert(1)" not in text.replace("alert(1)&lt;", "").replace("script\\u003ealert(1)", "")
    assert any(t["name"] == evil.replace("_", " ") for t in volume_of(text)["tissues"])


def test_no_nan_and_never_compliant(result: Any):
    """Oracle: the words; every number that is missing is shown as a dash."""
    summary = made_up_summary()
    summary["quantities"]["odd"] = {"value": None, "unit": "W/kg", "uncertainty": None}
    summary["power_balance"] = dict.fromkeys(summary["power_balance"])
    averages = {k: replace_value(v, np.full(result.phantom.grid.shape, np.nan)) for k, v in result.averages.items()}
    text = render(replace(result, summary=summary, averages=averages))
    volume_of(text)
    visible = Page(text).visible()
    assert not re.search(r"\b(nan|inf|infinity|none|undefined)\b", visible, re.I)
    assert not re.search("complian(t|ce)|conforms", text, re.I)
    assert "not a medical device" in visible


def replace_value(average: Any, value: np.ndarray) -> Any:
    return type(average)(value=value, flag=average.flag, side_m=average.side_m, mass_kg=average.mass_kg)


def test_peaks_of_the_page(result: Any):
    """Oracle: argmax over the body by brute force, in mm from the isocentre."""
    volume = volume_of(render(result))
    assert [m["key"] for m in volume["maps"]] == ["b1plus", "sar", "sar1g", "sar10g"]
    maps = {
        "b1plus": np.abs(result.b1plus) * 1e6,
        "sar": result.sar.value,
        "sar1g": result.averages["1g"].value,
        "sar10g": result.averages["10g"].value,
    }
    grid, body = result.phantom.grid, result.phantom.body
    for entry in volume["maps"]:
        inside = np.where(body, maps[entry["key"]], -1.0)
        index = np.unravel_index(np.argmax(inside), inside.shape)
        expected = [1e3 * (o + (i + 0.5) * s) for o, i, s in zip(grid.origin_m, index, grid.spacing_m, strict=True)]
        assert entry["peak"]["mm"] == pytest.approx(expected, abs=1e-3)
        assert entry["peak"]["value"] == pytest.approx(inside.max())
    assert len(base64.b64decode(volume["maps"][0]["data"])) == 2 * body.sum()


def test_limits_in_words(result: Any):
    """Oracle: the largest counted value over limit by hand (head SAR 1.9 of 3.2); 2 uT / sqrt(1.9 / 3.2)."""
    visible = " ".join(Page(render(result)).visible().split())
    assert "59.4 %" in visible
    assert f"{2 / math.sqrt(1.9 / 3.2):.2f} µT" in visible
    assert "binds first" in visible
    assert "unverified" in visible
    assert "not known" in visible
    assert "not evaluated" in visible
    assert "IEC 60601-2-33, edition 2022" in visible


def test_uncertainty_of_discretisation_says_that_it_is_no_more(result: Any, capsys: Any) -> None:
    """Oracle: what the entry holds, on the page and on the terminal."""
    stated = {"expanded": 0.25, "k": 2, "basis": "Mie spheres on as coarse voxels", "kind": "discretisation"}
    entry = {"value": 1.0, "unit": "W/kg", "uncertainty": stated}
    assert common_rows.uncertainty(entry) == "± 0.25 W/kg (k = 2, Mie spheres on as coarse voxels, discretisation only)"
    console = Console(width=200)
    terminal.quantities(console, {"psSAR10g": entry})
    printed = capsys.readouterr().out
    assert "1 +- 0.25" in printed
    assert "discretisation only" in printed
    terminal.quantities(console, {"psSAR10g": entry | {"uncertainty": {"expanded": 0.3, "k": 2, "basis": "given"}}})
    assert "discretisation" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        (
            {"power_balance": {"absorbed_W": 1.0, "extinction_W": 1.2, "scattered_W": 0.1, "closure": 0.083}},
            "high",
            "8.3 %",
        ),
        ({"power_balance": {}}, "bad", "power balance is unknown"),
        (
            {"convergence": {"tolerance": 1e-4, "ports": [{"name": "sine", "residual": 3e-3, "history": []}]}},
            "bad",
            "sine",
        ),
        ({"checks": [check("normal", "head SAR", "head", 4.0, 3.2)]}, "high", "125 %"),
        (
            {"checks": [check("normal", "head SAR", "head", 1.0, 3.2, verified=False)]},
            "note",
            "1 of 1 limits are unverified",
        ),
        ({"warnings": ["the coil is odd"]}, "note", "the coil is odd"),
    ],
)
def test_banners(result: Any, change: dict[str, Any], level: str, words: str):
    """Oracle: each trouble put in by hand has its banner, and without trouble there is none."""
    quiet = made_up_summary()
    quiet["checks"] = []
    pattern = re.compile(r'<div class="banner (\w+)"[^>]*>(.*?)</div>', re.S)
    assert pattern.findall(render_any(replace(result, summary=quiet))) == []
    found = pattern.findall(render_any(replace(result, summary=quiet | change)))
    assert any(kind == level and words in text for kind, text in found)


def test_minimal_result(result: Any):
    """Oracle: no averages, no checks, no conductors, nothing known of convergence: still a whole page."""
    bare = {k: {} for k in ("quantities", "convergence", "power_balance", "timing_s", "provenance", "scenario")}
    coil = replace(result.coil, segments=np.zeros((0, 2, 3)), name="plane wave", parameters={})
    text = render(replace(result, summary=bare | {"checks": [], "warnings": []}, averages={}, coil=coil))
    page = Page(text)
    assert page.wrong == []
    assert [m["key"] for m in volume_of(text)["maps"]] == ["b1plus", "sar"]
    assert "No limits were checked" in page.visible()
    assert "no conductors" in page.visible()


def test_body_of_one_voxel():
    """Oracle: the smallest body there is still makes a whole page."""
    block = sphere(radius_m=0.02, spacing_m=8e-3, tissue="muscle")
    labels = np.zeros_like(block.labels)
    labels[tuple(n // 2 for n in labels.shape)] = 1
    phantom = replace(block, labels=labels, regions={})
    assert Page(render(made_up_result(phantom=phantom))).wrong == []


def test_where_the_report_goes(result: Any, tmp_path: Path):
    """Oracle: the stated default name, the path asked for, and one line when it cannot be written."""
    (tmp_path / "scenario.lock.toml").write_text("kind = 'rf' # <b>", encoding="utf-8")
    default = write_report(replace(result, folder=tmp_path))
    assert default == tmp_path / "report.html"
    assert "kind = &#39;rf&#39; # &lt;b&gt;" in default.read_text(encoding="utf-8")
    other = write_report(result, tmp_path / "x.html")
    assert other.stat().st_size < 8e6
    with pytest.raises(OutputError):
        write_report(result, tmp_path / "nowhere" / "x.html")
    with pytest.raises(InputError):
        write_report(tmp_path / "no-result")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "scenario.lock.toml", "x.html"]


def test_figure_for_documents(result: Any):
    """Oracle: the PNG signature, and colours of both colour maps in it."""
    import io

    from matplotlib.image import imread

    from emdose.scenarios.kinds.rf.page.figures import figure_maps

    png = figure_maps(result, dpi=60)
    assert png.startswith(scene.PNG_MAGIC)
    image = imread(io.BytesIO(png))[..., :3]
    for colour in ((253, 231, 37), (252, 255, 164)):  # the bright ends of viridis and inferno
        assert np.any(np.abs(image - np.array(colour) / 255).max(axis=-1) < 0.03)
