"""Every kind of page on a phone and on a desk, in light and dark: what is as wide as it may be, and what lies on what.

Oracle: the browser's own boxes: nothing is wider than the page but what scrolls in a box of its own, no text of a chart
is cut or lies on another or on a curve, everything that takes the keyboard shows that it has it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from browser import CHROMIUM, probed
from made_up_ept import run as ept_run
from made_up_implant import made_up_implant
from made_up_network import about
from made_up_result import made_up_result, made_up_summary
from made_up_study import made_up_study
from page_layout import measured

import emdose as em
from emdose.models.implants import shapes
from emdose.report.maps.scene import Renderer
from emdose.report.pages import group_page, refinement_page, study_page, withheld
from emdose.scenarios.gate import gated
from emdose.scenarios.kinds.implant_gradient.page import page as implant_page
from emdose.scenarios.kinds.rf.page import content
from emdose.scenarios.kinds.rf.page import page as rf_page
from emdose.scenarios.results import render

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
TIGHT = ("overflow", "wide", "unfoldedOverflow", "unfoldedWide", "spilt", "narrow")
PHONE, DESK, PAPER = 390, 1400, 718
"""Widths: of a phone, of a window on a desk, and of what an A4 sheet prints."""
THERMAL = {
    "curve": {"times_s": [0.0, 60.0, 360.0], "peak_rise_K": [0.0, 0.3, 0.9]},
    "duration_s": 360.0,
    "duty_cycle": 1.0,
    "power_W": 2.3,
    "time_error": 1e-3,
    "balance_error": 2e-4,
    "regions": {
        "head": {
            "rise_K": 0.9,
            "temperature_degC": 37.9,
            "cem43_min": 0.1,
            "cem43_excess_min": 0.05,
            "tissue": "muscle",
        }
    },
    "limits": [
        {
            "mode": mode,
            "region": "head",
            "value": 37.9,
            "limit": limit,
            "unit": "degC",
            "standard": "IEC 60601-2-33",
            "edition": "2022",
            "state": "unverified",
            "source": "https://example.org/a-long-address-that-breaks-nowhere/with/more/of/it/still.html",
        }
        for mode, limit in (("normal", 39.0), ("first level", 40.0))
    ],
    "assumptions": ["37 degC at the start", "8 W/m2/K at the skin"],
}
REFINEMENT = {
    "name": "ball",
    "spacings_m": [5e-3, 7.5e-3, 10e-3],
    "notes": ["Grids were few."],
    "quantities": {
        "whole_body_sar": {
            "values": [1.0, 1.02, 1.05],
            "unit": "W/kg",
            "behaviour": "monotone",
            "order": 1.3,
            "extrapolated": 0.98,
            "uncertainty": {"expanded": 0.05, "basis": "three grids, safety factor 1.25, from the finest two of them"},
        }
    },
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every kind of page; the pictures in space come from the plainer painter."""
    folder = tmp_path_factory.mktemp("pages")
    plain = lambda scene, *_: Renderer(scene, ["false"])  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rf_page, "Renderer", plain)
        patch.setattr(implant_page, "Renderer", plain)
        rf = made_up_result(folder=folder)
        summary = {**rf.summary, "provenance": {**rf.summary["provenance"], "hash": "0123456789abcdef" * 4}}
        whole = replace(rf, summary=summary)
        slow = {"tolerance": 1e-4, "ports": [{"name": "sine", "residual": 3e-3, "history": []}]}
        values = {f"r{n}": 1.0 + 0.1 * n for n in range(7)}
        runs = [{"name": n, "values": {"x": v}, "inputs": {"k": 1}, "stratum": "s"} for n, v in values.items()]
        ept = folder / "ept"
        ept.mkdir()
        names = {"segmentation": "seg", "true_conductivity": "sigma", "true_permittivity": "eps"}
        told = made_up_study()
        deviation = replace(content.maps(rf), layers=content.maps(rf).layers[:1])
        circuit = replace(whole, summary={**summary, "network": about(8), "thermal": THERMAL})
        beside = em.compare(rf, replace(rf, b1plus=0.75 * rf.b1plus)).write(folder / "c.html")
        return {
            "rf": render(whole),
            "circuit coil with heat": render(circuit),
            "implant": render(made_up_implant(shapes.sphere(15e-3, subdivisions=2), folder, 3e-3)),
            "ept": render(ept_run(ept, **names)),
            "study": study_page.render(told, maps=deviation),
            "three beside each other": em.compare(rf, rf, rf).write(folder / "3.html").read_text(encoding="utf-8"),
            "comparison": beside.read_text(encoding="utf-8"),
            "group": group_page.render({"name": "g", "units": {"x": "W"}, "runs": runs, "failed": []}),
            "refinement": refinement_page.render(REFINEMENT, summary, folder),
            "withheld": withheld.render(gated(made_up_summary(slow)), folder),
        }


