"""The page of an EPT run: it says what the summary says, carries its maps, and its viewer works in a browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from made_up_ept import run
from packed import unpacked_runs

from emdose.report.charts.charts import interval_chart
from emdose.report.wording import number
from emdose.scenarios.kinds.ept import page_content
from emdose.scenarios.kinds.ept.page import render
from emdose.scenarios.kinds.ept.page_maps import Range, pack, quantise
from emdose.scenarios.kinds.ept.result import EptResult
from emdose.scenarios.results import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> EptResult:
    folder = tmp_path_factory.mktemp("ept")
    return run(folder, segmentation="seg", true_conductivity="sigma", true_permittivity="eps")


@pytest.fixture(scope="module")
def page(result) -> str:
    return write_report(result).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blind(tmp_path_factory) -> EptResult:
    """The same without labels and truth."""
    return run(tmp_path_factory.mktemp("blind"))


def plain(page: str) -> str:
    return " ".join(unescape(re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


def test_page_is_self_contained(page):
    # Oracle: nothing that a browser would fetch; names of users are no markup.
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "@import" not in page
    assert "url(" not in page
    assert "<b>only" not in re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert "phase <b>only</b>" in plain(page)


def test_numbers_are_those_of_the_summary(result, page):
    # Oracle: summary.json.
    shown = plain(page)
    for entry in result.summary["quantities"].values():
        assert number(entry["value"], 3) in shown
        assert "means_share" in entry or number(entry["truth"], 3) in shown
    for row in result.summary["ept"]["metrics"]:
        if row["method"] == "masked" and row["voxels"]:
            assert number(row["median"], 3) in shown
            assert number(row["rmse"], 3) in shown
    for words in (
        "shrunk by 0, 2 and 4 voxels",
        "noise alone",
        "What the uncertainty is made of",
        "Assumes",
        "Half of the transceive phase",
        "mean error of σ",
    ):
        assert words in shown


def test_known_biases_are_said(result, page):
    # Oracle: the neglected gradient biases the phase-only method in this cylinder by many uncertainties.
    about = result.summary["ept"]["methods"]["phase <b>only</b>"]
    assert about["z_total_conductivity"] > 2
    assert f"{number(about['z_total_conductivity'], 2)} times the uncertainty" in plain(page)


def test_without_truth_there_are_medians_and_no_errors(blind):
    shown = plain(render(blind))
    assert "median conductivity of all voxels" in shown
    assert "mean error" not in shown
    assert "beside the truth" not in shown
    assert json.loads(volume(render(blind)))["quantities"]["conductivity"]["truth"] is None


def test_thin_tissues_are_named(result):
    # Oracle: the definition: next to nothing of the tissue is left after the headline's erosion.
    assert "too coarse" not in " ".join(b["text"] for b in page_content.banners(result))
    summary = json.loads(json.dumps(result.summary))
    summary["quantities"] = {k: q for k, q in summary["quantities"].items() if q["region"] != "label 1"}
    summary["ept"]["metrics"] = [r for r in summary["ept"]["metrics"] if r["region"] != "label 1" or not r["erosion"]]
    thin = EptResult(result.folder, summary, result.b1, result.labels, result.names, result.truth, result.maps)
    assert "too coarse for label 1:" in " ".join(b["text"] for b in page_content.banners(thin))


def volume(page: str) -> str:
    return re.search(r'id="volume-data">(.*?)</script>', page, re.DOTALL)[1]  # type: ignore[index]


def test_packed_maps_are_the_maps(result, page):
    # Oracle: the maps in result.h5, to half a step of 16 bits; every voxel of the mask once, in C order.
    data = json.loads(volume(page))
    labels = unpacked_runs(data["label_runs"]).reshape(data["shape"])
    mask = np.asarray(result.b1.mask)
    assert np.count_nonzero(labels) == np.count_nonzero(mask)
    assert [data["names"][n - 1] for n in (1, 2)] == ["label 1", "label 2"]
    packed = data["quantities"]["conductivity"]["methods"][0]["value"]
    codes = np.frombuffer(base64.b64decode(packed["data"]), "<u2")
    values = packed["low"] + packed["step"] * codes.astype(float)
    truth = result.maps["masked"].conductivity[mask]
    kept = (truth > packed["low"]) & (truth < packed["low"] + 65534 * packed["step"])
    assert kept.mean() > 0.99
    np.testing.assert_allclose(values[kept], truth[kept], atol=0.51 * packed["step"])


def test_quantised_values_keep_signs_and_gaps():
    # Oracle: half a step; the code for no value; what lies beyond is cut.
    packed = quantise(np.array([-1.0, 0.25, np.nan, 9.0]), Range(-1.0, 2.0))
    codes = np.frombuffer(base64.b64decode(packed["data"]), "<u2")
    assert codes[2] == 65535
    back = packed["low"] + packed["step"] * codes[[0, 1, 3]]
    np.testing.assert_allclose(back, [-1.0, 0.25, 2.0], atol=packed["step"])


def test_large_maps_leave_out_voxels(result, monkeypatch):
    # Oracle: an eighth of the budget: every second voxel along each axis, at the centre of where it was.
    full = pack(result)
    size = sum(len(m["value"]["data"]) for q in full["quantities"].values() for m in q["methods"] if m["value"])
    assert size > 1000
    count = np.count_nonzero(result.b1.mask)
    maps = 4 + len(result.truth) + 2 * sum(len(q["methods"]) for q in full["quantities"].values())
    monkeypatch.setattr("emdose.scenarios.kinds.ept.page_maps.BUDGET_BYTES", int(2 * maps * count / 7))
    small = pack(result)
    assert small["step"] == 2
    assert small["shape"] == [n // 2 for n in full["shape"]]
    assert small["spacing_mm"] == pytest.approx([2 * h for h in full["spacing_mm"]])
    first = [o + 0.5 * h for o, h in zip(small["origin_mm"], small["spacing_mm"], strict=True)]
    assert first == pytest.approx([o + 1.5 * h for o, h in zip(full["origin_mm"], full["spacing_mm"], strict=True)])
    labels = unpacked_runs(full["label_runs"]).reshape(full["shape"])
    np.testing.assert_array_equal(unpacked_runs(small["label_runs"]).reshape(small["shape"]), labels[1::2, 1::2, 1::2])
    monkeypatch.setattr("emdose.scenarios.kinds.ept.page_maps.BUDGET_BYTES", 1)
    assert min(pack(result)["shape"]) >= 1


def test_interval_chart_draws_every_span_and_the_truth():
    # Oracle: counting marks; equal values share a place.
    rows = [{"name": "a & b", "truth": 0.5, "spans": [{"method": "m", "median": 0.5, "iqr": 0.1}]}]
    svg = str(interval_chart(rows, {"m": "#112233"}, "σ"))
    assert "a &amp; b" in svg
    assert svg.count("<circle") == 2
    truth = re.search(r'class="truth" x1="([\d.]+)"', svg)[1]
    assert f'cx="{truth}"' in svg
    assert str(interval_chart([], {}, "σ")) == ""


PROBE = """<script>(async () => {
  const $ = (id) => document.getElementById(id), out = {};
  const settle = () => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
  const images = () => [...document.querySelectorAll(".panel canvas:not(.bar)")].map((c) => c.toDataURL());
  const fire = (e, type) => e.dispatchEvent(new Event(type, { bubbles: true }));
  const differ = (a, b) => a.length !== b.length || a.some((x, i) => x !== b[i]);
  try {
    out.hidden = $("viewer").hidden;
    out.panels = images().length;
    out.captions = [...document.querySelectorAll(".panel figcaption strong")].map((e) => e.textContent);
    out.readout = $("readout").textContent;
    out.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const first = images();
    const step = async (name, act) => { act(); await settle(); out[name] = differ(first, images()); };
    await step("slice", () => { const s = $("slice"); s.value = 1; fire(s, "input"); });
    await step("plane", () => $("plane").children[1].click());
    out.where = $("where").textContent;
    await step("permittivity", () => $("quantity").children[1].click());
    out.empty = document.querySelectorAll(".panel .empty").length;
    $("quantity").children[0].click(); $("plane").children[0].click(); await settle();
    await step("gain", () => { $("gain").value = 8; fire($("gain"), "input"); });
    await step("outlines", () => $("outlines").click());
    out.troubles = window.troubles;
  } catch (e) { out.failed = String(e); }
  const pre = document.createElement("pre"); pre.id = "probe"; pre.textContent = JSON.stringify(out); document.body.append(pre);
})();</script>"""  # noqa: E501
CATCH = """<script>
  window.troubles = [];
  window.requestAnimationFrame = (f) => setTimeout(f, 0);
  window.addEventListener("error", (e) => troubles.push(String(e.message)));
  window.addEventListener("securitypolicyviolation", (e) => troubles.push(e.violatedDirective));
</script>"""


@pytest.mark.chromium
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_viewer_in_a_browser(page, tmp_path):
    # Oracle: what a user would see: panels with pictures that change with every control, no errors, no overflow.
    probed = page.replace("<head>", f"<head>{CATCH}", 1).replace("</body>", f"{PROBE}</body>", 1)
    file = tmp_path / "page.html"
    file.write_text(probed, encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
            "--disable-background-networking",
            "--disable-component-update",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=8000",
            "--window-size=1300,2000",
            "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-500:]
    out = json.loads(unescape(found[1]))
    assert "failed" not in out, out
    assert out["troubles"] == []
    assert not out["hidden"]
    # Truth and both data maps in the first column; value and error of three methods, uncertainty of two.
    assert out["panels"] == 3 + 3 + 3 + 2
    assert out["captions"][:4] == ["truth", "masked", "phase <b>only</b>", "slices"]
    assert "error" in out["readout"]
    assert out["overflow"] <= 0
    for name in ("slice", "plane", "permittivity", "gain", "outlines"):
        assert out[name], name
    assert "y = " in out["where"]
    assert out["empty"] > 0  # the phase gives no permittivity