@pytest.fixture(scope="module")
def seen(pages: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        scheme: measured(pages, (PHONE, DESK), tmp_path_factory.mktemp(scheme), dark=scheme == "dark")
        for scheme in ("light", "dark")
    }


def test_a_ball_of_metal_shows_its_closed_form(pages: dict[str, str]) -> None:
    assert "Closed form [mW]" in pages["implant"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_its_page(seen: dict[str, Any], scheme: str) -> None:
    bad: dict[str, Any] = {}
    for name, found in seen[scheme].items():
        assert found["troubles"] == [], name
        assert found["dark"] is (scheme == "dark"), name
        assert found["width"] in (PHONE, DESK), name
        wrong = {k: found[k] for k in TIGHT if found[k]}
        bad |= {name: wrong} if wrong else {}
    assert bad == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_whole_and_legends_cover_nothing(seen: dict[str, Any], scheme: str) -> None:
    assert {name: found["charts"] for name, found in seen[scheme].items() if found["charts"]} == {}


def test_the_keyboard_reaches_everything_and_shows_where_it_is(seen: dict[str, Any]) -> None:
    assert {name: found["focus"] for name, found in seen["light"].items() if found["focus"]} == {}


def test_a_page_on_a_phone_is_not_endless(seen: dict[str, Any]) -> None:
    """Oracle: a length, as it opens: folded sections, no column of one letter a line; it was 36 000 pixels and more."""
    assert max(found["height"] for found in seen["light"].values()) < 12000


def test_pages_are_small_and_self_contained(pages: dict[str, str]) -> None:
    """Oracle: 5 MB; the ways in which a page can load something, and a policy that forbids them all."""
    for name, page in pages.items():
        assert len(page.encode()) < 5e6, name
        assert "default-src 'none'" in page, name
        assert not re.search(r"""(?:src|srcset|action|poster)=["'](?!data:)""", page), name
        assert not re.search(r"""<(?:link|iframe|object|embed|base)\b""", page), name
        assert not re.search(r"""/(?:home|root|tmp|work|Users)/|[A-Z]:\\""", page), name


def test_paper_holds_all_of_it(pages: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Oracle: the boxes again, with the style of print on the screen: nothing scrolls there, and nothing is cut."""
    printed = {}
    for name, page in pages.items():
        printed[name] = page.replace("@media print {", "@media all {")
        assert printed[name] != page
    for name, found in measured(printed, (PAPER,), tmp_path_factory.mktemp("paper")).items():
        assert (found["unfoldedOverflow"], found["unfoldedWide"]) == (0, []), name


def test_printing_unfolds_and_folds_again(pages: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Oracle: the number of elements that are not open, before, during and after."""
    probe = """
      const folded = () => document.querySelectorAll("details:not([open]):not(.brief)").length;
      out.before = folded();
      window.dispatchEvent(new Event("beforeprint")); out.during = folded();
      window.dispatchEvent(new Event("afterprint")); out.after = folded();
      location.hash = "#provenance"; await settle(); await new Promise((r) => setTimeout(r, 50));
      out.asked = document.getElementById("provenance").open;
    """
    found = probed(pages["rf"], probe, tmp_path_factory.mktemp("fold"))
    assert found["troubles"] == []
    assert found["before"] == found["after"] > 5
    assert found["during"] == 0
    assert found["asked"] is True
